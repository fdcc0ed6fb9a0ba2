r"""Simulated runs whose true scores are known: what coverage and error rates are counted on.

Model (probit): run s of a method is right on sample i where

.. math:: t_{y_i} + b_i + o_i + a_s + e_{si} > 0

with :math:`b_i` the ease of the sample, common to all methods (standard deviation 1), :math:`o_i` the method's own ease
of it (0.35), :math:`a_s` the effect of the seed, and :math:`e_{si}` noise (0.45). The thresholds t give each expression
the recall in :data:`RECALL` on average over everything random: accuracy 0.888, mean recall 0.814. A wrong prediction
falls on the one expression that a sample is mostly taken for, drawn from :data:`WRONG`. Samples are drawn at random,
expressions as frequent as in RAF-DB's test set (:data:`COUNTS`, 3,068), so that counts vary from world to world.

The seed's effect is stated in points of accuracy: with 0.8, the expected accuracies of seeds have a standard deviation
of 0.8 points, and those seen on the samples one of 0.9, noise included (without an effect, 0.4). Runs of two methods
then disagree on 9.6 % of the samples about which is right.

A sample may be a twin of a training picture, which makes it easier by 0.6 for all methods.

The truth is the metric's expectation over seeds on infinitely many samples, by Gauss-Hermite quadrature over the seed's
effect.

What it leaves out: real samples come in persons and difficulties that no normal distribution has, methods differ by
expression, and training data vary. Coverage under this model is a necessary condition, not a proof for any data set.
"""

import itertools
from collections.abc import Callable
from functools import cache

import numpy as np
from scipy import stats

from fer_bench.metrics import Metric

COUNTS = np.array([680, 1185, 329, 478, 162, 160, 74])
"""Samples by expression in RAF-DB's test set."""

RECALL = np.array([0.90, 0.95, 0.87, 0.88, 0.82, 0.62, 0.66])
"""Chosen near published ones."""

N, K = int(COUNTS.sum()), len(COUNTS)
EASE, OWN_EASE, NOISE = 1.0, 0.35, 0.45
HELP = 0.6
"""By which a twin in training makes a sample easier: a recall of 0.86 becomes 0.94."""

_MIXES = np.random.default_rng(5).dirichlet(np.full(K - 1, 0.7), size=K)
WRONG = np.array([np.insert(mix, k, 0.0) for k, mix in enumerate(_MIXES)])
"""Rows: true, columns: wrong prediction."""

_SPREAD = float(np.sqrt(EASE**2 + OWN_EASE**2 + NOISE**2))
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(41)


@cache
def effect_of(points: float) -> float:
    """Return the standard deviation of the seed's effect on the model's own scale.

    Args:
        points: Standard deviation, over seeds, of the expected accuracy, in points.

    Examples:
        >>> round(effect_of(0.8), 3)
        0.053
    """
    slope = float((COUNTS / N * stats.norm.pdf(stats.norm.ppf(RECALL))).sum()) / _SPREAD
    return points / 100 / slope


class World:
    """Samples with an ease of their own, which methods predict.

    Attributes:
        y_true: (n,) true labels, ascending.
        twin: (n,) whether a sample is a twin.
    """

    def __init__(self, rng: np.random.Generator, *, share_of_twins: float = 0.0) -> None:
        self._rng = rng
        self.y_true = np.sort(rng.choice(K, size=N, p=COUNTS / N))
        self._ease = EASE * rng.standard_normal(N)
        self._usual = np.empty(N, dtype=int)
        ends = np.searchsorted(self.y_true, np.arange(K + 1))
        for true, (first, last) in enumerate(itertools.pairwise(ends)):
            self._usual[first:last] = rng.choice(K, size=last - first, p=WRONG[true])
        self.twin = rng.random(N) < share_of_twins if share_of_twins else np.zeros(N, dtype=bool)
        self._ease += HELP * self.twin
        self._shared = float(rng.standard_normal())  # the effect of all runs where they have one in common

    def predict(self, n_seeds: int, *, points: float, common: bool = False) -> np.ndarray:
        """Return (s, n) predicted labels of another method.

        Args:
            n_seeds: Runs.
            points: The seed's effect.
            common: Every run, and every method of a world, has the same effect: none is better than another.
        """
        rng, sd = self._rng, effect_of(points)
        own = OWN_EASE * rng.standard_normal(N)
        effects = sd * (self._shared if common else rng.standard_normal((n_seeds, 1)))
        level = _thresholds(sd)[self.y_true] + self._ease + own + effects + NOISE * rng.standard_normal((n_seeds, N))
        return np.where(level > 0, self.y_true, self._usual)


def truth(metric: Metric, *, points: float) -> float:
    """Return a metric's expectation over seeds on infinitely many samples.

    Args:
        metric: The metric.
        points: The seed's effect.
    """
    return _over_effects(metric.of_confusion(_expected_counts(points)))


def true_gap(metric: Metric, *, points: float, share_of_twins: float) -> float:
    """Return what :mod:`fer_bench.stats.gap` estimates, on infinitely many samples.

    Args:
        metric: The metric.
        points: The seed's effect.
        share_of_twins: Share of the samples that are twins.
    """
    clean = (1 - share_of_twins) * _expected_counts(points)
    twins = share_of_twins * _expected_counts(points, shift=HELP)
    of: Callable[[np.ndarray], np.ndarray] = metric.of_confusion
    return _over_effects(of(clean + twins) - of(clean))


def _thresholds(sd: float) -> np.ndarray:
    return np.asarray(stats.norm.ppf(RECALL) * np.sqrt(_SPREAD**2 + sd**2))


def _expected_counts(points: float, shift: float = 0.0) -> np.ndarray:
    """Return the expected confusion matrix (node, k, k) for every node of the seed's effect."""
    sd = effect_of(points)
    recall = stats.norm.cdf((_thresholds(sd) + shift + sd * _NODES[:, None]) / _SPREAD)  # (node, k)
    shares = np.where(np.eye(K, dtype=bool), recall[:, :, None], (1 - recall)[:, :, None] * WRONG)
    return np.asarray(shares * COUNTS[:, None] * 1e6)  # counts are large, since metrics count in whole samples


def _over_effects(values: np.ndarray) -> float:
    return float((values * _WEIGHTS).sum() / _WEIGHTS.sum())
