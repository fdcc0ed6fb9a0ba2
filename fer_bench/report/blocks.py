"""What a report consists of, before it becomes HTML, Markdown or LaTeX: plain text, escaped by the renderer."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import pandas as pd

from fer_bench.report import words


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Box:
    """Sentences that stand out."""

    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """Items under a sentence that leads to them."""

    lead: str
    items: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """Commands, one per line."""

    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table whose cells are printed text.

    Attributes:
        name: Stem of its LaTeX fragment.
        cells: Printed cells; the column labels are the header.
        caption: What it shows; carries level, n, seeds, selection and weights where they bear on it.
        wrapped: Columns of words, left-aligned, whose lines may break in LaTeX; the others are kept whole.
        right: Columns of numbers, right-aligned.
        bold: (row, column) of cells in bold.
        bold_headers: Headers in bold.
        noted: Columns of sentences that stand under the table, each sentence once and numbered.
        shared: Columns that LaTeX leaves out, and names in the caption, where all rows have the same value.
        note: What else has to be known to read it.
        empty: What is said instead when there are no rows.
        mark: What has to be said of the data wherever the table stands, :mod:`fer_bench.report.marked`.
    """

    name: str
    cells: pd.DataFrame
    caption: str
    wrapped: frozenset[str] = frozenset()
    right: frozenset[str] = frozenset()
    bold: frozenset[tuple[int, str]] = frozenset()
    bold_headers: frozenset[str] = frozenset()
    noted: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    note: str = ""
    empty: str = "None."
    mark: str = ""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A picture in ``figures/``.

    Attributes:
        name: Stem of ``figures/<name>.pdf`` and ``.png``.
        caption: What it shows, with selection and n.
        alt: What can be read off it, for those who do not see it.
        width: ``column`` (half the page) or ``page``.
    """

    name: str
    caption: str
    alt: str
    width: Literal["column", "page"] = "column"


def noted(block: Table) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the cells with numbers where columns of sentences stand, and what each number says."""
    cells, notes = block.cells.copy(), dict[str, str]()
    for name in [str(name) for name in cells.columns if name in block.noted]:
        said = [text for text in dict.fromkeys(map(str, cells[name])) if text not in {"", words.NONE}]
        numbers = {text: str(len(notes) + place) for place, text in enumerate(said, start=1)}
        notes |= {number: text for text, number in numbers.items()}
        cells[name] = [numbers.get(str(text), str(text)) for text in cells[name]]
    return cells, notes


Block: TypeAlias = Text | Box | Listing | Code | Table | Figure


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with what stands under it."""

    title: str
    blocks: tuple[Block, ...] = field(default_factory=tuple)


def tables(sections: tuple[Section, ...]) -> list[Table]:
    """Return all tables in their order."""
    return [block for section in sections for block in section.blocks if isinstance(block, Table)]
