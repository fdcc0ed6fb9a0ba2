"""The scores beside the annotators: how far they hang on who labelled, and how a method stands to one annotator."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from fer_bench.report import words
from fer_bench.report.blocks import Block, Section, Table, Text
from fer_bench.report.grid import Grid
from fer_bench.report.main_table import metric_with_interval
from fer_bench.tables.annotators import KAPPA

_ENDS = ("low", "high")
_NUMBERS = ("score", "votes, points", "same pictures", "by the others", "less one annotator")


def section(grid: Grid, table: pd.DataFrame) -> Section | None:
    """Return the section; None where no data set has votes.

    Args:
        grid: The grid.
        table: Its annotators table, perhaps without rows.
    """
    if table.empty:
        return None
    blocks: list[Block] = [Text(sentence) for sentence in sentences(grid, table)]
    return Section(title="Results beside the annotators", blocks=(*blocks, beside(grid, table)))


def sentences(grid: Grid, table: pd.DataFrame) -> list[str]:
    """Say of each data set with votes how far its annotators agree, and what one of them scores.

    Args:
        grid: The grid.
        table: Its annotators table.
    """
    said = []
    for dataset in grid.datasets:
        for metric in _metrics(grid, table, dataset):
            parts = _parts(table, dataset, metric)
            one = parts["annotator"]
            if pd.isna(one["estimate"]):
                continue
            low, high = (_score(parts["annotator_band"][end], share=grid.metrics[metric].share) for end in _ENDS)
            said.append(
                f"{dataset}: one annotator, judged by the others, has {words.inline(grid.metrics[metric].title)} "
                f"{metric_with_interval(one, share=grid.metrics[metric].share)} on the "
                f"{words.count(int(one['n_samples']))} test pictures that keep a label whatever that annotator says; "
                f"single annotators lie within {low} to {high} by chance alone."
            )
        kappa = _parts(table, dataset, KAPPA)
        if kappa and pd.notna(kappa["agreement"]["estimate"]):
            said.append(
                f"{dataset}: Fleiss' kappa of the annotators is {_plain(kappa['agreement'])} on all "
                f"{words.count(int(kappa['agreement']['n_samples']))} test pictures and "
                f"{_plain(kappa['agreement_reported'])} on those that have a label."
            )
    return said


def beside(grid: Grid, table: pd.DataFrame) -> Table:
    """Make the table: one row per method and metric.

    Args:
        grid: The grid.
        table: Its annotators table.
    """
    rows = [
        _row(grid, dataset, method, metric, found)
        for dataset in grid.datasets
        for metric in _metrics(grid, table, dataset)
        for method in grid.methods(dataset)
        if (found := _parts(table, dataset, metric, method))
    ]
    head = ["data set"] * grid.several
    return Table(
        name="annotators",
        cells=pd.DataFrame(rows, columns=[*head, "method", "metric", *_NUMBERS, "verdict"]),
        caption=(
            "Scores beside the annotators. votes: standard deviation of the score that is due to who labelled, a part "
            "of what its interval covers; same pictures: the score had other people labelled these very pictures; by "
            "the others: against labels without one vote; less one annotator: that, less what the vote left out "
            f"scores. Brackets: {words.coverage(grid.level)} intervals."
        ),
        wrapped=frozenset({*head, "method", "metric", "verdict"}),
        right=frozenset(_NUMBERS),
        note=" ".join([*_notes(grid, table), grid.params.report.scale.strip()]),
        empty="No method has a score.",
    )


def _metrics(grid: Grid, table: pd.DataFrame, dataset: str) -> list[str]:
    held = set(table.loc[table["dataset"] == dataset, "metric"])
    return [metric for metric in grid.metrics if metric in held]


def _parts(table: pd.DataFrame, dataset: str, metric: str, method: str | None = None) -> "Mapping[str, pd.Series[Any]]":
    whose = table["method"].isna() if method is None else table["method"] == method
    chosen = table[(table["dataset"] == dataset) & (table["metric"] == metric) & whose.fillna(value=False)]
    return {str(row["part"]): row for _, row in chosen.iterrows()}


def _row(grid: Grid, dataset: str, method: str, metric: str, parts: "Mapping[str, pd.Series[Any]]") -> dict[str, str]:
    share = grid.metrics[metric].share
    same, votes = parts["same_pictures"], float(parts["score_votes"]["sd_votes"])
    compared = "difference" in parts
    return {
        "data set": dataset,
        "method": grid.title(method),
        "metric": grid.metrics[metric].title,
        "score": metric_with_interval(parts["score"], share=share),
        "votes, points": f"{100 * votes:.2f}" if share else f"{votes:.4f}",
        "same pictures": f"[{', '.join(_score(same[end], share=share) for end in _ENDS)}]",
        "by the others": metric_with_interval(parts["rest"], share=share) if compared else words.NONE,
        "less one annotator": _difference(parts["difference"], share=share) if compared else words.NONE,
        "verdict": str(parts["difference"]["verdict"]) if compared else words.NONE,
    }


def _notes(grid: Grid, table: pd.DataFrame) -> list[str]:
    drawn = table[table["part"] == "score_votes"].drop_duplicates("dataset")
    said = [
        f"{row['dataset']}: of labels under redrawn votes, {words.percent(float(row['share_changed']))} are another "
        f"expression and {words.percent(float(row['share_dropped']))} none."
        for _, row in drawn.iterrows()
    ]
    margin = words.points(grid.params.compare.margin).lstrip("+")
    read = (
        f"within: the interval of the difference contains 0 or lies within {margin} either way. Annotators are "
        "anonymous: how much they differ from each other in skill is not known. An annotator gives one vote; methods "
        "were trained on what many agreed on."
    )
    return [*said, read]


def _score(value: Any, *, share: bool) -> str:  # noqa: ANN401 - a cell of a table
    return words.percent(float(value), unit=False) if share else f"{float(value):.3f}"


def _difference(row: "pd.Series[Any]", *, share: bool) -> str:
    estimate, low, high = (float(row[name]) for name in ("estimate", "low", "high"))
    if share:
        return words.points_with_interval(estimate, low, high, unit=False)
    return f"{estimate:+.3f} [{low:+.3f}, {high:+.3f}]"


def _plain(row: "pd.Series[Any]") -> str:
    ends = "" if pd.isna(row["low"]) else f" [{row['low']:.2f}, {row['high']:.2f}]"
    return f"{row['estimate']:.2f}{ends}"
