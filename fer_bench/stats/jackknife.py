r"""Jackknife pseudo-values: what each sample adds to a metric of the confusion matrix.

.. math:: v_i = n\,\theta - (n - 1)\,\theta_{-i}

For accuracy :math:`v_i` is 1 where the prediction is right and 0 where it is wrong, exactly; for other metrics it is
the linear part, so that methods for means serve them too. All samples of one cell share one value, so K² matrices
are enough whatever n is.

References:
    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 11.
"""

from collections.abc import Callable

import numpy as np

from fer_bench.arrays import Confusion, Confusions, Labels, SeedLabels, SeedSamples


def cell_values(
    confusion: Confusion, of_confusion: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the pseudo-value of every cell that holds samples, and how many it holds.

    Args:
        confusion: Counts; rows: true, columns: predicted.
        of_confusion: The metric.

    Examples:
        >>> from fer_bench.metrics.accuracy import accuracy
        >>> values, times = cell_values(np.array([[3, 1], [0, 2]]), accuracy)
        >>> values.round(9).tolist(), times.tolist()
        ([1.0, 0.0, 1.0], [3, 1, 2])
    """
    cells = np.flatnonzero(confusion)
    return _by_cell(confusion[None], of_confusion)[0][cells], confusion.ravel()[cells]


def pseudo_values(
    confusions: Confusions,
    y_true: Labels,
    y_pred: SeedLabels,
    of_confusion: Callable[[np.ndarray], np.ndarray],
) -> SeedSamples:
    """Compute every sample's pseudo-value under every seed.

    Args:
        confusions: One matrix per seed, of these labels; rows: true, columns: predicted.
        y_true: True labels; at least 2 samples.
        y_pred: Predicted labels per seed.
        of_confusion: The metric.
    """
    n_classes = confusions.shape[-1]
    values = _by_cell(confusions, of_confusion)
    return np.asarray(np.take_along_axis(values, y_true * n_classes + y_pred, axis=1), dtype=float)


def _by_cell(confusions: np.ndarray, of_confusion: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return (s, k²) pseudo-values; those of a cell without samples mean nothing."""
    n, n_classes = confusions[0].sum(), confusions.shape[-1]
    without = confusions[:, None] - np.eye(n_classes * n_classes, dtype=int).reshape(-1, n_classes, n_classes)
    values = n * of_confusion(confusions)[:, None] - (n - 1) * of_confusion(np.maximum(without, 0))
    return np.asarray(values, dtype=float)
