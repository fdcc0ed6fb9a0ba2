"""Published tables in their own layout, with our numbers beside: rows are recipes of a method, or other methods."""

import pandas as pd

from fer_bench.card import Card, PublishedRow, PublishedTable
from fer_bench.report import words
from fer_bench.report.blocks import Section, Table
from fer_bench.report.grid import Grid
from fer_bench.report.main_table import covers, metric_with_interval


def section(grid: Grid) -> Section | None:
    """Return the tables of which the grid holds a row; None where it holds none."""
    found = [
        _table(grid, method, card, table)
        for method, card in _cards(grid).items()
        for table in card.tables
        if any(_entries(grid, method, row) for row in table.rows)
    ]
    return Section(title="Published tables beside ours", blocks=tuple(found)) if found else None


def _cards(grid: Grid) -> dict[str, Card]:
    """Return each method's card once, by the method's file."""
    return {grid.params.method_of(entry): card for entry, card in grid.cards.items()}


def _entries(grid: Grid, method: str, row: PublishedRow) -> list[str]:
    if row.method is not None and row.method != method:  # another method: whichever recipe the grid has of it
        return grid.params.entries_of(row.method)
    chosen = grid.params.methods
    return [entry for entry in grid.params.entries_of(method) if chosen[entry].recipe in row.recipes]


def _table(grid: Grid, method: str, card: Card, table: PublishedTable) -> Table:
    published = list(dict.fromkeys(name for row in table.rows for name in row.published))
    heads = [f"published, {name}" for name in published]
    ours = [f"ours, {name}" for name in grid.datasets]
    rows = []
    for row in table.rows:
        cells = {
            **dict(zip(table.columns, row.cells, strict=True)),
            **{
                head: words.published(row.published[name]) if name in row.published else words.NONE
                for head, name in zip(heads, published, strict=True)
            },
        }
        entries = _entries(grid, method, row)
        rows += [{**cells, **_ours(grid, table.metric, entry)} for entry in entries]
        if not entries:
            rows.append({**cells, **dict.fromkeys(ours, "not run"), "recipe": words.NONE, "seeds": words.NONE})
    metric = grid.metrics.get(table.metric)
    title = metric.title if metric else table.metric
    return Table(
        name=f"{method}_{table.name}",
        cells=pd.DataFrame(rows, columns=[*table.columns, *heads, *ours, "recipe", "seeds"]),
        caption=f"{card.title}, {table.where} of its paper: {table.about}. {title}; ours under the selection "
        f"{words.selection(grid.headline)}. {covers(grid)}",
        wrapped=frozenset({*table.columns, "recipe"}),
        right=frozenset({*heads, *ours, "seeds"}),
        shared=frozenset({"seeds"}),
        note=" ".join(filter(None, [" ".join(table.notes.split()), grid.params.report.scale.strip()])),
    )


def _ours(grid: Grid, metric: str, entry: str) -> dict[str, str]:
    found = {"recipe": grid.params.methods[entry].recipe, "seeds": words.NONE}
    for dataset in grid.datasets:
        rows = grid.headline_rows(dataset, metric)
        rows = rows[rows["method"] == entry]
        shown = grid.metrics.get(metric)
        found[f"ours, {dataset}"] = (
            metric_with_interval(rows.iloc[0], share=shown.share) if shown and len(rows) else words.NONE
        )
        if len(rows):
            found["seeds"] = words.count(int(rows.iloc[0]["n_seeds"]))
    return found
