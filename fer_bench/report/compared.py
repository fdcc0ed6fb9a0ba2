"""Methods against each other: difference, interval, corrected p, and the smallest difference that could be seen."""

from typing import Any

import pandas as pd

from fer_bench.report import words
from fer_bench.report.blocks import Section, Table
from fer_bench.report.grid import Grid


def section(grid: Grid) -> Section:
    """Return the comparisons under the headline selection."""
    return Section(title="Comparisons", blocks=(comparisons(grid),))


def comparisons(grid: Grid) -> Table:
    """Make the table of comparisons."""
    table = grid.tables["comparisons"]
    wanted = table[table["selection"].isin([grid.headline, "last"])]
    if (wanted["selection"] == grid.headline).any():
        wanted = wanted[wanted["selection"] == grid.headline]
    rows = [_row(grid, row) for _, row in wanted.iterrows()]
    head = ["data set"] * grid.several
    numbers = ["A − B", "p (Holm)", "detectable", "one right", "seeds"]
    return Table(
        name="comparisons",
        cells=pd.DataFrame(rows, columns=[*head, "metric", "A", "B", "A − B", "p (Holm)", "A is", *numbers[2:]]),
        caption=_caption(grid, wanted),
        wrapped=frozenset({*head, "metric", "A", "B", "A is"}),
        right=frozenset(numbers),
        shared=frozenset({"seeds"}),
        note=_legend(grid, wanted),
        empty="No two methods were compared.",
    )


def _row(grid: Grid, row: "pd.Series[Any]") -> dict[str, str]:
    difference, low, high = (float(row[name]) for name in ("difference", "low", "high"))
    metric = str(row["metric"])
    shown = grid.metrics.get(metric)
    share = shown is None or shown.share
    return {
        "data set": str(row["dataset"]),
        "metric": shown.title if shown else metric,
        "A": grid.title(str(row["method_a"])),
        "B": grid.title(str(row["method_b"])),
        "A − B": words.points_with_interval(difference, low, high) if share else _plain(difference, low, high),
        "p (Holm)": words.p_value(row["p_holm"]),
        "A is": str(row["verdict"]),
        "detectable": words.NONE if pd.isna(row["detectable"]) else _size(float(row["detectable"]), share=share),
        "one right": words.NONE if pd.isna(row["disagreement"]) else words.percent(float(row["disagreement"])),
        "seeds": str(row["n_seeds"]),
    }


def _plain(difference: float, low: float, high: float) -> str:
    """Print a difference of what is no share, for example of log-loss: not in points, which are hundredths."""
    return f"{difference:+.3f} [{low:+.3f}, {high:+.3f}]".replace("-", words.MINUS)


def _size(difference: float, *, share: bool) -> str:
    return words.points(difference).lstrip("+") if share else f"{difference:.3f}"


def _caption(grid: Grid, rows: pd.DataFrame) -> str:
    if rows.empty:
        return "Two methods on the same samples."
    sizes = [words.count(size) for size in sorted({int(size) for size in rows["n_samples"]})]
    return (
        f"Two methods on the same samples: A less B, with {words.coverage(float(rows['level'].iloc[0]))} intervals in "
        f"brackets. n = {words.listed(sizes)}; selection {words.listed(grid.selections(rows))}."
    )


def _legend(grid: Grid, rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    margin = words.points(grid.params.compare.margin).lstrip("+")
    families = [
        f"{family['family']} ({words.counted(int(family['family_size']), 'test')})"
        for _, family in rows.drop_duplicates("family").iterrows()
        if not pd.isna(family["p_holm"])
    ]
    ways = [
        f"{way['metric']}: {way['interval_method']}, {way['test']}"
        for _, way in rows.drop_duplicates(["metric", "interval_method", "test"]).iterrows()
    ]
    return (
        f"{'; '.join(ways)}. Holm's correction over: {'; '.join(families) or 'nothing tested'}. "
        f"Better, worse: the interval leaves out 0 and p is at most {1 - grid.level:.2g}; equivalent: the interval "
        f"lies within {margin} either way, the margin decided beforehand; undecided: neither. Detectable: the smallest "
        "difference seen with 80 % power. One right: share of samples on which exactly one of the two is right. "
        f"{grid.params.report.scale.strip()}"
    )
