"""The figures, each one a function from a grid to files and to the block that shows them."""

import hashlib
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure as DrawnFigure
from matplotlib.ticker import Formatter, MaxNLocator

from fer_bench.report import style, words
from fer_bench.report.audit import class_counts
from fer_bench.report.blocks import Figure, Section
from fer_bench.report.grid import Grid
from fer_bench.report.main_table import covers, metric_with_interval

SHORT = {"neutral": "neut.", "happiness": "happ.", "surprise": "surp.", "sadness": "sad.", "anger": "anger",
          "disgust": "disg.", "fear": "fear", "contempt": "cont."}  # fmt: skip
"""Name to what stands under a column of a matrix; a class without an entry stands there with its name."""

FEW = 8
"""Matrices of at most so many classes fit a column of the page; larger ones take the page."""

NUMBERED = 16
"""Matrices of at most so many classes have their numbers in the cells; in larger ones they would overlap."""

_DECIMALS = 6  # of a percentage, at most
_SAME = 1e-9  # percent; what is left of a number that was rounded to what it is

_NAMED = 12  # classes that a caption names before it counts the others


def sections(grid: Grid, folder: Path) -> tuple[Section, ...]:
    """Draw everything into a folder and return the sections that show it."""
    overview, confusions, curves = [], [], []
    with style.styled():
        for dataset in grid.datasets:
            overview += [figure for figure in (forest(grid, dataset, folder), classes(grid, dataset, folder)) if figure]
            for method in grid.methods(dataset):
                confusions += [figure for figure in [confusion(grid, dataset, method, folder)] if figure]
                curves += [figure for figure in [training(grid, dataset, method, folder)] if figure]
    named = (("Overview", overview), ("Confusion matrices", confusions), ("Training", curves))
    return tuple(Section(title=title, blocks=tuple(figures)) for title, figures in named if figures)


def slug(name: str) -> str:
    """Return a name that is safe in a path and in LaTeX, and still another one for every other name."""
    safe = re.sub(r"[^a-z0-9_]", "-", name.lower())
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def wrapped(title: str, width: int) -> str:
    """Return a text in lines of at most ``width`` letters, in letters that can be drawn."""
    return "\n".join(textwrap.wrap(style.printable(title), width, break_long_words=True))


def forest(grid: Grid, dataset: str, folder: Path) -> Figure | None:
    """Draw every method's estimate and interval under the first two compared metrics, best at the top."""
    metrics = grid.compared[:2]
    methods = [name for name in grid.methods(dataset) if name in set(grid.headline_rows(dataset, metrics[0])["method"])]
    if not methods:
        return None
    panels = []
    for metric in metrics:
        rows = grid.headline_rows(dataset, metric).set_index("method").loc[methods]
        ends = rows[["estimate", "low", "high"]].to_numpy(dtype=float)
        label = f"{grid.metrics[metric].title} ({words.coverage(grid.level)} interval)"
        panels.append((label, grid.metrics[metric].share, ends))
    basis = _basis(grid, dataset)
    name = f"{slug(dataset)}_forest"
    labels = [wrapped(grid.title(method), 32) for method in methods]
    style.save(folder, name, _draw_forest, labels=labels, panels=panels, title=f"{dataset}: {basis}")
    titles = words.listed([grid.metrics[metric].title for metric in metrics])
    return Figure(
        name=name,
        caption=f"{titles} on {dataset}, {basis}. {covers(grid)} Overlap is no test: see the comparisons.",
        alt=f"Points with intervals, best at the top. {_read_off(grid, dataset, metrics[0], methods)}",
        width="page",
    )


