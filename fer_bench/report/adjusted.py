"""The scores beside those without the test pictures that also stand in training, with the interval of the gap."""

from typing import Any

import pandas as pd

from fer_bench.report import words
from fer_bench.report.blocks import Section, Table
from fer_bench.report.grid import Grid
from fer_bench.report.main_table import metric_with_interval, scope

_SCORES = ("all", "clean", "twins")
_FEW = 100  # with 61, intervals of one run covered in 92 % of simulated cases (docs/statistics.md)


def section(grid: Grid) -> Section:
    """Return the adjusted scores."""
    return Section(title="Results with and without twins", blocks=(adjusted(grid),))


def adjusted(grid: Grid) -> Table:
    """Make the table: one row per method and metric, of the data sets in which reported samples have twins."""
    rows = [
        _row(grid, dataset, method, metric)
        for dataset in grid.datasets
        if n_twins(grid, dataset)
        for metric in grid.compared_labels
        for method in grid.methods(dataset)
        if len(parts(grid, dataset, method, metric))
    ]
    head = ["data set"] * grid.several
    numbers = ["n clean", "n twins", *_SCORES, "gap, points"]
    return Table(
        name="contamination",
        cells=pd.DataFrame(rows, columns=[*head, "method", "metric", *numbers]),
        caption=" ".join(["With and without test pictures that also stand in training.", *_basis(grid, rows)]),
        wrapped=frozenset({*head, "method", "metric"}),
        right=frozenset(numbers),
        shared=frozenset({"n clean", "n twins"}),
        note=" ".join([*(_notes(grid) if rows else []), grid.params.report.scale.strip()]),
        empty=" ".join(_without(grid)) or "No method has a score.",
    )


def sentences(grid: Grid) -> list[str]:
    """Say of each data set with twins how many there are, and what the best method scores without them."""
    said = []
    for dataset in grid.datasets:
        if not n_twins(grid, dataset):
            continue
        metric = grid.compared_labels[0]
        table = _of(grid, dataset)
        one = table.iloc[0]
        n, n_exact = int(table.loc[table["part"] == "all", "n_samples"].iloc[0]), int(one["n_exact"])
        counts = (
            f"On {dataset} {words.count(int(one['n_twins']))} of {words.count(n)} test pictures have a twin in "
            f"training, {words.count(n_exact)} of them an exact one"
        )
        best = next(name for name in grid.methods(dataset) if len(parts(grid, dataset, name, metric)))
        found = parts(grid, dataset, best, metric)
        if pd.isna(found["gap"]["estimate"]):
            said.append(f"{counts}: no score on it is free of them.")
            continue
        shown = grid.metrics[metric]
        said.append(
            f"{counts}; without them {grid.title(best)} has {words.inline(shown.title)} "
            f"{_score(found['clean'], share=shown.share)} instead of {_score(found['all'], share=shown.share)}, "
            f"gap {_gap(found['gap'], share=shown.share, unit=True)}."
        )
    return said


def n_twins(grid: Grid, dataset: str) -> int:
    """Return how many reported samples of a data set have a twin in training, as far as that was computed."""
    table = _of(grid, dataset)
    return int(table["n_twins"].max()) if len(table) else 0


def parts(grid: Grid, dataset: str, method: str, metric: str) -> "dict[str, pd.Series[Any]]":
    """Return a method's rows by part, under the selection of the main table; empty without any."""
    table = _of(grid, dataset)
    chosen = table[
        (table["method"] == method)
        & (table["metric"] == metric)
        & (table["selection"] == grid.selection_of(dataset, method))
    ]
    return {str(row["part"]): row for _, row in chosen.iterrows()}


def _of(grid: Grid, dataset: str) -> pd.DataFrame:
    table = grid.contamination
    return table.iloc[:0] if dataset not in set(table["dataset"]) else table[table["dataset"] == dataset]


def _row(grid: Grid, dataset: str, method: str, metric: str) -> dict[str, str]:
    found, shown = parts(grid, dataset, method, metric), grid.metrics[metric]
    return {
        "data set": dataset,
        "method": grid.title(method),
        "metric": shown.title,
        "n clean": words.count(int(found["clean"]["n_samples"])),
        "n twins": words.count(int(found["twins"]["n_samples"])),
        **{name: _score(found[name], share=shown.share) for name in _SCORES},
        "gap, points": _gap(found["gap"], share=shown.share, unit=False),
    }


def _score(row: "pd.Series[Any]", *, share: bool) -> str:
    if pd.isna(row["estimate"]):
        return words.NONE
    if pd.isna(row["low"]):
        return words.percent(float(row["estimate"])) if share else f"{float(row['estimate']):.3f}"
    return metric_with_interval(row, share=share)


def _gap(row: "pd.Series[Any]", *, share: bool, unit: bool) -> str:
    if pd.isna(row["estimate"]):
        return words.NONE
    estimate, low, high = (float(row[name]) for name in ("estimate", "low", "high"))
    if share:
        return words.points_with_interval(estimate, low, high, unit=unit)
    return f"{estimate:+.3f} [{low:+.3f}, {high:+.3f}]"


def _basis(grid: Grid, rows: list[dict[str, str]]) -> list[str]:
    """Say what the parts are and what the numbers rest on; nothing where there are none."""
    return [_parts_said(grid), _covers(grid), scope(grid)] if rows else []


def _parts_said(grid: Grid) -> str:
    splits = sorted({str(value).replace(";", " or ") for value in grid.contamination["trains_on"]})
    return (
        f"twins: reported samples that show the same photograph as a labelled picture of {words.listed(splits)}, exact "
        "(equal pixel for pixel) or near (mirrored, resized, recompressed or otherwise altered); clean: those that do "
        "not; gap: all less clean."
    )


def _covers(grid: Grid) -> str:
    table = grid.contamination
    gaps = table[(table["part"] == "gap") & table["low"].notna() & (table["n_twins"] > 0)]
    if gaps.empty:
        return "No intervals of gaps."
    ways = gaps.drop_duplicates(["resampled", "held_fixed", "interval_method"])
    said = [
        f"resampling {way['resampled']} jointly for both scores, holding fixed {way['held_fixed']} "
        f"({way['interval_method']})"
        for _, way in ways.iterrows()
    ]
    return f"Brackets: {words.coverage(float(gaps['level'].iloc[0]))} intervals; of the gap, {'; or '.join(said)}."


def _notes(grid: Grid) -> list[str]:
    said = []
    for dataset in grid.datasets:
        n = n_twins(grid, dataset)
        if not n:
            continue
        absent = {str(value) for value in _of(grid, dataset)["without_clean"].dropna()}
        said += [
            f"{dataset}: no clean sample of {words.listed(value.split(';'))}, so that of averages over expressions the "
            "clean scores are not about the same expressions as the others."
            for value in sorted(absent)
        ]
        if n < _FEW:
            said.append(f"{dataset}: {words.counted(n, 'twin')}; fewer than {_FEW} make the interval of the gap rough.")
    return [*_without(grid), *said, "A gap is not what training on the twins gains: they may be easier in themselves."]


def _without(grid: Grid) -> list[str]:
    """Name the data sets without twins, and those of which that is not known."""
    computed = set(grid.contamination["dataset"])
    none = [name for name in grid.datasets if name in computed and not n_twins(grid, name)]
    unknown = [name for name in grid.datasets if name not in computed]
    said = []
    if none:
        said.append(
            f"{words.listed(none)}: no reported sample has a twin in training, so that the gap is 0 and every score "
            "is one of clean samples."
        )
    if unknown:
        said.append(f"{words.listed(unknown)}: not computed; make it: fer-bench adjust.")
    return said
