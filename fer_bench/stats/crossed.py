"""Crossed (pigeonhole) bootstrap: seeds and samples are drawn with replacement, independently of each other.

Every resample draws one set of sample weights, common to all seeds and methods, and for each method its own seeds.
Because the estimate is the mean over seeds of a metric, it is enough to know the metric of each seed under each draw
of samples; the seeds are drawn afterwards. Weights depend on the sample order and the generator alone, so a method's
numbers do not change when another is added.

What is resampled: seeds and samples. What is held fixed: the training data and the recipe. When it misleads: as drawn
(:func:`draw_seeds`, :func:`percentile`), with few seeds and a large seed effect it is too narrow, because the variance
of S drawn seeds is short by (S - 1) / S and S seeds have few distinct draws; without a seed effect it is a little too
wide, because what seeds differ by through the samples alone counts twice. :func:`few_seeds` mends both.

References:
    Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1 (2007); Rao and Wu, "Resampling inference with
    complex survey data", JASA 83 (1988): rescaled draws; Hesterberg, "What teachers should know about the bootstrap",
    The American Statistician 69 (2015): intervals expanded to Student's t.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from scipy import stats

from fer_bench.arrays import Labels, Resamples, SeedLabels, SeedResamples, SeedValues

_CHUNK = 250  # resamples at a time: 250 × 3,068 single-precision weights stay in a processor's cache


class Counter:
    """Confusion matrices of several runs under weights of samples, a block of matrix products per true expression."""

    def __init__(self, y_true: Labels, y_pred: SeedLabels, *, n_classes: int) -> None:
        """Sort the samples by expression.

        Args:
            y_true: True labels.
            y_pred: Predicted labels, one row per run.
            n_classes: Expressions.
        """
        self._order = np.argsort(y_true, kind="stable")
        self._starts = np.searchsorted(y_true[self._order], np.arange(n_classes + 1))
        self._blocks = [
            _one_hot(y_pred[:, self._order[start:end]], n_classes) for start, end in itertools.pairwise(self._starts)
        ]
        self._n_runs, self._n_classes = len(y_pred), n_classes

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """Return (s, b, k, k) counts of (b, n) weights, exact: they stay below 2**24, which single precision holds."""
        ordered = weights[:, self._order]
        pairs = itertools.pairwise(self._starts)
        rows = [ordered[:, start:end] @ block for (start, end), block in zip(pairs, self._blocks, strict=True)]
        stacked = np.stack(rows, axis=1).reshape(len(weights), self._n_classes, self._n_runs, self._n_classes)
        return stacked.transpose(2, 0, 1, 3)


def draws(
    n: int, *, n_resamples: int, rng: np.random.Generator, subjects: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield how often each of n samples is drawn, a few hundred draws at a time: float32 (b, n).

    Args:
        n: Samples.
        n_resamples: Draws in all.
        rng: Source of the draws.
        subjects: (n,) persons, as indices 0 to p - 1: as many persons as there are come with replacement, each with
            all its samples, so that the number of samples varies. None: samples come.
    """
    n_drawn = n if subjects is None else int(subjects.max()) + 1
    for start in range(0, n_resamples, _CHUNK):
        weights = _weights(min(_CHUNK, n_resamples - start), n_drawn, rng)
        yield weights if subjects is None else weights[:, subjects]


def resample_samples(
    y_true: Labels,
    y_pred: SeedLabels,
    metrics: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    *,
    n_classes: int,
    n_resamples: int,
    rng: np.random.Generator,
) -> dict[str, SeedResamples]:
    """Compute metrics of the confusion matrix of several runs on common draws of samples.

    For metrics of any kind, and for persons, see :func:`fer_bench.stats.measuring.resample_common`.

    Args:
        y_true: True labels.
        y_pred: Predicted labels, one row per run.
        metrics: Name to metric of the confusion matrix.
        n_classes: Expressions.
        n_resamples: Number of draws.
        rng: Source of the draws.

    Returns:
        For each metric one row per run, one column per draw.
    """
    counter = Counter(y_true, y_pred, n_classes=n_classes)
    found: dict[str, list[np.ndarray]] = {name: [] for name in metrics}
    for weights in draws(len(y_true), n_resamples=n_resamples, rng=rng):
        confusions = counter(weights)
        for name, of_confusion in metrics.items():
            found[name].append(np.asarray(of_confusion(confusions), dtype=float))
    return {name: np.concatenate(each, axis=1) for name, each in found.items()}


