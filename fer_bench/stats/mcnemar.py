"""McNemar's test of two runs on the same samples, and the smallest difference that it can see.

What is resampled: nothing; given the samples on which exactly one run is right, which of the two it is is a fair coin
under the null. What is held fixed: the two checkpoints. When it misleads: when its answer is read as one about the
methods: with seed noise, one run each rejects equal methods far more often than it says.

References:
    McNemar, Psychometrika 12 (1947); Dietterich, Neural Computation 10 (1998). Mid-p: Fagerland, Lydersen and Laake,
    BMC Medical Research Methodology 13:91 (2013).
"""

import math
from functools import cache

from scipy import optimize, stats

from fer_bench.arrays import Correct

_MANY = 1e6  # degrees of freedom with which Student's t is a normal distribution


def mcnemar(right_a: Correct, right_b: Correct) -> float:
    """Compute the exact two-sided p-value.

    Args:
        right_a: Whether A is right.
        right_b: Whether B is right, same samples.

    Returns:
        1 where both are right on the same samples.
    """
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    return exact(only_a, only_b)


def exact(only_a: int, only_b: int) -> float:
    """Compute the exact two-sided p-value from the two counts of samples on which exactly one is right.

    Examples:
        >>> exact(0, 5)
        0.0625
    """
    n = only_a + only_b
    if n == 0:
        return 1.0
    return min(1.0, 2 * float(stats.binom.cdf(min(only_a, only_b), n, 0.5)))


def mid_p(only_a: int, only_b: int) -> float:
    """Compute the two-sided mid-p-value: the exact one less the probability of the counts as they are.

    The exact test rejects less often than its level says, since counts are whole; the mid-p rejects nearly as often,
    at the price that it may exceed the level by a little. Comparisons use the exact one.

    Args:
        only_a: Samples on which only A is right.
        only_b: Samples on which only B is right.

    Returns:
        At most 1; 1 where no sample is of either kind.

    Examples:
        >>> round(mid_p(1, 7), 4)
        0.0391
    """
    n, least = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return 1.0
    return min(1.0, float(2 * stats.binom.cdf(least, n, 0.5) - stats.binom.pmf(least, n, 0.5)))


def detectable(disagreement: float, n: int, *, level: float, power: float = 0.8) -> float:
    r"""Compute the smallest difference in accuracy that is found with a given power.

    .. math:: (z_{(1+\text{level})/2} + z_{\text{power}}) \sqrt{\text{disagreement} / n}

    Args:
        disagreement: Share of samples on which exactly one of the two is right.
        n: Samples.
        level: 1 - alpha.
        power: Probability of finding it.

    Examples:
        >>> round(detectable(0.08, 3068, level=0.95), 4)
        0.0143
    """
    return quantiles(level, power) * math.sqrt(disagreement / n)


@cache
def quantiles(level: float, power: float = 0.8, freedom: float = math.inf) -> float:
    """Return how many standard errors a difference must have to be found with a given power.

    Args:
        level: 1 - alpha.
        power: Probability of finding it; the wrong sign is no finding.
        freedom: Degrees of freedom with which the standard error is known; the test is then Student's t, its power that
            of the noncentral t.

    Examples:
        >>> round(quantiles(0.95), 3), round(quantiles(0.95, freedom=2.0), 3)
        (2.802, 5.653)
    """
    if freedom > _MANY:
        return float(stats.norm.ppf((1 + level) / 2) + stats.norm.ppf(power))
    beyond, highest = float(stats.t.ppf((1 + level) / 2, freedom)), 2.0
    while stats.nct.sf(beyond, freedom, highest) < power:
        highest *= 2
    return float(optimize.brentq(lambda away: stats.nct.sf(beyond, freedom, away) - power, 0.0, highest))
