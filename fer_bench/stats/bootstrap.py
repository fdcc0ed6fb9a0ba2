"""Bootstrap of one run's metric by counts instead of rows, and of the difference of two runs.

A metric of the confusion matrix depends on the samples only through its K×K counts. Drawing n samples with
replacement and counting has the same distribution as drawing the counts from a multinomial with the observed shares,
so a resample costs K² draws whatever n is. A proportion of samples needs no draws: it has Wilson's interval. Two runs
on the same samples are compared on common draws of samples.

What is resampled: samples. What is held fixed: the checkpoint, and with it the seed and the training data.
When it misleads: with few samples of an expression (below about 20), with samples that depend on each other (several
pictures of one subject), and when read as if it covered training again with another seed.

References:
    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 13 (percentile) and 14 (BCa).
"""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy import stats

from fer_bench.arrays import Confusion, Resamples
from fer_bench.metrics import Metric, SoftMetric
from fer_bench.stats.confusion import furthest
from fer_bench.stats.interval import Interval, clipped
from fer_bench.stats.jackknife import cell_values
from fer_bench.stats.wilson import wilson

How = Literal["percentile", "bca"]

CHECKPOINT = "the checkpoint (seed, training data)"
CHECKPOINTS = "these checkpoints (seeds, training data)"
WILSON = "Wilson"
_RARE = 40  # samples of a cell; NumPy draws binomial counts of mean 30 or more by a faster algorithm
NO_ERRORS = "no errors: Wilson's bound"
ALIKE = "identical predictions: Wilson's bound"


