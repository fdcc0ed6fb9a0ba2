r"""p-values of two methods over few seeds that hold where a family's correction looks: far out in the tails.

Satterthwaite's degrees of freedom take estimated mean squares for true ones. Where a few seeds lie close together by
chance, the estimate of the seeds' part is too small and the degrees of freedom are too many, both at once. At 5 % the
errors either way nearly cancel. Holm's first step over 15 pairs asks at 0.3 %, and there they do not: with six equal
methods, 3 seeds and an effect of 0.8 points, some pair was told apart in 8 % of simulated families, and with 2 seeds in
18 %.

For a family, the standard error stays the interval's own, and the degrees of freedom are counted with mean squares that
are at least what they are without any effect of the seed, :math:`MS_e`, and at least the mean of the two methods':

.. math:: \nu = \frac{V^2}{V_b^2 / (n - 1) + \sum_m \max(MS_m, MS_{e,m}, \overline{MS})^2 / (S^2 n^2 (S - 1))}

so that they are never more than the interval's; families then err in 4 %. The price is power with 2 or 3 seeds; with 5
it is hardly seen. ``fer-bench selftest stats`` counts the errors.

What is resampled: nothing. What is held fixed: as in :mod:`fer_bench.stats.two_way`. When it misleads: with 3 seeds and
a dozen methods whose seeds differ by far more than a point, families still err in 6 % instead of 5.
"""

import math

from scipy import stats

from fer_bench.stats.interval import Interval
from fer_bench.stats.two_way import Components


def p_value(a: Components, b: Components, interval: Interval) -> float:
    """Compute the p-value of "no difference" for use within a family of tests.

    Args:
        a: A's variation.
        b: B's, same samples.
        interval: Of A minus B, by :func:`fer_bench.stats.two_way.difference`.

    Returns:
        At least the p-value of the pair alone; 1 or 0 where nothing varies.
    """
    error, estimate = interval.standard_error, a.estimate - b.estimate
    if error == 0:
        return 1.0 if estimate == 0 else 0.0
    mean = (a.seeds + b.seeds) / 2
    samples = max(0.0, error**2 - a.seed_variance - b.seed_variance)
    spread = samples**2 / max(1, len(a.sample_means) - 1)
    spread += sum(max(one.seeds, one.residual, mean) ** 2 / (one.n_seeds - 1) for one in (a, b))
    freedom = error**4 / spread if spread > 0 else math.inf
    return 2 * float(stats.t.sf(abs(estimate) / error, freedom))
