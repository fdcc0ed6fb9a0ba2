"""What networks make of pictures: t-SNE maps of their features with the purity of neighbourhoods, and Grad-CAM maps.

Drawn from what ``fer-bench explain`` left. Faces are drawn only where that kept them, which it does where the data
set's licence lets faces be shown. Others that it kept on request are drawn into ``private/`` and shown nowhere.
"""

from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as DrawnFigure
from matplotlib.lines import Line2D

from fer_bench.expressions import expressions
from fer_bench.report import style, words
from fer_bench.report.blocks import Block, Figure, Section, Table
from fer_bench.report.figures import SHORT, slug, wrapped
from fer_bench.report.grid import Grid
from fer_bench.stats.purity import Purity, purity
from fer_bench.tables import features
from fer_bench.tables.features import Explained, Maps

_COLUMNS = 4
_MOST_MAPS = 16
_MOST_ROWS = 8
"""Panels, and rows of faces, that fit on a page; the others go to a figure of their own."""

_COLOURS = [style.COLOURS[place] for place in (0, 1, 2, 3, 4, 9, 8, 7)]
_MARKERS = "os^DvPX*"
"""Of expressions, in their order: who cannot tell two colours apart can tell two shapes apart. The ninth class begins
again with the first colour and the second shape, so that 64 classes look different."""


class Kept(NamedTuple):
    """What one method's run left.

    Attributes:
        found: The record.
        table: The table of features.
        maps: Grad-CAM maps.
        purity: Among the features; None where there are none.
        purity_map: On the two-dimensional map, likewise.
    """

    found: Explained
    table: pd.DataFrame
    maps: Maps
    purity: Purity | None = None
    purity_map: Purity | None = None


def section(grid: Grid, folder: Path) -> Section | None:
    """Draw the figures into a folder and return the section that shows them; None where nothing was asked."""
    kept = {dataset: read(grid, dataset) for dataset in grid.datasets}
    if not any(kept.values()):
        return None
    blocks: list[Block] = [table(grid, kept)]
    with style.styled():
        for dataset in grid.datasets:
            draw_private(grid, dataset)
            own = {method: each for method, each in kept[dataset].items() if _asked_for(grid, method)}
            features_of = {method: each for method, each in own.items() if each.found.features is not None}
            faces_of = {method: each for method, each in own.items() if _may_be_drawn(each)}
            blocks += [
                draw(grid, dataset, part, folder, f"_{number}" * (number > 1))
                for draw, shown, most in ((tsne, features_of, _MOST_MAPS), (gradcam, faces_of, _MOST_ROWS))
                for number, part in enumerate(_parts(shown, most), start=1)
            ]
    return Section(title="What the networks make of pictures", blocks=tuple(blocks))


def _asked_for(grid: Grid, method: str) -> bool:
    return not grid.params.report.figures or method in grid.params.report.figures


def _parts(shown: dict[str, Kept], most: int) -> list[dict[str, Kept]]:
    """Part methods into what fits on a page."""
    names = list(shown)
    return [{name: shown[name] for name in names[start : start + most]} for start in range(0, len(names), most)]


def read(grid: Grid, dataset: str) -> dict[str, Kept]:
    """Read what a data set's methods left, in the order of the main table; those that were not asked are absent.

    Raises:
        FerBenchError: If a file is missing beside its record, or does not fit.
    """
    found = {}
    for method in grid.methods(dataset):
        base = features.stem(grid.folder / "features", dataset, method)
        if base.with_suffix(".json").exists():
            table = features.features.read(base.with_suffix(".csv"))
            found[method] = Kept(
                features.read_record(base.with_suffix(".json")),
                table,
                features.read_maps(base.with_suffix(".npz")),
                _purity_of(grid, table, "pure"),
                _purity_of(grid, table, "pure_map"),
            )
    return found


def _purity_of(grid: Grid, table: pd.DataFrame, column: str) -> Purity | None:
    if not len(table):
        return None
    y_true = table["y_true"].to_numpy(dtype=np.int64)
    names = [_name(label) for label in range(y_true.max() + 1)]
    return purity(table[column].to_numpy(dtype=float), y_true, names, grid.params.score)


