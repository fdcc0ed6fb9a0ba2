r"""What published numbers say without any training: from their size and that of the test set alone.

**Each number.** With n samples a share is a whole count k of n. The interval is Wilson's for the nearest k; it covers
other samples of the same kind, not another seed. A percentage that is no whole count of n at its printed decimals is
flagged: it is a slip, a mean (over runs, or over batches), or of another test set. ``only if cut off`` is one that
would be a whole count if decimals were cut off, not rounded. Where the size of the test set is not published and
several are in use, those that fit are listed.

**Two numbers of one table.** On the same n samples, let A be right alone on x + D of them and B on x, where D is the
difference of the counts. The exact McNemar test (:mod:`fer_bench.stats.mcnemar`) sees only x and D. A table prints D
but not x, so that all x which the two numbers allow are looked at:

.. math:: 0 \le x \le \min(n - k_A, k_B), \qquad \text{disagreement} = (D + 2x) / n

At best (x = 0) every answer in which they differ favours A and p is :math:`2 \cdot 0.5^D`: with D ≤ 5 it is above 5 %
whatever else holds. At worst they are wrong on different samples, disagreement (1 - a) + (1 - b). In between p grows
with x, so there is a largest disagreement at which the two are still told apart. Beside it the test of two proportions
on *different* samples, with pooled variance, corrected by Holm within the table and data set.

What is resampled: nothing. What is held fixed: the two checkpoints. When it misleads: all of it is conditional on one
run each, and says nothing of another seed: with seed noise, one run of each of two equal methods is told apart far
more often than 5 %. McNemar's verdicts are not corrected for the number of pairs, so that "cannot" is the stronger
word. Where the two numbers are of other pictures (another label rule, other expressions, another alignment) they are
not paired at all; what is on record of this stands beside the pair.

References:
    Wilson, JASA 22 (1927); McNemar, Psychometrika 12 (1947); Holm, Scand. J. Statist. 6 (1979); Brown and Heathers,
    "The GRIM test", Social Psychological and Personality Science 8 (2017): means that no whole count gives.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from fer_bench import card, registry
from fer_bench.card import Card, Claim, PublishedTable
from fer_bench.stats.holm import holm
from fer_bench.stats.mcnemar import exact
from fer_bench.stats.wilson import wilson
from fer_bench.tables.published import published as published_schema
from fer_bench.tables.told_apart import WORDS
from fer_bench.tables.told_apart import told_apart as told_apart_schema

SIZES: Mapping[str, tuple[int, ...]] = {
    "rafdb": (3068,),
    # majority rule on label.csv and on fer2013new.csv, its rows and its files; argmax over ten columns, files and rows;
    # all exported files, those of fer2013new.csv with a vote for an expression, and all rows; the validation files;
    # FER2013's rows before any label rule
    "ferplus": (3137, 3153, 3152, 3545, 3546, 3573, 3572, 3574, 3579, 3589),
}
"""Sizes of test sets in use, the most common first: where there is one, it is the official one."""

SEVEN: Mapping[str, tuple[int, ...]] = {"ferplus": (3122,)}
"""Further sizes with seven expressions: the majority rule on label.csv without contempt."""

_SLACK = 1e-9  # of a comparison of decimals


class Number(NamedTuple):
    """One published number.

    Attributes:
        method: The card that holds it.
        where: All the places where it stands.
        claim: The claim that it is; None where it stands only in a table.
        link: Where it can be read.
    """

    method: str
    dataset: str
    metric: str
    value: float
    where: str
    claim: Claim | None
    link: str | None


def cards() -> dict[str, Card]:
    """Read every card, by name."""
    return {name: card.read(name) for name in registry.names("cards")}


def numbers(held: Mapping[str, Card]) -> list[Number]:
    """Return every published number once: claims, and rows of tables that are no claim of the row's method.

    Args:
        held: Cards by name.
    """
    found: dict[tuple[str, str, str, float], Number] = {}
    for name, one in held.items():
        link = one.paper.link if one.paper else None
        for claim in one.claims:
            key = (name, claim.dataset, claim.metric, claim.value)
            _add(found, key, Number(*key, claim.where, claim, link))
    for name, one in held.items():
        link = one.paper.link if one.paper else None
        for table in one.tables:
            for row in table.rows:
                for (dataset, metric), value in table.numbers(row).items():
                    key = (row.method or name, dataset, metric, value)
                    old = found.get(key)
                    if old and (row.method or old.where == table.where):
                        continue  # the claim says that it stands there
                    where = table.where if row.method else f"{table.where}: {', '.join(row.cells)}"
                    _add(found, key, Number(*key, where, None, link))
    return list(found.values())


def _add(found: dict[tuple[str, str, str, float], Number], key: tuple[str, str, str, float], new: Number) -> None:
    old = found.get(key)
    found[key] = new if old is None else old._replace(where=f"{old.where}; {new.where}")


def from_n_alone(held: Mapping[str, Card], *, level: float) -> pd.DataFrame:
    """Return the table of published numbers that are shares of a test set.

    Args:
        held: Cards by name.
        level: Coverage of the intervals, e.g. 0.95.
    """
    rows = [_row(number, level=level) for number in numbers(held) if number.metric == "accuracy"]
    return published_schema.frame(rows)


def _row(number: Number, *, level: float) -> dict[str, object]:
    row: dict[str, object] = {
        name: getattr(number, name) for name in ("dataset", "metric", "method", "value", "where", "link")
    }
    protocol = number.claim.protocol if number.claim else None
    sizes = sizes_of(number.dataset, protocol.n_classes if protocol else None)
    fitting = [n for n in sizes if whole_count(number.value, n) == "yes"]
    if protocol and protocol.n_test is not None:
        n, n_from = protocol.n_test, "published"
    elif len(SIZES.get(number.dataset, ())) == 1:
        n, n_from = SIZES[number.dataset][0], "official"
    elif sizes:
        n, n_from = (fitting or sizes)[0], "known"
    else:
        return {**row, "n_from": "unknown", "whole_count": "not asked", "level": level}
    count = round(number.value * n)
    low, high = wilson(count, n, level=level)
    mean = protocol is not None and (protocol.seeds or 1) > 1
    return {
        **row, "n": n, "n_from": n_from, "count": count, "low": low, "high": high, "level": level,
        "whole_count": "not asked" if mean else _asked(number.value, n, n_from, fitting),
        "fits": ";".join(map(str, sorted(fitting))) if len(sizes) > 1 else None,
    }  # fmt: skip


def _asked(value: float, n: int, n_from: str, fitting: list[int]) -> str:
    if n_from == "known":  # of one of several sizes
        return "yes" if fitting else "no"
    return whole_count(value, n)


def sizes_of(dataset: str, n_classes: int | None) -> tuple[int, ...]:
    """Return the test sizes in use for a data set, the most common first; none where it is not known here."""
    extra = SEVEN.get(dataset, ()) if n_classes == 7 else ()
    return (*extra, *SIZES.get(dataset, ()))


def whole_count(value: float, n: int) -> str:
    """Say whether a published fraction is a whole count of n at its printed decimals, in percent two or more.

    Args:
        value: As a fraction.
        n: Size of the test set.

    Returns:
        ``yes``, ``only if cut off`` (not rounded), or ``no``.

    Examples:
        >>> whole_count(0.9733, 3068), whole_count(0.8424, 3068), whole_count(0.9243, 3068)
        ('yes', 'no', 'only if cut off')
    """
    unit = 10.0 ** -max(4, len(f"{value:.10f}".rstrip("0")) - 2)
    around = [k / n for k in range(math.floor(value * n), math.ceil((value + unit) * n) + 1)]
    if any(abs(share - value) <= unit / 2 + _SLACK for share in around):
        return "yes"
    return "only if cut off" if any(-_SLACK <= share - value < unit - _SLACK for share in around) else "no"


class Pair(NamedTuple):
    """What two counts of the same n samples allow.

    Attributes:
        p_best: Exact McNemar where the two differ on no more samples than they must.
        p_worst: Where they differ on as many as they can.
        most_told_apart: Largest share answered differently at which p ≤ alpha; None where there is none.
        most_possible: Largest share that the two counts allow.
        verdict: One of :data:`fer_bench.tables.told_apart.WORDS`.
    """

    p_best: float
    p_worst: float
    most_told_apart: float | None
    most_possible: float
    verdict: str


def pair(count_a: int, count_b: int, n: int, *, alpha: float) -> Pair:
    """Look at every disagreement that two counts allow; see the module.

    Args:
        count_a: Right answers of A, of n; not fewer than B's.
        count_b: Right answers of B.
        n: Samples, the same for both.
        alpha: Told apart means p ≤ alpha.

    Examples:
        >>> found = pair(2829, 2824, 3068, alpha=0.05)  # 92.21 % and 92.05 %
        >>> found.p_best, found.verdict
        (0.0625, 'cannot be told apart at any disagreement')
    """
    difference = count_a - count_b
    most = min(n - count_a, count_b)

    def p(only_b: int) -> float:
        return exact(difference + only_b, only_b)

    p_best, p_worst = p(0), p(most)
    possible = (difference + 2 * most) / n
    if p_best > alpha:
        return Pair(p_best, p_worst, None, possible, WORDS[0])
    if p_worst <= alpha:
        return Pair(p_best, p_worst, possible, possible, WORDS[2])
    low, high = 0, most  # p rises with the samples on which B alone is right
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if p(middle) <= alpha else (low, middle)
    return Pair(p_best, p_worst, (difference + 2 * low) / n, possible, WORDS[1])


def unpaired(count_a: int, count_b: int, n: int) -> float:
    """Compute the two-sided p-value of two proportions on different samples, n each, with pooled variance.

    Examples:
        >>> round(unpaired(2829, 2824, 3068), 2)
        0.81
    """
    pooled = (count_a + count_b) / (2 * n)
    error = math.sqrt(pooled * (1 - pooled) * 2 / n)
    return 1.0 if error == 0 else 2 * float(stats.norm.sf(abs(count_a - count_b) / n / error))


def pairs(held: Mapping[str, Card], *, level: float) -> pd.DataFrame:
    """Return the pairs of every published table that sets methods side by side, per data set of a known size.

    Where several sizes are in use, n is the first of which both numbers are whole counts, else the most common one.

    Args:
        held: Cards by name.
        level: 1 - alpha.
    """
    rows: list[dict[str, object]] = []
    for name, one in held.items():
        for table in one.tables:
            if table.metric == "accuracy" and any(row.method for row in table.rows):
                for dataset in dict.fromkeys(dataset for row in table.rows for dataset in row.published):
                    if dataset in SIZES:
                        rows += _family(held, name, table, dataset, level=level)
    return told_apart_schema.frame(rows)


def _family(
    held: Mapping[str, Card], name: str, table: PublishedTable, dataset: str, *, level: float
) -> list[dict[str, object]]:
    where = f"{held[name].title}, {table.where}"
    shown = {row.method or name: row.published[dataset] for row in table.rows if dataset in row.published}
    ranked = sorted(shown, key=lambda method: (-shown[method], method))
    rows: list[dict[str, object]] = []
    for a, b in itertools.combinations(ranked, 2):
        sizes = SIZES[dataset]
        n = next((size for size in sizes if _fit(size, shown[a], shown[b])), sizes[0])
        count_a, count_b = round(shown[a] * n), round(shown[b] * n)
        caveats = _caveats(held, dataset, table.metric, (a, shown[a]), (b, shown[b]))
        rows.append({
            "dataset": dataset, "metric": table.metric, "table": where, "method_a": a, "method_b": b,
            "value_a": shown[a], "value_b": shown[b], "n": n, "pictures": count_a - count_b,
            **pair(count_a, count_b, n, alpha=1 - level)._asdict(), "p_unpaired": unpaired(count_a, count_b, n),
            "family": f"pairs of {where}, {dataset}", "caveat": "; ".join(caveats) or None, "level": level,
        })  # fmt: skip
    if not rows:
        return []
    adjusted = holm(np.array([row["p_unpaired"] for row in rows], dtype=float))
    return [{**row, "p_unpaired_holm": float(p)} for row, p in zip(rows, adjusted, strict=True)]


def _fit(n: int, *values: float) -> bool:
    return all(whole_count(value, n) == "yes" for value in values)


def _caveats(
    held: Mapping[str, Card], dataset: str, metric: str, a: tuple[str, float], b: tuple[str, float]
) -> Iterator[str]:
    """Name what is on record against the two being of the same samples."""
    first, second = (_claim(held, dataset, metric, *one) for one in (a, b))
    if first is None or second is None:
        return
    classes = (first.protocol.n_classes, second.protocol.n_classes)
    if classes[0] != classes[1]:
        yield f"{classes[0]} and {classes[1]} expressions"
    rules = (first.protocol.label_rule, second.protocol.label_rule)
    if "unknown" not in rules and rules[0] != rules[1]:
        yield f"label rules {rules[0]} and {rules[1]}"
    fitting = [
        {n for n in sizes_of(dataset, one.protocol.n_classes) if whole_count(one.value, n) == "yes"}
        for one in (first, second)
    ]
    if len(SIZES[dataset]) > 1 and all(fitting) and not fitting[0] & fitting[1]:
        yield "whole counts of no common known test size"


def _claim(held: Mapping[str, Card], dataset: str, metric: str, method: str, value: float) -> Claim | None:
    for claim in held[method].claims if method in held else ():
        if (claim.dataset, claim.metric, claim.value) == (dataset, metric, value):
            return claim
    return None
