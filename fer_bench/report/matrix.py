"""All methods against each other at one glance: a matrix of differences, and what choosing on test adds."""

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure as DrawnFigure

from fer_bench.report import style, words
from fer_bench.report.blocks import Block, Figure, Section, Table
from fer_bench.report.figures import slug, wrapped
from fer_bench.report.grid import Grid, Shown
from fer_bench.tables.gains import OVER

_SIGNS = {"better": "▲", "worse": "▼", "equivalent": "=", "undecided": ""}
_MOST = 12  # columns of one table: what a page has room for
_HALF_PAGE_IN = 4.4  # a matrix of this height and its caption stand twice on a page
_OPPOSITE = {"better": "worse", "worse": "better"}


def section(grid: Grid, folder: Path) -> Section | None:
    """Draw the figures into a folder; None where nothing was compared and nothing chosen."""
    blocks: list[Block | None] = []
    with style.styled():
        for dataset in grid.datasets:
            blocks += [matrix(grid, dataset, metric, folder) for metric in grid.compared]
            blocks.append(selection_bias(grid, dataset, folder))
    blocks += [part for dataset in grid.datasets for metric in grid.compared for part in tables(grid, dataset, metric)]
    kept = tuple(block for block in blocks if block)
    return Section(title="Methods at a glance", blocks=kept) if kept else None


