"""An interval, with the words that say what it means."""

from typing import NamedTuple


class Interval(NamedTuple):
    """An interval around an estimate.

    Attributes:
        low: Lower end.
        high: Upper end.
        level: Coverage it aims at, e.g. 0.95.
        method: How it was made.
        resampled: What is random in it: ``samples``, or ``seeds and samples``.
        held_fixed: What it therefore does not cover.
        n_resamples: Bootstrap resamples; 0 where there are none.
        standard_error: Standard deviation of the estimate.
    """

    low: float
    high: float
    level: float
    method: str
    resampled: str
    held_fixed: str
    n_resamples: int
    standard_error: float


def clipped(interval: Interval, *, low: float, high: float) -> Interval:
    """Return the interval cut at the ends of the range in which the quantity lies."""
    return interval._replace(low=min(max(interval.low, low), high), high=max(min(interval.high, high), low))