def table(grid: Grid, kept: dict[str, dict[str, Kept]]) -> Table:
    """Make the table of purities: a row per data set and method that has features."""
    rows = [_row(grid, dataset, method, each) for dataset, own in kept.items() for method, each in own.items()]
    head = ["data set"] * grid.several
    numbers = ["numbers", "n", "purity", "by chance", "by expression", "that by chance", "on the map"]
    asked = [each for own in kept.values() for each in own.values() if each.found.features is not None]
    return Table(
        name="features",
        cells=pd.DataFrame([row for row in rows if row], columns=[*head, "method", *numbers]),
        caption="Purity of neighbourhoods: of a picture's nearest other pictures among the features that enter the "
        "last linear layer (of a method fitted in one go: those that it is fitted on), the share that have its label, "
        "mean over pictures; by expression: mean over expressions "
        "of each one's mean; by chance: what labels dealt out at random would give; on the map: purity on the "
        f"two-dimensional t-SNE map instead of among the features. {_basis(grid, asked)}".strip(),
        wrapped=frozenset({*head, "method"}),
        right=frozenset(numbers),
        shared=frozenset({"n", "by chance", "that by chance"}),
        note=" ".join(filter(None, [*_missing(grid, kept), grid.params.report.scale.strip()])),
        empty="No method has features.",
    )


def _row(grid: Grid, dataset: str, method: str, each: Kept) -> dict[str, str] | None:
    held = each.found.features
    if held is None or each.purity is None or each.purity_map is None:
        return None
    return {
        "data set": dataset,
        "method": grid.title(method),
        "numbers": words.count(held.dimension),
        "n": words.count(each.found.n),
        "purity": _printed(each.purity),
        "by chance": words.percent(held.chance),
        "by expression": words.percent(each.purity.macro),
        "that by chance": words.percent(held.chance_macro),
        "on the map": words.percent(each.purity_map.estimate),
    }


def _printed(held: Purity) -> str:
    if held.low < held.high:
        return words.level_with_interval(held.estimate, held.low, held.high)
    return words.percent(held.estimate)


def _basis(grid: Grid, asked: list[Kept]) -> str:
    """Return the sentences that say of what, and how sure."""
    held = [each.found.features for each in asked if each.found.features is not None]
    if not held:
        return ""
    score = grid.params.score
    nearest = words.listed(sorted({str(one.k) for one in held}, key=int), last="or")
    return (
        f"{nearest} neighbours; {_checkpoint([each.found for each in asked])}, one picture at a time. "
        f"Brackets: {words.coverage(score.level)} intervals, resampling pictures, holding fixed the checkpoint and "
        f"the neighbours (bootstrap, percentile, {score.n_resamples:,} resamples)."
    )


def _checkpoint(found: list[Explained]) -> str:
    selections = words.listed(sorted({words.selection(each.selection) for each in found}), last="or")
    return f"{selections}, seed {words.listed(sorted({str(each.seed) for each in found}, key=int), last='or')}"


def _missing(grid: Grid, kept: dict[str, dict[str, Kept]]) -> list[str]:
    """Return a sentence per reason why methods have no row."""
    said = []
    for dataset in grid.datasets:
        on = f" on {dataset}" * grid.several
        own = kept[dataset]
        without = [grid.title(name) for name in grid.methods(dataset) if name not in own]
        if without:
            said.append(f"Not asked{on} (fer-bench explain): {words.listed(without)}.")
        reasons: dict[str, list[str]] = {}
        for method, each in own.items():
            if each.found.features is None:
                reasons.setdefault(each.found.why or each.found.no_features, []).append(grid.title(method))
        said += [f"No features{on}: {words.listed(names)} ({why})." for why, names in reasons.items()]
        if len({tuple(each.table["sample_id"]) for each in own.values() if each.found.features}) > 1:
            said.append(f"Methods{on} were asked on different pictures, so that their purities do not compare.")
    return said


