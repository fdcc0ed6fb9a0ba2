r"""Two methods on the same samples over seeds: the interval of their difference, its p-value, and one for families.

With :math:`V_b` the variance, over samples, of the difference of the two means over seeds, divided by n, and for each
method :math:`A_m = MS_{a,m} / (S n)` and :math:`R_m = MS_{e,m} / (S n)` of its seeds and its residual
(:mod:`fer_bench.stats.two_way`), the difference has variance

.. math:: V = V_b - R + \max\Big(\sum_m A_m,\; \frac12 R\Big), \qquad R = \min\Big(\sum_m R_m,\; V_b\Big)

Samples are paired; each method adds a seed term of its own, since a seed's number means nothing across methods. The
residual is in :math:`V_b` and in :math:`A_m` too, and counts once. Without an effect of the seed, what the seeds add is
negative in half of all cases. Cutting it at 0, for each method alone, would make V too large on average: with 3 seeds
and no effect, equal methods were then told apart in 2.9 % of cases instead of 5. It is cut where it would take away
more than half of the residual, so that seeds that coincide by chance do not make a difference certain.

The two :math:`R_m` may add up to more than the :math:`V_b` that holds them: where seeds move single samples much and
the methods differ little on samples, as for macro-F1 with a rare expression. No more is taken from :math:`V_b` than it
is, so that V is at least what the seeds alone make, :math:`\sum_m A_m`. Student's t has Satterthwaite's degrees of
freedom, which are then at least about S - 1; taking away more left a V below its own parts, with degrees of freedom
below one and intervals 20 times too wide.

**In a family of tests** the same p-value errs too often. Satterthwaite takes estimated mean squares for true ones;
where a few seeds lie close together by chance, the seeds' part is too small and the degrees of freedom are too many,
both at once. At 5 % the errors either way nearly cancel. Holm's first step over 15 pairs asks at 0.3 %, and there they
do not: with six equal methods, 3 seeds and an effect of 0.8 points, some pair was told apart in 8 % of families, and
with 2 seeds in 18 %. For a family each method's seed term is therefore cut at 0, and the degrees of freedom count each
mean square as at least what it is without an effect, the residual, and at least the mean of the two methods'. Families
then err in 5 %. The price is power with 2 or 3 seeds; with 5 it is hardly seen. ``fer-bench selftest stats`` counts
all this.

What is resampled: nothing; seeds and samples (or persons) both count as drawn at random. What is held fixed: the
training data and the recipes. When it misleads: as :mod:`fer_bench.stats.two_way`; and with 3 seeds and a dozen methods
whose seeds differ by far more than a point, families still err in 6 % instead of 5.

References:
    Satterthwaite, Biometrics Bulletin 2 (1946); Searle, Casella and McCulloch, "Variance Components" (1992), ch. 4.
"""

import math
from typing import NamedTuple

from scipy import special

from fer_bench.stats import mcnemar, two_way
from fer_bench.stats.interval import Interval
from fer_bench.stats.two_way import Components

_MANY = 1e9  # degrees of freedom with which Student's t is a normal distribution


class Difference(NamedTuple):
    """How far A is from B.

    Attributes:
        interval: Of A minus B.
        p: Of "no difference", for the pair alone.
        p_family: For the pair as one of several; at least ``p``.
        detectable: Smallest difference that is found with a power of 80 %; 0 where nothing varies.
    """

    interval: Interval
    p: float
    p_family: float
    detectable: float


def difference(a: Components, b: Components, *, level: float) -> Difference:
    """Compare two methods; see the module for what the interval covers.

    Two methods without any variation in their difference have an interval of no width, and p is 1 or 0.

    Args:
        a: Of :func:`fer_bench.stats.two_way.components`.
        b: The same, same samples in the same order.
        level: Coverage, e.g. 0.95.
    """
    estimate, n = a.estimate - b.estimate, len(a.sample_means)
    of_samples = float((a.sample_means - b.sample_means).var(ddof=1)) / n
    methods = (a, b)
    shared, of_seeds = _shared(of_samples, methods), a.seeds + b.seeds
    variance = of_samples - sum(shared) + max(of_seeds, sum(shared) / 2)
    freedom = _freedom(variance, of_samples, n, [(one.seeds, one.n_seeds) for one in methods])
    error = math.sqrt(variance)
    half = float(special.stdtrit(freedom, (1 + level) / 2)) * error
    interval = Interval(
        estimate - half, estimate + half, level, two_way.METHOD, f"seeds and {a.of}", two_way.TRAINING_DATA, 0, error
    )
    p = _p_value(estimate, error, freedom)
    pairs = list(zip(methods, shared, strict=True))
    wide = of_samples + sum(max(0.0, one.seeds - residual) for one, residual in pairs)
    parts = [(max(one.seeds, residual, of_seeds / 2), one.n_seeds) for one, residual in pairs]
    fewest = _freedom(wide, of_samples, n, parts)
    p_family = max(p, _p_value(estimate, math.sqrt(wide), fewest))
    return Difference(interval, p, p_family, mcnemar.quantiles(level, freedom=freedom) * error)


def _shared(of_samples: float, methods: tuple[Components, Components]) -> list[float]:
    """Return how much of the variance over samples is each method's residual: no more in all than that variance."""
    whole = sum(one.residual for one in methods)
    fits = min(1.0, of_samples / whole) if whole > 0 else 0.0
    return [fits * one.residual for one in methods]


def _freedom(variance: float, of_samples: float, n: int, of_seeds: list[tuple[float, int]]) -> float:
    """Return Satterthwaite's degrees of freedom of a variance, given its parts; of seeds with their number."""
    spread = of_samples**2 / (n - 1) + sum(part**2 / (n_seeds - 1) for part, n_seeds in of_seeds)
    return min(variance**2 / spread, _MANY) if spread > 0 else _MANY


def _p_value(estimate: float, error: float, freedom: float) -> float:
    if error == 0:
        return 1.0 if estimate == 0 else 0.0
    return 2 * float(special.stdtr(freedom, -abs(estimate) / error))
