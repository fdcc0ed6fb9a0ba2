r"""Cohen's kappa: agreement of predictions and labels beyond that of two raters who ignore the picture.

.. math:: \kappa = \frac{p_o - p_e}{1 - p_e}, \qquad p_e = \sum_k \frac{t_k\,c_k}{n^2}

with :math:`p_o` the accuracy, :math:`t_k` samples of an expression and :math:`c_k` predictions of it. Range -1 to 1;
higher is better; 0 is chance. This is the unweighted kappa: expressions have no order. Rivals: weighted kappa, Scott's
pi (one common distribution), Fleiss' kappa (several annotators). Where labels and predictions are all of one
expression, :math:`p_e = 1`, agreement beyond chance cannot be told and kappa is 0 (scikit-learn: NaN); without samples
too.

References:
    Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20 (1960).
"""

import numpy as np

from fer_bench.arrays import Confusions
from fer_bench.metrics import Metric


def cohen_kappa(confusion: Confusions) -> np.ndarray:
    """Compute Cohen's kappa of confusion matrices.

    Args:
        confusion: Counts; rows: true, columns: predicted.

    Returns:
        One number per matrix.

    Examples:
        >>> float(cohen_kappa(np.array([[2, 0], [1, 1]])))
        0.5
    """
    counts = np.asarray(confusion, dtype=float)
    right, total = np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1))
    by_chance = (counts.sum(axis=-1) * counts.sum(axis=-2)).sum(axis=-1)  # n² p_e
    room = total**2 - by_chance
    return np.asarray(np.where(room > 0, (total * right - by_chance) / np.where(room > 0, room, 1.0), 0.0))


metric = Metric(title="Cohen's kappa", of_confusion=cohen_kappa, range=(-1.0, 1.0), higher_is_better=True)
