r"""Matthews correlation of labels and predictions, for any number of expressions (Gorodkin's :math:`R_K`).

.. math:: \frac{n \sum_k TP_k - \sum_k t_k\,c_k}{\sqrt{(n^2 - \sum_k t_k^2)(n^2 - \sum_k c_k^2)}}

with :math:`t_k` samples of an expression and :math:`c_k` predictions of it. Range -1 to 1; higher is better; 0 is
chance. For two expressions it is the correlation of two indicators. Cohen's kappa has the same numerator and an
arithmetic where this has a geometric mean. Where all labels, or all predictions, are of one expression, the correlation
is undefined and counts as 0, as in scikit-learn; without samples too.

References:
    Matthews, Biochimica et Biophysica Acta 405 (1975); Gorodkin, "Comparing two K-category assignments by a K-category
    correlation coefficient", Computational Biology and Chemistry 28 (2004).
"""

import numpy as np

from fer_bench.arrays import Confusions
from fer_bench.metrics import Metric


def matthews(confusion: Confusions) -> np.ndarray:
    """Compute the Matthews correlation of confusion matrices.

    Args:
        confusion: Counts; rows: true, columns: predicted.

    Returns:
        One number per matrix.

    Examples:
        >>> round(float(matthews(np.array([[2, 0], [1, 1]]))), 3)
        0.577
    """
    counts = np.asarray(confusion, dtype=float)
    n_true, n_predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    right, total = np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1))
    shared = total * right - (n_true * n_predicted).sum(axis=-1)
    spread = (total**2 - (n_true**2).sum(axis=-1)) * (total**2 - (n_predicted**2).sum(axis=-1))
    found = np.where(spread > 0, shared / np.sqrt(np.where(spread > 0, spread, 1.0)), 0.0)
    return np.asarray(np.clip(found, -1.0, 1.0))  # rounding may pass the ends


metric = Metric(title="Matthews correlation", of_confusion=matthews, range=(-1.0, 1.0), higher_is_better=True)
