"""Tables out of what JSON, archives of arrays and saved tensors hold: rows, columns, or an object by id.

Names decide, not values: an object is one of columns where a key is a usual name of ids, labels or scores, and else one
whose keys are the ids. Objects in rows become columns ``outer_inner``, lists of numbers ``name_0``, ``name_1`` …, and
lists of ``{"label": …, "score": …}`` columns ``name_label``.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.tables import _spellings

_CLASSES = {"classes", "classnames", "labelnames", "categories", "classtoidx", "classtoindex", "labels2id", "label2id"}
_MOST = 64  # entries of a list that become columns: class scores, not embeddings


class Nested(NamedTuple):
    """What was found.

    Attributes:
        table: One row per sample.
        numbers: Number to expression's index, where the file names its classes; None where it does not.
    """

    table: pd.DataFrame
    numbers: dict[int, int] | None


def read(data: object, *, where: str) -> Nested:
    """Read whatever was stored.

    Args:
        data: Dictionaries, lists, numbers, text, arrays.
        where: The file.

    Raises:
        FerBenchError: If it is no table: columns of other lengths, several objects where one is expected, a list of
            single values, nothing at all.
    """
    numbers = None
    if isinstance(data, np.ndarray) and data.dtype.names:
        data = {name: data[name] for name in data.dtype.names}
    if isinstance(data, Mapping):
        data = {str(key): value for key, value in data.items()}
        known = {key: _classes(value) for key, value in data.items() if _spellings.plain(key) in _CLASSES}
        numbers = next((found for found in known.values() if found), None)
        data = {key: value for key, value in data.items() if not known.get(key)}
        if len(data) == 1 and _of_objects(next(iter(data.values()))):
            (data,) = data.values()
    if isinstance(data, Mapping):
        named = any(_spellings.role(key) or _spellings.may_be_scores(key) for key in data)
        return Nested(_of_columns(data, where=where) if named else _by_id(data, where=where), numbers)
    if _of_objects(data):
        rows = enumerate(_listed(data) or [], start=1)
        return Nested(pd.DataFrame([flat(row, where=f"{where}, row {number}") for number, row in rows]), numbers)
    matrix = _matrix(data)
    if matrix is None:
        raise FerBenchError(
            f"{where}: expected a table, and found {_said(data)}",
            fix="write a row per sample with names: [{\"image\": \"a.jpg\", \"pred\": \"happy\"}, …], or arrays with "
            "names: numpy.savez('mine.npz', ids=ids, logits=logits, labels=labels)",
        )  # fmt: skip
    return Nested(pd.DataFrame(matrix, columns=[str(place) for place in range(matrix.shape[1])]), numbers)


def flat(row: object, *, where: str) -> dict[str, Any]:
    """Return one row's values by name.

    Raises:
        FerBenchError: If it is no object, holds several where one is expected, or two values of one name.
    """
    listed = _listed(row)
    if listed and _classified(listed):
        row = {"score": row}
    elif listed and len(listed) == 1:
        row = listed[0]  # a picture's faces, of which there is one
    if not isinstance(row, Mapping):
        raise FerBenchError(f"{where}: expected an object, {{…}}, and found {_said(row)}", fix=_ONE)
    found: dict[str, Any] = {}
    for key, value in row.items():
        for name, each in _parts(str(key), value, where=where):
            if name in found:
                raise FerBenchError(f"{where}: two values are called {name}", fix="rename or remove one of them")
            found[name] = each
    return found


_ONE = "write one object per picture; of several faces keep the one that is meant"


def _parts(name: str, value: object, *, where: str) -> list[tuple[str, Any]]:
    """Return the columns that one value is, with its cells."""
    held = _listed(value)
    if held is None and not isinstance(value, Mapping):
        return [(name, _scalar(value))]
    if held and _classified(held):
        return [(f"{name}_{each['label']}", each["score"]) for each in held]
    if held is not None and not any(isinstance(each, Mapping) for each in held):
        return [(f"{name}_{place}", _scalar(each)) for place, each in enumerate(held[:_MOST])]
    if held is not None and len(held) > 1:
        raise FerBenchError(f"{where}: {name} holds {len(held)} objects, and one is expected", fix=_ONE)
    return [(f"{name}_{inner}", each) for inner, each in flat(value, where=where).items()]


def _listed(value: object) -> list[Any] | None:
    """Return a list's, or an array's, entries; None of what is neither."""
    if isinstance(value, list | tuple):
        return list(value)
    return list(value) if isinstance(value, np.ndarray) and value.ndim else None


def _classified(held: list[Any]) -> bool:
    """Return whether entries are classes with their scores, as pipelines for classification print them."""
    return all(isinstance(each, Mapping) and {"label", "score"} <= set(each) for each in held)


def _of_objects(data: object) -> bool:
    """Return whether this is a list of objects, each alone or in a list."""
    held = _listed(data) or []
    firsts = [(_listed(row) or [row])[0] for row in held]
    return bool(held) and all(isinstance(first, Mapping) for first in firsts)


def _of_columns(data: Mapping[str, object], *, where: str) -> pd.DataFrame:
    """Return a table of columns; what is no column (an epoch, a loss) is left out."""
    columns: dict[str, np.ndarray] = {}
    lengths: dict[str, int] = {}
    for name, value in data.items():
        cells = _column(value)
        if cells is None:
            continue
        if _spellings.role(name) or _spellings.may_be_scores(name):
            lengths[name] = len(cells)
        if cells.ndim == 1:
            columns[name] = cells
        elif cells.ndim == 2 and cells.shape[1] == 1:
            columns[name] = cells[:, 0]
        elif cells.ndim == 2 and cells.shape[1] <= _MOST:
            columns |= {f"{name}_{place}": cells[:, place] for place in range(cells.shape[1])}
    if len(set(lengths.values())) != 1:
        said = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise FerBenchError(
            f"{where}: " + (f"columns have other lengths: {said}" if said else "it has no columns"),
            fix="give every column an entry per sample, in the same order",
        )
    n = next(iter(lengths.values()))
    return pd.DataFrame({name: cells for name, cells in columns.items() if len(cells) == n})


def _column(value: object) -> np.ndarray | None:
    """Return a column's cells, or rows of them; None of what is no column."""
    held = _listed(list(value.values()) if isinstance(value, Mapping) else value)  # pandas' to_json has objects
    if held is None:
        return None
    if isinstance(value, np.ndarray):
        return np.char.decode(value, "utf-8") if value.dtype.kind == "S" else value
    matrix = _matrix(held)
    if matrix is None:
        matrix = np.empty(len(held), dtype=object)
        matrix[:] = [_scalar(each) for each in held]
    return matrix


