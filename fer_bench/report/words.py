"""How numbers and names read in print. Percent exists only here: «86.3 %» for a level, «+1.2 points» for a difference.

Intervals have one decimal, as the estimate has. ``±`` never stands alone, so it is not printed at all.
"""

import math
from collections.abc import Sequence
from numbers import Real

import pandas as pd

NONE = "–"
"""What a cell without a value holds."""

MINUS = "\N{MINUS SIGN}"


def percent(share: float, *, unit: bool = True) -> str:
    """Print a level.

    Examples:
        >>> percent(0.8634)
        '86.3 %'
    """
    return f"{100 * share:.1f}{' %' if unit else ''}"


def level_with_interval(estimate: float, low: float, high: float, *, unit: bool = True) -> str:
    """Print a level with its interval.

    Examples:
        >>> level_with_interval(0.863, 0.851, 0.874)
        '86.3 % [85.1, 87.4]'
    """
    return f"{percent(estimate, unit=unit)} [{percent(low, unit=False)}, {percent(high, unit=False)}]"


def points(difference: float, *, unit: bool = True) -> str:
    """Print a difference of two shares, signed.

    Examples:
        >>> points(0.012)
        '+1.2 points'
        >>> points(-0.0001)
        '0.0 points'
    """
    return f"{_signed(100 * difference)}{' points' if unit else ''}"


def points_with_interval(difference: float, low: float, high: float, *, unit: bool = True) -> str:
    """Print a difference with its interval.

    Examples:
        >>> points_with_interval(0.012, -0.001, 0.025)
        '+1.2 points [−0.1, +2.5]'
    """
    return f"{points(difference, unit=unit)} [{_signed(100 * low)}, {_signed(100 * high)}]"


def _signed(value: float) -> str:
    text = f"{value:+.1f}"
    return "0.0" if text in {"+0.0", "-0.0"} else text.replace("-", MINUS)


def _number(value: object) -> float | None:
    """Return a cell's number, whatever type pandas gave it; None for an empty cell."""
    if not isinstance(value, Real):
        return None
    number = float(value)
    return None if math.isnan(number) else number


def p_value(p: object) -> str:
    """Print a p-value; an absent one is a dash.

    Examples:
        >>> p_value(0.0003), p_value(0.0421), p_value(1.0)
        ('< 0.001', '0.042', '1.000')
    """
    found = _number(p)
    if found is None:
        return NONE
    return "< 0.001" if found < 0.001 else f"{found:.3f}"


def seconds(value: object) -> str:
    """Print a wall time in the unit that suits it.

    Examples:
        >>> seconds(0.042), seconds(31.2), seconds(400.0), seconds(9000.0)
        ('0.04 s', '31 s', '6.7 min', '2.5 h')
    """
    found = _number(value)
    if found is None:
        return NONE
    for limit, divisor, decimals, unit in ((1, 1, 2, "s"), (120, 1, 0, "s"), (7200, 60, 1, "min")):
        if found < limit:
            return f"{found / divisor:.{decimals}f} {unit}"
    return f"{found / 3600:.1f} h"


def count(value: object) -> str:
    """Print a count, thousands apart; an absent one is a dash.

    Examples:
        >>> count(28709), count(0)
        ('28,709', '0')
    """
    found = _number(value)
    return NONE if found is None else f"{int(found):,}"


def macs(value: object) -> str:
    """Print a number of multiply-accumulates; an absent one is a dash.

    Examples:
        >>> macs(1_813_561_000), macs(12_345_678)
        ('1.81 G', '12.35 M')
    """
    found = _number(value)
    if found is None:
        return NONE
    return f"{found / 1e9:.2f} G" if found >= 1e8 else f"{found / 1e6:.2f} M"


def millions(value: object) -> str:
    """Print a number of parameters in millions; an absent one is a dash.

    Examples:
        >>> millions(87_574_535), millions(0), millions(9_000)
        ('87.57 M', '0', '0.01 M')
    """
    found = _number(value)
    if found is None:
        return NONE
    return f"{found / 1e6:.2f} M" if found else "0"


def selection(name: str) -> str:
    """Name a selection; the one made on the reported samples is called what it is.

    Examples:
        >>> selection("best_on_test")
        'best_on_test (oracle)'
    """
    return f"{name} (oracle)" if name == "best_on_test" else name


def published(share: float) -> str:
    """Print a published level with the two decimals that papers give, a 0 at the end too.

    Examples:
        >>> published(0.9505), published(0.8970)
        ('95.05 %', '89.70 %')
    """
    return f"{100 * share:.2f} %"


def inline(title: str) -> str:
    """Return a title as it stands within a sentence.

    Examples:
        >>> inline("Macro-F1"), inline("UAR")
        ('macro-F1', 'UAR')
    """
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def listed(items: Sequence[str], *, last: str = "and") -> str:
    """Join names as a sentence does.

    Examples:
        >>> listed(["a", "b", "c"]), listed(["a, whole", "b"])
        ('a, b and c', 'a, whole; and b')
    """
    if not items:
        return "none"
    mark = ";" if any("," in item for item in items) and len(items) > 1 else ","
    final = f"; {last} " if mark == ";" else f" {last} "
    return final.join(filter(None, [f"{mark} ".join(items[:-1]), items[-1]]))


def counted(n: int, one: str, many: str | None = None) -> str:
    """Print a count with its noun.

    Examples:
        >>> counted(1, "seed"), counted(3, "seed")
        ('1 seed', '3 seeds')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def coverage(level: float) -> str:
    """Print an interval's level.

    Examples:
        >>> coverage(0.95)
        '95 %'
    """
    return f"{100 * level:g} %"


def text(value: object) -> str:
    """Print any cell as one line; an absent value is a dash."""
    return NONE if value is None or pd.isna(value) else " ".join(str(value).split()) or NONE  # type: ignore[call-overload]
