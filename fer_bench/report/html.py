"""The report as one HTML page that needs nothing else: style, script and pictures stand in it, and it asks for nothing.

Every string comes in through Jinja's escaping. A Content-Security-Policy in the page forbids all requests, all styles
and all scripts but the two whose digests it names. Without scripts everything is readable; with them tables can be
sorted and searched, commands copied and the colours switched.
"""

import base64
import hashlib
import itertools
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from fer_bench.report import words
from fer_bench.report.blocks import Block, Box, Code, Figure, Listing, Section, Table, Text, noted
from fer_bench.report.latex import narrowed

SEARCHED_FROM = 10
"""A table with this many rows has a search field; the main table has one from two rows on."""

_PIXELS_PER_POINT = 96 / 72
_TYPOGRAPHY = {"column": 3.4, "page": 7.0}  # inches at which the type in a figure has its own size

_STATED = frozenset({"status", "verdict", "A is"})
"""Columns whose cells are one of the words below."""

_FIRST = frozenset({"verdict", "A is"})
"""Columns that stand right behind what a row is about: on a narrow screen the last ones are out of sight."""

_LOOKS = {
    "green": "good", "ok": "good", "reproduced": "good", "amber": "warn", "above": "up", "red": "bad", "failed": "bad",
    "below": "down", "better": "up", "worse": "down", "equivalent": "same", "undecided": "open", "inconclusive": "open",
    "not comparable": "none", "not run": "none", "not audited": "none",
}  # fmt: skip

_ROOM = 125
"""Letters that a row has room for beside the contents; of a longer one, intervals stand under their estimates."""

_GAP, _WRAPPED = 3.5, 40  # letters between two columns; letters after which words go on in the next line

_UNITS = {"min": 60.0, "h": 3600.0}
_NUMBER = re.compile(r"(<\s*)?([+\-−]?)(\d[\d,]*(?:\.\d+)?)\s*(min\b|h\b)?")
_LINK = re.compile(r"https?://[^\s<>\"]*[^\s<>\".,;:)\]]")
_PERCENT = re.compile(r"(?<=\d) %")
_SENTENCE = re.compile(r"(?<=\.)\s+")


def number(text: str) -> float | None:
    """Return the number that a printed cell is sorted by: its estimate; None where it has none.

    Examples:
        >>> number("86.3 % [85.1, 87.4]"), number("−1.2 points [−2.0, −0.4]"), number("25,045")
        (86.3, -1.2, 25045.0)
        >>> number("< 0.001") < number("0.001"), number("4.3 min"), number("–")
        (True, 258.0, None)
    """
    found = _NUMBER.match(text)
    if not found:
        return None
    below, sign, digits, unit = found.groups()
    value = float(digits.replace(",", "")) * _UNITS.get(unit or "", 1.0)
    return (-value if sign in {"-", "−"} else value) * (0.5 if below else 1.0)