def draw_seeds(values: SeedResamples, *, rng: np.random.Generator) -> Resamples:
    """Average a method's runs over seeds drawn with replacement, anew for every draw of samples.

    Args:
        values: One row per seed, one column per draw of samples.
        rng: Source of the draws; another one for every method.
    """
    n_seeds, n_resamples = values.shape
    weights = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=n_resamples)
    return np.asarray(np.einsum("sb,bs->b", values, weights) / n_seeds, dtype=float)


def percentile(values: Resamples, *, level: float) -> tuple[float, float]:
    """Return the percentile interval of resampled values; see the module for what it covers.

    Args:
        values: One per resample.
        level: Coverage, e.g. 0.95.
    """
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def few_seeds(
    values: SeedResamples, observed: SeedValues, *, n: int, level: float, rng: np.random.Generator
) -> tuple[float, float, float]:
    r"""Return the ends of the crossed bootstrap's interval, corrected for few seeds, and its standard error.

    With V the variance of the metric over seeds and R the part of it that samples alone make (the variance over seeds
    of what a draw of samples moves, on average over draws; at most S B, which holds it), the variance between seeds is
    :math:`A = \max(0, V - R)`.
    Each draw is the mean over seeds on drawn samples plus a deviation by drawn seeds, scaled to the variance A / S.
    The quantiles' distances from the estimate are then stretched by t / z, with Satterthwaite's degrees of freedom of
    B + A / S, B the variance of the mean over draws of samples.

    What is resampled: seeds and samples. What is held fixed: the training data and the recipe. When it misleads: with
    two seeds it is very wide; where seeds differ by far more than samples do it is a little too narrow.

    Args:
        values: One row per seed, two or more; one column per draw of samples.
        observed: The metric of each seed on all samples.
        n: Samples, or persons where they are drawn.
        level: Coverage, e.g. 0.95.
        rng: Source of the draws of seeds; another one for every method.
    """
    n_seeds = len(observed)
    means, estimate = values.mean(axis=0), float(observed.mean())
    deviations = draw_seeds(values, rng=rng) - means
    of_seeds = float(observed.var(ddof=1))
    drawn_variance, of_samples = float(deviations.var()), float(means.var())
    of_residual = min(float((values - observed[:, None]).var(axis=0, ddof=1).mean()), n_seeds * of_samples)
    between = max(0.0, of_seeds - of_residual) / n_seeds
    scale = math.sqrt(between / drawn_variance) if drawn_variance > 0 else 0.0
    variance = of_samples + between
    spread = of_samples**2 / (n - 1)
    if between > 0:
        spread += ((of_seeds / n_seeds) ** 2 + (of_residual / n_seeds) ** 2 / (n - 1)) / (n_seeds - 1)
    shares = [(1 - level) / 2, (1 + level) / 2]
    freedom = variance**2 / spread if spread > 0 else math.inf
    stretch = float(stats.t.ppf(shares[1], freedom) / stats.norm.ppf(shares[1]))
    low, high = estimate + stretch * (np.quantile(means + scale * deviations, shares) - estimate)
    return float(low), float(high), math.sqrt(variance)


def _weights(size: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return how often each of n samples is drawn, ``size`` times: float32 (size, n)."""
    drawn = rng.integers(n, size=(size, n), dtype=np.int32) + np.arange(size, dtype=np.int32)[:, None] * n
    counts = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
    return np.asarray(counts, dtype=np.float32)


def _one_hot(y_pred: np.ndarray, n_classes: int) -> np.ndarray:
    """Return float32 (n, runs × k): 1 where a run predicted the expression."""
    hot = y_pred.T[:, :, None] == np.arange(n_classes)
    hot = hot.reshape(len(hot), len(y_pred) * n_classes)  # not -1: an expression may have no samples
    return np.asarray(hot, dtype=np.float32)
