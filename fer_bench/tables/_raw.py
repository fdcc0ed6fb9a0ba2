"""Any table of predictions as it stands in its file, by the file's ending."""

import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fer_bench.errors import FerBenchError
from fer_bench.tables import _nested, _tensors, _text

TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".jsonl", ".ndjson")
"""What is a table by its ending."""
OTHERS = (".json", ".npz", ".npy", ".pt", ".pth")
"""What may hold a table, or something else."""
ENDINGS = (*TABLES, *OTHERS)


class Raw(NamedTuple):
    """A file's table.

    Attributes:
        table: Cells of text files as text, the others' as they are.
        numbers: Number to expression's index, where the file names its classes; None where it does not.
        said: What was understood of the file's form, clauses.
    """

    table: pd.DataFrame
    numbers: dict[int, int] | None = None
    said: tuple[str, ...] = ()


def ending(path: Path) -> str | None:
    """Return which of :data:`ENDINGS` a file has; None if none."""
    return next((known for known in ENDINGS if path.name.lower().endswith(known)), None)


def stem(path: Path) -> str:
    """Return a file's name without its ending."""
    return path.name[: len(path.name) - len(ending(path) or path.suffix)]


def read(path: Path) -> Raw:
    """Read a file.

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
    found = _READERS[known](path)
    table = found.table
    table.columns = pd.Index([str(name).strip() for name in table.columns])
    numbering = [name for name in table.columns if not name or name.startswith(("Unnamed: ", "__index_level_"))]
    table = table.drop(columns=[name for name in numbering if _counts(table[name])])
    if "" in table.columns:
        place = list(table.columns).index("")
        raise FerBenchError(f"{path}: column {place + 1} has no name", fix="give it a name in the header, or remove it")
    repeated = sorted(set(table.columns[table.columns.duplicated()]))
    if repeated:
        raise FerBenchError(f"{path}: two columns are called {repeated[0]}", fix="rename or remove one of them")
    return found._replace(table=table)


def _counts(column: pd.Series | pd.DataFrame) -> bool:
    """Return whether a column without a name is empty, or pandas' numbering of rows."""
    if isinstance(column, pd.DataFrame):  # several of them
        return bool(column.isna().all(axis=None))
    cells = [str(cell) for cell in column]
    return bool(column.isna().all()) or cells == [str(place) for place in range(len(cells))]


def _csv(path: Path) -> Raw:
    found = _text.parted(path, tabs=".tsv" in path.name.lower()[-7:])
    return Raw(found.table, said=found.said)


def _parquet(path: Path) -> Raw:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise FerBenchError(
            f"{path}: parquet is read with pyarrow, which is not installed",
            fix='pip install "pyarrow>=17" (the extra `parquet` of fer-bench), or write the table as CSV',
        ) from None
    try:
        table = parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise FerBenchError(f"{path}: not a parquet file: {error}", fix="write it anew") from None
    if not any(pa.types.is_nested(field.type) for field in table.schema):
        return Raw(pd.DataFrame(dict(zip(table.column_names, table.to_pydict().values(), strict=False))))
    rows = [_nested.flat(row, where=f"{path}, row {number}") for number, row in enumerate(table.to_pylist(), start=1)]
    return Raw(pd.DataFrame(rows))


def _lines(path: Path) -> Raw:
    return Raw(pd.DataFrame(_rows(_text.decoded(path), path)))


def _rows(text: str, path: Path) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            where = f"{path}, line {number}"
            rows.append(_nested.flat(_parsed(line, where=where), where=where))
    return rows


def _json(path: Path) -> Raw:
    text = _text.decoded(path)
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) > 1 and all(line.lstrip()[:1] in "{[" and line.rstrip()[-1:] in "}]" for line in lines):
        return Raw(pd.DataFrame(_rows(text, path)))
    found = _nested.read(_parsed(text, where=str(path)), where=str(path))
    return Raw(found.table, found.numbers)


def _parsed(text: str, *, where: str) -> object:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise FerBenchError(f"{where}: the key {twice} stands twice in an object", fix="remove one of the two")
        return found

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise FerBenchError(f"{where}: not JSON: {error}", fix="write it with a JSON library, as UTF-8") from None
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits; brackets in brackets
        raise FerBenchError(f"{where}: not read: {error}", fix="write a row's values, not more") from None


def _arrays(path: Path) -> Raw:
    try:
        with path.open("rb") as file:  # numpy leaves a file open that is not whole
            held = np.load(file, allow_pickle=False)
            data = held if isinstance(held, np.ndarray) else {name: held[name] for name in held.files}
    except (ValueError, MemoryError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        with path.open("rb") as file:
            numpys = file.read(6).startswith((b"\x93NUMPY", b"PK"))
        if numpys and "pickle" in str(error):
            raise FerBenchError(
                f"{path}: an array holds objects, which are not read, because reading them runs code of the file",
                fix="save text as text: "
                "numpy.savez('mine.npz', ids=np.array(ids, dtype=str), labels=labels, logits=logits)",
            ) from None
        raise FerBenchError(f"{path}: not a file of numpy's, or damaged: {error}", fix="save it again") from None
    found = _nested.read(data, where=str(path))
    return Raw(found.table, found.numbers)


def _saved(path: Path) -> Raw:
    found = _nested.read(_tensors.read(path), where=str(path))
    return Raw(found.table, found.numbers)


_READERS: dict[str, Callable[[Path], Raw]] = {
    **dict.fromkeys((".csv", ".csv.gz", ".tsv", ".tsv.gz"), _csv),
    **dict.fromkeys((".jsonl", ".ndjson"), _lines),
    **dict.fromkeys((".npz", ".npy"), _arrays),
    **dict.fromkeys((".pt", ".pth"), _saved),
    ".parquet": _parquet,
    ".json": _json,
}