def tsne(grid: Grid, dataset: str, shown: dict[str, Kept], folder: Path, suffix: str = "") -> Figure:
    """Draw the maps of methods that have features side by side, with the purity of the features under each."""
    n_rows = -(-len(shown) // _COLUMNS)
    n_columns = -(-len(shown) // n_rows)
    width = style.COLUMN_IN if len(shown) <= 2 else style.PAGE_IN
    side = width / n_columns
    panels = []
    for method, each in shown.items():
        under = f"purity {_printed(each.purity)}" if each.purity is not None else ""
        points = each.table[["y_true", "x", "y"]].reset_index(drop=True)
        panels.append((wrapped(grid.title(method), int(side * 17)), under, points))
    name = f"{slug(dataset)}_features{suffix}"
    style.save(folder, name, _draw_maps, panels=panels, width=width, n_rows=n_rows, n_columns=n_columns)
    first = next(iter(shown.values()))
    best = max(shown, key=lambda method: _estimate(shown[method]))
    return Figure(
        name=name,
        caption=f"t-SNE maps of the features that enter the last linear layer, on {dataset}: the same "
        f"n = {first.found.n:,} reported pictures for every method, coloured by true label. "
        f"{_basis(grid, list(shown.values()))} Purity is of the features themselves; by chance it would be "
        f"{words.percent(_chance(first))}. A map illustrates: its gaps, sizes and distances between groups mean "
        "nothing, and it shows groups where there are none; compare the purities.",
        alt=f"Scatter plots of {words.counted(len(shown), 'method')}, a point per picture. Purest neighbourhoods: "
        f"{grid.title(best)} ({words.percent(_estimate(shown[best]))}). The numbers stand in the table above.",
        width="column" if width == style.COLUMN_IN else "page",
    )


def _draw_maps(
    panels: list[tuple[str, str, pd.DataFrame]], *, width: float, n_rows: int, n_columns: int
) -> DrawnFigure:
    side = width / n_columns
    figure = style.new(width, n_rows * (side + 0.33) + (0.34 if width == style.COLUMN_IN else 0.2))
    all_axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes in all_axes[len(panels) :]:
        axes.set_axis_off()
    for axes, (title, under, points) in zip(all_axes, panels, strict=False):
        _map(axes, points)
        axes.set_title(title)
        axes.set_xlabel(under, fontsize=7)
    seen = sorted({int(label) for *_, points in panels for label in points["y_true"].unique()})
    handles = [
        Line2D([], [], linestyle="", marker=_marker(k), color=_colour(k), markersize=4, label=_name(k)) for k in seen
    ]
    n_beside = min(len(handles), 8) if width > style.COLUMN_IN else min(-(-len(handles) // 2), 4)
    figure.legend(handles=handles, loc="outside lower center", ncols=n_beside, handletextpad=0.1, columnspacing=0.9)
    return figure


def _name(label: int) -> str:
    return expressions(max(label + 1, 2))[label]


def _colour(label: int) -> tuple[float, float, float]:
    return _COLOURS[label % len(_COLOURS)]


def _marker(label: int) -> str:
    return _MARKERS[(label + label // len(_COLOURS)) % len(_MARKERS)]


def _estimate(each: Kept) -> float:
    return each.purity.estimate if each.purity is not None else 0.0


def _chance(each: Kept) -> float:
    return each.found.features.chance if each.found.features else 0.0


def _map(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw one map: an expression's points, and its name where they are densest; the rarest expression on top."""
    counts = rows["y_true"].value_counts()
    size = float(np.clip(2600 / max(len(rows), 1), 1.6, 7))
    for label in counts.index:
        own = rows[rows["y_true"] == label]
        axes.scatter(
            own["x"].to_numpy(dtype=float), own["y"].to_numpy(dtype=float), s=size, color=_colour(int(label)),
            marker=_marker(int(label)), linewidths=0,
        )  # fmt: skip
    axes.set(xticks=[], yticks=[])
    axes.set_box_aspect(1)
    axes.margins(0.04)
    for side in axes.spines.values():
        side.set(visible=True, color="0.8")


def gradcam(grid: Grid, dataset: str, shown: dict[str, Kept], folder: Path, suffix: str = "") -> Figure:
    """Draw Grad-CAM maps on faces that may be shown, rows: methods, columns: expressions."""
    name = f"{slug(dataset)}_gradcam{suffix}"
    _faces({grid.title(method): each.maps for method, each in shown.items()}, folder, name)
    layers = [f"{grid.title(method)} {_grid(each.found)}" for method, each in shown.items()]
    basis = _checkpoint([each.found for each in shown.values()])
    blank = "A face without colour: no place speaks for the answer. " if any(map(_has_blank, shown.values())) else ""
    right = [f"{grid.title(method)} {_n_right(each.maps)} of {len(each.maps.y_true)}" for method, each in shown.items()]
    return Figure(
        name=name,
        caption=f"Grad-CAM on {dataset}: where the last grid of a network's trunk speaks for the expression that the "
        "network answers, one picture at a time. One picture per expression, fixed by its id before any answer was "
        f"seen and the same for all methods; every map is scaled to its own maximum ({basis}). Grids: "
        f"{words.listed(layers)}. {blank}So few pictures prove nothing about a method.",
        alt=f"Faces with heat maps: a column per expression, a row per method. Right answers: {words.listed(right)}.",
        width="page",
    )


def _may_be_drawn(each: Kept) -> bool:
    return each.found.gradcam is not None and each.found.gradcam.faces and each.maps.images is not None


def _grid(found: Explained) -> str:
    height, width = found.gradcam.grid if found.gradcam else (0, 0)
    return f"{height} × {width}"


def _has_blank(each: Kept) -> bool:
    return bool((each.maps.maps.max(axis=(1, 2)) == 0).any())


def _n_right(maps: Maps) -> int:
    return int((maps.y_true == maps.y_pred).sum())


def draw_private(grid: Grid, dataset: str) -> None:
    """Draw what was kept of faces on request into ``private/``, which git ignores; the report does not show it."""
    folder = grid.folder / "private"
    kept = {method: features.stem(folder, dataset, method).with_suffix(".npz") for method in grid.methods(dataset)}
    rows = {grid.title(method): features.read_maps(path) for method, path in kept.items() if path.exists()}
    if rows:
        _faces(rows, folder, f"{slug(dataset)}_gradcam")


def _faces(rows: dict[str, Maps], folder: Path, name: str) -> None:
    """Draw one row of faces per method, under them the true expression and, where it is another, the answer."""
    shown = [(wrapped(title, 14), *_plain(maps)) for title, maps in rows.items()]
    style.save(folder, name, _draw_faces, rows=shown)


def _plain(maps: Maps) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    return maps.y_true, maps.y_pred, maps.maps, maps.images


def _draw_faces(rows: list[tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]]) -> DrawnFigure:
    seen = sorted({int(label) for _, y_true, *_ in rows for label in y_true})
    side = (style.PAGE_IN - 0.75) / max(len(seen), 4)
    figure = style.new(0.75 + side * len(seen), 0.18 + len(rows) * (side + 0.14))
    panels = figure.subplots(len(rows), len(seen), squeeze=False)
    for axes in panels.ravel():
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    for label, axes in zip(seen, panels[0], strict=True):
        axes.set_title(_name(label), fontsize=8)
    for (title, y_true, y_pred, maps, images), line in zip(rows, panels, strict=True):
        line[0].set_ylabel(title, fontsize=7)
        for place, label in enumerate(y_true):
            if images is not None:
                answer = int(label), int(y_pred[place])
                _face(line[seen.index(int(label))], images[place], maps[place], answer)
    return figure


def _face(axes: Axes, image: np.ndarray, found: np.ndarray, answer: tuple[int, int]) -> None:
    grey = image if image.ndim == 2 else image @ np.array([0.299, 0.587, 0.114])
    height, width = grey.shape
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255)
    heat: Any = found / found.max() if found.max() > 0 else found
    axes.imshow(
        heat, cmap=mpl.colormaps["plasma"], vmin=0, vmax=1, alpha=0.7 * heat, interpolation="bilinear",
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
    )  # fmt: skip
    y_true, y_pred = answer
    right = y_true == y_pred
    axes.set_xlabel(
        "✓" if right else f"→ {SHORT.get(_name(y_pred), _name(y_pred))}", fontsize=7, labelpad=1.5,
        color="black" if right else style.COLOURS[3],
    )  # fmt: skip
