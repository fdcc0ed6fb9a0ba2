"""What a method costs: parameters, throughput, memory and time, and its accuracy against its throughput."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as DrawnFigure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from fer_bench.report import style, words
from fer_bench.report.blocks import Block, Figure, Section, Table
from fer_bench.report.figures import percent_axis, slug, wrapped
from fer_bench.report.grid import Grid

_BESIDE = 6
"""Methods whose names fit under the drawing in one column; those of more stand beside it, on a page's width."""


def section(grid: Grid, folder: Path) -> Section:
    """Draw the figures into a folder and return them with the table."""
    figures: list[Block] = []
    with style.styled():
        for dataset in grid.datasets:
            figures += [figure for figure in [scatter(grid, dataset, folder)] if figure]
    return Section(title="Efficiency", blocks=(efficiency(grid), *figures))


def efficiency(grid: Grid) -> Table:
    """Make the table: one row per data set and method, the middle and the range over its runs."""
    rows = [
        _row(grid, dataset, method)
        for dataset in grid.datasets
        for method in grid.methods(dataset)
        if not grid.brought(method) and len(_ended(grid, dataset, method))
    ]
    head = ["data set"] * grid.several
    numbers = ["parameters", "trained", "MACs", "images/s", "training", "memory", "runs"]
    return Table(
        name="efficiency",
        cells=pd.DataFrame(rows, columns=[*head, "method", *numbers, "device"]),
        caption="Cost of each method: median over its runs, in brackets their range. MACs: "
        "multiply-accumulates for one picture, of convolutions and products of matrices. images/s: predicting the "
        "reported samples, one by one where answers depend on batch mates, and where a frozen trunk's features are "
        "stored only what follows the trunk; training: wall time; memory: peak.",
        wrapped=frozenset({*head, "method", "device"}),
        right=frozenset(numbers),
        shared=frozenset({"device", "runs"}),
        note="Measured while the runs were made, beside whatever else the machine did: an order of magnitude, not a "
        "benchmark.",
        empty="No run ended well.",
    )


def _ended(grid: Grid, dataset: str, method: str) -> pd.DataFrame:
    runs = grid.runs
    return runs[(runs["dataset"] == dataset) & (runs["method"] == method) & (runs["status"] == "ok")]


def _row(grid: Grid, dataset: str, method: str) -> dict[str, str]:
    runs = _ended(grid, dataset, method)
    threads = sorted({int(value) for value in runs["threads"]})
    devices = sorted({str(value) for value in runs["device"]})
    on_cpu = f", {words.listed([str(one) for one in threads])} threads" if devices == ["cpu"] else ""
    return {
        "data set": dataset,
        "method": grid.title(method),
        "parameters": _spread(runs["n_parameters"], words.millions),
        "trained": _spread(runs["n_trainable"], words.millions),
        "MACs": _spread(runs["n_macs"], words.macs),
        "images/s": _spread(throughput(runs), words.count),
        "training": _spread(runs["train_s"], words.seconds),
        "memory": _spread(runs["peak_memory_mb"], lambda value: f"{words.count(value)} MB"),
        "runs": str(len(runs)),
        "device": f"{words.listed(devices)}{on_cpu}",
    }


def throughput(runs: pd.DataFrame) -> "pd.Series[Any]":
    """Return the samples predicted per second of each run; missing where that was not timed."""
    return runs["n_report"].astype(float) / runs["predict_s"].astype(float)


def _width(n_methods: int) -> float:
    return style.COLUMN_IN if n_methods <= _BESIDE else style.PAGE_IN


def _spread(values: "pd.Series[Any]", printed: Any) -> str:  # noqa: ANN401 - one of the words
    kept = values.dropna().astype(float)
    if kept.empty:
        return words.NONE
    middle, low, high = printed(kept.median()), printed(kept.min()), printed(kept.max())
    units = {text.rpartition(" ")[2] for text in (middle, low, high)}
    if low != high and len(units) == 1 and " " in middle:  # a unit of all three is said once
        low, high = low.rpartition(" ")[0], high.rpartition(" ")[0]
    return middle if low == high else f"{middle} [{low}, {high}]"


def scatter(grid: Grid, dataset: str, folder: Path) -> Figure | None:
    """Draw the primary metric with its interval against throughput with its range over runs."""
    metric, shown = next(iter(grid.metrics.items()))
    rows = grid.headline_rows(dataset, metric).set_index("method")
    timed = {name: throughput(_ended(grid, dataset, name)).dropna() for name in rows.index}
    methods = [name for name in grid.methods(dataset) if len(timed.get(name, ()))]
    if len(methods) < 2:
        return None
    points = [
        (
            wrapped(grid.title(name), 24),
            timed[name].to_numpy(dtype=float),
            rows.loc[name, ["estimate", "low", "high"]].to_numpy(dtype=float),
        )
        for name in methods
    ]
    name = f"{slug(dataset)}_throughput"
    style.save(
        folder, name, _draw, points=points, share=shown.share,
        ylabel=f"{shown.title} ({words.coverage(grid.level)} interval)",
        title=f"{dataset}: {words.inline(shown.title)} against throughput",
    )  # fmt: skip
    fastest = max(methods, key=lambda one: float(timed[one].median()))
    return Figure(
        name=name,
        caption=f"{shown.title} on {dataset} with its interval, against the images predicted per second: median and "
        "range over runs, on the device of the table.",
        alt=f"Fastest: {grid.title(fastest)}, {words.count(timed[fastest].median())} images per second; highest "
        f"{words.inline(shown.title)}: {grid.title(methods[0])}.",
        width="column" if _width(len(methods)) == style.COLUMN_IN else "page",
    )


def _draw(points: list[tuple[str, np.ndarray, np.ndarray]], ylabel: str, title: str, *, share: bool) -> DrawnFigure:
    beside = len(points) > _BESIDE
    figure = style.new(_width(len(points)), 2.4 if beside else 2.2 + 0.15 * -(-len(points) // 2))
    axes = figure.subplots()
    for place, (label, speed, (middle, low, high)) in enumerate(points):
        centre = float(np.median(speed))
        # beyond the colours, the same colour with another shape
        marker = style.MARKERS[(place + place // len(style.COLOURS)) % len(style.MARKERS)]
        axes.errorbar(
            centre, middle, xerr=[[centre - speed.min()], [speed.max() - centre]],
            yerr=[[max(middle - low, 0)], [max(high - middle, 0)]], fmt=marker,
            markersize=4, color=style.COLOURS[place % len(style.COLOURS)], elinewidth=1, capsize=2,
            label=label,
        )  # fmt: skip
    axes.set_xscale("log")
    speeds = np.concatenate([speed for _, speed, _ in points])
    if speeds.max() < 10 * speeds.min():  # hardly a power of ten lies in between: name other round numbers too
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}" if x >= 1 else f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="images predicted per second", ylabel=ylabel)
    if share:
        percent_axis(axes, "y")
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    if beside:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=6)
    else:  # the drawing keeps the column's width, so that its ticks have room
        figure.legend(loc="outside lower center", ncols=2, fontsize=6)
    axes.set_title(title)
    return figure
