"""The main table: every method with every metric, and the price of choosing the checkpoint on the test set."""

from typing import Any

import pandas as pd

from fer_bench.protocols import SELECTIONS
from fer_bench.report import words
from fer_bench.report.best_set import best_set
from fer_bench.report.blocks import Section, Table
from fer_bench.report.grid import Grid
from fer_bench.tables.gains import OVER

_BOLD = "Bold: the methods that cannot be told from the best by the comparisons below, not the largest number alone."


def section(grid: Grid) -> Section:
    """Return the main results with the table of selections."""
    return Section(title="Results", blocks=(main(grid), selections(grid)))


def main(grid: Grid) -> Table:
    """Make the main table: one row per data set and method, the set not told from the best in bold."""
    rows: list[dict[str, str]] = []
    bold: set[tuple[int, str]] = set()
    for dataset in grid.datasets:
        sets = {metric: best_set(grid, dataset, metric) for metric in grid.metrics}
        for method in grid.methods(dataset):
            for metric, shown in grid.metrics.items():
                found = sets[metric]
                if found is not None and method in found.bold:
                    bold.add((len(rows), shown.title))
            rows.append(_row(grid, dataset, method))
    titles = [shown.title for shown in grid.metrics.values()]
    head = ["data set"] * grid.several
    columns = [*head, "method", *titles, "n", "seeds", "selection", "recipe", "weights", "batch mates"]
    return Table(
        name="main",
        cells=pd.DataFrame(rows, columns=columns),
        caption=f"{words.listed(titles)} under one protocol ({grid.params.run.protocol}). {scope(grid)} {covers(grid)}",
        wrapped=frozenset({*head, "method", "selection", "recipe", "weights", "batch mates"}),
        right=frozenset({*titles, "n", "seeds"}),
        bold=frozenset(bold),
        shared=frozenset({"n", "seeds", "selection", "recipe", "weights", "batch mates"}),
        note=_bold_note(grid),
        empty="No method has a score.",
    )


def _row(grid: Grid, dataset: str, method: str) -> dict[str, str]:
    runs = grid.runs[(grid.runs["dataset"] == dataset) & (grid.runs["method"] == method)]
    row = {
        "data set": dataset,
        "method": grid.title(method),
        "recipe": _distinct(runs["recipe"]),
        "weights": _distinct(runs["weights"]),
        "batch mates": _distinct(runs["batch_mates"]),
        "n": words.NONE,
        "seeds": _seeds(runs),
        "selection": words.NONE,
    }
    for metric, shown in grid.metrics.items():
        estimates = grid.headline_rows(dataset, metric)
        estimates = estimates[estimates["method"] == method]
        if estimates.empty:
            row[shown.title] = "failed" if len(runs) and (runs["status"] == "failed").all() else words.NONE
            continue
        found = estimates.iloc[0]
        row[shown.title] = metric_with_interval(found, share=shown.share)
        row["n"] = words.count(int(found["n_samples"]))
        row["selection"] = grid.selected(method, str(found["selection"]))
    return row


def metric_with_interval(row: "pd.Series[Any]", *, share: bool, unit: bool = True) -> str:
    """Print an estimate of the intervals table; a metric that is no share has three decimals."""
    estimate, low, high = (float(row[name]) for name in ("estimate", "low", "high"))
    if share:
        return words.level_with_interval(estimate, low, high, unit=unit)
    return f"{estimate:.3f} [{low:.3f}, {high:.3f}]"


def _seeds(runs: pd.DataFrame) -> str:
    done = int((runs["status"] == "ok").sum())
    return str(done) if done == len(runs) else f"{done} of {len(runs)}"


def _distinct(column: "pd.Series[str]") -> str:
    return words.listed(sorted({words.text(value) for value in column})) if len(column) else words.NONE


def covers(grid: Grid) -> str:
    """Say what the brackets are: level, what they cover, what they hold fixed, how they were made."""
    rows = pd.concat(
        [grid.headline_rows(dataset, metric) for dataset in grid.datasets for metric in grid.metrics],
        ignore_index=True,
    )
    if rows.empty:
        return "No intervals: no method has a score."
    ways = rows.drop_duplicates(["resampled", "held_fixed", "interval_method", "n_resamples"])
    said = [
        f"resampling {way['resampled']}, holding fixed {way['held_fixed']} ({way['interval_method']}"
        f"{f', {int(way.n_resamples):,} resamples' if way['n_resamples'] else ''})"
        for _, way in ways.iterrows()
    ]
    return f"Brackets: {words.coverage(float(rows['level'].iloc[0]))} intervals, {'; or '.join(said)}."


def scope(grid: Grid) -> str:
    """Say in one line what a table's numbers rest on: n, seeds, selection, weights."""
    tops = [grid.headline_rows(dataset, next(iter(grid.metrics))) for dataset in grid.datasets]
    rows = pd.concat(tops, ignore_index=True)
    if rows.empty:
        return "No scores."
    sizes = [f"n = {words.count(size)}" for size in sorted({int(size) for size in rows["n_samples"]})]
    seeds = sorted({int(number) for number in rows["n_seeds"]})
    weights = sorted(set(grid.runs["weights"]))
    return (
        f"{words.listed(sizes)}; {words.listed([str(number) for number in seeds])} "
        f"{'seed' if seeds == [1] else 'seeds'}; selection {words.listed(grid.selections(rows))}; "
        f"weights {words.listed(weights)}."
    )


