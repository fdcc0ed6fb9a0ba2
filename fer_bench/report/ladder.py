"""From the honest number to those that other procedures give: tables, figures, and what is on record about a method."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as DrawnFigure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory

from fer_bench.card import Claim
from fer_bench.report import style, words
from fer_bench.report.blocks import Block, Figure, Listing, Section, Table
from fer_bench.report.figures import percent_axis, slug, wrapped
from fer_bench.report.grid import Grid
from fer_bench.report.main_table import metric_with_interval
from fer_bench.stats import within
from fer_bench.tables import ladder as steps

_CHAIN = (steps.HONEST, steps.LAST, steps.ORACLE, steps.SHUFFLED, steps.LISTED, steps.SORTED)
_ORDERS = {steps.SHUFFLED: "shuffled", steps.LISTED: "as listed", steps.SORTED: "sorted by class"}


def section(grid: Grid, folder: Path) -> Section:
    """Draw the figures into a folder; return them with a table per compared metric and what the cards say."""
    drawn = []
    with style.styled():
        for dataset in grid.datasets:
            for method in _laddered(grid, dataset):
                drawn += [figure for figure in [chain(grid, dataset, method, folder)] if figure]
    blocks: list[Block] = [table(grid, metric) for metric in grid.compared_labels]
    return Section(title="From the honest number to the claim", blocks=(*blocks, *drawn, *_records(grid)))


def _laddered(grid: Grid, dataset: str) -> list[str]:
    """Return the methods of a data set of which steps are known: not those whose predictions were brought."""
    return [name for name in grid.methods(dataset) if not grid.brought(name)]


def table(grid: Grid, metric: str) -> Table:
    """Make the table of one metric: a row per data set, method and step, and one per published number."""
    rows = [
        row
        for dataset in grid.datasets
        for method in _laddered(grid, dataset)
        if not _one_model(grid, dataset, method)
        for row in _rows(grid, dataset, method, metric)
    ]
    shown = grid.metrics[metric]
    head = ["data set"] * grid.several
    numbers = ["n", "seeds", shown.title, "from honest", "from the step above"]
    return Table(
        name=f"ladder_{metric}",
        cells=pd.DataFrame(rows, columns=[*head, "method", "step", *numbers]),
        caption=" ".join(
            [f"{shown.title}, step by step from the honest number.", *(_basis(grid, metric) if rows else [])]
        ),
        wrapped=frozenset({*head, "method", "step"}),
        right=frozenset(numbers),
        shared=frozenset({"n", "seeds"}),
        note=" ".join([*(_notes(grid) if rows else []), grid.params.report.scale.strip()]),
        empty=_empty(grid),
    )


def _rows(grid: Grid, dataset: str, method: str, metric: str) -> list[dict[str, str]]:
    share = grid.metrics[metric].share
    found = grid.steps(dataset, method, metric)
    rows = []
    for _, step in found.iterrows():
        rows.append(
            {
                "data set": dataset,
                "method": grid.title(method),
                "step": said(step),
                "n": words.count(int(step["n_samples"])),
                "seeds": words.count(int(step["n_seeds"])),
                grid.metrics[metric].title: metric_with_interval(step, share=share),
                "from honest": _points(step, "difference", share=share),
                "from the step above": _points(step, "added", share=share),
            }
        )
    if rows:
        honest = float(found.iloc[0]["estimate"])
        rows += [_claim_row(grid, dataset, method, claim, honest) for claim in claims(grid, dataset, method, metric)]
    return rows


def _claim_row(grid: Grid, dataset: str, method: str, claim: Claim, honest: float) -> dict[str, str]:
    shown = grid.metrics[claim.metric]
    seeds = claim.protocol.seeds
    return {
        "data set": dataset,
        "method": grid.title(method),
        "step": f"published, {claim.where} (selected by: {claim.protocol.selection})",
        "n": words.count(claim.protocol.n_test),
        "seeds": words.NONE if seeds is None else words.count(seeds),
        shown.title: words.published(claim.value),
        "from honest": words.points(claim.value - honest, unit=False) if shown.share else words.NONE,
        "from the step above": words.NONE,
    }


def said(step: "pd.Series[Any]") -> str:
    """Say in words what a step is."""
    name, size = str(step["step"]), int(step["batch_size"])
    if name == steps.RULE:
        return f"honest, true labels by {step['label_rule']}"
    if name in _ORDERS:
        return f"oracle, in batches of {size}, {_ORDERS[name]}"
    if name == steps.HONEST:
        return f"honest: {step['selection']}, one picture at a time"
    return "last checkpoint" if name == steps.LAST else "oracle: checkpoint chosen on test"


def claims(grid: Grid, dataset: str, method: str, metric: str) -> list[Claim]:
    """Return what was published of a method on a data set in a metric; nothing for an entry that is an ablation."""
    card = grid.cards.get(method)
    if card is None:
        return []
    own = [claim for claim in card.claims if (claim.dataset, claim.metric) == (dataset, metric)]
    recipe = grid.params.methods[method].recipe
    return [claim for claim in own if card.elsewhere(recipe, claim) is None]


def _points(step: "pd.Series[Any]", name: str, *, share: bool) -> str:
    if pd.isna(step[name]):
        return words.NONE
    if pd.isna(step[f"{name}_low"]):
        return "0.0 (same)"
    middle, low, high = (float(step[key]) for key in (name, f"{name}_low", f"{name}_high"))
    if share:
        return words.points_with_interval(middle, low, high, unit=False)
    return f"{middle:+.3f} [{low:+.3f}, {high:+.3f}]"


def _one_model(grid: Grid, dataset: str, method: str) -> bool:
    rows = grid.runs[(grid.runs["dataset"] == dataset) & (grid.runs["method"] == method)]
    return bool(len(rows)) and bool(rows["epochs"].isna().all())


def _basis(grid: Grid, metric: str) -> list[str]:
    table = grid.ladder[(grid.ladder["metric"] == metric)]
    batched = table[table["step"].isin(_ORDERS)]
    why = sorted({f"{int(row['batch_size'])} ({row['batch_size_why']})" for _, row in batched.iterrows()})
    ways = sorted({str(way) for way in table["difference_method"].dropna()} - {within.ONE_MODEL, within.SAME})
    fixed = sorted({str(row["held_fixed"]) for _, row in table.iterrows()})
    resampled = sorted({str(row["resampled"]) for _, row in table.iterrows()})
    said = (
        "Each step keeps what the steps above changed, but for label rules, which change the true labels of the honest "
        "answer alone. From honest, from the step above: differences in points; same: every picture counts the "
        "same under every seed, which leaves nothing to estimate an interval from."
    )
    brackets = (
        f"Brackets: {words.coverage(grid.level)} intervals, resampling {words.listed(resampled, last='or')}, holding "
        f"fixed {words.listed(fixed, last='or')}; those of differences are paired on runs and pictures, with the "
        f"chosen checkpoints held fixed ({words.listed(ways, last='or') if ways else 'none has a width'})."
    )
    return [said, *([f"Batches of {words.listed(why)}."] if why else []), brackets]


def _notes(grid: Grid) -> list[str]:
    notes = ["Shuffled: the mean of three orders, the same for all methods and seeds."]
    for dataset in grid.datasets:
        one_go = [grid.title(name) for name in _laddered(grid, dataset) if _one_model(grid, dataset, name)]
        without = [
            grid.title(name)
            for name in _laddered(grid, dataset)
            if not _one_model(grid, dataset, name) and _steps_of(grid, dataset, name).isdisjoint(_ORDERS)
        ]
        on = f" on {dataset}" * grid.several
        if one_go:
            notes.append(f"Fitted in one go, so that no step changes anything{on}: {words.listed(one_go)}.")
        if without:
            notes.append(f"Not asked in batches{on}: {words.listed(without)}.")
    return notes


def _steps_of(grid: Grid, dataset: str, method: str) -> set[str]:
    rows = grid.ladder[(grid.ladder["dataset"] == dataset) & (grid.ladder["method"] == method)]
    return {str(name) for name in rows["step"]}


def _empty(grid: Grid) -> str:
    if grid.ladder.empty:
        return "Not computed; make it: fer-bench ladder."
    return "All methods are fitted in one go, so that no step changes anything."


def chain(grid: Grid, dataset: str, method: str, folder: Path) -> Figure | None:
    """Draw one method's steps from top to bottom under the first two compared metrics, published numbers as lines."""
    metrics = grid.compared_labels[:2]
    found = {metric: grid.steps(dataset, method, metric) for metric in metrics}
    first = found[metrics[0]]
    if _one_model(grid, dataset, method) or len(first) < 2:
        return None
    labels = [wrapped(said(step), 44) for _, step in first.iterrows()]
    lines = {metric: claims(grid, dataset, method, metric) for metric in metrics}
    n_lines = max(len(each) for each in lines.values())
    basis = _figure_basis(first)
    panels = [
        {
            "label": grid.metrics[metric].title,
            "share": grid.metrics[metric].share,
            "ends": found[metric][["estimate", "low", "high"]].to_numpy(dtype=float),
            "in_chain": found[metric]["step"].isin(_CHAIN).to_numpy(dtype=bool),
            "claims": [(claim.value, claim.where) for claim in lines[metric]],
        }
        for metric in metrics
    ]
    name = f"{slug(dataset)}_ladder_{slug(method)}"
    title = wrapped(f"{grid.title(method)} on {dataset}: {basis}", 110)
    style.save(folder, name, _draw, labels=labels, panels=panels, n_lines=n_lines, title=title)
    titles = words.listed([grid.metrics[metric].title for metric in metrics])
    published = [f"{claim.where}: {words.published(claim.value)}" for metric in metrics for claim in lines[metric]]
    ends = " to ".join(words.percent(float(first.iloc[row]["estimate"])) for row in (0, len(_chained(first)) - 1))
    return Figure(
        name=name,
        caption=f"{titles} of {grid.title(method)} on {dataset}, step by step from the honest number (grey line); "
        f"{basis}. Bars: {words.coverage(grid.level)} intervals of each number; those of the differences stand in "
        f"the table. {'' if len(_chained(first)) == len(first) else 'Square: other true labels. '}"
        + (f"Dashed: published ({words.listed(published)})." if published else "No published number is on record."),
        alt=f"Points with intervals for {len(first)} steps; {grid.metrics[metrics[0]].title} goes from {ends}.",
        width="page",
    )