def _draw_forest(labels: list[str], panels: list[tuple[str, bool, np.ndarray]], title: str) -> DrawnFigure:
    figure = style.new(style.PAGE_IN, 0.75 + 0.3 * len(labels))
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (label, share, ends) in zip(all_axes, panels, strict=True):
        middle, low, high = ends.T
        places = np.arange(len(labels))
        axes.errorbar(
            middle, places, xerr=[np.maximum(middle - low, 0), np.maximum(high - middle, 0)], fmt="o", markersize=4,
            color=style.COLOURS[0], ecolor=style.COLOURS[0], elinewidth=1.4, capsize=2.5,
        )  # fmt: skip
        axes.set_xlabel(label)
        axes.set_yticks(places, labels)
        axes.grid(axis="x", color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        if share:
            percent_axis(axes, "x")
    all_axes[0].set_ylim(len(labels) - 0.5, -0.5)
    figure.suptitle(title, fontsize=8)
    return figure


def _read_off(grid: Grid, dataset: str, metric: str, methods: list[str]) -> str:
    """Say the numbers of the first eight points; where there are more, that the others stand in the main table."""
    rows = {str(row["method"]): row for _, row in grid.headline_rows(dataset, metric).iterrows()}
    share = grid.metrics[metric].share
    said = [f"{grid.title(name)} {metric_with_interval(rows[name], share=share)}" for name in methods[:8]]
    rest = f"; {len(methods) - 8} more in the main table" if len(methods) > 8 else ""
    return f"{grid.metrics[metric].title}: {'; '.join(said)}{rest}."


def _basis(grid: Grid, dataset: str) -> str:
    rows = grid.headline_rows(dataset, next(iter(grid.metrics)))
    sizes = [words.count(int(n)) for n in sorted(set(rows["n_samples"]))]
    seeds = [str(n) for n in sorted({int(n) for n in rows["n_seeds"]})]
    return (
        f"{grid.under(rows)}, n = {words.listed(sizes)}, {words.listed(seeds)} {'seed' if seeds == ['1'] else 'seeds'}"
    )


class Percent(Formatter):
    """Prints shares in percent, with as many decimals as the ticks that are there need: a label is where it stands.

    Examples:
        >>> Percent().format_ticks([0.3, 0.325, 0.35])
        ['30.0 %', '32.5 %', '35.0 %']
    """

    def __call__(self, x: float, pos: int | None = None) -> str:  # noqa: ARG002 - matplotlib's signature
        """Return the label of one tick alone."""
        return self.format_ticks([x])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Return the labels of all ticks of an axis."""
        percent = 100 * np.asarray(values, dtype=float)
        exact = (n for n in range(_DECIMALS) if np.allclose(percent, percent.round(n), rtol=0, atol=_SAME))
        decimals = next(exact, _DECIMALS)
        return [f"{one:.{decimals}f} %" for one in percent]


def percent_axis(axes: Axes, which: str) -> None:
    """Print an axis of shares in percent, at round numbers."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(Percent())


def confusion(grid: Grid, dataset: str, method: str, folder: Path) -> Figure | None:
    """Draw one method's confusion matrix: counts over all seeds, coloured by the share of their row."""
    if grid.params.report.figures and method not in grid.params.report.figures:
        return None
    selection = grid.selection_of(dataset, method)
    table = grid.tables["confusions"]
    table = table[(table["dataset"] == dataset) & (table["method"] == method) & (table["selection"] == selection)]
    if table.empty:
        return None
    names = grid.expressions(dataset)
    counts = np.zeros((len(names), len(names)), dtype=int)
    y_true, y_pred, times = (table[name].to_numpy(dtype=int) for name in ("y_true", "y_pred", "count"))
    np.add.at(counts, (y_true, y_pred), times)
    n_seeds = table["seed"].nunique()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    basis = f"{grid.under(table)}, n = {counts.sum() // n_seeds:,} × {words.counted(n_seeds, 'seed')}"
    name = f"{slug(dataset)}_confusion_{slug(method)}"
    unseen, unsaid = ([names[place] for place in np.flatnonzero(counts.sum(axis=axis) == 0)] for axis in (1, 0))
    said = lacking([("no sample of", unseen), ("never predicted:", unsaid)])
    title = f"{wrapped(grid.title(method), 50)}\n{wrapped(f'{dataset}, {basis}', 56)}"
    style.save(folder, name, _draw_confusion, counts=counts, names=names, title=title)
    seen = np.flatnonzero(counts.sum(axis=1))
    right = np.diagonal(shares)[seen]
    best, worst = (names[seen[place]] for place in (int(right.argmax()), int(right.argmin())))
    unnumbered = "" if len(names) <= NUMBERED else " The counts, too many for the cells, stand in confusions.csv."
    return Figure(
        name=name,
        caption=f"Confusion matrix of {grid.title(method)} on {dataset}: counts over all seeds, coloured by the share "
        f"of the row ({basis}).{unnumbered}{said}",
        alt=f"A matrix of counts, rows true, columns predicted. Best recognised: {best} "
        f"({words.percent(float(right.max()))}); worst: {worst} ({words.percent(float(right.min()))}).",
        width=matrix_width(len(names)),
    )


def lacking(said: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return the sentences that name classes of which there is nothing; empty where there are none.

    Examples:
        >>> lacking([("no sample of", ["fear"]), ("never predicted:", [])])
        ' No sample of fear.'
    """
    return "".join(f" {what[0].upper()}{what[1:]} {named(classes)}." for what, classes in said if classes)


def named(classes: Sequence[str]) -> str:
    """Join classes as a sentence does, the first dozen by name and the others by their count."""
    rest = len(classes) - _NAMED
    return words.listed([*classes[:_NAMED], *([f"{rest} more"] if rest > 0 else [])])


def matrix_width(n_classes: int) -> Literal["column", "page"]:
    """Return how wide a matrix of so many classes is printed."""
    return "column" if n_classes <= FEW else "page"


def matrix_figure(n_classes: int) -> tuple[DrawnFigure, Axes]:
    """Make the empty figure of a matrix of so many classes."""
    size = (style.COLUMN_IN, 2.95) if n_classes <= FEW else (style.PAGE_IN, 6.3)
    figure = style.new(*size)
    return figure, figure.subplots()


def matrix_labels(names: Sequence[str]) -> dict[str, list[str]]:
    """Return the labels of a matrix's columns, in short, and of its rows."""
    return {"xticklabels": [SHORT.get(name, name) for name in names], "yticklabels": list(names)}


def finish_matrix(axes: Axes, *, bar_label: str, title: str, n_classes: int) -> None:
    """Label what all matrices of true against predicted classes have: colour bar, ticks, axes and title."""
    bar = axes.collections[0].colorbar
    if bar is not None:
        bar.set_label(bar_label, size=7)
        bar.ax.tick_params(labelsize=6, width=0.4)
    axes.tick_params(length=0)
    axes.tick_params(axis="x", rotation=45 if n_classes <= FEW else 90)
    axes.tick_params(axis="y", rotation=0)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(title)


def _draw_confusion(counts: np.ndarray, names: tuple[str, ...], title: str) -> DrawnFigure:
    figure, axes = matrix_figure(len(names))
    totals = counts.sum(axis=1, keepdims=True)
    empty = np.broadcast_to(totals == 0, counts.shape)
    numbered = len(names) <= NUMBERED
    sns.heatmap(
        counts / np.maximum(totals, 1), ax=axes, vmin=0, vmax=1, cmap=style.SHARES, mask=empty if empty.any() else None,
        annot=counts if numbered else False, fmt="d", square=True, linewidths=0.4, annot_kws={"size": 6},
        cbar_kws={"format": Percent(), "shrink": 0.7},
        **matrix_labels(names),
    )  # fmt: skip
    if empty.any():
        axes.set_facecolor("0.93")  # a row without samples has no shares
    for text in axes.texts:
        text.set_in_layout(False)  # they lie inside their cells; measuring 49 of them takes most of the time
    finish_matrix(axes, bar_label="share of the row", title=title, n_classes=len(names))
    return figure


def training(grid: Grid, dataset: str, method: str, folder: Path) -> Figure | None:
    """Draw one method's losses and validation accuracy by epoch: mean over seeds, band from lowest to highest."""
    table = grid.tables["history"]
    table = table[(table["dataset"] == dataset) & (table["method"] == method)]
    if table.empty:
        return None
    n_seeds = table["seed"].nunique()
    basis = "1 seed" if n_seeds == 1 else f"mean and range of {n_seeds} seeds"
    name = f"{slug(dataset)}_training_{slug(method)}"
    title = f"{wrapped(grid.title(method), 56)}\n{dataset}, {basis}"
    curves = table[["epoch", "train_loss", "val_loss", "val_accuracy"]].reset_index(drop=True)
    style.save(folder, name, _draw_training, table=curves, title=title)
    last = table[table["epoch"] == table["epoch"].max()]
    return Figure(
        name=name,
        caption=f"Training of {grid.title(method)} on {dataset}: losses and validation accuracy by epoch ({basis}).",
        alt="Curves of losses and validation accuracy by epoch. "
        f"After {int(table['epoch'].max())} epochs the mean training loss is {float(last['train_loss'].mean()):.2f}"
        + (
            f" and the mean validation accuracy {words.percent(float(last['val_accuracy'].mean()))}."
            if last["val_accuracy"].notna().any()
            else "."
        ),
    )


def _draw_training(table: pd.DataFrame, title: str) -> DrawnFigure:
    figure = style.new(style.COLUMN_IN, 1.85)
    left, right = figure.subplots(1, 2)
    for column, label, colour, dashes in (
        ("train_loss", "train", style.COLOURS[0], "-"),
        ("val_loss", "val", style.COLOURS[1], "--"),
    ):
        _band(left, table, column, label=label, colour=colour, dashes=dashes)
    _band(right, table, "val_accuracy", label="val", colour=style.COLOURS[1], dashes="--")
    left.set(xlabel="epoch", ylabel="loss")
    left.set_ylim(bottom=0)
    if left.has_data():
        left.legend()
    right.set(xlabel="epoch", ylabel="val accuracy")
    if table["val_accuracy"].notna().any():
        percent_axis(right, "y")
    else:
        right.text(
            0.5, 0.5, "nothing selects\nunder this protocol", ha="center", va="center",
            transform=right.transAxes, color=style.GREY,
        )  # fmt: skip
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.grid(axis="y", color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
    figure.suptitle(title, fontsize=8)
    return figure


def _band(
    axes: Axes, table: pd.DataFrame, column: str, *, label: str, colour: tuple[float, float, float], dashes: str
) -> None:
    rows = table.dropna(subset=[column])
    if rows.empty:
        return
    by_epoch = rows.astype({column: float}).groupby("epoch")[column]
    mean, low, high = by_epoch.mean(), by_epoch.min(), by_epoch.max()
    epochs = mean.index.to_numpy(dtype=int)
    marker = "o" if len(epochs) == 1 else ""
    axes.plot(epochs, mean.to_numpy(), dashes, color=colour, label=label, marker=marker, markersize=3)
    axes.fill_between(epochs, low.to_numpy(), high.to_numpy(), color=colour, alpha=0.2, linewidth=0)


def classes(grid: Grid, dataset: str, folder: Path) -> Figure | None:
    """Draw how many samples of each expression every split has."""
    counts = class_counts(grid, dataset)
    if not counts:
        return None
    tidy = pd.DataFrame(
        [
            {"split": f"{split} (n = {sum(by.values()):,})", "expression": word, "samples": number}
            for split, by in counts.items()
            for word, number in by.items()
        ]
    )
    name = f"{slug(dataset)}_classes"
    style.save(folder, name, _draw_classes, tidy=tidy, title=f"{dataset}: samples per expression")
    totals = tidy.groupby("expression")["samples"].sum()
    without = lacking(
        [(f"no sample in {split} of", [word for word, n in by.items() if n == 0]) for split, by in counts.items()]
    )
    return Figure(
        name=name,
        caption=f"Samples per expression in each split of {dataset}.{without}",
        alt=f"Bars per expression and split. Most frequent: {totals.idxmax()} ({int(totals.max()):,}); "
        f"rarest: {totals.idxmin()} ({int(totals.min()):,}).",
    )


def _draw_classes(tidy: pd.DataFrame, title: str) -> DrawnFigure:
    figure = style.new(style.COLUMN_IN, max(2.3, 0.6 + 0.19 * tidy["expression"].nunique()))
    axes = figure.subplots()
    sns.barplot(
        tidy, y="expression", x="samples", hue="split", ax=axes, errorbar=None,
        palette=style.COLOURS[: tidy["split"].nunique()], saturation=1,
    )  # fmt: skip
    axes.set(ylabel="", xlabel="samples")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes.grid(axis="x", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(title=None)
    axes.set_title(title)
    return figure
