r"""Precision of each expression: the share of the samples predicted as it that show it.

.. math:: \frac{TP_k}{TP_k + FP_k}

Range 0 to 1; higher is better. Also called positive predictive value. It depends on how frequent the expressions are in
the data set, which recall does not. An expression that is never predicted has 0 (scikit-learn: ``zero_division=0``),
and Wilson's interval around it is all of 0 to 1.

It is a proportion of the samples predicted as the expression: given how many there are, the right ones are binomial,
because samples are independent and each is right or wrong by itself.
"""

import numpy as np

from fer_bench.arrays import Confusions
from fer_bench.metrics import Metric


def precision(confusion: Confusions) -> np.ndarray:
    """Compute the precision of every expression.

    Args:
        confusion: Counts; rows: true, columns: predicted.

    Returns:
        ``(..., k)`` fractions.

    Examples:
        >>> precision(np.array([[3, 1], [1, 1]])).tolist()
        [0.75, 0.5]
    """
    right, n_predicted = of_samples(confusion)
    return np.asarray(right / np.maximum(n_predicted, 1))


def of_samples(confusion: Confusions) -> tuple[np.ndarray, np.ndarray]:
    """Return how many samples predicted as each expression are right, and of how many."""
    return np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(axis=-2)


metric = Metric(
    title="Precision",
    of_confusion=precision,
    range=(0.0, 1.0),
    higher_is_better=True,
    per_class=True,
    proportion=of_samples,
)
