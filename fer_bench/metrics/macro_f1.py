r"""Macro-F1: the mean over expressions of each one's F1.

.. math:: \frac1K \sum_k \frac{2\,TP_k}{2\,TP_k + FP_k + FN_k}

Range 0 to 1; higher is better. An expression that is neither true nor predicted counts as 0 (scikit-learn:
``zero_division=0`` with all labels given). Rivals: the F1 of mean precision and mean recall, which is never smaller
than this one, and weighted F1.

References:
    Opitz and Burst, "Macro F1 and Macro F1", arXiv:1911.03347 (this is their averaged F1).
"""

import numpy as np

from fer_bench.arrays import Confusions
from fer_bench.metrics import Metric


def macro_f1(confusion: Confusions) -> np.ndarray:
    """Compute the mean F1 of confusion matrices.

    Args:
        confusion: Counts; rows: true, columns: predicted.

    Returns:
        One fraction per matrix.

    Examples:
        >>> float(macro_f1(np.array([[1, 0], [1, 1]])))
        0.666...
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    n_true, n_predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    f1 = 2 * right / np.maximum(n_true + n_predicted, 1)  # 2TP + FP + FN = true + predicted
    return np.asarray(f1.mean(axis=-1))


metric = Metric(title="Macro-F1", of_confusion=macro_f1, range=(0.0, 1.0), higher_is_better=True)