def _scalar(value: object) -> object:
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value


def _by_id(data: Mapping[str, object], *, where: str) -> pd.DataFrame:
    rows = []
    for key, value in data.items():
        numbers = _listed(value)
        if numbers and not any(isinstance(each, Mapping) for each in numbers):
            row = {str(place): _scalar(each) for place, each in enumerate(numbers)}
        elif isinstance(value, str | int | float):
            row = {"pred": value}
        else:
            row = flat(value, where=f"{where}, {key}")
        rows.append({"id": key} | row)
    return pd.DataFrame(rows)


def _matrix(data: object) -> np.ndarray | None:
    """Return rows of as many numbers each as (n, k); None where it is something else."""
    if isinstance(data, np.ndarray):
        return data if data.ndim == 2 else None
    held = _listed(data)
    if not held or _listed(held[0]) is None:
        return None
    try:
        found = np.asarray(held, dtype=float)
    except (ValueError, TypeError):
        return None
    return found if found.ndim == 2 else None


def _classes(value: object) -> dict[int, int] | None:
    """Return number to index, of names in order or of an object from names to numbers; None if these are no names."""
    pairs = dict(value) if isinstance(value, Mapping) else {str(word): n for n, word in enumerate(_listed(value) or [])}
    found = {
        place: EXPRESSIONS.index(name)
        for word, place in pairs.items()
        if isinstance(place, int) and (name := _spellings.expression(str(word))) is not None
    }
    return found if pairs and len(found) == len(pairs) == len(set(found.values())) else None


def _said(data: object) -> str:
    """Say what something is, in a word or two."""
    if isinstance(data, np.ndarray):
        return f"an array of shape {data.shape}"
    if isinstance(data, list | tuple | Mapping):
        return f"{len(data)} values" if len(data) else "nothing"
    return f"'{str(data)[:40]}'"
