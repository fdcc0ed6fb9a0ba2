"""Differences of confusion matrices, cell by cell."""

import numpy as np
import pytest

from fer_bench.stats.cells import cells
from fer_bench.stats.mcnemar import exact


def test_a_hand_value_with_one_seed():
    y_true = np.repeat([0, 1], 10)
    a = y_true.copy()[None]
    b = y_true.copy()[None]
    b[0, :6] = 1  # B takes six of the first expression for the second
    found = cells(y_true, a, b, n_classes=2)
    assert found.differences.tolist() == [[0.6, -0.6], [0.0, 0.0]]
    assert found.family_size == 2
    assert found.p_holm[0, 0] == pytest.approx(2 * exact(0, 6))
    assert found.p_holm[1].tolist() == [1.0, 1.0]


def test_equal_methods_differ_nowhere():
    y_true = np.repeat(np.arange(3), 5)
    y_pred = np.stack([y_true, np.roll(y_true, 1)])
    found = cells(y_true, y_pred, y_pred, n_classes=3)
    assert not found.differences.any()
    assert found.family_size == 0


def test_an_expression_without_samples_is_not_tested():
    y_true = np.repeat([0, 1], 10)
    found = cells(y_true, np.zeros((2, 20), dtype=int), np.ones((2, 20), dtype=int), n_classes=3)
    assert found.p_holm[2].tolist() == [1.0] * 3


@pytest.mark.slow
def test_equal_methods_are_told_apart_in_any_cell_in_at_most_one_matrix_of_twenty(rng):
    counts = np.array([680, 1185, 329, 478, 162, 160, 74])
    false_alarms, trials = 0, 400
    for _ in range(trials):
        y_true = np.repeat(np.arange(7), counts)
        ease = rng.normal(0, 1, len(y_true))
        usual = (y_true + rng.integers(1, 7, len(y_true))) % 7

        def predict(ease=ease, y_true=y_true, usual=usual):
            own = rng.normal(0, 0.35, len(y_true))
            return np.where(1.2 + ease + own + rng.normal(0, 0.45, (3, len(y_true))) > 0, y_true, usual)

        found = cells(y_true, predict(), predict(), n_classes=7)
        false_alarms += bool((found.p_holm <= 0.05).any())
    assert false_alarms / trials <= 0.075, false_alarms  # 0.05 and two standard errors
