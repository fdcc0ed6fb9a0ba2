"""``history.csv``: what training saw, epoch by epoch; and the sealed table of the same epochs on the reported part.

A run writes both with its own key; ``score`` gathers the first over all runs. The sealed table is written after
training has ended; no choice reads it, only those who measure what choosing on the test set gains.
"""

from fer_bench.tables._schema import ColumnType, Schema

_CELL: dict[str, ColumnType] = {"dataset": "str", "method": "str", "seed": "int", "epoch": "int"}  # epochs count from 1

history = Schema(
    name="history table",
    columns={
        **_CELL,
        "lr": "float",
        "train_loss": "float",
        "val_loss": "float",
        "val_accuracy": "float",
        "val_macro_f1": "float",
        "seconds": "float",
    },
    key=("dataset", "method", "seed", "epoch"),
    optional=frozenset({"val_loss", "val_accuracy", "val_macro_f1"}),  # a protocol may have no part that selects
    remake="fer-bench run METHOD --dataset DATASET --seed SEED",
)

sealed = Schema(
    name="sealed history table",
    columns={**_CELL, "test_accuracy": "float", "test_macro_f1": "float"},
    key=("dataset", "method", "seed", "epoch"),
    remake="fer-bench run METHOD --dataset DATASET --seed SEED",
)
