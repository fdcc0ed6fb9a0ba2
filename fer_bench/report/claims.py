"""Published numbers beside ours: those of the grid's methods row by row, the others counted.

What is on record about methods outside the grid stands in the published tables and in ``verdicts.csv``; a row of theirs
would say nothing but that it was not run.
"""

from typing import Any

import pandas as pd

from fer_bench.report import words
from fer_bench.report.blocks import Section, Table
from fer_bench.report.grid import Grid
from fer_bench.report.main_table import metric_with_interval
from fer_bench.stats.saying import without_link
from fer_bench.stats.wording import title


def section(grid: Grid) -> Section:
    """Return the claims with their verdicts."""
    return Section(title="Published claims beside ours", blocks=(claims(grid),))


def claims(grid: Grid) -> Table:
    """Make the table of claims."""
    table = grid.tables["verdicts"]
    inside = table["method"].isin({*grid.params.methods, *map(grid.params.method_of, grid.params.methods)})
    table, outside = table[inside], table[~inside]
    rows = [_row(grid, row) for _, row in table.iterrows()]
    columns = [
        "method", "data set", "metric", "published", "where", "selected by", "ours", "one more run", "seeds", "verdict",
        "why",
    ]  # fmt: skip
    levels = sorted({float(level) for level in table["level"].dropna()})
    return Table(
        name="claims",
        cells=pd.DataFrame(rows, columns=columns),
        caption="Published numbers and ours, in %. "
        + (
            f"Brackets: {words.listed([words.coverage(level) for level in levels])} intervals of the mean over seeds; "
            "one more run: where one run more would land, by which claims are judged. "
            if levels
            else ""
        )
        + "Selected by: the rule that picked the published checkpoint, as far as paper and code say.",
        wrapped=frozenset({"method", "data set", "metric", "where", "selected by", "verdict", "why"}),
        right=frozenset({"published", "ours", "one more run", "seeds"}),
        noted=frozenset({"why"}),
        shared=frozenset({"metric", "seeds"}),
        note=f"{_outside(grid, outside)}A verdict is about the number under the recipe and weights of the main table. "
        f"{grid.params.report.scale.strip()}",
        empty="No published claim is on record for these methods and data sets.",
    )


def _outside(grid: Grid, rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    names = [grid.title(name) for name in dict.fromkeys(map(str, rows["method"]))]
    return (
        f"Not run, and left out here: {words.counted(len(rows), 'claim')} of methods outside this grid "
        f"({words.listed(names)}); verdicts.csv lists them. "
    )


def _row(grid: Grid, row: "pd.Series[Any]") -> dict[str, str]:
    metric = str(row["metric"])
    return {
        "method": grid.title(str(row["method"])),
        "data set": str(row["dataset"]),
        "metric": title(metric),
        "published": words.published(float(row["claim"])).removesuffix(" %"),
        "where": words.text(row["where"]),
        "selected by": words.text(row["claimed_selection"]),
        "ours": words.NONE if pd.isna(row["estimate"]) else metric_with_interval(row, share=True, unit=False),
        "one more run": _one_run(row),
        "seeds": words.count(row["n_seeds"]),
        "verdict": words.text(row["verdict"]),
        "why": words.text(without_link(str(row["reason"]), row["link"])),
    }


def _one_run(row: "pd.Series[Any]") -> str:
    if pd.isna(row["predicted_low"]):
        return words.NONE
    low, high = float(row["predicted_low"]), float(row["predicted_high"])
    return f"{words.percent(low, unit=False)} to {words.percent(high, unit=False)}"
