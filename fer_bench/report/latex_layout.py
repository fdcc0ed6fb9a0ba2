"""How a table is laid out in a width: which columns stand side by side, how wide words are, where it is parted.

A table that is too wide goes on below itself, in panels that repeat the columns by which its rows are told apart.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from fer_bench.report.blocks import Table, noted
from fer_bench.report.latex_text import pieces, width_pt

PAGE_PT = 478.0
"""The text width of report.tex, in TeX's points: A4 less two margins of 2.1 cm. Pages of journals are wider."""

COLUMN_PT = 235.0
"""A column of two, in TeX's points, a little less than the narrowest: CVPR has 237, ACM 241, IEEE 252."""

_LINES = 64  # of one fragment: what fits a page at this size; longer tables go on in <name>_2.tex
_HALF_PAGE = 34  # lines of each part of one: two stand on a page, and the first fits under what is there already
_HEIGHT_PT = 650.0  # of a page, less a heading, rules and skips
_GAP_PT, _LEAST_GAP_PT = 6.0, 2.5  # between two columns, 2 \tabcolsep; the smaller one where a table is too wide
_SENTENCE_PT = 72.0  # what is kept for a column of sentences before short words get theirs
_BOLD = 1.15  # how much wider bold letters are, about
_SHORT_PT = 72.0  # a column of words that needs no more than this gets it before longer ones share the rest


@dataclass(frozen=True)
class Panel:
    """Columns that stand side by side.

    Attributes:
        widths: Column of words to its width in points; the others take what they need.
        columns: All columns, from left to right.
        gap: Between two columns, in points.
    """

    columns: tuple[str, ...]
    widths: dict[str, float]
    gap: float

    def shares(self, line: float) -> dict[str, float]:
        """Return columns of words and the share of a line that each takes."""
        return {name: width / line for name, width in self.widths.items()}

    def taken(self, block: Table, cells: pd.DataFrame) -> float:
        """Return how wide it is, in points."""
        kept = [name for name in self.columns if name not in self.widths]
        gaps = self.gap * (len(self.columns) - 1)
        return sum(_needed(block, cells, name) for name in kept) + sum(self.widths.values()) + gaps


def panels(block: Table, cells: pd.DataFrame, width: float) -> list[Panel]:
    """Cut a table into panels of about the same width, as few as there have to be.

    Args:
        block: The table.
        cells: Its cells as printed, :func:`fer_bench.report.blocks.noted`.
        width: Of the line, in points.
    """
    columns = [str(name) for name in cells.columns]
    need = {name: _needed(block, cells, name) for name in columns}
    least = {name: _least(cells, name) if name in block.wrapped else need[name] for name in columns}
    wanted = {name: max(least[name], min(need[name], _SENTENCE_PT)) for name in columns}
    keys, rest = [], columns
    if _side_by_side(wanted, columns) > width:
        keys = _keys(cells, columns)
        # what is repeated leaves half of the line, and the widest other column, to the rest
        room = min(width / 2, width - _LEAST_GAP_PT - max(wanted[name] for name in columns[len(keys) :]))
        for most in range(int(_SENTENCE_PT), 0, -1):
            if _side_by_side(wanted, keys) <= room:
                break
            wanted |= {name: max(least[name], min(wanted[name], most)) for name in keys}
        while keys and max(_side_by_side(wanted, [*keys, name]) for name in columns[len(keys) :]) > width:
            keys.pop()
        rest = columns[len(keys) :]
    fewest = len(_cut(wanted, keys, rest, width))
    limits = range(math.ceil(width))  # the narrowest panels of that number are about equal
    cut = next((found for limit in limits if len(found := _cut(wanted, keys, rest, limit)) == fewest), None)
    return [_panel(block, cells, [*keys, *names], width) for names in cut or _cut(wanted, keys, rest, width)]


def _keys(cells: pd.DataFrame, columns: list[str]) -> list[str]:
    """Return the fewest first columns in which no two rows agree; the first alone where rows agree in all."""
    counts = range(1, len(columns))
    return columns[: next((count for count in counts if not cells.duplicated(columns[:count]).any()), 1)]


