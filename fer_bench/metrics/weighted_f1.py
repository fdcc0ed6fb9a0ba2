r"""Weighted F1: the mean over expressions of each one's F1, weighted by how many samples it has.

.. math:: \frac1n \sum_k n_k \frac{2\,TP_k}{2\,TP_k + FP_k + FN_k}

Range 0 to 1; higher is better. It mostly follows accuracy, as frequent expressions carry it; papers that say "F1"
without a word on the average sometimes mean it. Rival: macro-F1, in which all expressions count the same. Without
samples it is 0.

References:
    scikit-learn: ``f1_score(average="weighted", zero_division=0)``.
"""

import numpy as np

from fer_bench.arrays import Confusions
from fer_bench.metrics import Metric
from fer_bench.metrics.f1 import f1


def weighted_f1(confusion: Confusions) -> np.ndarray:
    """Compute the weighted mean F1 of confusion matrices.

    Args:
        confusion: Counts; rows: true, columns: predicted.

    Returns:
        One fraction per matrix.

    Examples:
        >>> float(weighted_f1(np.array([[4, 0], [1, 1]])))
        0.814...
    """
    n_true = confusion.sum(axis=-1)
    return np.asarray((n_true * f1(confusion)).sum(axis=-1) / np.maximum(n_true.sum(axis=-1), 1))


metric = Metric(title="Weighted F1", of_confusion=weighted_f1, range=(0.0, 1.0), higher_is_better=True)
