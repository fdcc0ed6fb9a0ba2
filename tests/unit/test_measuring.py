"""One way to deal with any metric of labels or probabilities: values, pseudo-values and common draws."""

import numpy as np
import pytest

from fer_bench.metrics import Answers, SoftMetric
from fer_bench.metrics.accuracy import metric as accuracy
from fer_bench.metrics.macro_f1 import metric as macro_f1
from fer_bench.stats import measuring, two_way

K = 5


def confident(answers):
    return answers.probabilities.max(axis=1, keepdims=True)


def two_means(answers):
    return np.stack([answers.probabilities[:, 0], (answers.y_true == answers.y_pred).astype(float)], axis=1)


def root_of_products(means):
    return np.sqrt(means[..., 0] * means[..., 1])


MEAN = SoftMetric(title="Mean confidence", of_samples=confident, range=(0.0, 1.0), higher_is_better=True)
CURVED = SoftMetric(
    title="Of two means", of_samples=two_means, of_means=root_of_products, range=(0.0, 1.0), higher_is_better=True
)


def simulated(rng, *, n=90, n_runs=3):
    y_true = rng.integers(K, size=n)
    found = []
    for _ in range(n_runs):
        probabilities = rng.dirichlet(np.ones(K), size=n) + 0.5 * np.eye(K)[y_true]
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        found.append(Answers(y_true, probabilities.argmax(axis=1), probabilities))
    return found


def without(answers, row):
    return Answers(*(None if part is None else np.delete(part, row, axis=0) for part in answers))


@pytest.mark.parametrize("metric", [accuracy, macro_f1, MEAN, CURVED], ids=lambda metric: metric.title)
def test_pseudo_values_are_those_of_leaving_each_sample_out(rng, metric):
    answers = simulated(rng, n=40)
    found = measuring.pseudo_values(metric, answers, n_classes=K)
    whole = measuring.values(metric, answers, n_classes=K)
    for row in range(0, 40, 9):
        left = measuring.values(metric, [without(one, row) for one in answers], n_classes=K)
        assert found[:, row] == pytest.approx(40 * whole - 39 * left, abs=1e-9)


def test_pseudo_values_of_a_mean_are_what_each_sample_contributes(rng):
    answers = simulated(rng)
    found = measuring.pseudo_values(MEAN, answers, n_classes=K)
    assert np.array_equal(found, [one.probabilities.max(axis=1) for one in answers])


def test_common_draws_equal_measuring_the_drawn_rows(rng):
    answers = simulated(rng, n=50, n_runs=2)
    metrics = {"f": macro_f1, "mean": MEAN, "curved": CURVED}
    found = measuring.resample_common(metrics, answers, n_classes=K, n_resamples=6, rng=np.random.default_rng(3))
    drawn = np.random.default_rng(3).integers(50, size=(6, 50), dtype=np.int32)
    for resample, rows in enumerate(drawn):
        taken = [Answers(one.y_true[rows], one.y_pred[rows], one.probabilities[rows]) for one in answers]
        for name, metric in metrics.items():
            expected = measuring.values(metric, taken, n_classes=K)
            assert found[name][:, resample] == pytest.approx(expected, abs=1e-6)


def test_a_drawn_person_comes_with_all_pictures(rng):
    answers = simulated(rng, n=30, n_runs=2)
    subjects = np.repeat(np.arange(8), [1, 2, 3, 4, 5, 6, 7, 2])
    metrics = {"accuracy": accuracy, "mean": MEAN}
    found = measuring.resample_common(
        metrics, answers, n_classes=K, n_resamples=5, rng=np.random.default_rng(3), subjects=subjects
    )
    for resample, persons in enumerate(np.random.default_rng(3).integers(8, size=(5, 8), dtype=np.int32)):
        rows = np.concatenate([np.flatnonzero(subjects == person) for person in persons])
        taken = [Answers(one.y_true[rows], one.y_pred[rows], one.probabilities[rows]) for one in answers]
        for name, metric in metrics.items():
            expected = measuring.values(metric, taken, n_classes=K)
            assert found[name][:, resample] == pytest.approx(expected, abs=1e-6)


def test_another_run_or_metric_changes_no_draw(rng):
    answers = simulated(rng)
    both = measuring.resample_common(
        {"a": accuracy, "m": MEAN}, answers, n_classes=K, n_resamples=300, rng=np.random.default_rng(1)
    )
    alone = measuring.resample_common(
        {"m": MEAN}, answers[:1], n_classes=K, n_resamples=300, rng=np.random.default_rng(1)
    )
    assert np.allclose(both["m"][:1], alone["m"], atol=1e-12)


def test_persons_with_one_picture_each_are_samples(rng):
    answers = simulated(rng)
    whole, persons = (
        measuring.parts(macro_f1, answers, n_classes=K, subjects=subjects) for subjects in (None, np.arange(90))
    )
    assert np.allclose(whole.sample_means, persons.sample_means)
    assert whole.residual == pytest.approx(persons.residual)
    assert two_way.one(persons, level=0.95).resampled == "seeds and persons"


def test_variation_over_persons_is_that_of_drawing_them(rng):
    # persons who are easy or hard as a whole, and have 1 to 9 pictures
    sizes = rng.integers(1, 10, size=120)
    subjects = np.repeat(np.arange(120), sizes)
    n = len(subjects)
    y_true = rng.integers(K, size=n)
    ease = 0.7 * rng.random(120)[subjects] + 0.3 * rng.random((4, n))
    answers = [Answers(y_true, np.where(row < 0.7, y_true, (y_true + 1) % K)) for row in ease]
    for metric in (accuracy, macro_f1):
        parts = measuring.parts(metric, answers, n_classes=K, subjects=subjects)
        drawn = measuring.resample_common(
            {"m": metric}, answers, n_classes=K, n_resamples=4000, rng=rng, subjects=subjects
        )["m"]
        error = float(np.sqrt(parts.sample_means.var(ddof=1) / 120))
        assert error == pytest.approx(float(drawn.mean(axis=0).std()), rel=0.08)
        assert error > 1.3 * two_way.one(measuring.parts(metric, answers, n_classes=K), level=0.95).standard_error


def test_runs_about_other_samples_are_refused(rng):
    first, second = simulated(rng, n_runs=1), simulated(rng, n_runs=1)
    with pytest.raises(ValueError, match="same samples"):
        measuring.resample_common({"a": accuracy}, [*first, *second], n_classes=K, n_resamples=9, rng=rng)
    with pytest.raises(ValueError, match="nothing to resample"):
        measuring.resample_common({"a": accuracy}, [], n_classes=K, n_resamples=9, rng=rng)
