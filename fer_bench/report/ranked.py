"""Which rank may each method have? From resampling on each data set; over five data sets or more, a diagram too."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure as DrawnFigure

from fer_bench.report import style, words
from fer_bench.report.blocks import Figure, Section, Table, Text
from fer_bench.report.figures import slug, wrapped
from fer_bench.report.grid import Grid
from fer_bench.stats import ranks
from fer_bench.stats.ranks import CriticalDifference

_NUMBERS = ("rank", "interval of ranks", "best in")


def section(grid: Grid, table: pd.DataFrame, folder: Path | None = None) -> Section:
    """Return the ranks, and the critical-difference diagrams or why there are none.

    Args:
        grid: The grid.
        table: The ranks table.
        folder: Where figures are drawn; None: diagrams are left out, their numbers are said.
    """
    blocks: list[Text | Table | Figure] = [_table(grid, table)]
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


def _table(grid: Grid, table: pd.DataFrame) -> Table:
    head = ["data set"] * grid.several
    sets = {name: place for place, name in enumerate(grid.datasets)}
    metrics = {name: place for place, name in enumerate(dict.fromkeys([*grid.metrics, *table["metric"]]))}
    ordered = table.assign(
        _set=table["dataset"].map(sets), _metric=table["metric"].map(metrics), _rank=table["rank"].astype(float)
    ).sort_values(["_set", "_metric", "_rank", "p_best"], ascending=[True, True, True, False], kind="stable")
    rows = [
        {
            "data set": str(row["dataset"]),
            "metric": _title(grid, str(row["metric"])),
            "method": grid.title(str(row["method"])),
            "rank": _place(row["rank"]),
            "interval of ranks": f"{_place(row['rank_low'])} to {_place(row['rank_high'])}",
            "best in": words.percent(float(row["p_best"])),
        }
        for _, row in ordered.iterrows()
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
    sizes = [words.count(n) for n in sorted({int(n) for n in table["n_samples"]})]
    seeds = sorted({int(n) for n in table["n_seeds"]})
    drawn = words.listed(sorted({str(name) for name in table["resampled"]}), last="or")
    selections = [words.selection(str(name)) for name in sorted(set(table["selection"]))]
    ranked = grid.runs["dataset"].isin(table["dataset"]) & grid.runs["method"].isin(table["method"])
    weights = sorted({str(name) for name in grid.runs.loc[ranked, "weights"]})
    return (
        f"Rank of each method, with the interval of ranks ({words.coverage(grid.level)}) and the share of "
        f"{words.count(int(table['n_resamples'].max()))} resamples of {drawn} in which it is best. "
        f"n = {words.listed(sizes)}; {words.listed([str(n) for n in seeds])} "
        f"{'seed' if seeds == [1] else 'seeds'}; selection {words.listed(selections)}; weights {words.listed(weights)}."
    )


def _place(value: object) -> str:
    return f"{float(value):g}"  # type: ignore[arg-type]


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