def _side_by_side(widths: dict[str, float], names: list[str]) -> float:
    return sum(widths[name] for name in names) + _LEAST_GAP_PT * (len(names) - 1)


def _cut(widths: dict[str, float], keys: list[str], rest: list[str], width: float) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    for name in rest:
        if groups[-1] and _side_by_side(widths, [*keys, *groups[-1], name]) > width:
            groups.append([])
        groups[-1].append(name)
    return groups


def _panel(block: Table, cells: pd.DataFrame, columns: list[str], width: float) -> Panel:
    """Share the width that columns of numbers leave among the columns of words, as their text needs it."""
    wordy = [name for name in columns if name in block.wrapped]
    need = {name: _needed(block, cells, name) for name in columns}
    given = {name: min(need[name], _least(cells, name)) for name in wordy}
    free = width - sum(need[name] for name in columns if name not in wordy)
    n_gaps = max(len(columns) - 1, 1)
    gap = max(_LEAST_GAP_PT, min(_GAP_PT, (free - sum(given.values())) / n_gaps))
    left = free - gap * (len(columns) - 1)
    spare = left - sum(given.values())
    longest = max(need, key=lambda name: need[name])
    sentences = need[longest] > 4 * _SENTENCE_PT and longest in wordy
    kept = max(0.0, _SENTENCE_PT - given[longest]) if sentences else 0.0  # sentences must not become a ribbon
    for name in sorted(wordy, key=lambda name: need[name]):  # short words first: a name should not be parted in two
        if need[name] <= _SHORT_PT and need[name] - given[name] <= spare - kept:
            spare -= need[name] - given[name]
            given[name] = need[name]
    wanted = {name: need[name] - given[name] for name in wordy}
    total = sum(wanted.values())
    share = min(1.0, max(0.0, spare) / total) if total else 0.0
    return Panel(tuple(columns), {name: given[name] + share * wanted[name] for name in wordy}, gap)


def _least(cells: pd.DataFrame, name: str) -> float:
    """Return the points below which a column of words would have letters that stick out."""
    return max(width_pt(piece) for text in [name, *map(str, cells[name])] for piece in pieces(text)) + 2


def _needed(block: Table, cells: pd.DataFrame, name: str) -> float:
    """Return the points that a column takes with no line broken."""
    bold = _BOLD if name in {column for _, column in block.bold} else 1.0
    head = width_pt(name) * (_BOLD if name in block.bold_headers else 1.0)
    spare = 1.03 if name in block.wrapped else 1.0  # words hardly wider than estimated would take two lines
    return spare * max([head, *(bold * width_pt(text) for text in map(str, cells[name]))]) + 2


def parts(block: Table, width: float) -> list[tuple[int, int]]:
    """Part the rows so that each part has about the same number of lines, at most about ``_LINES``."""
    if block.cells.empty:
        return [(0, 0)]
    cells, notes = noted(block)
    found = panels(block, cells, width)
    lines = [sum(_lines_of(row, panel) for panel in found) for row in cells.to_dict("records")]
    heads = (
        sum(2 + _lines_of({name: name for name in panel.columns}, panel) for panel in found) - 3
    )  # one head has its room
    under = heads + sum(lines_of(text, width) for text in [*notes.values(), block.mark])
    words_pt = 14 * lines_of(block.caption, width) + 12 * lines_of(block.note, width)  # rather too much
    if sum(lines) + under <= _LINES and 8 * (sum(lines) + under) + words_pt <= _HEIGHT_PT:
        return [(0, len(lines))]
    room = max(1, min(_HALF_PAGE, _LINES - under))
    n_parts = max(2, -(-sum(lines) // room))
    part_of = [before * n_parts // sum(lines) for before in itertools.accumulate([0, *lines[:-1]])]
    starts = [row for row, part in enumerate(part_of) if row == 0 or part != part_of[row - 1]]
    return list(itertools.pairwise([*starts, len(lines)]))


def _lines_of(row: Mapping[object, object], panel: Panel) -> int:
    return max([1, *(lines_of(str(row[name]), width) for name, width in panel.widths.items())])


def lines_of(text: str, width: float) -> int:
    """Return how many lines a text takes, about."""
    return math.ceil(width_pt(text) / width)