def linked(text: str) -> Markup:
    """Return escaped text in which addresses are links, and numbers stay on one line with their percent sign.

    Examples:
        >>> str(linked("a<b (https://example.org/x)"))
        'a&lt;b (<a href="https://example.org/x" rel="noopener noreferrer">https://example.org/x</a>)'
    """
    text = _PERCENT.sub("\N{NO-BREAK SPACE}%", text)
    parts, end = [], 0
    for found in _LINK.finditer(text):
        parts.append(escape(text[end : found.start()]))
        parts.append(Markup('<a href="{0}" rel="noopener noreferrer">{0}</a>').format(found[0]))
        end = found.end()
    return Markup().join([*parts, escape(text[end:])])


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column's header and how its cells look."""

    name: str
    numbers: bool
    bold: bool
    look: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell: what is printed, what it is sorted by, and how it looks."""

    text: str
    rest: str
    key: str
    column: Column
    bold: bool
    heads: bool
    stated: str


def render(
    title: str,
    sections: tuple[Section, ...],
    *,
    figures: Path,
    commands: Callable[[Table | Figure], tuple[str, ...]],
    said_once: str = "",
) -> str:
    """Return the page.

    Args:
        title: Of the report.
        sections: In their order.
        figures: Folder that holds ``<name>.png`` of every figure.
        commands: From a table or figure to the commands that make its numbers again.
        said_once: What notes end with; the page says it in its first section only, and notes link there.
    """
    style, script = _asset("style.css"), _asset("script.js")
    ids = _ids()
    shown = [
        {
            "id": ids(section.title),
            "title": section.title,
            "groups": [
                (kind, [_view(block, ids=ids, figures=figures, commands=commands, said_once=said_once) for block in of])
                for kind, of in itertools.groupby(section.blocks, key=_kind)
            ],
        }
        for section in sections
    ]
    return _template().render(
        title=title,
        sections=shown,
        first=shown[0]["id"] if shown else "",
        style=Markup(style),  # noqa: S704 - our own files, not data
        script=Markup(script),  # noqa: S704
        style_digest=_digest(style),
        script_digest=_digest(script),
    )


def _kind(block: Block) -> str:
    match block:
        case Figure():
            return f"figures {block.width}"
        case _:
            return type(block).__name__.lower()


def _view(
    block: Block,
    *,
    ids: Callable[[str], str],
    figures: Path,
    commands: Callable[[Table | Figure], tuple[str, ...]],
    said_once: str,
) -> dict[str, Any]:
    match block:
        case Text():
            return {"text": block.text}
        case Listing():
            return {"lead": block.lead, "items": block.items}
        case Box():
            return {"sentences": block.sentences}
        case Code():
            return {"lines": block.lines}
        case Table():
            return {"id": ids(f"table {block.name}"), "commands": commands(block), **_table(block, said_once=said_once)}
        case Figure():
            data = (figures / f"{block.name}.png").read_bytes()
            width, height = struct.unpack(">II", data[16:24])  # of the header of every PNG
            shown = round(_TYPOGRAPHY[block.width] * 72 * _PIXELS_PER_POINT)
            return {
                "id": ids(f"figure {block.name}"),
                "name": block.name,
                "alt": block.alt,
                "caption": block.caption,
                "data": base64.b64encode(data).decode("ascii"),
                "width": shown,
                "height": round(shown * height / width),
                "commands": commands(block),
            }


def _table(block: Table, *, said_once: str) -> dict[str, Any]:
    block, same = narrowed(replace(block, shared=block.shared | {"data set"}))
    cells, notes = noted(block)
    block = replace(block, cells=cells[_order(block)])
    first, *more = _SENTENCE.split(block.caption, maxsplit=1)
    note = block.note.removesuffix(said_once).strip() if said_once else block.note
    columns = [_column(block, str(name)) for name in block.cells.columns]
    n_heads = _n_heads([column.numbers for column in columns], [column.name for column in columns])
    rows = [
        [
            _cell(str(text), column, bold=(place, column.name) in block.bold, heads=number < n_heads)
            for number, (text, column) in enumerate(zip(row, columns, strict=True))
        ]
        for place, row in enumerate(block.cells.itertuples(index=False))
    ]
    return {
        "title": first,
        "basis": " ".join(filter(None, [*more, same])),
        "notes": list(notes.values()),
        "note": note,
        "elsewhere": bool(said_once) and block.note.endswith(said_once),
        "mark": block.mark,
        "empty": block.empty,
        "columns": columns,
        "rows": rows,
        "tall": sum(min(_longest(block, column.name), _WRAPPED) + _GAP for column in columns) > _ROOM,
        "searched": len(rows) >= (2 if block.name == "main" else SEARCHED_FROM),
    }


def _longest(block: Table, name: str) -> int:
    return max(len(str(text)) for text in [name, *block.cells[name]])


def _column(block: Table, name: str) -> Column:
    longest = _longest(block, name)
    look = "number" if name in block.right else "short" if longest <= 24 else "words" if longest <= 60 else "sentences"
    return Column(name=name, numbers=name in block.right, bold=name in block.bold_headers, look=look)


def _order(block: Table) -> list[str]:
    """Return the columns with the verdict right behind what a row is about."""
    names = [str(name) for name in block.cells.columns]
    n_heads = _n_heads([name in block.right for name in names], names)
    heads, others = names[:n_heads], names[n_heads:]
    return [*heads, *(name for name in others if name in _FIRST), *(name for name in others if name not in _FIRST)]


def _n_heads(numbers: list[bool], names: list[str]) -> int:
    """Count the leading columns that say what a row is about: those before numbers and verdicts, three at most."""
    kinds = [number or name in _FIRST for number, name in zip(numbers, names, strict=True)]
    leading = next((place for place, kind in enumerate(kinds) if kind), 1)
    return min(3, max(1, leading))


def _cell(text: str, column: Column, *, bold: bool, heads: bool) -> Cell:
    middle, bracket, rest = text.partition(" [") if column.numbers else (text, "", "")
    value = number(text) if column.numbers else None
    return Cell(
        text=middle,
        rest=f"{bracket}{rest}",
        key="" if value is None else f"{value:.10g}",
        column=column,
        bold=bold,
        heads=heads,
        stated=_LOOKS.get(text, "none") if column.name in _STATED and text != words.NONE else "",
    )


def _ids() -> Callable[[str], str]:
    """Return a function from a title to an anchor that no other title has."""
    used: set[str] = set()

    def make(title: str) -> str:
        stem = re.sub(r"[^a-z0-9_]+", "-", title.lower()).strip("-") or "part"
        found = next(name for name in _numbered(stem) if name not in used)
        used.add(found)
        return found

    return make


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    yield from (f"{stem}-{count}" for count in itertools.count(2))


def _asset(name: str) -> str:
    return resources.files("fer_bench.report").joinpath("_page", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("fer_bench.report", "_page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["linked"] = linked
    return environment.get_template("page.html.j2")
