"""Metrics against values worked by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as reference

from fer_bench.metrics.accuracy import accuracy
from fer_bench.metrics.macro_f1 import macro_f1
from fer_bench.metrics.mean_recall import mean_recall
from fer_bench.stats.confusion import count

# true: 4 × 0, 2 × 1, 0 × 2; two of four right, one of two right, one predicted as 2
CONFUSION = np.array([[2, 1, 1], [1, 1, 0], [0, 0, 0]])


def test_accuracy_by_hand():
    assert float(accuracy(CONFUSION)) == 3 / 6


def test_macro_f1_by_hand():
    # F1: 2·2/(4+3), 2·1/(2+2), 0/(0+1)
    assert float(macro_f1(CONFUSION)) == pytest.approx((4 / 7 + 1 / 2 + 0) / 3, abs=1e-15)


def test_mean_recall_by_hand():
    # recall: 2/4, 1/2; the third expression has no sample and no recall
    assert float(mean_recall(CONFUSION)) == 0.5


def test_an_expression_neither_true_nor_predicted_counts_as_0_in_macro_f1():
    assert float(macro_f1(np.diag([3, 3, 0]))) == pytest.approx(2 / 3)


@pytest.mark.filterwarnings(
    "ignore:y_pred contains classes not in y_true:UserWarning"
)  # scikit-learn's balanced_accuracy
@pytest.mark.parametrize("present", [7, 5])
def test_metrics_agree_with_scikit_learn(rng, present):
    for _ in range(20):
        y_true, y_pred = rng.integers(0, present, size=(2, 60))
        y_true[:7] = np.arange(7) % present
        confusion = count(y_true, y_pred, n_classes=7)
        expected_f1 = reference.f1_score(y_true, y_pred, labels=range(7), average="macro", zero_division=0)
        assert abs(accuracy(confusion) - reference.accuracy_score(y_true, y_pred)) < 1e-12
        assert abs(macro_f1(confusion) - expected_f1) < 1e-12
        assert abs(mean_recall(confusion) - reference.balanced_accuracy_score(y_true, y_pred)) < 1e-12
        assert np.array_equal(confusion, reference.confusion_matrix(y_true, y_pred, labels=range(7)))
