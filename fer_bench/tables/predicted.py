"""``predicted/<dataset>.csv``: what every run predicted, one row per sample.

Columns: ``sample_id, y_true``, then for each run and selection one ``<method>/seed<k>/<selection>`` with the index of
the predicted expression. It is small enough to be committed, so that scores and comparisons can be recomputed where
the runs are not.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from fer_bench.errors import FerBenchError
from fer_bench.protocols import SELECTIONS
from fer_bench.tables._columns import SAMPLE_ID, Y_PRED, Y_TRUE
from fer_bench.tables._schema import Schema, header

_COLUMN = re.compile(rf"(?P<method>[a-z][a-z0-9_]*)/seed(?P<seed>\d+)/(?P<selection>{'|'.join(SELECTIONS)})")
_BASE = ("sample_id", "y_true")
_REMAKE = "fer-bench score"


class Column(NamedTuple):
    """One run under one selection; its text is the column's name."""

    method: str
    seed: int
    selection: str

    def __str__(self) -> str:
        return f"{self.method}/seed{self.seed}/{self.selection}"


def columns(table: pd.DataFrame) -> list[Column]:
    """Return the runs and selections that a table holds, in the order of its columns."""
    found = [_COLUMN.fullmatch(str(name)) for name in table.columns]
    return [Column(match["method"], int(match["seed"]), match["selection"]) for match in found if match]


def schema(held: list[Column]) -> Schema:
    """Return the schema of a table that holds these runs and selections."""
    return Schema(
        name="table of predicted expressions",
        columns={"sample_id": SAMPLE_ID, "y_true": Y_TRUE, **{str(column): Y_PRED for column in held}},
        key=("sample_id",),
        remake=_REMAKE,
    )


def write(table: pd.DataFrame, path: Path) -> None:
    """Check, sort and write a table.

    Raises:
        FerBenchError: As :func:`read`, but for the file.
    """
    schema(_all_columns(table, where="table of predicted expressions")).write(table, path)


def read(path: Path) -> pd.DataFrame:
    """Read and check a table; labels come as plain integers.

    Raises:
        FerBenchError: If it is missing, is not CSV, has a column that names no run, empty cells, or repeated ids.
    """
    held = pd.DataFrame(columns=header(path, remake=_REMAKE) or list(_BASE))
    table = schema(_all_columns(held, where=str(path))).read(path)
    return table.astype(dict.fromkeys(table.columns.drop("sample_id"), int))


def _all_columns(table: pd.DataFrame, *, where: str) -> list[Column]:
    unknown = [str(name) for name in table.columns if name not in _BASE and not _COLUMN.fullmatch(str(name))]
    if unknown:
        raise FerBenchError(
            f"{where}: column {unknown[0]} names no run; expected METHOD/seedK/SELECTION",
            fix=f"make it anew: {_REMAKE}",
        )
    return columns(table)
