"""Laws that every metric obeys, run on each file in fer_bench/metrics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_bench import registry
from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.metrics import Answers, SoftMetric, needs
from fer_bench.metrics._named import named, of_labels
from fer_bench.stats import measuring
from fer_bench.stats.wilson import wilson

NAMES = registry.names("metrics")
OF_LABELS = {
    "accuracy", "cohen_kappa", "f1", "macro_f1", "matthews", "mean_recall", "precision", "recall", "weighted_f1",
}  # fmt: skip
OF_PROBABILITIES = {"brier", "calibration_error", "classwise_calibration_error", "log_loss", "top2_accuracy"}
OF_VOTES = {"jensen_shannon", "soft_cross_entropy"}
PER_CLASS = {"f1", "precision", "recall"}
BREAK_TIES_BY_ORDER = {"top2_accuracy"}  # renaming changes them where probabilities are equal
PROPORTIONS = {"accuracy", "precision", "recall", "top2_accuracy"}


@st.composite
def drawn(draw):
    """Answers with sure, unsure and impossible expressions, votes for others too, and samples without a vote."""
    k = draw(st.integers(2, 8))
    label = st.integers(0, k - 1)
    pairs = draw(st.lists(st.tuples(label, label), min_size=1, max_size=40))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    y_true, y_pred = (np.array(part) for part in zip(*pairs, strict=True))
    n = len(pairs)
    known = rng.dirichlet(np.full(k, draw(st.sampled_from([0.1, 1.0, 20.0]))), size=n)
    known[rng.random(n) < 0.2] = 0.0  # certain of the predicted expression
    known[np.arange(n), y_pred] = 1.01 * known.max(axis=1) + (known.sum(axis=1) == 0)
    known /= known.sum(axis=1, keepdims=True)
    votes = rng.integers(0, 5, size=(n, k + 2)) * (rng.random((n, k + 2)) < 0.5)
    votes[rng.random(n) < 0.1, :k] = 0
    return Answers(y_true, y_pred, known, votes), k


def metrics_of(name, k):
    return named([name], n_classes=k)


def value(metric, answers, k):
    return float(measuring.values(metric, [answers], n_classes=k)[0])


def taken(answers, rows):
    return Answers(*(part[rows] for part in answers))


def renamed(answers, order):
    """Expression j becomes order[j]."""
    k = len(order)
    known, votes = np.empty_like(answers.probabilities), answers.votes.copy()
    known[:, order], votes[:, order] = answers.probabilities, answers.votes[:, :k]
    return Answers(order[answers.y_true], order[answers.y_pred], known, votes)


def truth(answers):
    """Certain of the label; of the votes' shares where the metric is about votes."""
    k = answers.probabilities.shape[1]
    sure = np.eye(k)[answers.y_true]
    shares = answers.votes[:, :k] / np.maximum(answers.votes[:, :k].sum(axis=1, keepdims=True), 1)
    return Answers(answers.y_true, answers.y_true, sure, answers.votes), Answers(
        answers.y_true, answers.y_true, np.where(shares.sum(axis=1, keepdims=True) > 0, shares, sure), answers.votes
    )


def test_every_metric_is_placed_in_the_laws():
    assert set(NAMES) == OF_LABELS | OF_PROBABILITIES | OF_VOTES
    for kind, placed in (("labels", OF_LABELS), ("probabilities", OF_PROBABILITIES), ("votes", OF_VOTES)):
        assert {name for name in NAMES if needs(registry.load("metrics", name)) == kind} == placed
    assert {name for name in NAMES if getattr(registry.load("metrics", name), "per_class", False)} == PER_CLASS


def test_the_proportions_are_those_listed():
    loaded = {name: registry.load("metrics", name) for name in NAMES}
    held = {name for name, one in loaded.items() if getattr(one, "proportion", None) or getattr(one, "binary", False)}
    assert held == PROPORTIONS


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_that_should_fall_says_so(name):
    falls = {"brier", "calibration_error", "classwise_calibration_error", "log_loss", *OF_VOTES}
    assert registry.load("metrics", name).higher_is_better == (name not in falls)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(given=drawn())
