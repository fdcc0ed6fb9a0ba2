r"""Wilson's interval for a proportion.

.. math:: \frac{p + z^2/2n \pm z \sqrt{p(1-p)/n + z^2/4n^2}}{1 + z^2/n}

References:
    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
"""

import math

from scipy import stats


def wilson(n_right: int, n: int, *, level: float) -> tuple[float, float]:
    """Compute Wilson's interval for ``n_right`` of ``n``.

    What is resampled: nothing; the counts are taken as binomial. What is held fixed: the checkpoint.
    When it misleads: when samples depend on each other, for example several pictures of one subject.

    Args:
        n_right: 0 to ``n``.
        n: Samples; without any the interval is (0, 1).
        level: Coverage, e.g. 0.95.

    Raises:
        ValueError: If ``n_right`` is not in 0 to ``n``.

    Examples:
        >>> low, high = wilson(9, 10, level=0.95)
        >>> round(low, 3), round(high, 3)
        (0.596, 0.982)
    """
    if not 0 <= n_right <= n:
        message = f"{n_right} of {n} is no proportion"
        raise ValueError(message)
    if n == 0:
        return 0.0, 1.0
    z = float(stats.norm.ppf((1 + level) / 2))
    share = n_right / n
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # at the ends the formula gives 0 and 1 exactly, which rounding would miss
    low = 0.0 if n_right == 0 else (middle - half) / scale
    return low, 1.0 if n_right == n else (middle + half) / scale
