r"""Two answers of the same runs: another checkpoint, another order of the pictures, another rule for the labels.

Runs and samples are common to both answers, so that both are paired: with :math:`d_{si}` what sample i adds to the
difference under seed s (the difference of two jackknife pseudo-values),

.. math:: d_{si} = \mu + a_s + b_i + e_{si}

and the variance over seeds and samples (:mod:`fer_bench.stats.two_way`) is that of one method whose values are the
:math:`d_{si}`. Two methods would add a seed term each; here a seed's two answers come from one training.

An answer may consist of several draws (shuffles of the pictures); its value is the mean over them. A sample that one
answer does not count (a rule drops its label) has no influence there: its pseudo-value is the metric itself, and those
of the others are scaled to the number of samples in either.

What is resampled: samples (one seed, percentile bootstrap on common draws), or seeds and samples (variance, Student's
t). What is held fixed: the training data and the recipe, which checkpoints were chosen, and the draws. When it
misleads: for a checkpoint chosen on the reported samples, because on other samples another would have been chosen: the
interval is one of the difference between these checkpoints; the gain from choosing is one on these samples and
not to be expected on others. With two seeds it is very wide, and with few samples of an expression rough.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fer_bench.metrics import Metric
from fer_bench.stats import bootstrap, two_way
from fer_bench.stats.confusion import count_seeds
from fer_bench.stats.interval import Interval, clipped
from fer_bench.stats.jackknife import pseudo_values
from fer_bench.stats.scoring import over_seeds

ONE_MODEL = "one set of weights: the same predictions"
SAME = "every sample counts the same under every seed: no interval"
_CHUNK = 500  # resamples at a time


class Answer(NamedTuple):
    """What a method's runs answer.

    Attributes:
        y_true: (n,) true labels; -1 where a sample does not count.
        y_pred: (d, s, n) predicted labels: draws, seeds, samples; anything where a sample does not count.
    """

    y_true: np.ndarray
    y_pred: np.ndarray


class Way(NamedTuple):
    """How intervals are computed.

    Attributes:
        n_classes: Expressions told apart.
        level: Coverage, e.g. 0.95.
        n_resamples: Bootstrap resamples, for one seed.
    """

    n_classes: int
    level: float
    n_resamples: int


def value(answer: Answer, metric: Metric, way: Way, *, rng: np.random.Generator) -> tuple[float, Interval]:
    """Compute a metric, mean over draws and seeds, and its interval; see the module for what it covers.

    With one draw this is the number and the interval of ``fer-bench score``.

    Args:
        answer: The answer.
        metric: The metric.
        way: How.
        rng: Source of the draws, for one seed.
    """
    counted = answer.y_true >= 0
    y_true, y_pred = answer.y_true[counted], answer.y_pred[..., counted]
    by_seed = _by_seed(answer, metric, way)
    estimate = float(by_seed.mean())
    n_draws, n_seeds, _ = y_pred.shape
    if n_draws == 1 and n_seeds == 1:
        matrix = count_seeds(y_true, y_pred[0], n_classes=way.n_classes)[0]
        interval = bootstrap.one_run(matrix, metric, level=way.level, n_resamples=way.n_resamples, rng=rng)
    elif n_draws == 1:
        interval = over_seeds(y_true, y_pred[0], metric, n_classes=way.n_classes, level=way.level)
    elif n_seeds == 1:
        drawn = _resampled([answer], metric, way, rng=rng)[0]
        interval = _percentile(drawn, way, fixed=bootstrap.CHECKPOINT)
    else:
        interval = two_way.one(two_way.components(_values(answer, metric, way), by_seed), level=way.level)
    return estimate, clipped(interval, low=metric.range[0], high=metric.range[1])


def difference(
    a: Answer, b: Answer, metric: Metric, way: Way, *, one_model: bool, rng: np.random.Generator
) -> tuple[float, Interval | None]:
    """Compute A less B, mean over seeds, and its interval; see the module for what it covers.

    Args:
        a: An answer.
        b: Another one of the same runs about the same samples; each sample counts in at least one of the two.
        metric: The metric.
        way: How.
        one_model: Whether equal predictions are no finding: one set of weights stands behind both, and the method looks
            at one sample at a time. The interval then has no width.
        rng: Source of the draws, for one seed.

    Returns:
        The difference, and its interval; None where every sample counts the same in both although other trainings could
        have told the two apart (the same epoch was chosen in every run): nothing here says how often they do.
    """
    by_seed = _by_seed(a, metric, way) - _by_seed(b, metric, way)
    n_seeds = len(by_seed)
    fixed = f"which checkpoints were chosen, {bootstrap.CHECKPOINT if n_seeds == 1 else two_way.TRAINING_DATA}"
    if _equal(a, b):
        if not one_model:
            return 0.0, None
        resampled = "samples" if n_seeds == 1 else "seeds and samples"
        interval = Interval(0.0, 0.0, way.level, ONE_MODEL, resampled, fixed, 0, 0.0)
    elif n_seeds == 1:
        first, second = _resampled([a, b], metric, way, rng=rng)
        interval = _percentile(first - second, way, fixed=fixed)
    else:
        values = _values(a, metric, way) - _values(b, metric, way)
        interval = two_way.one(two_way.components(values, by_seed), level=way.level)._replace(held_fixed=fixed)
    if interval.standard_error == 0 and not one_model:
        return float(by_seed.mean()), None
    width = metric.range[1] - metric.range[0]
    return float(by_seed.mean()), clipped(interval, low=-width, high=width)


def _equal(a: Answer, b: Answer) -> bool:
    if not np.array_equal(a.y_true, b.y_true):
        return False
    counted = a.y_true >= 0
    return bool((a.y_pred[:, None][..., counted] == b.y_pred[None][..., counted]).all())


def _matrices(answer: Answer, way: Way) -> np.ndarray:
    """Return confusion matrices (d, s, k, k) of the samples that count."""
    counted = answer.y_true >= 0
    y_true = answer.y_true[counted]
    return np.stack([count_seeds(y_true, draw[:, counted], n_classes=way.n_classes) for draw in answer.y_pred])


def _by_seed(answer: Answer, metric: Metric, way: Way) -> np.ndarray:
    """Return the metric (s,) of every seed, mean over draws."""
    return np.asarray(metric.of_confusion(_matrices(answer, way)).mean(axis=0), dtype=float)


def _values(answer: Answer, metric: Metric, way: Way) -> np.ndarray:
    """Return pseudo-values (s, n), mean over draws."""
    counted = answer.y_true >= 0
    y_true = answer.y_true[counted]
    scale = (len(counted) - 1) / (len(y_true) - 1)
    found = []
    for matrices, draw in zip(_matrices(answer, way), answer.y_pred, strict=True):
        whole = np.asarray(metric.of_confusion(matrices), dtype=float)[:, None]
        own = pseudo_values(matrices, y_true, draw[:, counted], metric.of_confusion)
        values = np.repeat(whole, len(counted), axis=1)
        values[:, counted] += scale * (own - whole)
        found.append(values)
    return np.asarray(np.mean(found, axis=0))


def _resampled(answers: Sequence[Answer], metric: Metric, way: Way, *, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the metric (b,) of each answer of one seed on common draws of samples, mean over draws of the answer.

    Samples with the same true and predicted labels in all answers are one pattern; drawing how often each pattern
    comes is drawing samples.
    """
    columns = [row for answer in answers for row in (answer.y_true, *answer.y_pred[:, 0])]
    patterns, times = np.unique(np.stack(columns), axis=1, return_counts=True)
    k = way.n_classes
    cells, first = [], 0
    for answer in answers:
        last = first + 1 + len(answer.y_pred)
        y_true, drawn = patterns[first], patterns[first + 1 : last]
        place = np.where(y_true >= 0, y_true * k + drawn, -1)  # (d, u); -1 is no cell
        cells.append([(row[:, None] == np.arange(k * k)).astype(np.float32) for row in place])
        first = last
    found = [np.empty(way.n_resamples) for _ in answers]
    for start in range(0, way.n_resamples, _CHUNK):
        size = min(_CHUNK, way.n_resamples - start)
        weights = rng.multinomial(times.sum(), times / times.sum(), size=size).astype(np.float32)
        for values, each in zip(found, cells, strict=True):
            resampled = [metric.of_confusion((weights @ cell).reshape(size, k, k)) for cell in each]
            values[start : start + size] = np.mean(resampled, axis=0)
    return found


def _percentile(drawn: np.ndarray, way: Way, *, fixed: str) -> Interval:
    low, high = np.quantile(drawn, [(1 - way.level) / 2, (1 + way.level) / 2])
    method = "bootstrap on common draws of samples, percentile"
    return Interval(float(low), float(high), way.level, method, "samples", fixed, len(drawn), float(drawn.std(ddof=1)))