def draw(confusion: Confusion, *, n_resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw confusion matrices (b, k, k) as drawing samples with replacement gives them.

    Cells of many samples are counts of a multinomial. All rare cells together are one count of it, and so many samples
    are then drawn from theirs one by one: small binomial counts cost more. What a resample costs is bounded by the
    number of cells, whatever n is.

    Args:
        confusion: Counts; rows: true, columns: predicted.
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
    rare = counts <= _RARE
    of_rare = np.repeat(cells[rare], counts[rare])  # one entry per sample
    grouped = np.append(len(of_rare), counts[~rare])  # the last one, which takes what rounding leaves, is not empty
    times = rng.multinomial(counts.sum(), grouped / counts.sum(), size=n_resamples)
    flat = np.zeros(n_resamples * n_classes**2, dtype=np.int64)
    if len(of_rare):
        place = np.repeat(np.arange(n_resamples) * n_classes**2, times[:, 0])
        place += of_rare.take(rng.integers(len(of_rare), size=len(place), dtype=np.min_scalar_type(len(of_rare))))
        flat = np.bincount(place, minlength=len(flat))
    drawn = flat.reshape(n_resamples, n_classes**2)
    drawn[:, cells[~rare]] = times[:, 1:]
    return drawn.reshape(n_resamples, n_classes, n_classes)


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
    return np.asarray(of_confusion(draw(confusion, n_resamples=n_resamples, rng=rng)), dtype=float)


def one_run(
    confusion: Confusion,
    metric: Metric,
    *,
    level: float,
    n_resamples: int,
    rng: np.random.Generator,
    how: How = "percentile",
) -> Interval:
    """Compute the interval of one run's metric: Wilson's for a proportion of samples, else by bootstrap.

    Args:
        confusion: Counts; rows: true, columns: predicted.
        metric: The metric.
        level: Coverage, e.g. 0.95.
        n_resamples: Number of resamples.
        rng: Source of the draws.
        how: Which bootstrap interval.
    """
    if metric.proportion is not None:
        successes, trials = metric.proportion(confusion)
        return of_proportion(int(successes), int(trials), level=level)
    drawn = draw(confusion, n_resamples=n_resamples, rng=rng)
    return of_drawn(confusion, metric, drawn, level=level, how=how)


def of_proportion(successes: int, trials: int, *, level: float) -> Interval:
    """Return Wilson's interval of one run's proportion; without trials it is all of 0 to 1.

    What is resampled: nothing; samples count as drawn. What is held fixed: the checkpoint. When it misleads: as
    :func:`fer_bench.stats.wilson.wilson`.
    """
    low, high = wilson(successes, trials, level=level)
    share = successes / max(trials, 1)
    error = math.sqrt(share * (1 - share) / max(trials, 1))
    return Interval(low, high, level, WILSON, "samples", CHECKPOINT, 0, error)


def of_drawn(confusion: Confusion, metric: Metric, drawn: np.ndarray, *, level: float, how: How) -> Interval:
    """Compute the interval of one run's metric from drawn confusion matrices.

    Where the run made no error, resampling shows no spread; the lower end is then
    :func:`fer_bench.stats.confusion.furthest`. A metric that the run fixes otherwise (mean recall of a constant
    prediction is 1/K whatever is drawn) has an interval of no width.

    Args:
        confusion: Counts; rows: true, columns: predicted.
        metric: The metric.
        drawn: Of :func:`draw`; metrics may share it.
        level: Coverage, e.g. 0.95.
        how: Which bootstrap interval.
    """
    values = np.asarray(metric.of_confusion(drawn), dtype=float)
    skewness = 0.0
    if how == "bca":
        cells, times = cell_values(confusion, metric.of_confusion)
        skewness = acceleration(cells, times)
    interval = of_values(
        values,
        float(metric.of_confusion(confusion)),
        level=level,
        how=how,
        skewness=skewness,
        name="multinomial bootstrap",
        resampled="samples",
    )
    if confusion.trace() == confusion.sum():
        low = furthest(confusion, metric.of_confusion, level=level)[0]
        interval = interval._replace(low=low, method=NO_ERRORS)
    return clipped(interval, low=metric.range[0], high=metric.range[1])


def of_values(
    values: Resamples, estimate: float, *, level: float, how: How, skewness: float, name: str, resampled: str
) -> Interval:
    """Compute one run's percentile or BCa interval from resampled values; not cut at the ends of the metric's range.

    BCa is undefined where all values lie on one side of the estimate, or where its adjusted quantiles pass through
    infinity; the interval is then the percentile one, and its method says so.

    Args:
        values: The metric on each resample.
        estimate: The metric.
        level: Coverage, e.g. 0.95.
        how: Which interval.
        skewness: The acceleration, for BCa.
        name: Of the bootstrap.
        resampled: What was drawn.
    """
    shares = ((1 - level) / 2, (1 + level) / 2)
    method = f"{name}, percentile"
    if how == "bca":
        adjusted = bca_shares(values, estimate, level=level, skewness=skewness)
        shares = adjusted or shares
        method = f"{name}, BCa" if adjusted else f"{name}, percentile (BCa is undefined here)"
    low, high = np.quantile(values, shares)
    error = float(values.std(ddof=1))
    return Interval(float(low), float(high), level, method, resampled, CHECKPOINT, len(values), error)


def bca_shares(values: Resamples, estimate: float, *, level: float, skewness: float) -> tuple[float, float] | None:
    r"""Return the shares of the resampled values at which the BCa interval ends; None where it is undefined.

    .. math:: \Phi\left(z_0 + \frac{z_0 + z_\alpha}{1 - a (z_0 + z_\alpha)}\right)

    with :math:`z_0` the normal quantile of the share of values below the estimate (equal ones count half) and a the
    acceleration.

    Examples:
        >>> bca_shares(np.arange(-50.0, 51.0), 0.0, level=0.95, skewness=0.0)
        (0.025..., 0.975...)
        >>> bca_shares(np.ones(50), 0.0, level=0.95, skewness=0.0) is None
        True
    """
    below = float((values < estimate).mean() + (values == estimate).mean() / 2)
    if not 0 < below < 1 or values.min() == values.max():
        return None
    z0 = float(stats.norm.ppf(below))
    found = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        end = z0 + float(stats.norm.ppf(share))
        room = 1 - skewness * end
        if room <= 0:
            return None
        found.append(float(stats.norm.cdf(z0 + end / room)))
    return found[0], found[1]


def acceleration(values: np.ndarray, times: np.ndarray) -> float:
    r"""Return BCa's acceleration from jackknife pseudo-values: a sixth of their skewness over the root of their number.

    .. math:: a = \frac{\sum_i (v_i - \bar v)^3}{6 \left(\sum_i (v_i - \bar v)^2\right)^{3/2}}

    Args:
        values: Distinct pseudo-values.
        times: How often each occurs.

    Returns:
        0 where they are all the same.

    Examples:
        >>> round(acceleration(np.array([0.0, 1.0]), np.array([10, 90])), 4)
        -0.0444
    """
    away = values - (times * values).sum() / times.sum()
    spread = float((times * away**2).sum())
    return float((times * away**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0


def paired(
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


def alike(confusion: Confusion, metric: Metric, *, level: float, held_fixed: str, independent: float = 1.0) -> Interval:
    """Return the interval of the difference of two runs that predict the same on every sample.

    What is resampled: nothing. What is held fixed: the checkpoints. When it misleads: it is conservative, as
    :func:`fer_bench.stats.confusion.furthest` is.

    Args:
        confusion: Of either run.
        metric: The metric.
        level: Coverage, e.g. 0.95.
        held_fixed: What the interval holds fixed.
        independent: Persons per sample; 1 where samples are independent.
    """
    own = float(metric.of_confusion(confusion))
    low, high = furthest(confusion, metric.of_confusion, level=level, independent=independent)
    most = max(own - low, high - own)
    return Interval(-most, most, level, ALIKE, "samples", held_fixed, 0, 0.0)


def p_value(values: Resamples) -> float:
    """Return the two-sided p-value of "the quantity is 0" that belongs to a percentile interval.

    Examples:
        >>> p_value(np.arange(1.0, 100.0))
        0.02
    """
    at_most, at_least = int((values <= 0).sum()), int((values >= 0).sum())
    return min(1.0, 2 * (min(at_most, at_least) + 1) / (len(values) + 1))
