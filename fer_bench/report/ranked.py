"""Which rank may each method have? From resampling on each data set; over five data sets or more, a diagram too.

A data set's figure shows, under the primary metric, in how many resamples each method had each rank, as Agarwal et al.
("Deep reinforcement learning at the edge of the statistical precipice", NeurIPS 2021) show it of algorithms; one row
per method instead of stacked bars, because twelve colours cannot be told apart.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure as DrawnFigure
from matplotlib.lines import Line2D

from fer_bench.errors import FerBenchError
from fer_bench.report import style, words
from fer_bench.report.blocks import Figure, Section, Table, Text
from fer_bench.report.figures import slug, wrapped
from fer_bench.report.grid import Grid
from fer_bench.stats import ranks
from fer_bench.stats.ranks import CriticalDifference
from fer_bench.tables.ranks import parted

_NUMBERS = ("rank", "interval of ranks", "best in")
_NARROW = 5  # methods whose ranks fit into one of two columns


def section(grid: Grid, table: pd.DataFrame, folder: Path | None = None) -> Section:
    """Return the ranks, their distributions, and the critical-difference diagrams; or why there are none.

    Args:
        grid: The grid.
        table: The ranks table.
        folder: Where figures are drawn; None: they are left out, the diagrams' numbers are said.
    """
    blocks: list[Text | Table | Figure] = [_table(grid, table)]
    if folder is not None:
        blocks += _distributions(grid, table, folder)
    reasons: dict[str, list[str]] = {}
    for metric, found in ranks.over_datasets(table).items():
        if isinstance(found, str):
            reasons.setdefault(found, []).append(_title(grid, metric))
            continue
        drawn = None if folder is None else diagram(found, _title(grid, metric), metric, grid, folder)
        blocks += [Text(_in_words(grid, found, metric)), *([drawn] if drawn else [])]
    blocks += [Text(f"{why[:1].upper()}{why[1:]} ({words.listed(titles)}).") for why, titles in reasons.items()]
    return Section(title="Ranks", blocks=tuple(blocks))


def _title(grid: Grid, metric: str) -> str:
    shown = grid.metrics.get(metric)
    return shown.title if shown else metric


def _ordered(grid: Grid, table: pd.DataFrame) -> pd.DataFrame:
    """Sort by data set and metric as the grid has them, then the best method first."""
    sets = {name: place for place, name in enumerate(grid.datasets)}
    metrics = {name: place for place, name in enumerate(dict.fromkeys([*grid.metrics, *table["metric"]]))}
    return table.assign(
        _set=table["dataset"].map(sets), _metric=table["metric"].map(metrics), _rank=table["rank"].astype(float)
    ).sort_values(["_set", "_metric", "_rank", "p_best"], ascending=[True, True, True, False], kind="stable")


def _table(grid: Grid, table: pd.DataFrame) -> Table:
    head = ["data set"] * grid.several
    rows = [
        {
            "data set": str(row["dataset"]),
            "metric": _title(grid, str(row["metric"])),
            "method": grid.title(str(row["method"])),
            "rank": _place(row["rank"]),
            "interval of ranks": f"{_place(row['rank_low'])} to {_place(row['rank_high'])}",
            "best in": words.percent(float(row["p_best"])),
        }
        for _, row in _ordered(grid, table).iterrows()
    ]
    return Table(
        name="ranks",
        cells=pd.DataFrame(rows, columns=[*head, "metric", "method", *_NUMBERS]),
        caption=_caption(grid, table),
        wrapped=frozenset({*head, "metric", "method"}),
        right=frozenset(_NUMBERS),
        note="Read it so: were pictures and seeds drawn again from those at hand, the method would come first in that "
        "share of draws, and its rank would lie in the interval in nearly all of them. Methods that are nearly equal "
        "look more different in this table than they are; no row tests a difference, which the comparisons do. Ties "
        f"share their places. {grid.params.report.scale.strip()}",
        empty="No method was ranked.",
    )


def _caption(grid: Grid, table: pd.DataFrame) -> str:
    if table.empty:
        return "Ranks of the methods."
    return (
        f"Rank of each method, with the interval of ranks ({words.coverage(grid.level)}) and the share of "
        f"{_draws(table)} in which it is best. {_basis(grid, table)}"
    )


def _draws(table: pd.DataFrame) -> str:
    drawn = words.listed(sorted({str(name) for name in table["resampled"]}), last="or")
    return f"{words.count(int(table['n_resamples'].max()))} resamples of {drawn}"


def _basis(grid: Grid, table: pd.DataFrame) -> str:
    sizes = [words.count(n) for n in sorted({int(n) for n in table["n_samples"]})]
    seeds = sorted({int(n) for n in table["n_seeds"]})
    ranked = grid.runs["dataset"].isin(table["dataset"]) & grid.runs["method"].isin(table["method"])
    weights = sorted({str(name) for name in grid.runs.loc[ranked, "weights"]})
    return (
        f"n = {words.listed(sizes)}; {words.listed([str(n) for n in seeds])} "
        f"{'seed' if seeds == [1] else 'seeds'}; selection {words.listed(grid.selections(table))}; "
        f"weights {words.listed(weights)}."
    )


def _place(value: object) -> str:
    return f"{float(value):g}"  # type: ignore[arg-type]


def _distributions(grid: Grid, table: pd.DataFrame, folder: Path) -> list[Text | Figure]:
    """Draw the figure of each data set; say of which there is none because the table was made before it."""
    made: list[Text | Figure] = []
    older = []
    for dataset in grid.datasets:
        rows = _ordered(grid, table[table["dataset"] == dataset])
        rows = rows[rows["metric"] == rows["metric"].iloc[0]] if len(rows) else rows
        if len(rows) < 2:
            continue
        if rows["p_ranks"].isna().any():
            older.append(dataset)
        else:
            made.append(distribution(grid, rows, folder))
    if older:
        said = (
            f"No figure of the distribution over ranks on {words.listed(older)}: ranks.csv was made before it kept "
            "them; fer-bench compare makes it anew."
        )
        made.append(Text(said))
    return made


def distribution(grid: Grid, rows: pd.DataFrame, folder: Path) -> Figure:
    """Draw how often each method had each rank.

    Args:
        grid: The grid.
        rows: Of the ranks table, of one data set and metric; drawn in their order.
        folder: Where it is drawn.

    Raises:
        FerBenchError: If a method's shares are not as many as there are methods.
    """
    shares = [parted(str(cell)) for cell in rows["p_ranks"]]
    dataset, title = str(rows["dataset"].iloc[0]), _title(grid, str(rows["metric"].iloc[0]))
    odd = [str(name) for name, own in zip(rows["method"], shares, strict=True) if len(own) != len(rows)]
    if odd:
        raise FerBenchError(
            f"ranks.csv: p_ranks of {odd[0]} on {dataset} has not one share for each of {len(rows)} methods",
            fix="make it anew: fer-bench compare",
        )
    places = rows[["rank", "rank_low", "rank_high"]].to_numpy(dtype=float)
    narrow = len(rows) <= _NARROW
    stem = f"{slug(dataset)}_ranks"
    legend = f"rank of the estimate and {words.coverage(grid.level)} interval of ranks"
    style.save(
        folder, stem, _draw_distribution, shares=np.array(shares), places=places, legend=legend,
        labels=[wrapped(grid.title(str(name)), 20 if narrow else 30) for name in rows["method"]],
        title=wrapped(f"{dataset}, {words.inline(title)}: resamples with each rank, in percent", 56 if narrow else 110),
        width=style.COLUMN_IN if narrow else style.PAGE_IN,
    )  # fmt: skip
    said = [
        f"{grid.title(str(name))} rank {int(np.argmax(own)) + 1} in {words.percent(max(own))}, interval "
        f"{_place(low)} to {_place(high)}"
        for name, own, (_, low, high) in zip(rows["method"], shares, places, strict=True)
    ]
    rest = f"; {len(said) - 8} more in the figure" if len(said) > 8 else ""
    return Figure(
        name=stem,
        caption=f"{title} on {dataset}: the share of {_draws(rows)} in which each method has each rank, in percent; "
        "empty: in none. Methods that tie in a resample share their places evenly. Below each row: rank of the "
        f"estimate (diamond) and interval of ranks ({words.coverage(grid.level)}). {_basis(grid, rows)} Methods that "
        "are nearly equal look more different here than they are; the comparisons test differences.",
        alt=f"Distribution of each method over ranks, best at the top. Most frequent: {'; '.join(said[:8])}{rest}.",
        width="column" if narrow else "page",
    )


def _draw_distribution(
    *, shares: np.ndarray, places: np.ndarray, labels: list[str], title: str, legend: str, width: float
) -> DrawnFigure:
    n_methods = len(labels)
    row_in = max(0.3, 0.12 * max(label.count("\n") + 1 for label in labels) + 0.04)
    figure = style.new(width, 0.95 + row_in * n_methods)
    axes = figure.subplots()
    cells, below = np.arange(n_methods) - 0.14, np.arange(n_methods) + 0.31  # of a row: its shares, its interval
    shades = mpl.colormaps[style.SHARES]
    type_size = min(6.5, 130 / n_methods)
    for middle, own in zip(cells, shares, strict=True):
        axes.barh(
            np.full(n_methods, middle), 0.94, left=np.arange(n_methods) + 0.53, height=0.62,
            color=shades(0.85 * own), edgecolor="0.85", linewidth=0.4,
        )  # fmt: skip
        for place, share in enumerate(own, start=1):
            axes.text(
                place, middle, _whole(share), ha="center", va="center", fontsize=type_size,
                color="white" if share > 0.85 else "black", in_layout=False,
            )  # fmt: skip
    rank, low, high = places.T
    for end in (low, high):
        axes.vlines(end, below - 0.08, below + 0.08, color="black", linewidth=1)
    axes.hlines(below, low, high, color="black", linewidth=1)
    axes.plot(rank, below, linestyle="", marker="D", markersize=3, color="black")
    axes.set(xlim=(0.5, n_methods + 0.5), ylim=(n_methods - 0.5, -0.5), xlabel="rank (1 is best)")
    axes.set_xticks(range(1, n_methods + 1))
    axes.set_yticks(cells, labels)
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    shown = Line2D([], [], color="black", linewidth=1, marker="D", markersize=3, label=legend)
    figure.legend(handles=[shown], loc="outside lower center")
    figure.suptitle(title, fontsize=8)
    return figure


def _whole(share: float) -> str:
    """Print a share in whole percents; what is near 0 or 1 is told from these.

    Examples:
        >>> _whole(0.0), _whole(0.009), _whole(0.342), _whole(0.991), _whole(1.0)
        ('', '<1', '34', '>99', '100')
    """
    if share == 0:
        return ""
    return "<1" if share < 0.01 else ">99" if 0.99 < share < 1 else f"{100 * share:.0f}"


def _in_words(grid: Grid, found: CriticalDifference, metric: str) -> str:
    best, rank = grid.title(found.methods[0]), found.mean_ranks[0]
    said = (
        f"Over {found.n_datasets} data sets {best} has the best mean rank in {words.inline(_title(grid, metric))}, "
        f"{rank:.1f} of {len(found.methods)} (Friedman's test of all methods alike: p {_p(found.p)})."
    )
    joined = next((clique for clique in found.cliques if found.methods[0] in clique), ())
    others = [grid.title(name) for name in joined[1:]]
    return f"{said} Not told apart from it ({found.test}): {words.listed(others)}."


def _p(p: float) -> str:
    shown = words.p_value(p)
    return shown if shown.startswith("<") else f"= {shown}"


def diagram(found: CriticalDifference, title: str, metric: str, grid: Grid, folder: Path) -> Figure:
    """Draw a critical-difference diagram: mean ranks on a line, bars over methods that are not told apart."""
    stem = f"ranks_{slug(metric)}"
    style.save(
        folder, stem, _draw, mean_ranks=found.mean_ranks, title=f"{title}: mean rank over {found.n_datasets} data sets",
        labels=[wrapped(f"{grid.title(name)} ({mean:.1f})", 34)
                for name, mean in zip(found.methods, found.mean_ranks, strict=True)],
        bars=[(found.methods.index(clique[0]), found.methods.index(clique[-1])) for clique in found.cliques],
    )  # fmt: skip
    means = [f"{grid.title(name)} {rank:.1f}" for name, rank in zip(found.methods, found.mean_ranks, strict=True)]
    return Figure(
        name=stem,
        caption=f"{title}: mean ranks over {found.n_datasets} data sets, best at the left. Methods under one bar are "
        f"not told apart at {words.coverage(1 - grid.level)} ({found.test}; Friedman's p {_p(found.p)}). Demšar, JMLR "
        "7 (2006); Benavoli et al., JMLR 17 (2016).",
        alt=f"Mean ranks: {words.listed(means)}.",
        width="page",
    )


def _draw(mean_ranks: Sequence[float], labels: list[str], bars: list[tuple[int, int]], title: str) -> DrawnFigure:
    n_methods, n_bars = len(labels), len(bars)
    half = (n_methods + 1) // 2
    margin, top = 0.06 * (n_methods - 1), 0.7 * n_bars + 0.9
    figure = style.new(style.PAGE_IN, 0.5 + 0.2 * (1.5 + top + half))
    axes = figure.subplots()
    axes.set(xlim=(1 - 8 * margin, n_methods + 8 * margin), ylim=(-top - half, 1.5))
    axes.axis("off")
    axes.hlines(0, 1, n_methods, color="black", linewidth=0.8)
    for rank in range(1, n_methods + 1):
        axes.vlines(rank, 0, 0.3, color="black", linewidth=0.8)
        axes.text(rank, 0.4, str(rank), ha="center", va="bottom", fontsize=7)
    for place, bar in enumerate(bars):
        first, last = (mean_ranks[which] for which in bar)
        axes.hlines(-0.7 * (place + 1), first - margin / 4, last + margin / 4, color=style.COLOURS[0], linewidth=3)
    for place, (label, mean) in enumerate(zip(labels, mean_ranks, strict=True)):
        left = place < half  # the better half is named on the left, from the best downwards
        depth = -top - (place if left else n_methods - 1 - place)
        end = 1 - margin if left else n_methods + margin
        axes.plot([mean, mean, end], [0, depth, depth], color=style.GREY, linewidth=0.6, zorder=0)
        axes.text(end, depth, f" {label} ", ha="right" if left else "left", va="center", fontsize=7)
    axes.set_title(title)
    return figure
