"""From an interval of a difference to better, equivalent, worse or undecided."""

from typing import Literal

from fer_bench.stats.interval import Interval


def decide(
    interval: Interval, *, p_adjusted: float, margin: float
) -> Literal["better", "equivalent", "worse", "undecided"]:
    """Say how A stands to B.

    Equivalent: the whole interval lies within ± margin (two one-sided tests), even where it leaves out 0. Better or
    worse: the interval leaves out 0 and the p-value, adjusted for its family, is at most 1 - level. Undecided: all
    else.

    Args:
        interval: Of the difference, A minus B, of a metric of which more is better.
        p_adjusted: Holm's p-value of "no difference".
        margin: What counts as practically equal; decided before looking.

    Examples:
        >>> interval = Interval(0.01, 0.03, 0.95, "", "samples", "", 0, 0.005)
        >>> decide(interval, p_adjusted=0.001, margin=0.005)
        'better'
    """
    if -margin <= interval.low and interval.high <= margin:
        return "equivalent"
    if p_adjusted <= 1 - interval.level + 1e-12:  # 1 - 0.95 is 0.05000000000000004
        if interval.low > 0:
            return "better"
        if interval.high < 0:
            return "worse"
    return "undecided"
