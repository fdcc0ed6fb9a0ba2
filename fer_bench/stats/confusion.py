"""Confusion matrices, and the metric's pessimistic value where nothing went wrong."""

from collections.abc import Callable

import numpy as np

from fer_bench.arrays import Confusion, Confusions, Labels, SeedLabels
from fer_bench.stats.wilson import wilson


def count(y_true: Labels, y_pred: Labels, *, n_classes: int) -> Confusion:
    """Count how often each expression was predicted as each.

    Args:
        y_true: True labels.
        y_pred: Predicted labels, in the same order.
        n_classes: Expressions; not inferred, so that an absent one still counts.

    Returns:
        Counts; rows: true, columns: predicted.

    Examples:
        >>> count(np.array([0, 1, 1]), np.array([0, 1, 0]), n_classes=2).tolist()
        [[1, 0], [1, 1]]
    """
    cells = np.bincount(y_true * n_classes + y_pred, minlength=n_classes * n_classes)
    return np.asarray(cells.reshape(n_classes, n_classes))


def count_seeds(y_true: Labels, y_pred: SeedLabels, *, n_classes: int) -> Confusions:
    """Count confusions of every seed: (s, k, k)."""
    return np.stack([count(y_true, row, n_classes=n_classes) for row in y_pred])


def with_errors(confusion: Confusion, *, level: float, independent: float = 1.0) -> Confusions:
    """Return a matrix without errors as if each expression had as many as Wilson's interval allows one that shows none.

    The share of each expression's samples below Wilson's lower end is moved to the other expressions, evenly. This is
    conservative: all expressions are at their lower ends at once.

    Args:
        confusion: Counts, all on the diagonal.
        level: Coverage, e.g. 0.95.
        independent: Share of the samples that count as independent: persons per sample where several show one person.

    Examples:
        >>> with_errors(np.diag([100, 100]), level=0.95).round(1).tolist()
        [[96.3, 3.7], [3.7, 96.3]]
    """
    n_true = confusion.sum(axis=1)
    n_classes = len(n_true)
    trials = np.where(n_true > 0, np.maximum(np.round(n_true * independent), 1), 0).astype(int)
    kept = np.array([wilson(int(n), int(n), level=level)[0] if n else 0.0 for n in trials])
    lost = n_true * (1 - kept)
    moved = np.tile((lost / (n_classes - 1))[:, None], (1, n_classes))
    np.fill_diagonal(moved, n_true * kept)
    return np.asarray(moved)


def pessimistic(
    confusion: Confusion, of_confusion: Callable[[np.ndarray], np.ndarray], *, level: float, independent: float = 1.0
) -> float:
    """Compute a metric of :func:`with_errors`.

    Resampling a table without errors shows no spread, which must not be read as certainty.

    Args:
        confusion: Counts, all on the diagonal.
        of_confusion: The metric.
        level: Coverage, e.g. 0.95.
        independent: As for :func:`with_errors`.

    Examples:
        >>> from fer_bench.metrics.accuracy import accuracy
        >>> round(pessimistic(np.diag([100, 100]), accuracy, level=0.95), 3)
        0.963
    """
    return float(of_confusion(with_errors(confusion, level=level, independent=independent)))