def test_a_metric_stays_in_its_range(name, given):
    answers, k = given
    for metric in metrics_of(name, k).values():
        low, high = metric.range
        assert low <= value(metric, answers, k) <= high


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(given=drawn(), seed=st.integers(0, 99))
def test_the_order_of_samples_does_not_matter(name, given, seed):
    answers, k = given
    shuffled = taken(answers, np.random.default_rng(seed).permutation(len(answers.y_true)))
    for metric in metrics_of(name, k).values():
        assert value(metric, shuffled, k) == pytest.approx(value(metric, answers, k), abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(given=drawn(), seed=st.integers(0, 99))
def test_renaming_the_expressions_renames_the_values(name, given, seed):
    answers, k = given
    rng = np.random.default_rng(seed)
    order = rng.permutation(k)
    if name in BREAK_TIES_BY_ORDER:
        answers = answers._replace(probabilities=rng.dirichlet(np.ones(k), size=len(answers.y_true)))
    before, after = metrics_of(name, k), metrics_of(name, k)
    for index, each in enumerate(expressions(k) if name in PER_CLASS else [None]):
        own = name if each is None else f"{name}_{each}"
        other = name if each is None else f"{name}_{expressions(k)[order[index]]}"
        found = value(after[other], renamed(answers, order), k)
        assert found == pytest.approx(value(before[own], answers, k), abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(given=drawn())
def test_no_prediction_is_better_than_the_truth(name, given):
    answers, k = given
    best = truth(answers)[name in OF_VOTES]
    for metric in metrics_of(name, k).values():
        sign = 1 if metric.higher_is_better else -1
        assert sign * value(metric, best, k) >= sign * value(metric, answers, k) - 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_truth_about_all_expressions_reaches_the_best_value(name):
    sure = np.eye(7)
    answers = Answers(np.arange(7), np.arange(7), sure, np.pad(10 * sure.astype(int), ((0, 0), (0, 2))))
    for metric in metrics_of(name, 7).values():
        best = metric.range[1] if metric.higher_is_better else metric.range[0]
        assert value(metric, answers, 7) == pytest.approx(best, abs=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_a_stack_gives_what_each_of_it_gives(name, rng):
    for metric in metrics_of(name, 7).values():
        if isinstance(metric, SoftMetric):
            answers = Answers(
                np.arange(6), np.zeros(6, dtype=int), rng.dirichlet(np.ones(7), 6), rng.integers(0, 9, (6, 8))
            )
            means = rng.random((4, 3, metric.of_samples(answers).shape[1]))
            each = [[float(metric.of_means(one)) for one in row] for row in means]
            assert np.allclose(metric.of_means(means), each, atol=1e-14)
        else:
            stack = rng.integers(0, 9, size=(4, 3, 7, 7))
            each = [[float(metric.of_confusion(matrix)) for matrix in row] for row in stack]
            assert np.array_equal(metric.of_confusion(stack), each)


@pytest.mark.parametrize("name", NAMES)
def test_without_samples_a_metric_is_0(name):
    nothing = Answers(np.zeros(0, dtype=int), np.zeros(0, dtype=int), np.zeros((0, 7)), np.zeros((0, 9), dtype=int))
    for metric in metrics_of(name, 7).values():
        assert value(metric, nothing, 7) == 0.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", ["one class only", "constant predictions", "nothing right", "no votes"])
def test_degenerate_answers_give_finite_values(name, case):
    n, k = 20, 7
    y_true = np.zeros(n, dtype=int) if case == "one class only" else np.arange(n) % k
    y_pred = {"constant predictions": np.full(n, 3), "nothing right": (y_true + 1) % k}.get(case, np.arange(n) % 2)
    votes = np.zeros((n, k + 1), dtype=int) if case == "no votes" else np.ones((n, k + 1), dtype=int)
    answers = Answers(y_true, y_pred, np.eye(k)[y_pred], votes)
    for metric in metrics_of(name, k).values():
        low, high = metric.range
        assert low <= value(metric, answers, k) <= high
        assert np.isfinite(measuring.pseudo_values(metric, [answers], n_classes=k)).all()


@pytest.mark.parametrize("name", sorted(PROPORTIONS))
@settings(max_examples=20, deadline=None)
@given(given=drawn())
def test_a_proportion_is_its_successes_over_its_trials(name, given):
    answers, k = given
    for metric in metrics_of(name, k).values():
        successes, trials = measuring.proportion(metric, answers, n_classes=k)
        assert 0 <= successes <= trials <= len(answers.y_true)
        assert value(metric, answers, k) == pytest.approx(successes / max(trials, 1), abs=1e-12)
        low, high = wilson(successes, trials, level=0.95)
        assert low <= value(metric, answers, k) <= high


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(given=drawn())
def test_pseudo_values_are_those_of_leaving_each_sample_out(name, given):
    answers, k = given
    n = len(answers.y_true)
    if n < 2:
        return
    for metric in metrics_of(name, k).values():
        found = measuring.pseudo_values(metric, [answers], n_classes=k)[0]
        left = [value(metric, taken(answers, np.arange(n) != row), k) for row in range(n)]
        if isinstance(metric, SoftMetric) and metric.of_samples(answers).shape[1] == 1:
            left = [(n * value(metric, answers, k) - found[row]) / (n - 1) for row in range(n)]  # exact contributions
            assert found.mean() == pytest.approx(value(metric, answers, k), abs=1e-9)
        assert found == pytest.approx(n * value(metric, answers, k) - (n - 1) * np.array(left), abs=1e-6)


def test_what_is_not_known_is_named():
    answers = Answers(np.array([0]), np.array([0]))
    with pytest.raises(FerBenchError, match="needs probabilities"):
        registry.load("metrics", "log_loss").of_samples(answers)
    with pytest.raises(FerBenchError, match="votes") as caught:
        registry.load("metrics", "jensen_shannon").of_samples(answers._replace(probabilities=np.ones((1, 7)) / 7))
    assert "data set with votes" in caught.value.fix


def test_metrics_per_expression_are_asked_for_whole_or_one_by_one():
    assert list(named(["recall"], n_classes=3)) == ["recall_neutral", "recall_happiness", "recall_surprise"]
    assert list(named(["f1_fear", "accuracy"], n_classes=7)) == ["f1_fear", "accuracy"]
    with pytest.raises(FerBenchError, match="no contempt among 7"):
        named(["recall_contempt"], n_classes=7)
    with pytest.raises(FerBenchError, match="no value per expression"):
        named(["accuracy_fear"], n_classes=7)
    with pytest.raises(FerBenchError, match="needs probabilities"):
        of_labels(["brier"], n_classes=7)


def test_the_laws_notice_a_metric_that_breaks_them():
    broken = SoftMetric(
        title="Broken",
        of_samples=lambda answers: answers.y_pred[:, None] + 0.5,
        range=(0.0, 1.0),
        higher_is_better=True,
    )
    answers = Answers(np.array([1]), np.array([1]), np.array([[0.2, 0.8]]))
    assert value(broken, answers, 2) > broken.range[1]
