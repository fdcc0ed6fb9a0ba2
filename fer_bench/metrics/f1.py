r"""F1 of each expression: the harmonic mean of its precision and its recall.

.. math:: \frac{2\,TP_k}{2\,TP_k + FP_k + FN_k}

Range 0 to 1; higher is better. Also called Dice coefficient; with J the Jaccard index it is :math:`2J / (1 + J)`. An
expression that is neither true nor predicted has 0 (scikit-learn: ``zero_division=0``). It is no proportion of samples:
a right one counts twice. Of an expression that is never found it is 0 whatever is drawn, and its interval has no width;
the one of its recall says how little that proves.

References:
    Van Rijsbergen, "Information Retrieval" (2nd ed., 1979), chapter 7.
"""

import numpy as np

from fer_bench.arrays import Confusions
from fer_bench.metrics import Metric


def f1(confusion: Confusions) -> np.ndarray:
    """Compute the F1 of every expression.

    Args:
        confusion: Counts; rows: true, columns: predicted.

    Returns:
        ``(..., k)`` fractions.

    Examples:
        >>> f1(np.array([[1, 0], [1, 1]]))
        array([0.66666667, 0.66666667])
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    n_true, n_predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    return np.asarray(2 * right / np.maximum(n_true + n_predicted, 1))  # 2TP + FP + FN = true + predicted


metric = Metric(title="F1", of_confusion=f1, range=(0.0, 1.0), higher_is_better=True, per_class=True)
