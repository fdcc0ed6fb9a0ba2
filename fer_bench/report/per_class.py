"""Recall and F1 of every expression, with intervals over seeds and samples.

Recomputed from ``predicted/<dataset>.csv`` by the crossed bootstrap of :mod:`fer_bench.stats.crossed`: samples, and
the method's seeds where it has several, are drawn with replacement. One pass draws for all methods at once.
"""

import numpy as np
import pandas as pd

from fer_bench import seeds
from fer_bench.metrics._named import of_labels
from fer_bench.report import words
from fer_bench.report.blocks import Section, Table
from fer_bench.report.figures import lacking
from fer_bench.report.grid import Grid
from fer_bench.report.main_table import scope
from fer_bench.stats import confusion, crossed
from fer_bench.stats.wilson import wilson
from fer_bench.tables import predicted

_MEASURES = {"recall": "recall", "F1": "f1"}
"""Head of a column to metric."""


def section(grid: Grid) -> Section:
    """Return the table of expressions."""
    return Section(title="Per expression", blocks=(per_class(grid),))


def per_class(grid: Grid) -> Table:
    """Make the table: one row per data set, method and expression."""
    rows = [row for dataset in grid.datasets for row in _dataset(grid, dataset)]
    head = ["data set"] * grid.several
    nothing = "".join(_lacking(grid, dataset) for dataset in grid.datasets)
    level = words.coverage(grid.level)
    return Table(
        name="per_class",
        cells=pd.DataFrame(rows, columns=[*head, "method", "expression", "n", *_MEASURES]),
        caption=f"Recall and F1 of each expression, mean over seeds; n: its reported samples. Brackets: {level} "
        f"intervals, {_drawn(grid)} (crossed bootstrap, percentile, "
        f"{grid.params.score.n_resamples:,} resamples). {scope(grid)}",
        wrapped=frozenset({*head, "method", "expression"}),
        right=frozenset({"n", *_MEASURES}),
        note="Where resampling shows no spread, recall has Wilson's interval of one run, and F1 stands without "
        f"brackets.{nothing} {grid.params.report.scale.strip()}",
        empty="No run has predictions.",
    )


def _drawn(grid: Grid) -> str:
    seeds_used = [n for name in grid.datasets for n in grid.headline_rows(name, next(iter(grid.metrics)))["n_seeds"]]
    if max(map(int, seeds_used), default=1) == 1:
        return "resampling samples, holding fixed the checkpoints (seeds, training data)"
    return "resampling seeds and samples, holding fixed the training data"


def _lacking(grid: Grid, dataset: str) -> str:
    """Say of which expressions there is no sample, and which a method predicts under no seed."""
    table = grid.predicted.get(dataset)
    if table is None or table.empty:
        return ""
    names, used = grid.expressions(dataset), _runs_shown(grid, dataset, table)
    said = [(f"{dataset}: no sample of", sorted(set(range(len(names))) - set(table["y_true"])))]
    for method in grid.methods(dataset):
        own = [str(column) for column in used if column.method == method]
        missing = set(range(len(names))) - set(np.unique(table[own].to_numpy(dtype=int))) if own else set()
        said.append((f"{dataset}, {grid.title(method)} never predicts", sorted(missing)))
    return lacking([(f"on {what}", [names[place] for place in places]) for what, places in said])


def _dataset(grid: Grid, dataset: str) -> list[dict[str, str]]:
    table = grid.predicted.get(dataset)
    if table is None or table.empty:
        return []
    n_classes = grid.n_classes(dataset)
    used = _runs_shown(grid, dataset, table)
    if not used:
        return []
    y_true = table["y_true"].to_numpy(dtype=int)
    y_pred = np.stack([table[str(column)].to_numpy(dtype=int) for column in used])
    measures = of_labels(_MEASURES.values(), n_classes=n_classes)
    score = grid.params.score
    drawn = crossed.resample_samples(
        y_true,
        y_pred,
        {name: metric.of_confusion for name, metric in measures.items()},
        n_classes=n_classes,
        n_resamples=score.n_resamples,
        rng=seeds.generator(score.seed, "report", "per_class", dataset),
    )
    counts = confusion.count_seeds(y_true, y_pred, n_classes=n_classes)
    rows = []
    for method in grid.methods(dataset):
        own = [number for number, column in enumerate(used) if column.method == method]
        if not own:
            continue
        rng = seeds.generator(score.seed, "report", "per_class", dataset, method)
        weights = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=score.n_resamples).T / len(own)
        for index, expression in enumerate(grid.expressions(dataset)):
            n = int((y_true == index).sum())
            row = {"data set": dataset, "method": grid.title(method), "expression": expression, "n": words.count(n)}
            for name, metric in _MEASURES.items():
                values = (drawn[f"{metric}_{expression}"][own] * weights).sum(axis=0)
                each = measures[f"{metric}_{expression}"].of_confusion(counts[own])
                row[name] = _printed(name, float(each.mean()), values, n=n, level=grid.level)
            rows.append(row)
    return rows


def _printed(name: str, estimate: float, values: np.ndarray, *, n: int, level: float) -> str:
    if n == 0 and name == "recall":
        return words.NONE
    low, high = crossed.percentile(values, level=level)
    if high > low:
        return words.level_with_interval(estimate, min(low, estimate), max(high, estimate))
    if name == "recall":
        return words.level_with_interval(estimate, *wilson(round(estimate * n), n, level=level))
    return words.percent(estimate)


def _runs_shown(grid: Grid, dataset: str, table: pd.DataFrame) -> list[predicted.Column]:
    return [
        column for column in predicted.columns(table) if column.selection == grid.selection_of(dataset, column.method)
    ]
