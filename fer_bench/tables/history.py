"""``history.csv``: what training saw, epoch by epoch; and the sealed table of the same epochs on the reported part.

A run writes both with its own key; ``score`` gathers the first over all runs. The sealed table is written after
training has ended; no choice reads it, only those who measure what choosing on the test set gains.
"""

from fer_bench.tables._columns import DATASET, METHOD, SEED
from fer_bench.tables._schema import Schema, integer, number

_CELL = {"dataset": DATASET, "method": METHOD, "seed": SEED, "epoch": integer("from 1")}
_NO_PART = "where the protocol has no part that selects"

history = Schema(
    name="history table",
    columns={
        **_CELL,
        "lr": number("learning rate at the start of the epoch"),
        "train_loss": number("mean training loss over the epoch"),
        "val_loss": number("loss on the part that selects", empty=_NO_PART),
        "val_accuracy": number("accuracy on it, fraction", empty=_NO_PART),
        "val_macro_f1": number("macro-F1 on it, fraction", empty=_NO_PART),
        "seconds": number("wall time of the epoch, scoring on the part that selects included; seconds"),
    },
    key=("dataset", "method", "seed", "epoch"),
    remake="fer-bench run METHOD --dataset DATASET --seed SEED",
)

sealed = Schema(
    name="sealed history table",
    columns={
        **_CELL,
        "test_accuracy": number("accuracy on the reported part, fraction"),
        "test_macro_f1": number("macro-F1 on it, fraction"),
    },
    key=("dataset", "method", "seed", "epoch"),
    remake="fer-bench run METHOD --dataset DATASET --seed SEED",
)
