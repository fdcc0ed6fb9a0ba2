"""Holm's step-down correction: the chance of any false rejection in the family stays below alpha.

References:
    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979).
"""

import numpy as np

from fer_bench.arrays import PValues


def holm(p: PValues) -> PValues:
    """Adjust the p-values of one family.

    The i-th smallest of m is multiplied by m - i + 1, and none may be below one that was smaller before. Compare the
    result with alpha.

    Args:
        p: One family's p-values.

    Examples:
        >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