def tables(grid: Grid, dataset: str, metric: str) -> list[Table]:
    """Make the matrix as a table, its columns numbered as its rows; beyond ``_MOST`` columns it goes on in another."""
    rows, shown = grid.pairs(dataset, metric), grid.metrics.get(metric)
    if rows.empty or shown is None:
        return []
    methods = _methods(grid, dataset, rows)
    differences, verdicts = _square(rows, methods)
    names = [f"{place}. {grid.title(name)}" for place, name in enumerate(methods, start=1)]
    made = []
    most = -(-len(methods) // -(-len(methods) // _MOST))  # parts of about the same number of columns
    for number, start in enumerate(range(0, len(methods), most), start=1):
        columns = range(start, min(start + most, len(methods)))
        cells = [
            {"row less column": name}
            | {str(column + 1): _cell(differences[row, column], verdicts[row, column], shown) for column in columns}
            for row, name in enumerate(names)
        ]
        heads = [str(column + 1) for column in columns]
        made.append(
            Table(
                name=f"matrix_{slug(dataset)}_{slug(metric)}{f'_columns{number}' * (number > 1)}",
                cells=pd.DataFrame(cells, columns=["row less column", *heads]),
                caption=f"{shown.title} on {dataset}, row less column{', in points' * shown.share}"
                f"{f', columns {heads[0]} to {heads[-1]}' * (len(methods) > _MOST)}. {_legend(rows)}",
                wrapped=frozenset({"row less column"}),
                right=frozenset(heads),
                note=grid.params.report.scale.strip(),
            )
        )
    return made


def _cell(difference: float, verdict: object, shown: Shown) -> str:
    if np.isnan(difference):
        return ""
    text = words.points(difference, unit=False) if shown.share else f"{difference:+.2f}".replace("-", words.MINUS)
    return f"{text} {_SIGNS[str(verdict)]}".strip()


def _legend(rows: pd.DataFrame) -> str:
    return (
        "▲ better, ▼ worse, = equivalent within the margin, no sign: not told apart (Holm's correction, "
        f"{rows.iloc[0]['family']}); empty: not compared. Intervals stand in the table of comparisons."
    )


def _methods(grid: Grid, dataset: str, rows: pd.DataFrame) -> list[str]:
    compared = {*rows["method_a"], *rows["method_b"]}
    return [name for name in grid.methods(dataset) if name in compared]


def matrix(grid: Grid, dataset: str, metric: str, folder: Path) -> Figure | None:
    """Draw row less column for every pair, in points, coloured where the two are told apart."""
    rows, shown = grid.pairs(dataset, metric), grid.metrics.get(metric)
    if rows.empty or shown is None:
        return None
    methods = _methods(grid, dataset, rows)
    differences, verdicts = _square(rows, methods)
    side = max(style.COLUMN_IN, 0.46 * len(methods) + 1.7)
    name = f"{slug(dataset)}_matrix_{metric}"
    style.save(
        folder, name, _draw_matrix, differences=differences, verdicts=verdicts, share=shown.share, side=side,
        titles=[wrapped(grid.title(method), 22) for method in methods],
        title=f"{dataset}: {words.inline(shown.title)}, row less column",
    )  # fmt: skip
    counts = rows["verdict"].value_counts()
    said = words.listed([f"{int(counts.get(verdict, 0))} {verdict}" for verdict in _SIGNS])
    return Figure(
        name=name,
        caption=f"{shown.title} on {dataset}, row less column{', in points' if shown.share else ''}; coloured where "
        f"told apart. {_legend(rows)}",
        alt=f"Of {len(rows)} pairs: {said} (first against second).",
        width="column" if side <= style.COLUMN_IN else "page",
    )


def _draw_matrix(
    differences: np.ndarray, verdicts: np.ndarray, titles: list[str], title: str, *, share: bool, side: float
) -> DrawnFigure:
    told = np.isin(verdicts, ["better", "worse"])
    unit = 100 if share else 1
    limit = max(float(np.nanmax(np.abs(unit * differences))), 1e-9)
    width = style.COLUMN_IN if side <= style.COLUMN_IN else style.PAGE_IN
    height = max(min(0.86 * width, _HALF_PAGE_IN), 0.27 * len(titles) + 0.9)
    figure = style.new(width, height)
    axes = figure.subplots()
    sns.heatmap(
        np.where(told, unit * differences, np.nan), ax=axes, vmin=-limit, vmax=limit, cmap=style.DIFFERENCES,
        square=width <= style.COLUMN_IN, linewidths=0.4, xticklabels=titles, yticklabels=titles, cbar=False,
    )  # fmt: skip
    axes.set_facecolor("0.93")
    for row in range(len(titles)):
        for column in range(len(titles)):
            value = unit * differences[row, column]
            if row == column or np.isnan(value):
                continue
            text = words.points(differences[row, column], unit=False) if share else f"{value:+.2f}"
            dark = told[row, column] and abs(value) > 0.6 * limit
            sign = _SIGNS[str(verdicts[row, column])]
            axes.text(
                column + 0.5, row + 0.5, f"{text}\n{sign}".strip(), ha="center", va="center", fontsize=6,
                color="white" if dark else "0.15", in_layout=False,
            )  # fmt: skip
    axes.tick_params(length=0)
    for label in axes.get_xticklabels():
        label.set(rotation=45, ha="right", rotation_mode="anchor")
    axes.tick_params(axis="y", rotation=0)
    axes.set_title(title)
    return figure


def _square(rows: pd.DataFrame, methods: list[str]) -> tuple[np.ndarray, np.ndarray]:
    place = {name: index for index, name in enumerate(methods)}
    differences = np.full((len(methods), len(methods)), np.nan)
    verdicts = np.full(differences.shape, "undecided", dtype=object)
    for row in rows.to_dict("records"):
        a, b = place[str(row["method_a"])], place[str(row["method_b"])]
        verdict = str(row["verdict"])
        differences[a, b], differences[b, a] = float(str(row["difference"])), -float(str(row["difference"]))
        verdicts[a, b], verdicts[b, a] = verdict, _OPPOSITE.get(verdict, verdict)
    return differences, verdicts


def selection_bias(grid: Grid, dataset: str, folder: Path) -> Figure | None:
    """Draw what choosing the checkpoint on the reported samples adds, per method, with its interval."""
    metric, shown = next(iter(grid.metrics.items()))
    rows = grid.gains[(grid.gains["dataset"] == dataset) & (grid.gains["metric"] == metric)].dropna(subset=["low"])
    methods = [name for name in grid.methods(dataset) if name in set(rows["method"])]
    if not methods or not shown.share:
        return None
    largest = ("", "", 0.0)
    series: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for over in OVER:
        found = rows[rows["over"] == over].set_index("method")
        kept = [name for name in methods if name in found.index]
        if not kept:
            continue
        ends = 100 * found.loc[kept, ["difference", "low", "high"]].to_numpy(dtype=float)
        series[over] = (np.array([methods.index(name) for name in kept]), ends)
        if ends[:, 0].max() > largest[2]:
            largest = (kept[int(ends[:, 0].argmax())], over, float(ends[:, 0].max()))
    name = f"{slug(dataset)}_selection_bias"
    style.save(
        folder, name, _draw_bias, labels=[wrapped(grid.title(method), 28) for method in methods], series=series,
        xlabel=f"points of {words.inline(shown.title)}", title=f"{dataset}: what choosing on test (oracle) adds",
    )  # fmt: skip
    who, over, points = largest
    return Figure(
        name=name,
        caption=f"{shown.title} on {dataset}: the checkpoint chosen on the reported samples (oracle) less the one "
        f"chosen otherwise, same runs, {words.coverage(grid.level)} intervals that hold the chosen checkpoints fixed.",
        alt=f"Largest: {points:+.1f} points over {over}, {grid.title(who)}." if who else "Nowhere above 0.",
    )


def _draw_bias(
    labels: list[str], series: dict[str, tuple[np.ndarray, np.ndarray]], xlabel: str, title: str
) -> DrawnFigure:
    figure = style.new(style.COLUMN_IN, 1.05 + 0.28 * len(labels))
    axes = figure.subplots()
    for over, (rows, ends) in series.items():
        offset = OVER.index(over)
        middle, low, high = ends.T
        places = rows + (offset - 0.5) * 0.25
        axes.errorbar(
            middle, places, xerr=[np.maximum(middle - low, 0), np.maximum(high - middle, 0)],
            fmt=style.MARKERS[offset], markersize=4, color=style.COLOURS[offset], elinewidth=1.2, capsize=2,
            label=f"over {over}",
        )  # fmt: skip
    axes.axvline(0, color="0.6", linewidth=0.6)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel(xlabel)
    axes.grid(axis="x", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=2)
    figure.suptitle(title, fontsize=8)
    return figure
