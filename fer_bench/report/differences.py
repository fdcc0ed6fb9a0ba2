"""Where the best method and the others err differently: differences of confusion matrices."""

from pathlib import Path

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure as DrawnFigure

from fer_bench.report import style, words
from fer_bench.report.blocks import Figure, Section
from fer_bench.report.figures import (
    NUMBERED,
    finish_matrix,
    lacking,
    matrix_figure,
    matrix_labels,
    matrix_width,
    slug,
    wrapped,
)
from fer_bench.report.grid import Grid
from fer_bench.stats.cells import Cells, cells
from fer_bench.tables import predicted

MOST = 3
"""Matrices drawn per data set: the best method less each of the next ones."""


def section(grid: Grid, folder: Path) -> Section | None:
    """Draw the figures into a folder; None where no two methods have a common seed."""
    figures = []
    with style.styled():
        for dataset in grid.datasets:
            for one, other in pairs(grid, dataset):
                figures += [figure for figure in [difference(grid, dataset, one, other, folder)] if figure]
    return Section(title="Where methods err differently", blocks=tuple(figures)) if figures else None


def pairs(grid: Grid, dataset: str) -> list[tuple[str, str]]:
    """Return whom the best method is set against: the next ones, or those whose matrices the grid asks for."""
    scored = set(grid.headline_rows(dataset, next(iter(grid.metrics)))["method"])
    methods = [name for name in grid.methods(dataset) if name in scored]
    if grid.params.report.figures:
        methods = [name for name in methods if name in grid.params.report.figures]
    return [(methods[0], other) for other in methods[1 : MOST + 1]]


def difference(grid: Grid, dataset: str, one: str, other: str, folder: Path) -> Figure | None:
    """Draw one difference: points of the row, cells that Holm's correction does not tell from 0 in grey."""
    table = grid.predicted.get(dataset)
    if table is None:
        return None
    seeds = [_seeds(grid, dataset, name) for name in (one, other)]
    common = sorted(seeds[0].keys() & seeds[1].keys())
    if not common:
        return None
    y_pred = [np.stack([table[held[seed]].to_numpy(dtype=int) for seed in common]) for held in seeds]
    found = cells(table["y_true"].to_numpy(dtype=int), *y_pred, n_classes=grid.n_classes(dataset))
    name = f"{slug(dataset)}_difference_{slug(one)}_{slug(other)}"
    told_apart = found.p_holm <= 1 - grid.level + 1e-12
    against = wrapped(f"{grid.title(one)} less {grid.title(other)}", 50)
    basis = wrapped(f"{dataset}, {words.counted(len(common), 'seed')}", 56)
    names = grid.expressions(dataset)
    style.save(
        folder, name, _draw, points=100 * found.differences, told=told_apart, expressions=names,
        title=f"{against}\n{basis}",
    )  # fmt: skip
    told = int(told_apart.sum())
    absent = np.flatnonzero(np.bincount(table["y_true"].to_numpy(dtype=int), minlength=len(names)) == 0)
    unnumbered = "" if len(names) <= NUMBERED else " The cells are too many for numbers in them."
    without = lacking([("no sample of", [names[place] for place in absent])])
    test = "exact McNemar, conditional on these checkpoints" if len(common) == 1 else "two-way paired t"
    return Figure(
        name=name,
        caption=f"{grid.title(one)} less {grid.title(other)} on {dataset}: difference of confusion matrices in points "
        f"of the row, n = {len(table):,} × {words.counted(len(common), 'seed')}. Coloured: cells told from 0 by "
        f"{test} with Holm's correction over {found.family_size} cells at {1 - grid.level:.2g}; the others are grey."
        f"{unnumbered}{without}",
        alt=f"{told} of {found.family_size} cells differ. {_largest(grid, dataset, found)}",
        width=matrix_width(len(names)),
    )


def _seeds(grid: Grid, dataset: str, method: str) -> dict[int, str]:
    selection = grid.selection_of(dataset, method)
    held = predicted.columns(grid.predicted[dataset])
    return {one.seed: str(one) for one in held if (one.method, one.selection) == (method, selection)}


def _draw(points: np.ndarray, told: np.ndarray, expressions: tuple[str, ...], title: str) -> DrawnFigure:
    limit = max(5.0, float(np.abs(points).max()))
    figure, axes = matrix_figure(len(expressions))
    sns.heatmap(
        np.where(told, points, np.nan), ax=axes, vmin=-limit, vmax=limit, cmap=style.DIFFERENCES, square=True,
        linewidths=0.4, annot=False, cbar_kws={"shrink": 0.7}, **matrix_labels(expressions),
    )  # fmt: skip
    axes.set_facecolor("0.93")
    for true, guess in np.ndindex(points.shape if len(expressions) <= NUMBERED else (0, 0)):
        dark = told[true, guess] and abs(points[true, guess]) > 0.6 * limit
        axes.text(
            guess + 0.5, true + 0.5, _whole(float(points[true, guess])), ha="center", va="center", fontsize=6,
            color="white" if dark else "0.15" if told[true, guess] else "0.45", in_layout=False,
        )  # fmt: skip
    finish_matrix(axes, bar_label="points of the row", title=title, n_classes=len(expressions))
    return figure


def _whole(points: float) -> str:
    rounded = round(points)
    return "0" if rounded == 0 else f"{rounded:+d}".replace("-", words.MINUS)


def _largest(grid: Grid, dataset: str, found: Cells) -> str:
    told = np.where(found.p_holm <= 1 - grid.level + 1e-12, np.abs(found.differences), 0)
    if not told.any():
        return "None is told from 0."
    true, guess = np.unravel_index(int(told.argmax()), told.shape)
    names = grid.expressions(dataset)
    said = words.points(float(found.differences[true, guess]))
    return f"Largest: {names[true]} predicted as {names[guess]}, {said}."
