"""Laws that every metric obeys, run on each file in fer_bench/metrics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_bench import registry
from fer_bench.stats.confusion import count

NAMES = registry.names("metrics")
BLIND_TO_CLASSES = {"accuracy", "macro_f1", "mean_recall"}  # renaming all expressions alike changes nothing


@st.composite
def labels(draw):
    n_classes = draw(st.integers(2, 8))
    label = st.integers(0, n_classes - 1)
    pairs = draw(st.lists(st.tuples(label, label), min_size=1, max_size=60))
    return np.array([a for a, _ in pairs]), np.array([b for _, b in pairs]), n_classes


def value(name, y_true, y_pred, n_classes):
    return float(registry.load("metrics", name).of_confusion(count(y_true, y_pred, n_classes=n_classes)))


def test_every_metric_is_placed_in_the_laws():
    assert set(NAMES) == BLIND_TO_CLASSES


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30, deadline=None)
@given(given=labels())
def test_a_metric_stays_in_its_range(name, given):
    low, high = registry.load("metrics", name).range
    assert low <= value(name, *given) <= high


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30, deadline=None)
@given(given=labels(), seed=st.integers(0, 99))
def test_the_order_of_samples_does_not_matter(name, given, seed):
    y_true, y_pred, n_classes = given
    order = np.random.default_rng(seed).permutation(len(y_true))
    assert value(name, y_true[order], y_pred[order], n_classes) == value(name, *given)


@pytest.mark.parametrize("name", sorted(BLIND_TO_CLASSES))
@settings(max_examples=30, deadline=None)
@given(given=labels(), seed=st.integers(0, 99))
def test_renaming_the_expressions_does_not_matter(name, given, seed):
    y_true, y_pred, n_classes = given
    names = np.random.default_rng(seed).permutation(n_classes)
    assert value(name, names[y_true], names[y_pred], n_classes) == pytest.approx(value(name, *given), abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30, deadline=None)
@given(given=labels())
def test_no_prediction_is_better_than_the_truth(name, given):
    y_true, _, n_classes = given
    metric = registry.load("metrics", name)
    sign = 1 if metric.higher_is_better else -1
    assert sign * value(name, y_true, y_true, n_classes) >= sign * value(name, *given) - 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_truth_about_all_expressions_reaches_the_best_value(name):
    metric = registry.load("metrics", name)
    best = metric.range[1] if metric.higher_is_better else metric.range[0]
    assert value(name, np.arange(7), np.arange(7), 7) == best


@pytest.mark.parametrize("name", NAMES)
def test_a_stack_of_matrices_gives_what_each_matrix_gives(name, rng):
    stack = rng.integers(0, 9, size=(4, 3, 7, 7))
    of_confusion = registry.load("metrics", name).of_confusion
    each = [[float(of_confusion(matrix)) for matrix in row] for row in stack]
    assert np.array_equal(of_confusion(stack), each)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_matrix_gives_no_nan(name):
    assert float(registry.load("metrics", name).of_confusion(np.zeros((7, 7), dtype=int))) == 0.0