def _bold_note(grid: Grid) -> str:
    said = [_BOLD]
    silent = []
    for metric, shown in grid.metrics.items():
        found = [best_set(grid, dataset, metric) for dataset in grid.datasets]
        if any(one is not None and one.uncompared for one in found):
            silent.append(shown.title)
    if silent:
        said.append(f"{words.listed(silent)}: not compared, so nothing is bold.")
    few = [words.counted(number, "seed") for number in sorted({int(n) for n in _n_seeds(grid)}) if number < 3]
    if few:
        said.append(
            f"Rows with {words.listed(few, last='or')} say little about the spread between trainings; 5 are advised."
        )
    if any(grid.brought(name) for name in grid.params.methods):
        said.append("Brought: predictions that were made elsewhere; how they were trained and selected is not known.")
    if (grid.runs["batch_mates"] == "coupled").any():
        said.append("Coupled: logits depend on the batch, so samples were predicted one at a time.")
    return f"{' '.join(said)} {grid.params.report.scale.strip()}"


def _n_seeds(grid: Grid) -> list[int]:
    primary = next(iter(grid.metrics))
    return [int(n) for dataset in grid.datasets for n in grid.headline_rows(dataset, primary)["n_seeds"]]


def selections(grid: Grid) -> Table:
    """Make the table of the three selections, with what choosing on the test set gains over the two others."""
    rows: list[dict[str, str]] = []
    for dataset in grid.datasets:
        for metric in grid.compared:
            table = grid.over_seeds(dataset, metric)
            for method in grid.methods(dataset):
                found = {str(row["selection"]): row for _, row in table[table["method"] == method].iterrows()}
                if found and not grid.brought(method):
                    rows.append(_selection_row(grid, dataset, metric, method, found))
    head = ["data set"] * grid.several
    printed = [words.selection(name) for name in SELECTIONS]
    gained = [_gained(name) for name in OVER]
    return Table(
        name="selections",
        cells=pd.DataFrame(rows, columns=[*head, "method", "metric", *printed, *gained]),
        caption=f"The same runs under each rule that picks the checkpoint, shares in %. {covers(grid)} "
        f"{_gains_cover(grid)}{scope(grid)}",
        wrapped=frozenset({*head, "method", "metric"}),
        right=frozenset({*printed, *gained}),
        bold_headers=frozenset({words.selection("best_on_test")}),
        note=(
            "oracle: the checkpoint was chosen on the samples that are reported, so the number is not an honest "
            "estimate; over: oracle less that selection, in points, on the samples that chose, not to be expected "
            "on others; same: every picture counts the same under every seed. "
            f"{'' if len(grid.gains) else 'Gains are not computed; make them: fer-bench ladder. '}"
            f"{grid.params.report.scale.strip()}"
        ),
        empty="No method has a score.",
    )


def _selection_row(
    grid: Grid, dataset: str, metric: str, method: str, found: "dict[str, pd.Series[Any]]"
) -> dict[str, str]:
    shown = grid.metrics[metric]
    printed = {
        words.selection(name): metric_with_interval(found[name], share=shown.share, unit=False)
        if name in found
        else words.NONE
        for name in SELECTIONS
    }
    return {"data set": dataset, "method": grid.title(method), "metric": shown.title, **printed} | {
        _gained(over): _gain(grid, dataset, method, metric, over) for over in OVER
    }


def _gained(over: str) -> str:
    return f"over {over}"


def _gain(grid: Grid, dataset: str, method: str, metric: str, over: str) -> str:
    table = grid.gains
    rows = table[(table["dataset"] == dataset) & (table["method"] == method)]
    rows = rows[(rows["metric"] == metric) & (rows["over"] == over)]
    if rows.empty:
        return words.NONE
    if pd.isna(rows.iloc[0]["low"]):
        return "0.0 (same)"
    middle, low, high = (float(rows.iloc[0][name]) for name in ("difference", "low", "high"))
    if grid.metrics[metric].share:
        return words.points_with_interval(middle, low, high, unit=False)
    return f"{middle:+.3f} [{low:+.3f}, {high:+.3f}]"


def _gains_cover(grid: Grid) -> str:
    """Say what the intervals of gains are; nothing where there are none."""
    table = grid.gains[grid.gains["low"].notna()]
    if table.empty:
        return ""
    ways = table.drop_duplicates(["resampled", "held_fixed", "interval_method"])
    said = [
        f"resampling {way['resampled']}, holding fixed {way['held_fixed']} ({way['interval_method']})"
        for _, way in ways.iterrows()
    ]
    return f"Of gains, paired on runs and pictures: {'; or '.join(said)}. "
