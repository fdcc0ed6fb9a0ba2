"""Published tables in their own layout, with our numbers beside: rows are recipes of a method, or other methods.

A table that sets several methods side by side always stands, whether the grid holds them or not; one whose rows are
recipes of its own method stands where the grid holds one of them.
"""

import math
from dataclasses import dataclass

import pandas as pd

from fer_bench.card import APPROXIMATION, PublishedRow, PublishedTable
from fer_bench.report import words
from fer_bench.report.blocks import Section, Table
from fer_bench.report.grid import Grid
from fer_bench.report.main_table import covers, metric_with_interval
from fer_bench.stats.wording import in_points, title

CHOSEN_ON_TEST = "‡"
"""Behind a published number whose checkpoint was chosen on the reported samples; † is the papers' own sign."""

NOT_RUN = "not run"


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """A published table beside the grid.

    Attributes:
        grid: Ours.
        method: Whose card has the table.
        table: The table.
        side_by_side: Whether its rows are other methods too.
        claimed: Data sets of the published numbers.
        metrics: Those that ours are printed in.
        published: Data sets and metrics of the published numbers.
    """

    grid: Grid
    method: str
    table: PublishedTable
    side_by_side: bool
    claimed: tuple[str, ...]
    metrics: tuple[str, ...]
    published: frozenset[tuple[str, str]]

    @property
    def printed(self) -> tuple[str, ...]:
        """All metrics in which there are columns of numbers, the table's own first."""
        claimed = {metric for _, metric in self.published}
        return tuple(name for name in [self.table.metric, *self.table.also] if name in {*self.metrics, *claimed})

    def head(self, dataset: str, whose: str, metric: str) -> str:
        """Return the head of a column of numbers, claimed or ours."""
        return f"{dataset}, {whose}{f', {words.inline(title(metric))}' if len(self.printed) > 1 else ''}"

    def columns(self, dataset: str) -> list[str]:
        """Return the heads of a data set's columns of numbers: in each metric what is claimed, then ours."""
        found = []
        for metric in self.printed:
            found += [self.head(dataset, "claimed", metric)] * ((dataset, metric) in self.published)
            found += [self.head(dataset, "ours", metric)] * (metric in self.metrics)
        return found


def section(grid: Grid) -> Section | None:
    """Return the tables; None where no card has one that stands."""
    layouts = [_layout(grid, method, table) for method, card in grid.known.items() for table in card.tables]
    found = [
        _table(layout) for layout in layouts
        if layout.side_by_side or any(_entries(layout, row) for row in layout.table.rows)
    ]  # fmt: skip
    return Section(title="Published tables beside ours", blocks=tuple(found)) if found else None


def _layout(grid: Grid, method: str, table: PublishedTable) -> _Layout:
    return _Layout(
        grid=grid,
        method=method,
        table=table,
        side_by_side=any(row.method is not None for row in table.rows),
        claimed=tuple(dict.fromkeys(name for row in table.rows for name, _ in table.numbers(row))),
        metrics=tuple(name for name in [table.metric, *table.also] if name in grid.metrics) or (table.metric,),
        published=frozenset(key for row in table.rows for key in table.numbers(row)),
    )


def _entries(layout: _Layout, row: PublishedRow) -> list[str]:
    """Return the grid's entries that a row is about.

    Of another method: whichever recipe the grid has of it. Of the card's own, in a table of methods: whichever is no
    row of its other tables.
    """
    params, method = layout.grid.params, layout.method
    if row.method is not None and row.method != method:
        return params.entries_of(row.method)
    entries = params.entries_of(method)
    named = [entry for entry in entries if params.methods[entry].recipe in row.recipes]
    if not layout.side_by_side:
        return named
    others = [table for table in layout.grid.known[method].tables if table is not layout.table]
    taken = {recipe for table in others for one in table.rows for recipe in one.recipes}
    return [entry for entry in entries if entry in named or params.methods[entry].recipe not in taken]


def _table(layout: _Layout) -> Table:
    grid, table = layout.grid, layout.table
    columns, right, shared = list(table.columns), {"seeds"}, {"seeds"}
    for dataset in [*layout.claimed, *(name for name in grid.datasets if name not in layout.claimed)]:
        numbers = layout.columns(dataset)
        judged = layout.side_by_side and dataset in layout.claimed and dataset in grid.datasets
        columns += [*numbers, *[f"{dataset}, verdict"] * judged]
        right |= set(numbers)
        ours = {layout.head(dataset, "ours", metric) for metric in layout.metrics}
        shared |= set() if dataset in grid.datasets else ours
    rows = [_row(layout, row, entry) for row in table.rows for entry in _entries(layout, row) or [""]]
    columns += ["recipe", "seeds", *["selection"] * _says_selection(grid, rows)]
    notes = [_legend(rows), " ".join(table.notes.split()), grid.params.report.scale.strip()]
    return Table(
        name=f"{layout.method}_{table.name}",
        cells=pd.DataFrame(rows, columns=columns),
        caption=_caption(layout),
        wrapped=frozenset(columns) - right,
        right=frozenset(right),
        shared=frozenset(shared),
        note=" ".join(filter(None, notes)),
    )


