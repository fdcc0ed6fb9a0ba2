r"""A LaTeX manuscript as statements with line numbers: rows of tables, and sentences.

Comments go, files that are ``\input`` are read in their place, and what holds no claim (references, labels, lengths,
names of files) is blanked. Nothing is executed or expanded.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fer_bench.errors import FerBenchError

_COMMENT = re.compile(r"(?<!\\)%.*")
_INPUT = re.compile(r"\\(?:input|include)\s*\{([^}]+)\}")
_SILENT = re.compile(
    r"\\(?:cite\w*|ref|eqref|autoref|cref|label|url|href|includegraphics|bibliography\w*|usepackage|documentclass|hspace\*?"
    r"|vspace\*?|vskip|hskip|setlength|addtolength|rule|cmidrule(?:\([^)]*\))?|cline|resizebox|scalebox|multicolumn)"
    r"(?:\[[^\]]*\])*(?:\{[^{}]*\}){0,2}"
)
_TABULAR = re.compile(r"\\begin\{(tabular\*?|tabularx|longtable|array)\}")
_END_TABULAR = re.compile(r"\\end\{(?:tabular\*?|tabularx|longtable|array)\}")
_SENTENCE_END = re.compile(r"(?<=[.!?])(?=\s+[A-Z\\])|\n\s*\n")


class Statement(NamedTuple):
    """A row of a table or a sentence.

    Attributes:
        file: Where it stands.
        line: Its first line, from 1.
        text: Without comments.
        in_table: Whether it is a row.
        heads: Of a row, the table's head row; else empty.
    """

    file: Path
    line: int
    text: str
    in_table: bool
    heads: str = ""


def statements(path: Path) -> Iterator[Statement]:
    """Yield the statements of a manuscript and of the files that it reads.

    Raises:
        FerBenchError: If a file is missing or not text.
    """
    yield from _of_file(path, path.parent, frozenset())


def _of_file(path: Path, root: Path, seen: frozenset[Path]) -> Iterator[Statement]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FerBenchError(f"no file {path}", fix="name a .tex file that is there") from None
    except UnicodeDecodeError:
        raise FerBenchError(f"{path} is not UTF-8 text", fix="save it as UTF-8") from None
    text = "\n".join(_COMMENT.sub("", line) for line in text.split("\n"))
    for match in _INPUT.finditer(text):
        name = match[1] if match[1].endswith(".tex") else f"{match[1]}.tex"
        used = (root / name).resolve()
        if used.exists() and used not in seen:
            yield from _of_file(used, root, seen | {used, path.resolve()})
    start = 0
    for table in _TABULAR.finditer(text):
        if table.start() < start:
            continue
        yield from _sentences(path, text, start, table.start())
        end = _END_TABULAR.search(text, table.end())
        start = end.end() if end else len(text)
        yield from _rows(path, text, table.end(), end.start() if end else len(text))
    yield from _sentences(path, text, start, len(text))


def _sentences(path: Path, text: str, start: int, stop: int) -> Iterator[Statement]:
    place = start
    for match in [*_SENTENCE_END.finditer(text, start, stop), None]:
        end = match.start() if match else stop
        if text[place:end].strip():
            yield Statement(path, _line(text, place, end), _silenced(text[place:end]), in_table=False)
        place = match.end() if match else stop


def _rows(path: Path, text: str, start: int, stop: int) -> Iterator[Statement]:
    place, heads = start, ""
    for match in [*re.finditer(r"\\\\|\\tabularnewline", text[start:stop]), None]:
        end = start + match.start() if match else stop
        row = text[place:end]
        if row.strip():
            heads = heads or row
            yield Statement(path, _line(text, place, end), _silenced(row), in_table=True, heads=heads)
        place = start + match.end() if match else stop


def _silenced(text: str) -> str:
    return _SILENT.sub(lambda match: " " * len(match[0]), text)


def _line(text: str, start: int, end: int) -> int:
    """Return the line on which a piece of text begins, blank lines before it left out."""
    blank = len(text[start:end]) - len(text[start:end].lstrip())
    return text.count("\n", 0, start + blank) + 1
