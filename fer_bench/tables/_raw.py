"""Any table of predictions as it stands in its file: CSV, parquet or JSON lines, by the file's ending."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from fer_bench.errors import FerBenchError

CSV, PARQUET, LINES = (".csv", ".csv.gz"), (".parquet",), (".jsonl", ".ndjson")
ENDINGS = (*CSV, *PARQUET, *LINES)


def ending(path: Path) -> str | None:
    """Return which of :data:`ENDINGS` a file has; None if none."""
    return next((known for known in ENDINGS if path.name.lower().endswith(known)), None)


def stem(path: Path) -> str:
    """Return a file's name without its ending."""
    return path.name[: len(path.name) - len(ending(path) or path.suffix)]


def read(path: Path) -> pd.DataFrame:
    """Read a file; cells of CSV come as text, those of the others as they are.

    Raises:
        FerBenchError: If it is missing, has another ending, or is not what its ending says; or if pyarrow is missing.
    """
    known = ending(path)
    if known is None:
        raise FerBenchError(
            f"{path}: predictions are read from {', '.join(ENDINGS)}",
            fix="give the file the ending of what it holds, or write it as CSV",
        )
    if not path.is_file():
        raise FerBenchError(f"no file {path}", fix="give the path of a predictions table")
    table = _csv(path) if known in CSV else _parquet(path) if known in PARQUET else _lines(path)
    table.columns = pd.Index([str(name).strip() for name in table.columns])
    repeated = sorted(set(table.columns[table.columns.duplicated()]))
    if repeated:
        raise FerBenchError(f"{path}: two columns are called {repeated[0]}", fix="rename or remove one of them")
    return table


def _csv(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype="string", keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError, EOFError) as error:
        raise FerBenchError(f"{path}: not a CSV table: {error}", fix="write it as CSV with a header line") from None
    if len(table.columns) == 1 and any(mark in str(table.columns[0]) for mark in ";\t"):
        raise FerBenchError(f"{path}: columns are not parted by commas", fix="write it with commas between columns")
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes the first column for names of rows
        raise FerBenchError(f"{path}: lines have more cells than the header", fix="name every column in the header")
    return table


def _parquet(path: Path) -> pd.DataFrame:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise FerBenchError(
            f"{path}: parquet is read with pyarrow, which is not installed",
            fix='pip install "pyarrow>=17" (the extra `parquet` of fer-bench), or write the table as CSV',
        ) from None
    try:
        return pd.DataFrame(parquet.read_table(path).to_pydict())
    except (pa.ArrowInvalid, OSError) as error:
        raise FerBenchError(f"{path}: not a parquet file: {error}", fix="write it anew") from None


def _lines(path: Path) -> pd.DataFrame:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise FerBenchError(f"{path}: not text: {error}", fix="write it as JSON lines in UTF-8") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            rows.append(_object(line, where=f"{path}, line {number}"))
    return pd.DataFrame(rows)


def _object(line: str, *, where: str) -> dict[str, Any]:
    """Return an object's values by name; of an object inside it as ``outer_inner``."""
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise FerBenchError(f"{where}: not JSON: {error}", fix="one JSON object a line, nothing else") from None
    if not isinstance(row, dict):
        raise FerBenchError(f"{where}: expected an object, {{…}}", fix="one JSON object a line, nothing else")
    flat: dict[str, Any] = {}
    for name, value in row.items():
        inner = {f"{name}_{key}": each for key, each in value.items()} if isinstance(value, dict) else {name: value}
        flat |= inner
    lists = [name for name, value in flat.items() if isinstance(value, list | dict)]
    if lists:
        raise FerBenchError(
            f"{where}: {lists[0]} is a list",
            fix='write scores with names: "probabilities": {"happy": 0.9, …}, or "p_happy": 0.9, …',
        )
    return flat
