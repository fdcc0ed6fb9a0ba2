"""Reliability diagrams: how often predictions are right, by how sure they are."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as DrawnFigure

from fer_bench.metrics._known import N_BINS
from fer_bench.report import style, words
from fer_bench.report.blocks import Figure, Section
from fer_bench.report.figures import Percent, slug, wrapped
from fer_bench.report.grid import Grid

_PER_ROW = 4


def section(grid: Grid, table: pd.DataFrame, folder: Path) -> Section | None:
    """Draw the figures into a folder; None where no run's probabilities are on record."""
    figures = []
    with style.styled():
        for dataset in grid.datasets:
            figures += [figure for figure in [reliability(grid, table, dataset, folder)] if figure]
    return Section(title="Calibration", blocks=tuple(figures)) if figures else None


def reliability(grid: Grid, table: pd.DataFrame, dataset: str, folder: Path) -> Figure | None:
    """Draw a panel per method: accuracy against confidence, mean and range over seeds, and where the samples lie."""
    rows = table[table["dataset"] == dataset]
    methods = [name for name in grid.methods(dataset) if name in set(rows["method"])]
    if not methods:
        return None
    columns = min(_PER_ROW, len(methods))
    lines = -(-len(methods) // columns)
    width = style.PAGE_IN if columns > 2 else style.COLUMN_IN
    gaps, panels = {}, []
    for name in methods:
        found = rows[rows["method"] == name].astype({"confidence": float, "accuracy": float, "n_samples": float})
        by_bin = found.groupby("bin")
        confidence, accuracy = by_bin["confidence"].mean(), by_bin["accuracy"].mean()
        share = by_bin["n_samples"].sum() / found["n_samples"].sum()
        gaps[name] = float(((accuracy - confidence).abs() * share).sum())
        curves = pd.DataFrame({
            "place": (share.index.to_numpy(dtype=float) + 0.5) / N_BINS, "share": share.to_numpy(),
            "confidence": confidence.to_numpy(), "accuracy": accuracy.to_numpy(),
            "low": by_bin["accuracy"].min().to_numpy(), "high": by_bin["accuracy"].max().to_numpy(),
        })  # fmt: skip
        panels.append((wrapped(grid.title(name), 24), curves))
    basis = _basis(grid, rows)
    stem = f"{slug(dataset)}_reliability"
    style.save(
        folder, stem, _draw, panels=panels, lines=lines, columns=columns, width=width, title=f"{dataset}: {basis}"
    )
    worst = max(gaps, key=lambda name: gaps[name])
    return Figure(
        name=stem,
        caption=f"Accuracy against confidence (the largest probability) in {N_BINS} bins on {dataset}, {basis}: mean "
        "over seeds, band from lowest to highest; grey bars: share of the samples. On the dotted line predictions are "
        "as often right as they are sure.",
        alt=f"Furthest from the line on average: {grid.title(worst)}, {words.points(gaps[worst]).lstrip('+')}.",
        width="page" if width == style.PAGE_IN else "column",
    )


def _draw(panels: list[tuple[str, pd.DataFrame]], lines: int, columns: int, *, width: float, title: str) -> DrawnFigure:
    figure = style.new(width, (width / columns + 0.1) * lines + 0.3)
    for place, axes in enumerate(figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()):
        if place >= len(panels):
            axes.set_visible(False)
            continue
        name, curves = panels[place]
        axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.7, linestyle=":")
        held = {key: curves[key].to_numpy() for key in curves}
        axes.bar(held["place"], held["share"], width=0.9 / N_BINS, color="0.85", zorder=0)
        axes.fill_between(held["confidence"], held["low"], held["high"], color=style.COLOURS[0], alpha=0.2, linewidth=0)
        axes.plot(held["confidence"], held["accuracy"], "o-", color=style.COLOURS[0], markersize=2.5)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_title(name, fontsize=7)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(Percent())
            axis.set_ticks(np.array([0, 0.5, 1]))
    figure.supxlabel("confidence", fontsize=8)
    figure.supylabel("accuracy", fontsize=8)
    figure.suptitle(title, fontsize=8)
    return figure


def _basis(grid: Grid, rows: pd.DataFrame) -> str:
    selections = grid.under(rows)
    sizes = rows.groupby(["method", "seed"])["n_samples"].sum()
    n_seeds = sorted({int(n) for n in rows.groupby("method")["seed"].nunique()})
    seeds = words.listed([str(n) for n in n_seeds])
    return (
        f"{selections}, n = {words.listed([words.count(n) for n in sorted(set(sizes))])}, "
        f"{seeds} {'seed' if n_seeds == [1] else 'seeds'}"
    )
