"""``orders/<dataset>_<method>.csv``: what a method's checkpoints predict when test pictures come in other batches.

One row per sample of the reported split, those that the label rule drops included. Columns: ``sample_id``; ``y_true``,
-1 where dropped; for a data set with several label rules one ``label/<rule>`` each, -1 where that rule drops the
sample; then one ``seed<k>/<selection>/<order>`` per checkpoint and order (:data:`ORDERS`) with the index of the
predicted expression. A column that equals the checkpoint's ``single`` wherever a label is is not written;
:func:`labels_in` reads ``single`` in its place. Dropped samples are predicted singly only, so their cells are empty
elsewhere. A method without batches has no such column.
"""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from fer_bench.errors import FerBenchError
from fer_bench.protocols import SELECTIONS
from fer_bench.tables._columns import SAMPLE_ID
from fer_bench.tables._schema import Schema, header, integer

BATCH_SIZES = (8, 16, 32, 64)
N_SHUFFLES = 3
SINGLE, COPIES = "single", "copies"
ORDERS = (
    SINGLE,
    COPIES,
    *(f"shuffled{number}_b{size}" for number in range(N_SHUFFLES) for size in BATCH_SIZES),
    *(f"listed_b{size}" for size in BATCH_SIZES),
    *(f"class_sorted_b{size}" for size in BATCH_SIZES),
)
"""``single``: one picture at a time. ``copies``: each beside a copy of itself. ``shuffled``: three orders drawn at
random. ``listed``: as the release lists them. ``class_sorted``: as folders named after expressions are read. ``_b8``:
in batches of 8."""

_COLUMN = re.compile(rf"seed(?P<seed>\d+)/(?P<selection>{'|'.join(SELECTIONS)})/(?P<order>{'|'.join(ORDERS)})")
_LABEL = re.compile(r"label/[a-z][a-z0-9_]*")
_BASE = ("sample_id", "y_true")
_DROPPED = "where the label rule drops the sample"
REMAKE = "fer-bench audit batch METHOD --dataset DATASET"


class Column(NamedTuple):
    """One checkpoint in one order; its text is the column's name."""

    seed: int
    selection: str
    order: str

    def __str__(self) -> str:
        return f"seed{self.seed}/{self.selection}/{self.order}"


def columns(table: pd.DataFrame) -> list[Column]:
    """Return the checkpoints and orders that a table has columns of, sorted."""
    found = [_COLUMN.fullmatch(str(name)) for name in table.columns]
    held = [Column(int(match["seed"]), match["selection"], match["order"]) for match in found if match]
    return sorted(held, key=lambda column: (column.seed, column.selection, ORDERS.index(column.order)))


def rules(table: pd.DataFrame) -> list[str]:
    """Return the label rules that a table has columns of, sorted."""
    return sorted(str(name).removeprefix("label/") for name in table.columns if _LABEL.fullmatch(str(name)))


def write(table: pd.DataFrame, path: Path) -> None:
    """Check, sort and write a table, without the columns that equal ``single`` wherever a label is.

    Raises:
        FerBenchError: As :func:`read`, but for the file.
    """
    labelled = (table["y_true"] >= 0).to_numpy(dtype=bool)
    alike = [
        str(column)
        for column in columns(table)
        if column.order != SINGLE
        and (labels_in(table, *column)[labelled] == labels_in(table, *column[:2], SINGLE)[labelled]).all()
    ]
    kept = table.drop(columns=alike)
    _schema(kept, where="table of orders").write(kept, path)


def read(path: Path) -> pd.DataFrame:
    """Read and check a table.

    Raises:
        FerBenchError: If it is missing, is not CSV, has a column that names no checkpoint and order or one without
            its ``single``, empty cells under ``single``, or repeated ids.
    """
    columns = pd.DataFrame(columns=header(path, remake=REMAKE) or list(_BASE))
    return _schema(columns, where=str(path)).read(path)


def labels_in(table: pd.DataFrame, seed: int, selection: str, order: str) -> np.ndarray:
    """Return what a checkpoint predicts in an order.

    Args:
        table: A table of orders.
        seed: The run's seed.
        selection: The selection.
        order: One of :data:`ORDERS`.

    Returns:
        (n,) integers in the table's order; -1 where the sample was not predicted: those without a label in any order
        but ``single``.

    Raises:
        FerBenchError: If there is no such order, or the table does not have the checkpoint.
    """
    if order not in ORDERS:
        raise FerBenchError(f"no order '{order}'", fix=f"one of: {', '.join(ORDERS)}")
    single, wanted = (str(Column(seed, selection, name)) for name in (SINGLE, order))
    if single not in table.columns:
        held = sorted({f"seed {column.seed} {column.selection}" for column in columns(table)})
        raise FerBenchError(
            f"the table of orders has no seed {seed} under {selection}; it has: {', '.join(held) or 'none'}",
            fix=f"make it anew: {REMAKE}",
        )
    found: np.ndarray = table[wanted if wanted in table.columns else single].fillna(-1).to_numpy(dtype=np.int64)
    return found if order == SINGLE else np.where(table["y_true"].to_numpy(dtype=np.int64) >= 0, found, -1)


def _schema(table: pd.DataFrame, *, where: str) -> Schema:
    """Return the schema of a table with these columns."""
    held, labels = columns(table), [f"label/{rule}" for rule in rules(table)]
    known = {*_BASE, *labels, *map(str, held)}
    unknown = [str(name) for name in table.columns if name not in known]
    alone = [column for column in held if str(column._replace(order=SINGLE)) not in known]
    if unknown or alone:
        said = f"{unknown[0]} names no checkpoint and order" if unknown else f"{alone[0]} stands without its {SINGLE}"
        raise FerBenchError(f"{where}: column {said}", fix=f"make it anew: {REMAKE}")
    return schema(labels, held)


def schema(labels: list[str], held: list[Column]) -> Schema:
    """Return the schema of a table with these ``label/…`` columns, and these checkpoints and orders."""
    other_rule = integer(
        "true expression under another label rule, index in expressions.py; -1 where it drops the sample"
    )
    single = integer("predicted expression, one picture at a time, index in expressions.py")
    batched = integer("predicted expression in batches of this order; absent where all are as singly", empty=_DROPPED)
    return Schema(
        name="table of orders",
        columns={
            "sample_id": SAMPLE_ID,
            "y_true": integer("true expression, index in expressions.py; -1 where the label rule drops the sample"),
            **dict.fromkeys(labels, other_rule),
            **{str(column): single if column.order == SINGLE else batched for column in held},
        },
        key=("sample_id",),
        remake=REMAKE,
    )
