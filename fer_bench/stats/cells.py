"""Where two methods err differently: the difference of two confusion matrices, cell by cell, with a test of each.

A cell's value is the share of the samples of its row's expression that are predicted as its column's. Two methods on
the same samples are compared as :mod:`fer_bench.stats.pairs` compares their accuracies: over several seeds by the
two-way variance of the 0/1 values of the row's samples, with one seed by exact McNemar, conditional on these
checkpoints. Holm's family is all cells of the matrix that can differ.

What is resampled: nothing. What is held fixed: the training data, and with one seed the checkpoints. When it misleads:
rows with few samples, where the two-way variance of rare errors is rough; read as an exploration.
"""

from typing import NamedTuple

import numpy as np

from fer_bench.arrays import Labels, SeedLabels
from fer_bench.stats import mcnemar, paired, two_way
from fer_bench.stats.holm import holm


class Cells(NamedTuple):
    """A difference of two confusion matrices, A less B.

    Attributes:
        differences: (k, k) differences of row shares; rows: true, columns: predicted; 0 for rows without samples.
        p_holm: (k, k) corrected p-values; 1 where nothing differs.
        family_size: Cells that are tested.
    """

    differences: np.ndarray
    p_holm: np.ndarray
    family_size: int


def cells(y_true: Labels, y_pred_a: SeedLabels, y_pred_b: SeedLabels, *, n_classes: int) -> Cells:
    """Compare two methods cell by cell.

    Args:
        y_true: True labels.
        y_pred_a: Predicted labels of A, a row per seed.
        y_pred_b: Those of B, same samples, same number of seeds.
        n_classes: Expressions.
    """
    differences, p = np.zeros((n_classes, n_classes)), np.ones((n_classes, n_classes))
    for true in range(n_classes):
        rows = y_true == true
        if rows.sum() < 2:
            continue
        for guess in range(n_classes):
            a, b = (y_pred[:, rows] == guess for y_pred in (y_pred_a, y_pred_b))
            differences[true, guess] = a.mean() - b.mean()
            p[true, guess] = _p_value(a, b)
    tested = p < 1
    corrected = np.ones_like(p)
    if tested.any():
        corrected[tested] = holm(p[tested])
    return Cells(differences, corrected, int(tested.sum()))


def _p_value(a: np.ndarray, b: np.ndarray) -> float:
    """Return the p-value of "A and B predict this expression equally often" from (s, n) booleans."""
    if np.array_equal(a, b):
        return 1.0
    if len(a) == 1:
        return mcnemar.mcnemar(a[0], b[0])
    first, second = (two_way.components(values.astype(float), values.mean(axis=1)) for values in (a, b))
    return paired.difference(first, second, level=0.95).p_family
