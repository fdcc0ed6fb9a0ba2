"""Crossed (pigeonhole) bootstrap: seeds and samples are drawn with replacement, independently of each other.

Every resample draws one set of sample weights, common to all seeds and methods, and for each method its own seeds.
Because the estimate is the mean over seeds of a metric, it is enough to know the metric of each seed under each draw
of samples; the seeds are drawn afterwards. Weights depend on the sample order and the generator alone, so a method's
numbers do not change when another is added.

What is resampled: seeds and samples. What is held fixed: the training data and the recipe. When it misleads: with few
seeds and a large seed effect it is too narrow, because the variance of S drawn seeds is short by (S - 1) / S and S
seeds have few distinct draws; without a seed effect it is a little too wide.

References:
    Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1 (2007).
"""

import itertools
from collections.abc import Callable, Mapping

import numpy as np

from fer_bench.arrays import Labels, Resamples, SeedLabels, SeedResamples

_CHUNK = 250  # resamples at a time: 250 × 3,068 single-precision weights stay in a processor's cache


def resample_samples(
    y_true: Labels,
    y_pred: SeedLabels,
    metrics: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    *,
    n_classes: int,
    n_resamples: int,
    rng: np.random.Generator,
) -> dict[str, SeedResamples]:
    """Compute metrics of several runs on common draws of samples.

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
    order = np.argsort(y_true, kind="stable")
    starts = np.searchsorted(y_true[order], np.arange(n_classes + 1))
    blocks = [_one_hot(y_pred[:, order[first:last]], n_classes) for first, last in itertools.pairwise(starts)]
    found = {name: np.empty((len(y_pred), n_resamples)) for name in metrics}
    for start in range(0, n_resamples, _CHUNK):
        size = min(_CHUNK, n_resamples - start)
        weights = _weights(size, len(y_true), rng)[:, order]
        # counts stay below 2**24, so single precision holds them exactly whatever the order of additions
        rows = [weights[:, starts[k] : starts[k + 1]] @ blocks[k] for k in range(n_classes)]
        confusions = np.stack(rows, axis=1).reshape(size, n_classes, len(y_pred), n_classes).transpose(2, 0, 1, 3)
        for name, of_confusion in metrics.items():
            found[name][:, start : start + size] = of_confusion(confusions)
    return found


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