def _row(layout: _Layout, row: PublishedRow, entry: str) -> dict[str, str]:
    """Print a row; ``entry`` is empty where the grid holds none of it."""
    found = dict(zip(layout.table.columns, row.cells, strict=True))
    found["recipe"] = _recipe(layout.grid, entry) if entry else words.NONE
    made = _made_with(layout, entry)
    found["seeds"] = words.listed([words.count(n) for n in sorted({n for n, _ in made})]) if made else words.NONE
    found["selection"] = words.listed(sorted({name for _, name in made})) if made else words.NONE
    published = layout.table.numbers(row)
    for dataset in dict.fromkeys([*layout.claimed, *layout.grid.datasets]):
        for metric in layout.printed:
            value = published.get((dataset, metric))
            claimed = words.NONE if value is None else _claimed(layout, row, (dataset, metric), value)
            found[layout.head(dataset, "claimed", metric)] = claimed
        judged = words.NONE if dataset not in row.published else _verdict(layout, row, entry, dataset)
        found[f"{dataset}, verdict"] = judged
        found |= {layout.head(dataset, "ours", metric): NOT_RUN for metric in layout.metrics}
        found |= _of_entry(layout, entry, dataset) if entry else {}
    return found


def _recipe(grid: Grid, entry: str) -> str:
    """Print an entry's recipe, with the word where it is an approximation of the method that the row names."""
    recipe = grid.params.methods[entry].recipe
    return f"{recipe} ({APPROXIMATION})" if grid.approximates(entry) and recipe != APPROXIMATION else recipe


def _made_with(layout: _Layout, entry: str) -> list[tuple[int, str]]:
    """Return seeds and selection of an entry's numbers on each data set."""
    grid = layout.grid
    found = [grid.headline_rows(dataset, layout.metrics[0]) for dataset in grid.datasets]
    rows = pd.concat(found, ignore_index=True)
    rows = rows[rows["method"] == entry]
    return [(int(row["n_seeds"]), words.selection(str(row["selection"]))) for _, row in rows.iterrows()]


def _of_entry(layout: _Layout, entry: str, dataset: str) -> dict[str, str]:
    grid, found = layout.grid, {}
    runs = grid.runs[(grid.runs["dataset"] == dataset) & (grid.runs["method"] == entry)]
    failed = len(runs) > 0 and bool((runs["status"] == "failed").all())
    for metric in layout.metrics:
        shown, rows = grid.metrics.get(metric), grid.headline_rows(dataset, metric)
        rows = rows[rows["method"] == entry]
        if shown and len(rows):
            ours = metric_with_interval(rows.iloc[0], share=shown.share, unit=False)
            found[layout.head(dataset, "ours", metric)] = ours
        elif failed:
            found[layout.head(dataset, "ours", metric)] = "failed"
    return found


def _verdict(layout: _Layout, row: PublishedRow, entry: str, dataset: str) -> str:
    """Return the verdict on a row's number; a dash where nobody judged it."""
    if not entry:
        return NOT_RUN
    table = layout.grid.tables["verdicts"]
    rows = table[table["method"].isin({row.method or layout.method, entry}) & (table["dataset"] == dataset)]
    rows = rows[rows["metric"] == layout.table.metric]
    rows = rows[[_same(float(claim), row.published[dataset]) for claim in rows["claim"]]]
    return str(rows.iloc[0]["verdict"]) if len(rows) else words.NONE


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, abs_tol=5e-5)  # half a unit of the second decimal of a percent


def _says_selection(grid: Grid, rows: list[dict[str, str]]) -> bool:
    """Return whether a row was run under another selection than the protocol's own, which the caption says."""
    return bool({row["selection"] for row in rows} - {words.NONE, words.selection(grid.headline)})


def _claimed(layout: _Layout, row: PublishedRow, of: tuple[str, str], value: float) -> str:
    """Print a published number of a data set and metric."""
    method = row.method or layout.method
    claims = layout.grid.known[method].claims if method in layout.grid.known else []
    chosen = {
        claim.protocol.selection
        for claim in claims
        if (claim.dataset, claim.metric) == of and _same(claim.value, value)
    }
    printed = words.published(value).removesuffix(" %")
    return f"{printed} {CHOSEN_ON_TEST}" if "best_on_test" in chosen else printed


def _caption(layout: _Layout) -> str:
    grid, table = layout.grid, layout.table
    titles = words.listed([title(name) for name in layout.printed])
    unit = ", in %" if all(in_points(name) for name in layout.printed) else ""
    return (
        f"{grid.known[layout.method].title}, {table.where} of its paper: {table.about}. {titles}{unit}; ours under the "
        f"selection {words.selection(grid.headline)}. {covers(grid)}"
    )


def _legend(rows: list[dict[str, str]]) -> str:
    if any(CHOSEN_ON_TEST in text for row in rows for text in row.values()):
        return f"{CHOSEN_ON_TEST}: that checkpoint was chosen on the reported samples, as far as paper and code say."
    return ""
