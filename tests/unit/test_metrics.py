"""Metrics against values worked by hand and against scikit-learn."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from sklearn import metrics as reference

from fer_bench import registry
from fer_bench.metrics import Answers
from fer_bench.metrics.accuracy import accuracy
from fer_bench.metrics.cohen_kappa import cohen_kappa
from fer_bench.metrics.f1 import f1
from fer_bench.metrics.macro_f1 import macro_f1
from fer_bench.metrics.matthews import matthews
from fer_bench.metrics.mean_recall import mean_recall
from fer_bench.metrics.precision import precision
from fer_bench.metrics.recall import recall
from fer_bench.metrics.weighted_f1 import weighted_f1
from fer_bench.stats import measuring
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
        assert abs(cohen_kappa(confusion) - reference.cohen_kappa_score(y_true, y_pred)) < 1e-12
        assert abs(matthews(confusion) - reference.matthews_corrcoef(y_true, y_pred)) < 1e-12
        for found, name in ((precision, "precision_score"), (recall, "recall_score"), (f1, "f1_score")):
            score = getattr(reference, name)
            expected = score(y_true, y_pred, labels=range(7), average=None, zero_division=0)
            assert np.abs(found(confusion) - expected).max() < 1e-12
        expected_f1 = reference.f1_score(y_true, y_pred, labels=range(7), average="weighted", zero_division=0)
        assert abs(weighted_f1(confusion) - expected_f1) < 1e-12
        assert np.array_equal(confusion, reference.confusion_matrix(y_true, y_pred, labels=range(7)))


def test_weighted_f1_kappa_and_matthews_by_hand():
    # F1 as above, weights 4/6 and 2/6; chance: (4·3 + 2·2 + 0·1)/36 = 16/36
    assert float(weighted_f1(CONFUSION)) == pytest.approx((4 * 4 / 7 + 2 * 1 / 2) / 6, abs=1e-15)
    assert float(cohen_kappa(CONFUSION)) == pytest.approx((1 / 2 - 16 / 36) / (1 - 16 / 36), abs=1e-15)
    # 6·3 - 16 over the root of (36 - 20)(36 - 14)
    assert float(matthews(CONFUSION)) == pytest.approx(2 / np.sqrt(16 * 22), abs=1e-15)


def test_kappa_and_matthews_are_0_where_they_are_undefined():
    one_cell, one_prediction = np.diag([5, 0, 0]), np.array([[3, 0], [2, 0]])
    assert [float(of(one_cell)) for of in (cohen_kappa, matthews)] == [0.0, 0.0]
    assert [float(of(one_prediction)) for of in (cohen_kappa, matthews)] == [0.0, 0.0]


def of_probabilities(name, answers):
    return float(
        measuring.values(registry.load("metrics", name), [answers], n_classes=answers.probabilities.shape[1])[0]
    )


def known_answers(rng, n=300, k=7, *, sharp=0.5):
    y_true = rng.integers(k, size=n)
    known = rng.dirichlet(np.full(k, sharp), size=n)
    votes = rng.multinomial(10, np.full(k + 2, 1 / (k + 2)), size=n)
    votes[:9, :k] = 0
    return Answers(y_true, known.argmax(axis=1), known, votes)


@pytest.mark.parametrize("k", [7, 8])
def test_metrics_of_probabilities_agree_with_scikit_learn(rng, k):
    for _ in range(10):
        answers = known_answers(rng, k=k)
        y_true, known = answers.y_true, answers.probabilities
        expected = {
            "log_loss": reference.log_loss(y_true, known, labels=range(k)),
            "brier": reference.brier_score_loss(y_true, known, labels=list(range(k)), scale_by_half=False),
            "top2_accuracy": reference.top_k_accuracy_score(y_true, known, k=2, labels=range(k)),
        }
        for name, value in expected.items():
            assert abs(of_probabilities(name, answers) - value) < 1e-12


def test_an_impossible_truth_costs_as_much_as_in_scikit_learn():
    answers = Answers(np.array([0, 1, 2]), np.array([1, 1, 2]), np.array([[0.0, 1, 0], [0, 1, 0], [0, 0, 1]]))
    expected = reference.log_loss(answers.y_true, answers.probabilities, labels=range(3))
    assert of_probabilities("log_loss", answers) == pytest.approx(expected, abs=1e-12)
    assert of_probabilities("log_loss", answers) == pytest.approx(36.0437 / 3, abs=1e-4)


def bin_gaps(confidence, right):
    """One bin after another, as the definition says."""
    total = 0.0
    for b in range(15):
        inside = [i for i, c in enumerate(confidence) if b / 15 < c <= (b + 1) / 15 or (b == 0 and c == 0)]
        if inside:
            gap = np.mean([right[i] for i in inside]) - np.mean([confidence[i] for i in inside])
            total += len(inside) / len(confidence) * abs(gap)
    return total


@pytest.mark.parametrize("sharp", [0.1, 1.0])
def test_calibration_errors_agree_with_the_definition_bin_by_bin(rng, sharp):
    answers = known_answers(rng, sharp=sharp)
    top = bin_gaps(answers.probabilities.max(axis=1), answers.y_pred == answers.y_true)
    assert of_probabilities("calibration_error", answers) == pytest.approx(top, abs=1e-12)
    each = [bin_gaps(answers.probabilities[:, k], answers.y_true == k) for k in range(7)]
    assert of_probabilities("classwise_calibration_error", answers) == pytest.approx(np.mean(each), abs=1e-12)


def test_the_calibration_error_of_sure_answers_is_the_error(rng):
    answers = known_answers(rng)
    sure = answers._replace(probabilities=np.eye(7)[answers.y_pred])
    wrong = (answers.y_pred != answers.y_true).mean()
    assert of_probabilities("calibration_error", sure) == pytest.approx(wrong, abs=1e-12)


def test_divergence_from_votes_is_the_square_of_scipys_distance(rng):
    answers = known_answers(rng)
    voted = answers.votes[:, :7].sum(axis=1) > 0
    assert 0 < (~voted).sum() < 20
    expected = jensenshannon(answers.probabilities[voted], answers.votes[voted, :7], base=2, axis=1) ** 2
    assert of_probabilities("jensen_shannon", answers) == pytest.approx(expected.mean(), abs=1e-12)


def test_cross_entropy_against_votes_leaves_out_samples_without_a_vote(rng):
    answers = known_answers(rng)
    losses = [
        -sum(votes[k] / votes[:7].sum() * np.log(known[k]) for k in range(7))
        for votes, known in zip(answers.votes, answers.probabilities, strict=True)
        if votes[:7].sum()
    ]
    assert of_probabilities("soft_cross_entropy", answers) == pytest.approx(np.mean(losses), abs=1e-12)


def test_cross_entropy_against_votes_that_all_agree_is_log_loss(rng):
    answers = known_answers(rng)
    agreed = answers._replace(votes=10 * np.eye(7, dtype=int)[answers.y_true])
    assert of_probabilities("soft_cross_entropy", agreed) == pytest.approx(of_probabilities("log_loss", agreed))


def test_top_2_takes_the_first_of_equal_probabilities():
    equal = np.full((3, 3), 1 / 3)
    assert of_probabilities("top2_accuracy", Answers(np.arange(3), np.zeros(3, dtype=int), equal)) == pytest.approx(
        2 / 3
    )
