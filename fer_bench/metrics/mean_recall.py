r"""Mean recall: the mean over expressions of each one's recall.

.. math:: \frac1{K'} \sum_{k:\,n_k > 0} \frac{TP_k}{n_k}

Range 0 to 1; higher is better. Also called balanced accuracy or unweighted average recall (UAR). Expressions without
a true sample have no recall and are left out of the mean (scikit-learn's ``balanced_accuracy_score`` does the same);
the rival definition counts them as 0. Without samples it is 0.
"""

import numpy as np

from fer_bench.arrays import Confusions
from fer_bench.metrics import Metric


def mean_recall(confusion: Confusions) -> np.ndarray:
    """Compute the mean recall of confusion matrices.

    Args:
        confusion: Counts; rows: true, columns: predicted.

    Returns:
        One fraction per matrix.

    Examples:
        >>> float(mean_recall(np.array([[1, 0], [1, 2]])))
        0.833...
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    n_true = confusion.sum(axis=-1)
    recall = right / np.maximum(n_true, 1)  # 0 where there is no true sample
    return np.asarray(recall.sum(axis=-1) / np.maximum((n_true > 0).sum(axis=-1), 1))


metric = Metric(title="Mean recall", of_confusion=mean_recall, range=(0.0, 1.0), higher_is_better=True)
