"""True and predicted labels of any predictions table: names, or numbers whose order is known, never numbers alone."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from fer_bench.arrays import Labels
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.tables import _spellings
from fer_bench.tables._spellings import Role

_LONG = {"true": "true labels", "pred": "predicted labels"}


class Held(NamedTuple):
    """Where a file holds its true, or its predicted, labels.

    Attributes:
        names: The column of names; None if there is none.
        numbers: The column of numbers; None if there is none.
    """

    names: str | None
    numbers: str | None

    def __bool__(self) -> bool:
        return self.names is not None or self.numbers is not None

    def __str__(self) -> str:
        return " and ".join(name for name in (self.numbers, self.names) if name is not None)


def text(column: pd.Series) -> pd.Series:
    """Return cells as text, whole numbers without a decimal point, empty ones as NA."""
    return pd.Series([_cell(value) for value in column], index=column.index, dtype="string")


def _cell(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    said = "" if value is None or value is pd.NA or value != value else str(value).strip()  # noqa: PLR0124 - NaN
    return said or pd.NA


def held(table: pd.DataFrame, headers: list[str], role: Role, *, where: str) -> Held:
    """Tell a role's columns apart: at most one of names and one of numbers; columns without any value do not count.

    Raises:
        FerBenchError: If two columns could be the same thing.
    """
    names: list[str] = []
    numbers: list[str] = []
    for header in headers:
        cells = text(table[header]).dropna()
        if len(cells):
            (numbers if _whole(cells).all() else names).append(header)
    for found in (names, numbers):
        if len(found) > 1:
            raise ambiguous(found, role, where=where)
    return Held(next(iter(names), None), next(iter(numbers), None))


def ambiguous(found: list[str], role: Role, *, where: str) -> FerBenchError:
    """Return the error of several columns that could be the same thing."""
    what = {"id": "ids", **_LONG}[role]
    return FerBenchError(
        f"{where}: the {what} could be in {' or '.join(found)}", fix=f"say which: --column {role}={found[0]}"
    )


def by_names_beside(table: pd.DataFrame, pairs: Mapping[Role, Held], *, where: str) -> dict[int, int]:
    """Return number to index, as columns of numbers and names that stand side by side show.

    Raises:
        FerBenchError: If one number stands beside two names, or two numbers beside one.
    """
    found: dict[int, int] = {}
    for role, pair in pairs.items():
        if pair.names is None or pair.numbers is None:
            continue
        both = pd.DataFrame({"number": text(table[pair.numbers]), "name": text(table[pair.names])})
        for number, name in both.dropna().drop_duplicates().itertuples(index=False):
            index = _index(name, where=f"{where}: column {pair.names}")
            if found.setdefault(int(float(number)), index) != index:
                raise FerBenchError(
                    f"{where}: {number} in {pair.numbers} stands for {EXPRESSIONS[found[int(float(number))]]} and for "
                    f"{name}",
                    fix=f"mend the table, or read the names alone: --column {role}={pair.names}",
                )
    repeated = [EXPRESSIONS[index] for index in set(found.values()) if list(found.values()).count(index) > 1]
    if repeated:
        named = [f"--column {role}={pair.names}" for role, pair in pairs.items() if pair.names and pair.numbers]
        raise FerBenchError(
            f"{where}: several numbers stand for {repeated[0]}",
            fix=f"mend the table, or read the names alone: {' '.join(named)}",
        )
    return found


def read(
    table: pd.DataFrame, column: Held, role: Role, *, ids: pd.Series, numbers: Mapping[int, int] | None, where: str
) -> Labels:
    """Return labels as indices in the order of :mod:`fer_bench.expressions`.

    Args:
        table: The file's.
        column: Where the labels are; names decide where there are both.
        role: ``true`` or ``pred``.
        ids: Of the rows, for errors.
        numbers: Number to index; None where that is not known.
        where: The file.

    Raises:
        FerBenchError: For empty cells, unknown classes, and numbers whose order is not known.
        ValueError: If the file has no such column.
    """
    header = column.names or column.numbers
    if header is None:
        message = f"no {_LONG[role]}"
        raise ValueError(message)
    cells = text(table[header])
    if cells.isna().any():
        raise FerBenchError(
            f"{where}: {header} is empty in {int(cells.isna().sum())} of {len(cells)} rows; "
            f"first: {ids[cells.isna()].iloc[0]}",
            fix="give every row its label, or take those rows out of every file that is compared",
        )
    if column.names is not None:
        known = {name: _index(name, where=f"{where}: column {header}") for name in cells.unique()}
        return np.asarray(cells.map(known), dtype=int)
    if numbers is None:
        raise FerBenchError(
            f"{where}: {header} holds numbers, and nothing in the file says which expression each one is",
            fix=_spellings.ask_order(),
        )
    whole = cells.astype(float).astype(int)
    unknown = sorted(set(whole) - set(numbers))
    if unknown:
        raise FerBenchError(
            f"{where}: {header} holds {unknown[0]} ({int((whole == unknown[0]).sum())} rows; first: "
            f"{ids[whole == unknown[0]].iloc[0]}); known are "
            + ", ".join(f"{number} {EXPRESSIONS[index]}" for number, index in sorted(numbers.items())),
            fix=_spellings.ask_order(),
        )
    return np.asarray(whole.map(dict(numbers)), dtype=int)


def contempt(table: pd.DataFrame, column: Held, numbers: Mapping[int, int] | None) -> bool:
    """Return whether contempt stands among a column's labels; False where its numbers are not known."""
    header = column.names or column.numbers
    cells: list[str] = [] if header is None else list(text(table[header]).dropna().unique())
    last = EXPRESSIONS.index("contempt")
    if column.names is not None:
        return any(_spellings.expression(cell) == EXPRESSIONS[last] for cell in cells)
    return numbers is not None and any(numbers.get(int(float(cell))) == last for cell in cells)


def _whole(cells: pd.Series) -> pd.Series:
    return cells.str.fullmatch(r"[+-]?\d+(\.0*)?")


def _index(name: str, *, where: str) -> int:
    found = _spellings.expression(name)
    if found is None:
        raise FerBenchError(
            f"{where}: unknown class '{name}'",
            fix=f"the classes are {', '.join(EXPRESSIONS)}, in usual spellings (happy, sad, angry …); take rows of "
            "other classes out, or rename them",
        )
    return EXPRESSIONS.index(found)
