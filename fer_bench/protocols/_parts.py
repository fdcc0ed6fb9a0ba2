"""How a protocol parts the rows of a samples table: stratified, the same for every run, nested."""

import numpy as np
import pandas as pd

from fer_bench import seeds
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS

_SEED = 0  # what a part is may not depend on a run's seed


def rows_of(samples: pd.DataFrame, *splits: str) -> np.ndarray:
    """Return the rows, ascending, that belong to any of ``splits`` and that the label rule keeps."""
    belongs = (samples["split"].isin(splits) & (samples["label"] >= 0)).to_numpy(dtype=bool)
    rows: np.ndarray = np.flatnonzero(belongs)
    return rows


def labels_of(samples: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    """Return the labels of some rows, int64 (n,)."""
    labels: np.ndarray = samples["label"].to_numpy(dtype=np.int64)[rows]
    return labels


def stratified(labels: np.ndarray, share: float, purpose: str) -> np.ndarray:
    """Choose a stratified share of samples.

    Samples are put into one order and its beginning is taken: sample j of an expression with n samples (in an order
    drawn at random) stands at (j + 1/2) / n, after the first samples of all expressions. A smaller share is therefore
    a subset of a larger one, and each expression gets its proportional number, rounded (the divisor method of
    Sainte-Laguë). The method of the largest remainder rounds as closely but is not nested: a larger share can give an
    expression fewer samples.

    Args:
        labels: Integers (n,), none negative.
        share: In (0, 1]; the number of samples is rounded to the nearest, half up.
        purpose: Names the random order; other purposes draw other samples.

    Returns:
        Positions in ``labels``, ascending; at least one of each expression that occurs.

    Raises:
        FerBenchError: If the share has fewer samples than there are expressions.
    """
    present = np.unique(labels)
    n_chosen = int(np.floor(share * len(labels) + 0.5))
    if n_chosen < len(present):
        raise FerBenchError(
            f"{purpose}: a share of {share:g} of {len(labels)} samples is {n_chosen}, too few for {len(present)} "
            "expressions",
            fix=f"take a share of at least {len(present) / len(labels):.3g}",
        )
    position = np.empty(len(labels))
    for label in present:
        of_label = np.flatnonzero(labels == label)
        drawn = seeds.generator(_SEED, "protocol", purpose, int(label)).permutation(len(of_label))
        position[of_label[drawn]] = np.where(
            np.arange(len(of_label)) == 0, 0, (np.arange(len(of_label)) + 0.5) / len(of_label)
        )
    return np.sort(np.lexsort((labels, position))[:n_chosen])


def check(samples: pd.DataFrame, train: np.ndarray, report: np.ndarray) -> None:
    """Check that a protocol's parts can give a number.

    Raises:
        FerBenchError: If nothing trains or is reported, or an expression is reported that nothing trains.
    """
    for rows, split in ((train, "train"), (report, "test")):
        if not len(rows):
            raise FerBenchError(
                f"the samples table has no labelled {split} rows",
                fix="prepare the data set from its whole release: fer-bench data prepare DATASET",
            )
    absent = np.setdiff1d(labels_of(samples, report), labels_of(samples, train))
    if len(absent):
        names = ", ".join(EXPRESSIONS[label] for label in absent)
        raise FerBenchError(
            f"the test part has {names}, the training part does not",
            fix="raise run.train_share, or prepare the data set from its whole release",
        )
