r"""Accuracy: the share of samples whose predicted expression is the true one.

.. math:: \frac1n \sum_k TP_k

Range 0 to 1; higher is better. Also called overall accuracy or weighted average recall (WAR). Rival: mean recall, which
papers on facial expressions sometimes call accuracy too. Without samples it is 0.
"""

import numpy as np

from fer_bench.arrays import Confusions
from fer_bench.metrics import Metric


def accuracy(confusion: Confusions) -> np.ndarray:
    """Compute the share of the counts on the diagonal.

    Args:
        confusion: Counts; rows: true, columns: predicted.

    Returns:
        One fraction per matrix.

    Examples:
        >>> float(accuracy(np.array([[1, 0], [1, 2]])))
        0.75
    """
    right = np.trace(confusion, axis1=-2, axis2=-1)
    total = confusion.sum(axis=(-2, -1))
    return np.asarray(right / np.maximum(total, 1))


def of_samples(confusion: Confusions) -> tuple[np.ndarray, np.ndarray]:
    """Return how many samples are right, and of how many."""
    return np.asarray(np.trace(confusion, axis1=-2, axis2=-1)), np.asarray(confusion.sum(axis=(-2, -1)))


metric = Metric(title="Accuracy", of_confusion=accuracy, range=(0.0, 1.0), higher_is_better=True, proportion=of_samples)
