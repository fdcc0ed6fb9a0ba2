"""What published numbers say without any training: from their size and that of the test set alone."""

from typing import Any

import pandas as pd

from fer_bench import card, registry
from fer_bench.report import words
from fer_bench.report.blocks import Block, Section, Table, Text
from fer_bench.report.grid import Grid
from fer_bench.stats.saying import in_words
from fer_bench.tables.told_apart import WORDS


def section(grid: Grid, published: pd.DataFrame, told_apart: pd.DataFrame) -> Section:
    """Return the published numbers with their intervals, and which of a published table are not told apart.

    Args:
        grid: The grid; its numbers play no part here.
        published: Of ``published.csv``.
        told_apart: Of ``told_apart.csv``.
    """
    titles = {name: card.read(name).title for name in registry.names("cards")}
    blocks: tuple[Block, ...] = (
        *(Text(sentence) for sentence in in_words(published, told_apart, titles)),
        _numbers(published, titles, level=grid.level),
        _pairs(told_apart, titles, level=grid.level),
    )
    return Section(title="What published numbers say on their own", blocks=blocks)


def _numbers(table: pd.DataFrame, titles: dict[str, str], *, level: float) -> Table:
    columns = ["data set", "method", "published", "nearest count", "interval", "whole count", "fits", "where"]
    rows = [
        {
            "data set": str(row["dataset"]),
            "method": titles.get(str(row["method"]), str(row["method"])),
            "published": words.published(float(row["value"])),
            "nearest count": _count(row),
            "interval": _interval(row),
            "whole count": str(row["whole_count"]),
            "fits": words.text(row["fits"]).replace(";", ", "),
            "where": words.text(row["where"]),
        }
        for _, row in table.iterrows()
    ]
    return Table(
        name="published_alone",
        cells=pd.DataFrame(rows, columns=columns),
        caption=f"Published accuracies and the {words.coverage(level)} interval that follows from the number of "
        "pictures alone (Wilson). Whole count: whether the number is one, at its two decimals. Fits: where several "
        "sizes of the test set are in use, those of which it is one.",
        wrapped=frozenset({"data set", "method", "whole count", "fits", "where"}),
        right=frozenset({"published", "nearest count", "interval"}),
        noted=frozenset({"where"}),
        note="The interval covers other pictures of the kind, not another run. A question mark: the size of the test "
        "set is not published, and the first known one that fits is taken. A number that is no whole count may be a "
        "mean over runs or batches, or of another test set. Numbers stand here as printed, those of void claims too.",
        empty="No published accuracy is on record.",
    )


def _count(row: "pd.Series[Any]") -> str:
    if pd.isna(row["count"]):
        return words.NONE
    return f"{words.count(row['count'])} of {words.count(row['n'])}{'?' * (row['n_from'] == 'known')}"


def _interval(row: "pd.Series[Any]") -> str:
    if pd.isna(row["low"]):
        return words.NONE
    low, high = float(row["low"]), float(row["high"])
    return f"{words.percent(low, unit=False)} to {words.percent(high)}"


def _pairs(table: pd.DataFrame, titles: dict[str, str], *, level: float) -> Table:
    """Make the table of each method against those below it."""
    rows = []
    for (dataset, where), of_table in table.groupby(["dataset", "table"]):
        value = {**dict(zip(of_table["method_b"], of_table["value_b"], strict=True)),
                 **dict(zip(of_table["method_a"], of_table["value_a"], strict=True))}  # fmt: skip
        for method in sorted(value, key=lambda name: -float(value[name])):
            below = of_table[of_table["method_a"] == method].sort_values("pictures", kind="stable")
            if below.empty:
                continue
            never, depends, always = (below[below["verdict"] == word] for word in WORDS)
            rows.append(
                {
                    "data set": str(dataset),
                    "table": str(where),
                    "method": titles.get(method, method),
                    "published": words.published(float(value[method])),
                    "cannot be told from": _named(never, titles),
                    "only if few answers differ": _named(depends, titles, limits=True),
                    "told apart in any case": f"{len(always)} of {len(below)}",
                }
            )
    columns = [
        "data set", "table", "method", "published", "cannot be told from", "only if few answers differ",
        "told apart in any case",
    ]  # fmt: skip
    return Table(
        name="published_pairs",
        cells=pd.DataFrame(rows, columns=columns),
        caption="Each method of a published table against those below it, by the two numbers alone: whether the exact "
        f"McNemar test at {words.coverage(1 - level)} can tell them apart, over all ways in which two runs with these "
        "accuracies can differ on the same pictures. In brackets the largest share of pictures answered differently up "
        "to which it does.",
        wrapped=frozenset({"data set", "table", "method", "cannot be told from", "only if few answers differ"}),
        right=frozenset({"published", "told apart in any case"}),
        shared=frozenset({"table"}),
        note="Conditional on one run each and on the same pictures; not corrected for the number of pairs. "
        "told_apart.csv has every pair, with what is on record against the two being of the same pictures.",
        empty="No published table sets methods side by side.",
    )


def _named(pairs: pd.DataFrame, titles: dict[str, str], *, limits: bool = False) -> str:
    named = [
        titles.get(str(row["method_b"]), str(row["method_b"]))
        + (f" ({words.percent(float(row['most_told_apart']))})" if limits else "")
        for _, row in pairs.iterrows()
    ]
    return ", ".join(named) or words.NONE
