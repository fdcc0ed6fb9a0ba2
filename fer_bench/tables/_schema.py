"""What every table shares: columns that say what they hold, reading that checks, writing that repeats byte for byte.

``results/README.md`` prints what the columns say; ``make docs`` renews it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pandas as pd

from fer_bench import given, whole
from fer_bench.errors import FerBenchError

ColumnType: TypeAlias = Literal["str", "int", "float", "bool"]
_SHOWN = 40  # letters of a cell that an error quotes
_DTYPES: Mapping[ColumnType, Any] = {"str": "string", "int": "Int64", "float": "Float64", "bool": "boolean"}


@dataclass(frozen=True)
class Column:
    """What one column of a table holds.

    Attributes:
        kind: Type of its cells.
        about: What a cell says, with its unit, its range or its words.
        empty: Where cells may be empty, as it goes on after "empty"; None: nowhere.
        added: Tables made before the column existed lack it; it is read as empty.
        form: What the whole of a cell's text must match where a table is read, which may come from elsewhere: what
            stands in a path, a file's name or LaTeX has one. None: any text.
    """

    kind: ColumnType
    about: str
    empty: str | None = None
    added: bool = False
    form: str | None = None


text = partial(Column, "str")
integer = partial(Column, "int")
number = partial(Column, "float")
boolean = partial(Column, "bool")


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The columns of a table.

    Attributes:
        name: As used in errors.
        columns: Name to what the column holds, in the order of the file.
        key: Columns that together name a row; rows are sorted by them.
        remake: The command that makes the table anew.
    """

    name: str
    columns: Mapping[str, Column]
    key: tuple[str, ...]
    remake: str

    def frame(self, rows: list[dict[str, object]]) -> pd.DataFrame:
        """Make a table of rows, checked.

        Raises:
            FerBenchError: As :meth:`check`.
        """
        return self.check(pd.DataFrame(rows, columns=list(self.columns)), where=self.name)

    def check(self, table: pd.DataFrame, *, where: str) -> pd.DataFrame:
        """Return the table with the right types, sorted by its key.

        Raises:
            FerBenchError: For missing or unknown columns, values of a wrong type, empty cells or repeated keys.
        """
        for name, column in self.columns.items():
            if column.added and name not in table.columns:
                table = table.assign(**{name: pd.Series(pd.NA, index=table.index, dtype=_DTYPES[column.kind])})
        missing = [name for name in self.columns if name not in table.columns]
        unknown = [str(name) for name in table.columns if name not in self.columns]
        if missing or unknown:
            said = [f"missing {', '.join(missing)}"] * bool(missing) + [f"unknown {', '.join(unknown)}"] * bool(unknown)
            raise FerBenchError(f"{where}: columns: {'; '.join(said)}", fix=f"make it anew: {self.remake}")
        for name, column in self.columns.items():
            try:
                table = table.assign(**{name: _typed(table[name], column.kind)})
            except (TypeError, ValueError):
                raise FerBenchError(
                    f"{where}: column {name} is not all of type {column.kind}", fix=f"make it anew: {self.remake}"
                ) from None
            if column.empty is None and table[name].isna().any():
                row = int(table[name].isna().to_numpy().argmax()) + 2
                raise FerBenchError(
                    f"{where}: column {name} is empty in line {row}", fix=f"make it anew: {self.remake}"
                )
        repeated = table.duplicated(list(self.key))
        if repeated.any():
            first = table.loc[repeated, list(self.key)].iloc[0]
            said_key = ", ".join(f"{name}={value}" for name, value in first.items())
            raise FerBenchError(f"{where}: two rows with {said_key}", fix=f"make it anew: {self.remake}")
        return table.loc[:, list(self.columns)].sort_values(list(self.key), kind="stable", ignore_index=True)

    def read(self, path: Path) -> pd.DataFrame:
        """Read and check a table.

        Raises:
            FerBenchError: If the file is missing, is not CSV, does not pass :meth:`check`, or has text of another form.
        """
        given.check(path, missing=f"no {self.name} at {path}", fix=f"make it: {self.remake}")
        # keep_default_na: a method called "none" is not a missing value
        table = _parsed(path, self.remake, dtype="string", keep_default_na=False, na_values=[""])
        table = self.check(table, where=str(path))
        for name, column in self.columns.items():
            held = table[name].dropna()
            wrong = held[:0] if column.form is None else held[~held.str.fullmatch(column.form)]
            if len(wrong):
                raise FerBenchError(
                    f"{path}: column {name} has {str(wrong.iloc[0])[:_SHOWN]!r}; expected {column.about}",
                    fix=f"make it anew: {self.remake}",
                )
        return table

    def write(self, table: pd.DataFrame, path: Path) -> None:
        """Check, sort and write a table; equal contents give equal bytes.

        Raises:
            FerBenchError: As :meth:`check`.
        """
        table = self.check(table, where=self.name)
        whole.write(path, table.to_csv(index=False, float_format="%.9g", lineterminator="\n").encode())


def header(path: Path, *, remake: str) -> list[str]:
    """Return the names of a table's columns, for tables whose columns differ; none where there is no file.

    Raises:
        FerBenchError: If it is not a CSV table.
    """
    if not path.exists():
        return []
    given.check(path, missing=f"no file {path}", fix=f"make it anew: {remake}")
    return [str(name) for name in _parsed(path, remake, nrows=0).columns]


def _parsed(path: Path, remake: str, **how: Any) -> pd.DataFrame:  # noqa: ANN401 - as pandas has it
    try:
        table: pd.DataFrame = pd.read_csv(path, **how)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, ValueError) as error:
        raise FerBenchError(f"{path}: not a CSV table: {error}", fix=f"make it anew: {remake}") from None
    return table


def _typed(column: pd.Series, kind: ColumnType) -> pd.Series:
    """Give a column its type; booleans are read as the words that pandas writes.

    Raises:
        ValueError: If a word is neither True nor False.
    """
    if kind == "bool" and pd.api.types.is_string_dtype(column):
        if not column.dropna().isin(["True", "False"]).all():
            message = "not a boolean"
            raise ValueError(message)
        column = column.map({"True": True, "False": False})
    return column.astype(_DTYPES[kind])
