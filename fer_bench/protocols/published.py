"""Published: train and validation both train, and the checkpoint is selected on the test set, as the field does.

Its headline is an oracle: a number that its own test set has chosen.
"""

import pandas as pd

from fer_bench.protocols import Parts, Protocol
from fer_bench.protocols._parts import check, labels_of, rows_of, stratified


def parts(samples: pd.DataFrame, train_share: float) -> Parts:
    """Part the rows of a samples table.

    Args:
        samples: The samples table.
        train_share: Stratified share, in (0, 1], of the rows that train; a smaller one is a subset of a larger one.

    Raises:
        FerBenchError: If a part would be empty, an expression is tested but not trained, or the share is too small to
            hold every expression.
    """
    train, report = rows_of(samples, "train", "val"), rows_of(samples, "test")
    check(samples, train, report)
    train = train[stratified(labels_of(samples, train), train_share, "run.train_share")]
    return Parts(train, None, report)


protocol = Protocol(
    about="train and validation train, the test set selects: as most released code does; an oracle",
    parts=parts,
    headline="best_on_test",
    trains_on=("train", "val"),
)
