r"""What a manuscript says against what ``results/`` holds: stale numbers, bold without a test, "significantly" alone.

A number counts if it is a decimal in percent or in points, or a decimal in a table. It is looked up among the printed
values of the methods that its sentence or row names (by title or by entry); where none is named, among those of all
methods. A number that its method does not have is reported with the nearest that it has. Numbers behind the macros of
``numbers.tex`` need no lookup and cannot go stale.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from fer_bench.report.best_set import best_set
from fer_bench.report.grid import Grid
from fer_bench.report.manuscript import Statement, statements

_DECIMAL = r"(?<![\w.])[+\-−]?\d{1,3}\.\d{1,2}(?![\d.])"
_PERCENT = re.compile(rf"({_DECIMAL})(?=\s*(?:\\,|~|\s|\$)*(?:\\%|percent|points?\b|pp\b|per cent))")
_CELL = re.compile(rf"({_DECIMAL})")
_BOLD = re.compile(r"\\(?:textbf|mathbf|bm|boldsymbol)\s*\{([^{}]*)\}|\{\\bfseries\s+([^{}]*)\}")
_SIGNIFICANT = re.compile(r"\b(?:significant(?:ly)?|significance)\b", re.IGNORECASE)
_P_VALUE = re.compile(r"\bp\b\s*\$?\s*(?:[<>=]|\\l(?:eq|t)|\\approx)|\bp-value", re.IGNORECASE)


class Remark(NamedTuple):
    """Something in a manuscript that the results do not bear out.

    Attributes:
        file: Where.
        line: Where, from 1.
        kind: ``number``, ``bold`` or ``significant``.
        found: What stands there.
        expected: What the results say.
    """

    file: Path
    line: int
    kind: str
    found: str
    expected: str


class Known(NamedTuple):
    """A printed value of the results.

    Attributes:
        value: In percent or points.
        metric: Of what.
        what: Whose and of what, in words.
    """

    value: float
    metric: str
    what: str


@dataclass(frozen=True)
class _Results:
    """What the manuscript may say."""

    names: dict[str, str]  # as written in a manuscript, lower case, to entry
    printed: dict[str, list[Known]] = field(default_factory=dict)  # by entry
    metrics: dict[str, str] = field(default_factory=dict)  # as written, lower case, to metric


def lint(manuscript: Path, grids: list[Grid]) -> list[Remark]:
    """Read a manuscript and what it includes against the results of one or more grids.

    Args:
        manuscript: A ``.tex`` file.
        grids: Their tables.

    Raises:
        FerBenchError: If the manuscript cannot be read.
    """
    results = _results(grids)
    found: list[Remark] = []
    for statement in statements(manuscript):
        entries = _named(statement.text, results)
        found += _numbers(statement, entries, results)
        found += _bold(statement, entries, grids)
        found += _significant(statement)
    return found


def _results(grids: list[Grid]) -> _Results:
    names: dict[str, str] = {}
    metrics: dict[str, str] = {}
    values: dict[str, list[Known]] = {}
    for grid in grids:
        metrics |= {_plain(text): metric for metric, shown in grid.metrics.items() for text in (metric, shown.title)}
        for entry in {*grid.params.methods, *grid.runs["method"]}:
            names |= {_plain(entry): entry, _plain(grid.title(entry)): entry}
        for entry, known in _of_grid(grid):
            values.setdefault(entry, []).append(known)
    return _Results(names, values, metrics)


def _of_grid(grid: Grid) -> Iterator[tuple[str, Known]]:
    """Yield every value that the report prints in percent or points, with the method that it is about."""
    grid_name = grid.params.grid
    for row in grid.tables["intervals"].to_dict("records"):
        what = f"{row['metric']} of {row['method']} on {row['dataset']}, {row['selection']}, in {grid_name}"
        yield from _each(row, str(row["method"]), what, ("estimate", "low", "high"))
    for row in grid.tables["comparisons"].to_dict("records"):
        what = f"{row['metric']} of {row['method_a']} less {row['method_b']} on {row['dataset']}, in {grid_name}"
        for side in ("method_a", "method_b"):
            yield from _each(row, str(row[side]), what, ("difference", "low", "high", "detectable"))
    for row in grid.tables["verdicts"].to_dict("records"):
        yield from _each(row, str(row["method"]), f"claim of {row['method']} on {row['dataset']}", ("claim",))
    for name, table in (("twins", grid.contamination), ("ladder", grid.ladder), ("gains", grid.gains)):
        columns = [column for column in ("estimate", "low", "high", "difference", "added") if column in table.columns]
        for row in table.to_dict("records"):
            yield from _each(
                row, str(row["method"]), f"{row['metric']} of {row['method']}, {name} of {grid_name}", columns
            )


def _each(
    row: dict[object, object], entry: str, what: str, columns: "tuple[str, ...] | list[str]"
) -> Iterator[tuple[str, Known]]:
    for column in columns:
        value = row.get(column)
        if value is not None and not pd.isna(value):  # type: ignore[call-overload]
            yield entry, Known(100 * float(str(value)), str(row["metric"]), f"{column}: {what}")


def _plain(name: str) -> str:
    return re.sub(r"\s+", " ", name.replace("\\", "").replace("{", "").replace("}", "")).strip().lower()


def _named(text: str, results: _Results) -> set[str]:
    """Return the entries that a statement names; the longest names first, so that none hides in another."""
    left, found = _plain(text), set()
    for name in sorted(results.names, key=len, reverse=True):
        pattern = rf"(?<!\w){re.escape(name)}(?!\w)"
        if re.search(pattern, left):
            found.add(results.names[name])
            left = re.sub(pattern, " ", left)
    return found


def _numbers(statement: Statement, entries: set[str], results: _Results) -> Iterator[Remark]:
    if statement.in_table and not entries:
        return  # a row about something else: its numbers are no claims of these methods
    asked = [known for entry in sorted(entries or results.printed) for known in results.printed.get(entry, [])]
    for text, metric in _cells(statement, results):
        wanted = [known for known in asked if metric in {None, known.metric}]
        for match in (_CELL if statement.in_table else _PERCENT).finditer(text):
            digits = len(match[1].partition(".")[2])
            value = abs(float(match[1].replace("−", "-")))
            if any(abs(round(abs(known.value), digits) - value) < 0.5 * 10**-digits for known in wanted):
                continue
            nearest = min(wanted, key=lambda known: abs(abs(known.value) - value), default=None)
            said = (
                "no method here has it" if nearest is None else f"nearest: {nearest.value:.{digits}f} ({nearest.what})"
            )
            yield Remark(statement.file, statement.line, "number", match[1], said)


def _cells(statement: Statement, results: _Results) -> list[tuple[str, str | None]]:
    """Return a row's cells with the metric that stands over them, where one does; a sentence whole."""
    if not statement.in_table:
        return [(statement.text, None)]
    cells, heads = (re.split(r"(?<!\\)&", text) for text in (statement.text, statement.heads))
    if len(cells) != len(heads):
        return [(cell, None) for cell in cells]
    return [(cell, _metric(head, results)) for cell, head in zip(cells, heads, strict=True)]


