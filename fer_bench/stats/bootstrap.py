"""Percentile bootstrap of one run's metric, and of the paired difference of two runs, by counts instead of rows.

A metric of the confusion matrix depends on the samples only through its K×K counts. Drawing n samples with
replacement and counting has the same distribution as drawing the counts from a multinomial with the observed shares,
so a resample costs K² draws whatever n is. For two runs on the same samples the cells are the distinct triples (true,
predicted by A, predicted by B).

What is resampled: samples. What is held fixed: the checkpoint, and with it the seed and the training data.
When it misleads: with few samples of an expression (below about 20), with samples that depend on each other (several
pictures of one subject), and when read as if it covered training again with another seed.

References:
    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
"""

from collections.abc import Callable

import numpy as np

from fer_bench.arrays import Confusion, Labels, Resamples
from fer_bench.metrics import Metric
from fer_bench.stats.confusion import count, pessimistic
from fer_bench.stats.interval import Interval, clipped

CHECKPOINT = "the checkpoint (seed, training data)"
CHECKPOINTS = "these checkpoints (seeds, training data)"


def resample(
    confusion: Confusion,
    of_confusion: Callable[[np.ndarray], np.ndarray],
    *,
    n_resamples: int,
    rng: np.random.Generator,
) -> Resamples:
    """Compute a metric on bootstrap resamples of the samples behind a confusion matrix.

    Args:
        confusion: Counts; rows: true, columns: predicted.
        of_confusion: The metric, vectorised over leading axes.
        n_resamples: Number of resamples.
        rng: Source of the draws.

    Raises:
        ValueError: If the matrix is empty.
    """
    n_classes = len(confusion)
    cells = np.flatnonzero(confusion)
    counts = confusion.ravel()[cells]
    if not len(cells):
        message = "a confusion matrix without counts cannot be resampled"
        raise ValueError(message)
    drawn = np.zeros((n_resamples, n_classes * n_classes), dtype=np.int64)
    drawn[:, cells] = rng.multinomial(counts.sum(), counts / counts.sum(), size=n_resamples)
    return np.asarray(of_confusion(drawn.reshape(n_resamples, n_classes, n_classes)), dtype=float)


def one_run(
    confusion: Confusion, metric: Metric, *, level: float, n_resamples: int, rng: np.random.Generator
) -> Interval:
    """Compute the percentile interval of one run's metric.

    Where the run made no error, resampling shows no spread; the lower end is then
    :func:`fer_bench.stats.confusion.pessimistic`. A metric that the run fixes otherwise (mean recall of a constant
    prediction is 1/K whatever is drawn) has an interval of no width.

    Args:
        confusion: Counts; rows: true, columns: predicted.
        metric: The metric.
        level: Coverage, e.g. 0.95.
        n_resamples: Number of resamples.
        rng: Source of the draws.
    """
    values = resample(confusion, metric.of_confusion, n_resamples=n_resamples, rng=rng)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    method = "multinomial bootstrap, percentile"
    if confusion.trace() == confusion.sum():
        low, method = (
            pessimistic(confusion, metric.of_confusion, level=level),
            "no errors: Wilson's bound per expression",
        )
    interval = Interval(
        float(low), float(high), level, method, "samples", CHECKPOINT, n_resamples, float(values.std(ddof=1))
    )
    return clipped(interval, low=metric.range[0], high=metric.range[1])


def paired_resample(
    y_true: Labels,
    y_pred_a: Labels,
    y_pred_b: Labels,
    of_confusion: Callable[[np.ndarray], np.ndarray],
    *,
    n_classes: int,
    n_resamples: int,
    rng: np.random.Generator,
) -> Resamples:
    """Compute the difference of a metric, A minus B, on bootstrap resamples of the samples that both predicted.

    Args:
        y_true: True labels.
        y_pred_a: A's predictions, in the same order.
        y_pred_b: B's predictions, in the same order.
        of_confusion: The metric.
        n_classes: Expressions.
        n_resamples: Number of resamples.
        rng: Source of the draws.
    """
    joint = (y_true * n_classes + y_pred_a) * n_classes + y_pred_b
    cells, counts = np.unique(joint, return_counts=True)
    drawn = rng.multinomial(len(y_true), counts / counts.sum(), size=n_resamples)
    true, first, second = cells // n_classes**2, cells // n_classes % n_classes, cells % n_classes
    values = []
    for predicted in (first, second):
        confusion = np.zeros((n_resamples, n_classes * n_classes), dtype=np.int64)
        for cell, column in zip(true * n_classes + predicted, drawn.T, strict=True):
            confusion[:, cell] += column
        values.append(of_confusion(confusion.reshape(n_resamples, n_classes, n_classes)))
    return np.asarray(values[0] - values[1], dtype=float)


def paired(
    y_true: Labels,
    y_pred_a: Labels,
    y_pred_b: Labels,
    metric: Metric,
    *,
    n_classes: int,
    level: float,
    n_resamples: int,
    rng: np.random.Generator,
) -> tuple[Interval, float]:
    """Compute the percentile interval of A minus B for two runs on the same samples, and its p-value.

    The p-value is the smallest 1 - level at which the percentile interval leaves out 0, at least 2 / (b + 1). Two
    runs that predict the same on every sample differ by at most what
    :func:`fer_bench.stats.confusion.pessimistic` allows in either direction; their p is 1.

    Args:
        y_true: True labels.
        y_pred_a: A's predictions, in the same order.
        y_pred_b: B's predictions, in the same order.
        metric: The metric.
        n_classes: Expressions.
        level: Coverage, e.g. 0.95.
        n_resamples: Number of resamples.
        rng: Source of the draws.
    """
    if np.array_equal(y_pred_a, y_pred_b):
        return alike(y_true, metric, n_classes=n_classes, level=level, held_fixed=CHECKPOINTS), 1.0
    values = paired_resample(
        y_true, y_pred_a, y_pred_b, metric.of_confusion, n_classes=n_classes, n_resamples=n_resamples, rng=rng
    )
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    interval = Interval(
        float(low),
        float(high),
        level,
        "paired multinomial bootstrap, percentile",
        "samples",
        CHECKPOINTS,
        n_resamples,
        float(values.std(ddof=1)),
    )
    width = metric.range[1] - metric.range[0]
    return clipped(interval, low=-width, high=width), p_value(values)


def alike(y_true: Labels, metric: Metric, *, n_classes: int, level: float, held_fixed: str) -> Interval:
    """Return the interval of the difference of two runs that predict the same on every sample.

    What is resampled: nothing. What is held fixed: the checkpoints. When it misleads: it is conservative, as
    :func:`fer_bench.stats.confusion.pessimistic` is.
    """
    diagonal = count(y_true, y_true, n_classes=n_classes)
    most = float(metric.of_confusion(diagonal)) - pessimistic(diagonal, metric.of_confusion, level=level)
    method = "identical predictions: Wilson's bound per expression"
    return Interval(-most, most, level, method, "samples", held_fixed, 0, 0.0)


def p_value(values: Resamples) -> float:
    """Return the two-sided p-value of "the quantity is 0" that belongs to a percentile interval.

    Examples:
        >>> p_value(np.arange(1.0, 100.0))
        0.02
    """
    at_most, at_least = int((values <= 0).sum()), int((values >= 0).sum())
    return min(1.0, 2 * (min(at_most, at_least) + 1) / (len(values) + 1))