def _chained(found: pd.DataFrame) -> pd.DataFrame:
    return found[found["step"].isin(_CHAIN)]


def _figure_basis(found: pd.DataFrame) -> str:
    sizes = [words.count(n) for n in sorted({int(n) for n in found["n_samples"]}, reverse=True)]
    return f"n = {words.listed(sizes)}, {words.counted(int(found['n_seeds'].max()), 'seed')}"


def _draw(labels: list[str], panels: list[dict[str, Any]], n_lines: int, title: str) -> DrawnFigure:
    figure = style.new(style.PAGE_IN, 0.95 + 0.32 * len(labels) + 0.16 * n_lines)
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(all_axes, panels, strict=True):
        _panel(axes, **panel)
    all_axes[0].set_yticks(np.arange(len(labels)), labels)
    all_axes[0].set_ylim(len(labels) - 0.5, -0.5)
    figure.suptitle(title, fontsize=8)
    return figure


def _panel(
    axes: Axes, *, label: str, share: bool, ends: np.ndarray, in_chain: np.ndarray, claims: list[tuple[float, str]]
) -> None:
    middle, low, high = ends.T
    places = np.arange(len(middle))
    axes.axvline(middle[0], color="0.75", linewidth=0.8, zorder=0)
    axes.plot(middle[in_chain], places[in_chain], color=style.COLOURS[0], linewidth=0.7, alpha=0.5)
    for kept, marker, colour in ((in_chain, "o", style.COLOURS[0]), (~in_chain, "s", style.COLOURS[1])):
        if kept.any():
            axes.errorbar(
                middle[kept], places[kept], fmt=marker, markersize=4, color=colour, ecolor=colour, elinewidth=1.4,
                capsize=2.5,
                xerr=[np.maximum(middle - low, 0)[kept], np.maximum(high - middle, 0)[kept]],
            )  # fmt: skip
    seen = [*low, *high, *(value for value, _ in claims)]
    span = float(max(seen) - min(seen))
    axes.set_xlim(min(seen) - 0.06 * max(span, 0.01), max(seen) + 0.06 * max(span, 0.01))
    where = blended_transform_factory(axes.transData, axes.transAxes)
    for number, (value, source) in enumerate(sorted(claims, key=lambda claim: claim[0])):
        axes.axvline(value, color=style.COLOURS[3], linestyle="--", linewidth=1.0)
        text = f"published {words.published(value)}, {style.printable(source)}"
        side = "right" if value > (max(seen) + min(seen)) / 2 else "left"
        axes.text(
            value, 1.02 + 0.1 * number, text, ha=side, va="bottom", fontsize=7, color=style.COLOURS[3],
            transform=where,
        )  # fmt: skip
    axes.set_xlabel(label)
    axes.grid(axis="x", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    if share:
        percent_axis(axes, "x")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))


def _records(grid: Grid) -> list[Listing]:
    """Return what the cards say of the methods that have a published number on one of the grid's data sets."""
    found = []
    for method, card in grid.cards.items():
        made = [claim for claim in card.claims if claim.dataset in grid.datasets]
        if grid.params.entries_of(grid.params.method_of(method))[0] != method or not made:
            continue
        link = f" ({card.paper.link})" if card.paper else ""
        clauses = [
            f"{claim.dataset}, {claim.where}: {' '.join(claim.protocol.notes.split())}"
            for claim in made
            if claim.protocol.notes
        ]
        clauses += [f"{' '.join(note.what.split())} ({note.link})" for note in (*card.known_defects, *card.reports)]
        if clauses:
            found.append(Listing(f"On record about {card.title}{link}:", tuple(clauses)))
    return found
