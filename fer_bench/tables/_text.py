"""Text files as programs write them: in UTF-8 or UTF-16, columns parted by commas, semicolons or tabs."""

import codecs
import csv
import gzip
import io
import re
import shlex
import zlib
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from fer_bench import given
from fer_bench.errors import FerBenchError
from fer_bench.tables import _spellings

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d+")


class Parted(NamedTuple):
    """A table of text.

    Attributes:
        table: Cells as text, empty ones as NA.
        said: What was understood of its form, clauses.
    """

    table: pd.DataFrame
    said: tuple[str, ...]


def decoded(path: Path) -> str:
    """Return a text file's text, decompressed where its name ends in ``.gz``.

    Raises:
        FerBenchError: If it cannot be read, or is neither UTF-8 nor UTF-16 with a byte order mark.
    """
    packed = path.name.lower().endswith(".gz")
    raw = given.content(path, missing=f"no file {path}", fix="name a file of predictions")
    try:
        raw = gzip.decompress(raw) if packed else raw
    except (OSError, EOFError, zlib.error) as error:
        raise FerBenchError(f"{path}: it cannot be read: {error}", fix="write it anew") from None
    mark = next((mark for mark in _MARKS if raw.startswith(mark)), None)
    try:
        text = raw.decode("utf-8" if mark is None else _MARKS[mark])
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise FerBenchError(
            f"{path}: the text is not UTF-8: byte 0x{raw[error.start]:02x} in line {line}",
            fix=f"save it as UTF-8; one that Excel wrote in western Europe: {_convert(path, 'CP1252', packed=packed)}",
        ) from None
    if "\0" in text:
        where = "UTF-16BE" if raw[:1] == b"\0" else "UTF-16LE"
        raise FerBenchError(
            f"{path}: the text holds zero bytes: it is UTF-16 without a byte order mark, or no text",
            fix=f"save it as UTF-8: {_convert(path, where, packed=packed)}",
        )
    return text


def _convert(path: Path, encoding: str, *, packed: bool) -> str:
    """Return the command that makes a copy in UTF-8."""
    name = path.name.removesuffix(".gz").removesuffix(".GZ")
    made = shlex.quote(str(path.with_name(f"utf8_{name}")))
    if packed:
        return f"gzip -dc {shlex.quote(str(path))} | iconv -f {encoding} -t UTF-8 > {made}"
    return f"iconv -f {encoding} -t UTF-8 {shlex.quote(str(path))} > {made}"


def parted(path: Path, *, tabs: bool) -> Parted:
    """Read a table with a header line.

    Args:
        path: The file.
        tabs: Whether its ending says that tabs part its columns; else the header, or a first line ``sep=;``, does.

    Raises:
        FerBenchError: If it is not such a table: no header, a column without a name or two of one, a line with another
            number of cells than the header.
    """
    text = decoded(path)
    first, _, rest = text.partition("\n")
    told = re.fullmatch(r"sep=(.)\r?", first)
    if told:
        text = rest
    separator = "\t" if tabs else told[1] if told else _separator(text, where=str(path))
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise FerBenchError(f"{path}: not a CSV table: {error}", fix="write it as CSV with a header line") from None
    if not rows:
        raise FerBenchError(f"{path}: not a CSV table: it is empty", fix="write it as CSV with a header line")
    headers = [name.strip() for name in rows[0][1]]
    for number, row in rows[1:]:
        if len(row) != len(headers):
            raise FerBenchError(
                f"{path}, line {number + bool(told)}: {len(row)} cells, and the header has {len(headers)}",
                fix="give each line a cell per column; where numbers have decimal commas, part columns by semicolons",
            )
    table = pd.DataFrame([row for _, row in rows[1:]], columns=headers, dtype="string").replace("", pd.NA)
    said = [] if separator == "," else [f"columns parted by {_SEPARATORS.get(separator, separator)}"]
    if separator != ",":
        table, changed = _with_points(table)
        said += ["decimal commas"] * changed
    return Parted(table, tuple(said))


def _separator(text: str, *, where: str) -> str:
    """Return what parts the columns of a header line; a comma where there is but one column."""
    header = text.split("\n", 1)[0]
    outside = re.sub(r'"[^"]*"', "", header)
    found = [mark for mark in _SEPARATORS if mark in outside]
    if len(found) > 1:
        said = " and ".join(_SEPARATORS[mark] for mark in found)
        raise FerBenchError(
            f"{where}: columns could be parted by {said}: both stand in the header",
            fix="say which in a line before the header: sep=, or sep=; (or write names with such a mark in quotes)",
        )
    return found[0] if found else ","


def _with_points(table: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """Return columns of numbers with a decimal point for the comma; ids and words stay as they are."""
    changed = {}
    for header in table.columns[[_spellings.role(name) != "id" for name in table.columns]]:
        cells = table[header].str.strip()
        held = cells.dropna()
        commas = held.map(lambda cell: bool(_DECIMAL_COMMA.fullmatch(cell)))
        if commas.any() and (commas | held.map(lambda cell: bool(_WHOLE.fullmatch(cell)))).all():
            changed[header] = cells.str.replace(",", ".", regex=False)
    return table.assign(**changed), bool(changed)
