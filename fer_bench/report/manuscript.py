r"""A LaTeX manuscript as statements with line numbers: rows of tables, and sentences.

Comments go, files that are ``\input`` are read in their place, and what holds no claim (references, labels, lengths,
names of files) is blanked. Nothing is executed or expanded.
"""

import bisect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fer_bench import given

_COMMENT = re.compile(r"(?<!\\)%.*")
_INPUT = re.compile(r"\\(?:input|include)\s*+\{([^}\n]{1,200})\}")
_SILENT = re.compile(
    r"\\(?:cite\w*|ref|eqref|autoref|cref|label|url|href|includegraphics|bibliography\w*|usepackage|documentclass|hspace\*?"
    r"|vspace\*?|vskip|hskip|setlength|addtolength|rule|cmidrule(?:\([^)]*\))?|cline|resizebox|scalebox|multicolumn)"
    r"(?:\[[^\]]{0,200}\])*+(?:\{[^{}]{0,500}\}){0,2}"
)
_TABULAR = re.compile(r"\\begin\{(tabular\*?|tabularx|longtable|array)\}")
_END_TABULAR = re.compile(r"\\end\{(?:tabular\*?|tabularx|longtable|array)\}")
_SENTENCE_END = re.compile(r"(?<=[.!?])(?=\s++[A-Z\\])|\n[^\S\n]*+\n\s*+")
_CAPTION = re.compile(r"\\caption(?:of\{table\})?(?:\[[^\]]{0,500}\])?\{((?:[^{}]|\{[^{}]{0,500}\}){0,4000})")
_REACH = 5000  # letters of a float before or behind its table


class Statement(NamedTuple):
    """A row of a table or a sentence.

    Attributes:
        file: Where it stands.
        line: Its first line, from 1.
        text: Without comments.
        in_table: Whether it is a row.
        heads: Of a row, the table's head row; else empty.
        caption: Of a row, the caption of the float that its table stands in; else empty.
    """

    file: Path
    line: int
    text: str
    in_table: bool
    heads: str = ""
    caption: str = ""


def statements(path: Path) -> Iterator[Statement]:
    """Yield the statements of a manuscript and of the files that it reads.

    Raises:
        FerBenchError: If a file is missing or not text.
    """
    yield from _of_file(path, path.parent, set())


def _of_file(path: Path, root: Path, seen: set[Path]) -> Iterator[Statement]:
    seen.add(path.resolve())
    text = "\n".join(_COMMENT.sub("", line) for line in _read(path).split("\n"))
    for match in _INPUT.finditer(text):
        name = match[1] if match[1].endswith(".tex") else f"{match[1]}.tex"
        used = (root / name).resolve()
        if used.is_file() and used not in seen:
            yield from _of_file(used, root, seen)
    lines = [place for place, letter in enumerate(text) if letter == "\n"]
    start = 0
    for table in _TABULAR.finditer(text):
        if table.start() < start:
            continue
        yield from _sentences(path, text, lines, start, table.start())
        end = _END_TABULAR.search(text, table.end())
        start = end.end() if end else len(text)
        yield from _rows(path, text, lines, table.end(), end.start() if end else len(text))
    yield from _sentences(path, text, lines, start, len(text))


def _read(path: Path) -> str:
    return given.text(path, missing=f"no file {path}", fix="name a .tex file that is there")


def _sentences(path: Path, text: str, lines: list[int], start: int, stop: int) -> Iterator[Statement]:
    place = start
    for match in [*_SENTENCE_END.finditer(text, start, stop), None]:
        end = match.start() if match else stop
        if text[place:end].strip():
            yield Statement(path, _line(text, lines, place, end), _silenced(text[place:end]), in_table=False)
        place = match.end() if match else stop


def _rows(path: Path, text: str, lines: list[int], start: int, stop: int) -> Iterator[Statement]:
    place, heads, caption = start, "", _caption(text, start, stop)
    for match in [*re.finditer(r"\\\\|\\tabularnewline", text[start:stop]), None]:
        end = start + match.start() if match else stop
        row = text[place:end]
        if row.strip():
            heads = heads or row
            line = _line(text, lines, place, end)
            yield Statement(path, line, _silenced(row), in_table=True, heads=heads, caption=caption)
        place = start + match.end() if match else stop


def _caption(text: str, start: int, stop: int) -> str:
    """Return the caption of the float around a table, as far as it stands within reach."""
    opened, closed = (
        text.rfind("\\begin{table", max(0, start - _REACH), start),
        text.find("\\end{table", stop, stop + _REACH),
    )
    if opened < 0:
        return ""
    around = text[opened:start] + text[stop : closed if closed >= 0 else stop]
    found = _CAPTION.search(around)
    return _silenced(found[1]) if found else ""


def _silenced(text: str) -> str:
    return _SILENT.sub(lambda match: " " * len(match[0]), text)


def _line(text: str, lines: list[int], start: int, end: int) -> int:
    """Return the line on which a piece of text begins, blank lines before it left out."""
    blank = end - start - len(text[start:end].lstrip())
    return bisect.bisect_left(lines, start + blank) + 1
