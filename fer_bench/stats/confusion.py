"""Confusion matrices, and how far a metric can lie from one in which something never happened."""

from collections.abc import Callable

import numpy as np

from fer_bench.arrays import Confusion, Confusions, Labels, SeedLabels
from fer_bench.stats.wilson import wilson

_STEPS = 4
_DONE = 1e-9  # samples


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


def furthest(
    confusion: Confusion,
    of_confusion: Callable[[np.ndarray], np.ndarray],
    *,
    level: float,
    independent: float = 1.0,
    allowed: np.ndarray | None = None,
) -> tuple[float, float]:
    """Compute how far a metric can lie either way from a table in which something never happened.

    What never happened in n samples (an error; that another run answers otherwise) may still happen to as many as
    Wilson's interval of 0 of n allows, and among the samples of an expression to as many as that of 0 of these. So many
    samples get another answer, right ones a wrong one or wrong ones the right one, in the order in which a sample moves
    the metric most. Resampling shows no spread there, which must not be read as certainty.

    What is resampled: nothing; samples count as drawn. What is held fixed: the checkpoints. When it misleads: it is
    conservative for a metric that rare expressions weigh much in, since they are moved first.

    Args:
        confusion: Counts.
        of_confusion: The metric.
        level: Coverage, e.g. 0.95.
        independent: Share of the samples that count as independent: persons per sample where several show one person.
        allowed: (k, k) cells between which a row's samples may move; None: all.

    Returns:
        The lowest value and the highest; the metric's own is one of them where it can only fall or rise.

    References:
        Tango, Statistics in Medicine 17 (1998): for accuracy it is the score interval of a paired difference in which
        no pair disagrees, ± z² / (n + z²).

    Examples:
        >>> from fer_bench.metrics.accuracy import accuracy
        >>> [round(end, 3) for end in furthest(np.diag([100, 100]), accuracy, level=0.95)]
        [0.981, 1.0]
    """
    own = float(of_confusion(confusion))
    n_true = [int(n) for n in confusion.sum(axis=1)]
    rooms = np.array([_unseen(n, level, independent) for n in n_true])
    whole = _unseen(sum(n_true), level, independent)
    apart = ~np.eye(len(confusion), dtype=bool)
    moves = np.nonzero(apart if allowed is None else apart & allowed)
    low, high = (float(of_confusion(_moved(confusion, of_confusion, sign, (whole, rooms), moves))) for sign in (-1, 1))
    return min(low, own), max(high, own)


def _moved(
    confusion: Confusion,
    of_confusion: Callable[[np.ndarray], np.ndarray],
    sign: int,
    unseen: tuple[float, np.ndarray],
    cells: tuple[np.ndarray, ...],
) -> np.ndarray:
    """Return the table whose samples have moved to where they lower the metric (-1) or raise it (1).

    At most as many samples move as ``unseen`` says of all and of each row, between the diagonal and the cells.
    """
    (left, rooms), moved = (unseen[0], unseen[1].copy()), confusion.astype(float)
    rows, others = cells
    moves = [(rows, rows, others), (rows, others, rows)]  # right ones go wrong, wrong ones are put right
    of, source, target = (np.concatenate(each) for each in zip(*moves, strict=True))
    while left > _DONE:
        held = np.minimum(moved[of, source], rooms[of])
        step = np.minimum(held, left / _STEPS if left > 1 else left)
        found = np.repeat(moved[None], len(of), axis=0)
        places = np.arange(len(of))
        found[places, of, source] -= step
        found[places, of, target] += step
        own = float(of_confusion(moved))
        gains = sign * (np.asarray(of_confusion(found), dtype=float) - own) / np.where(held > _DONE, step, np.inf)
        best = int(gains.argmax())
        if gains[best] <= 0:
            break
        moved, left = found[best], left - float(step[best])
        rooms[of[best]] -= step[best]
    return moved


def _unseen(n: int, level: float, independent: float) -> float:
    """Return to how many of n samples may happen what happened to none."""
    trials = max(1, round(n * independent)) if n else 0
    return n * wilson(0, trials, level=level)[1] if n else 0.0
