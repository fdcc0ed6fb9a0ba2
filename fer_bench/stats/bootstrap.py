"""Percentile bootstrap of one run's metric by counts instead of rows, and of the difference of two runs.

A metric of the confusion matrix depends on the samples only through its K×K counts. Drawing n samples with
replacement and counting has the same distribution as drawing the counts from a multinomial with the observed shares,
so a resample costs K² draws whatever n is. Two runs on the same
samples are compared on common draws of samples.

What is resampled: samples. What is held fixed: the checkpoint, and with it the seed and the training data.
When it misleads: with few samples of an expression (below about 20), with samples that depend on each other (several
pictures of one subject), and when read as if it covered training again with another seed.

References:
    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
"""

from collections.abc import Callable

import numpy as np

from fer_bench.arrays import Confusion, Labels, Resamples
from fer_bench.metrics import Metric, SoftMetric
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


def paired(
    drawn_a: Resamples, drawn_b: Resamples, metric: Metric | SoftMetric, *, level: float
) -> tuple[Interval, float]:
    drawn_a: Resamples, drawn_b: Resamples, metric: Metric | SoftMetric, *, level: float
) -> tuple[Interval, float]:
    """Compute the percentile interval of A minus B for two runs on the same samples, and its p-value.

    The p-value is the smallest 1 - level at which the percentile interval leaves out 0, at least 2 / (b + 1).

    Args:
        drawn_a: The metric of A on draws of samples.
        drawn_b: That of B, on the same draws (:func:`fer_bench.stats.measuring.resample_common`).
        metric: The metric.
        level: Coverage, e.g. 0.95.
    """
    values = drawn_a - drawn_b
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    interval = Interval(
        float(low),
        float(high),
        level,
        "paired bootstrap, percentile",
        "samples",
        CHECKPOINTS,
        len(values),
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