def _metric(head: str, results: _Results) -> str | None:
    text = _plain(re.sub(r"\\[a-z]+", " ", head))
    found = [metric for name, metric in results.metrics.items() if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)]
    return found[0] if len(set(found)) == 1 else None


def _bold(statement: Statement, entries: set[str], grids: list[Grid]) -> Iterator[Remark]:
    if not statement.in_table or len(entries) != 1:
        return
    (entry,) = entries
    for match in _BOLD.finditer(statement.text):
        number = re.search(_DECIMAL, match[1] or match[2] or "")
        if number:
            yield from _without_test(statement, entry, number[0], grids)


def _without_test(statement: Statement, entry: str, number: str, grids: list[Grid]) -> Iterator[Remark]:
    digits = len(number.partition(".")[2])
    for grid in grids:
        for dataset in grid.datasets:
            for metric in grid.metrics:
                rows = grid.headline_rows(dataset, metric)
                rows = rows[rows["method"] == entry]
                if not len(rows) or f"{100 * float(rows.iloc[0]['estimate']):.{digits}f}" != number:
                    continue
                found = best_set(grid, dataset, metric)
                if found is None or entry not in found.bold:
                    why = "never compared with all others" if found and found.uncompared else "told from the best"
                    yield Remark(
                        statement.file, statement.line, "bold", number, f"{entry}, {metric} on {dataset}: {why}"
                    )
                elif found.others and found.best == entry and not _others_bold(statement, grid, found.others):
                    said = (
                        f"{entry} is not told from {', '.join(found.others)} ({metric} on {dataset}): set all in bold"
                    )
                    yield Remark(statement.file, statement.line, "bold", number, said)


def _others_bold(statement: Statement, grid: Grid, others: tuple[str, ...]) -> bool:
    """Return whether the other methods of the set have a bold number in the same file."""
    text = statement.file.read_text(encoding="utf-8")
    rows = re.split(r"\\\\|\\tabularnewline", text)
    names = [{_plain(other), _plain(grid.title(other))} for other in others]
    return all(any(_BOLD.search(row) and any(name in _plain(row) for name in each) for row in rows) for each in names)


def _significant(statement: Statement) -> Iterator[Remark]:
    if (
        not statement.in_table
        and (match := _SIGNIFICANT.search(statement.text))
        and not _P_VALUE.search(statement.text)
    ):
        said = "no p-value in this sentence: give p, its test and its family, or another word"
        yield Remark(statement.file, statement.line, "significant", match[0], said)
