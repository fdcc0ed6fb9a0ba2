"""Honest: the checkpoint is selected on samples that are neither trained on nor reported.

Where the release has a validation split, train trains and val selects (FERPlus). Where it has none, a stratified tenth
of train selects and the rest trains (RAF-DB).
"""

import numpy as np
import pandas as pd

from fer_bench.protocols import Parts, Protocol
from fer_bench.protocols._parts import check, labels_of, rows_of, stratified

HELD_OUT = 0.1
"""Share of train that selects where the release has no validation split."""


def parts(samples: pd.DataFrame, train_share: float) -> Parts:
    """Part the rows of a samples table.

    Args:
        samples: The samples table.
        train_share: Stratified share, in (0, 1], of the rows that train; a smaller one is a subset of a larger one.
            The rows that select and that are reported stay the same.

    Raises:
        FerBenchError: If a part would be empty, an expression is tested but not trained, or the share is too small to
            hold every expression.
    """
    train, select, report = (rows_of(samples, split) for split in ("train", "val", "test"))
    if not len(select) and len(train):
        labels = labels_of(samples, train)
        share = max(HELD_OUT, len(np.unique(labels)) / len(labels))  # at least one of each expression
        select = train[stratified(labels, share, "the part that selects")]
        train = np.setdiff1d(train, select)
    check(samples, train, report)
    train = train[stratified(labels_of(samples, train), train_share, "run.train_share")]
    return Parts(train, select, report)


protocol = Protocol(
    about="selects on the official validation split, or on a stratified tenth of train where there is none",
    parts=parts,
    headline="best_on_val",
    trains_on=("train",),
)
