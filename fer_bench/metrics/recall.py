r"""Recall of each expression: the share of its samples that are predicted as it.

.. math:: \frac{TP_k}{TP_k + FN_k}

Range 0 to 1; higher is better. Also called sensitivity, true positive rate, per-class accuracy; the diagonal of a
confusion matrix whose rows add up to 1. Rival: one-against-all accuracy :math:`(TP_k + TN_k) / n`, which is high for
every rare expression. An expression without a true sample has 0 (scikit-learn: ``zero_division=0``), and Wilson's
interval around it is all of 0 to 1.

It is a proportion of the expression's samples: given how many there are, those found are binomial.
"""

import numpy as np

from fer_bench.arrays import Confusions
from fer_bench.metrics import Metric


def recall(confusion: Confusions) -> np.ndarray:
    """Compute the recall of every expression.

    Args:
        confusion: Counts; rows: true, columns: predicted.

    Returns:
        ``(..., k)`` fractions.

    Examples:
        >>> recall(np.array([[3, 1], [1, 1]])).tolist()
        [0.75, 0.5]
    """
    right, n_true = of_samples(confusion)
    return np.asarray(right / np.maximum(n_true, 1))


def of_samples(confusion: Confusions) -> tuple[np.ndarray, np.ndarray]:
    """Return how many samples of each expression are found, and of how many."""
    return np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(axis=-1)


metric = Metric(
    title="Recall",
    of_confusion=recall,
    range=(0.0, 1.0),
    higher_is_better=True,
    per_class=True,
    proportion=of_samples,
)
