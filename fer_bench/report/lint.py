r"""What a manuscript says against what ``results/`` holds: stale numbers, bold without a test, "significantly" alone.

A number counts if it is a decimal in percent or in points, or a decimal in a table. It is looked up among the printed
values (:mod:`fer_bench.report.quotable`) of the methods that its sentence or row names, by title or by entry, of the
metric and the data set that stand in it, over its cell or in the table's caption, and of its role: a level in percent;
a difference in points, behind "by" or with a sign; the ends of an interval only in brackets behind such a number.
Without a metric's name it is the grid's first metric, without a method's any method. What is not the protocol's own
number (another checkpoint, one seed, a published number, …) counts where the sentence says so. Numbers behind the
macros of ``numbers.tex`` need no lookup and cannot go stale.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fer_bench import registry
from fer_bench.report.best_set import best_set
from fer_bench.report.grid import Grid
from fer_bench.report.manuscript import Statement, statements
from fer_bench.report.quotable import Quotable, Role, of_grid

_DECIMAL = r"(?<![\w.])[+\-−]?\d{1,3}\.\d{1,2}(?![\d.])"
_SPACE = r"(?:\\[,;:! ]|[~\s$])*+"
_PERCENT = re.compile(rf"({_DECIMAL})(?={_SPACE}(?:\\%|percent|points?\b|pp\b|per cent))")
_CELL = re.compile(rf"({_DECIMAL})")
_BOLD = re.compile(r"\\(?:textbf|mathbf|bm|boldsymbol)\s*\{([^{}]*)\}|\{\\bfseries\s++([^{}]*)\}")
_POINTS = re.compile(rf"{_SPACE}(?:percentage{_SPACE})?(?:points?\b|pp\b)")
_BY = re.compile(r"\bby\W{0,8}$|\bless\W{0,4}$", re.IGNORECASE)
_DIFFERENCE = re.compile(r"Δ|\\Delta|differ|\bgain|\bgap\b|\s[−-]\s*[A-Z]\b|\bless\b", re.IGNORECASE)
_BRACKETS = re.compile(r"[\[(][^\[\]()]{1,120}[\])]")
_BETWEEN = re.compile(rf"{_SPACE}(?:\\%|%|percent(?:age)?|points?|pp|per cent)?{_SPACE}(?:points?)?{_SPACE}\\?")
_SIGNIFICANT = re.compile(r"\b(?:significant(?:ly)?|significance)\b", re.IGNORECASE)
_P_VALUE = re.compile(r"\bp\b[\s$]*+(?:[<>=]|\\l(?:eq|t)|\\approx)|\bp-value", re.IGNORECASE)


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


@dataclass(frozen=True)
class _Results:
    """What the manuscript may say."""

    names: dict[str, str]  # as written in a manuscript, plain, to entry
    metrics: dict[str, str]  # the same, to metric
    datasets: dict[str, str]
    primary: frozenset[str]  # the metrics that a number without a metric's name is taken for
    quotable: list[Quotable]


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
        if _CELL.search(statement.text):
            entries = _named(statement.text, results.names)
            found += _numbers(statement, entries, results)
            found += _bold(statement, entries, grids)
        found += _significant(statement)
    return found


def _results(grids: list[Grid]) -> _Results:
    names: dict[str, str] = {}
    metrics: dict[str, str] = {}
    datasets: dict[str, str] = {}
    for grid in grids:
        metrics |= {_plain(name): name for name in grid.tables["intervals"]["metric"].unique()}
        metrics |= {_plain(shown.title): metric for metric, shown in grid.metrics.items()}
        for dataset, prepared in grid.params.prepare.items():
            title = registry.load("datasets", prepared.reader or dataset).title
            datasets |= {_plain(text): dataset for text in (dataset, title)}
        for entry in {*grid.params.methods, *grid.runs["method"]}:
            names |= {_plain(entry): entry, _plain(grid.title(entry)): entry}
    quotable = [one for grid in grids for one in of_grid(grid)]
    return _Results(names, metrics, datasets, frozenset(next(iter(grid.metrics)) for grid in grids), quotable)


def _plain(name: str) -> str:
    text = re.sub(r"\\[a-zA-Z]+|[\\{}$]", " ", name.replace("\\_", "_").replace("FER+", "FERPlus"))
    return re.sub(r"[\s_~-]++", " ", text).strip().lower()


def _named(text: str, names: dict[str, str]) -> set[str]:
    """Return what a text names; the longest names first, so that none hides in another."""
    left, found = _plain(text), set()
    for name in sorted(names, key=len, reverse=True):
        pattern = rf"(?<!\w){re.escape(name)}(?!\w)"
        if re.search(pattern, left):
            found.add(names[name])
            left = re.sub(pattern, " ", left)
    return found


class _Number(NamedTuple):
    """A number of a manuscript, as it stands there, with what it must be."""

    text: str
    role: Role
    bound: bool


def _numbers(statement: Statement, entries: set[str], results: _Results) -> Iterator[Remark]:
    if statement.in_table and not entries:
        return  # a row about something else: its numbers are no claims of these methods
    around = f"{statement.heads} {statement.caption} {statement.text}"
    for text, head in _cells(statement):
        numbers = list(_found(text, head, in_table=statement.in_table))
        if not numbers:
            continue
        metrics = _metrics(head, statement, results)
        datasets = _named(head, results.datasets) or _named(around, results.datasets)
        asked = [
            one
            for one in results.quotable
            if one.metric in metrics
            and (not datasets or one.dataset in datasets)
            and _of_these(one, entries)
            and all(cue.search(around) for cue in one.cues)
        ]
        for number in numbers:
            digits = len(number.text.partition(".")[2])
            value = abs(float(number.text.replace("−", "-")))
            wanted = [one for one in asked if (one.role, one.bound) == (number.role, number.bound)]
            if any(abs(round(abs(one.value), digits) - value) < 0.5 * 10**-digits for one in wanted):
                continue
            nearest = min(wanted, key=lambda one: abs(abs(one.value) - value), default=None)
            said = (
                f"no {'end of an interval' if number.bound else number.role} of {', '.join(sorted(metrics))} is here"
                if nearest is None
                else f"nearest: {nearest.value:.{digits}f} ({nearest.what})"
            )
            yield Remark(statement.file, statement.line, "number", number.text, said)


def _of_these(one: Quotable, entries: set[str]) -> bool:
    """Return whether a number is about what a statement names: a difference about two of them, where it names two."""
    if one.role == "difference" and len(one.methods) == 2 and len(entries) > 1:
        return one.methods <= entries
    return not entries or not one.methods.isdisjoint(entries)


def _metrics(head: str, statement: Statement, results: _Results) -> frozenset[str]:
    """Return the metrics that a number may be of: those over its cell, or in its sentence; else the primary ones."""
    for text in (head, statement.text, statement.caption):
        found = _named(text, results.metrics)
        if found:
            return frozenset(found)
    return results.primary


def _found(text: str, head: str, *, in_table: bool) -> Iterator[_Number]:
    """Yield the numbers of a sentence or cell; those of a pair in brackets behind another are its bounds."""
    ends: list[tuple[int, Role]] = []
    brackets = [(found, re.findall(_DECIMAL, found[0])) for found in _BRACKETS.finditer(text)]
    pairs = [(found, held) for found, held in brackets if len(held) > 1]
    for match in (_CELL if in_table else _PERCENT).finditer(text):
        if any(found.start() < match.start() < found.end() for found, _ in pairs):
            continue
        role = _role(text, match, head)
        ends.append((match.end(), role))
        yield _Number(match[1], role, bound=False)
    for found, held in pairs:
        before = [role for end, role in ends if end <= found.start() and _BETWEEN.fullmatch(text, end, found.start())]
        if before:
            yield from (_Number(number, before[-1], bound=True) for number in held[-2:])


def _role(text: str, match: re.Match[str], head: str) -> Role:
    """Return what a number is by its sign, its unit and the word before it; in a table, by its column's head too."""
    signed = match[1][0] in "+-−"
    apart = _POINTS.match(text, match.end()) or _BY.search(text[max(0, match.start() - 12) : match.start()])
    return "difference" if signed or apart or _DIFFERENCE.search(head) else "level"


def _cells(statement: Statement) -> list[tuple[str, str]]:
    """Return a row's cells, each with what stands over it; a sentence whole, with nothing."""
    if not statement.in_table:
        return [(statement.text, "")]
    cells, heads = (re.split(r"(?<!\\)&", text) for text in (statement.text, statement.heads))
    return list(zip(cells, heads if len(cells) == len(heads) else [""] * len(cells), strict=True))


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
