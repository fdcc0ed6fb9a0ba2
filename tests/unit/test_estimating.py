"""Intervals of any metric: against references, in range, and where nothing varies."""

from functools import partial

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from fer_bench import registry
from fer_bench.metrics import Answers
from fer_bench.metrics._named import named
from fer_bench.stats import bootstrap, crossed, estimating, measuring
from fer_bench.stats.confusion import count
from fer_bench.stats.estimating import Way

K = 7
ALL = named(registry.names("metrics"), n_classes=K)
COUNTS = np.array([680, 1185, 329, 478, 162, 160, 74])


def simulated(rng, *, n=400, n_seeds=1, n_persons=None):
    """Answers of several seeds, right in 8 of 10 cases, and who is who."""
    subjects = (
        None if n_persons is None else np.append(np.arange(n_persons), rng.integers(n_persons, size=n - n_persons))
    )
    y_true = rng.choice(K, size=n, p=COUNTS / COUNTS.sum())
    ease = rng.normal(size=n) if subjects is None else rng.normal(size=n_persons)[subjects]
    votes = rng.multinomial(3, np.full(K + 1, 1 / (K + 1)), size=n)
    votes[np.arange(n), y_true] += 5
    answers = []
    for _ in range(n_seeds):
        logits = rng.normal(size=(n, K)) + (2.5 + ease + 0.3 * rng.normal(size=n))[:, None] * np.eye(K)[y_true]
        known = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        answers.append(Answers(y_true, known.argmax(axis=1), known, votes))
    return answers, subjects


def generators(n, seed=0):
    one = partial(np.random.default_rng, seed)
    return {"rngs": [one] * n, "common": one}


def of_runs(metrics, answers, way, seed=0):
    return estimating.of_runs(metrics, answers, way, **generators(len(answers), seed))


def over_seeds(metrics, answers, way, seed=0):
    one = partial(np.random.default_rng, seed)
    return estimating.over_seeds(metrics, answers, way, common=one, of_seeds=partial(np.random.default_rng, 99))


@pytest.mark.parametrize("how", ["percentile", "bca"])
def test_every_interval_of_one_run_is_in_range_around_its_estimate(rng, how):
    for n_persons in (None, 60):
        answers, subjects = simulated(rng, n_persons=n_persons)
        found = of_runs(ALL, answers, Way(K, 0.95, 400, one_run=how, subjects=subjects))
        assert list(found) == list(ALL)
        for name, (interval,) in found.items():
            low, high = ALL[name].range
            estimate = measuring.values(ALL[name], answers, n_classes=K)[0]
            assert low <= interval.low <= estimate <= interval.high <= high, name
            assert interval.low < interval.high
            assert interval.level == 0.95
            assert interval.resampled == ("samples" if subjects is None else "persons")
            assert interval.held_fixed == bootstrap.CHECKPOINT


@pytest.mark.parametrize("over", ["two_way", "crossed"])
def test_every_interval_over_seeds_is_in_range_around_its_estimate(rng, over):
    for n_persons in (None, 60):
        answers, subjects = simulated(rng, n_seeds=3, n_persons=n_persons)
        found = over_seeds(ALL, answers, Way(K, 0.95, 400, over_seeds=over, subjects=subjects))
        for name, interval in found.items():
            low, high = ALL[name].range
            estimate = measuring.values(ALL[name], answers, n_classes=K).mean()
            assert low <= interval.low <= estimate <= interval.high <= high, name
            assert interval.resampled == f"seeds and {'samples' if subjects is None else 'persons'}"
            assert ("crossed" if over == "crossed" else "two-way") in interval.method


def test_a_proportion_of_one_run_has_wilsons_interval(rng):
    answers, _ = simulated(rng)
    found = of_runs(ALL, answers, Way(K, 0.95, 100))
    for name in ("accuracy", "top2_accuracy", "recall_fear", "precision_disgust"):
        interval = found[name][0]
        trials = measuring.proportion(ALL[name], answers[0], n_classes=K)
        assert (interval.low, interval.high) == pytest.approx(proportion_confint(*trials, method="wilson"), abs=1e-10)
        assert (interval.method, interval.n_resamples) == ("Wilson", 0)


def test_bca_agrees_with_scipy_on_rows(rng):
    answers, _ = simulated(rng, n=250)
    y_true, y_pred = answers[0].y_true, answers[0].y_pred
    metric = ALL["macro_f1"]

    def statistic(true, pred):
        return float(metric.of_confusion(count(true, pred, n_classes=K)))

    expected = stats.bootstrap(
        (y_true, y_pred), statistic, paired=True, vectorized=False, n_resamples=4000, method="BCa", rng=rng
    ).confidence_interval
    plain = bootstrap.one_run(count(y_true, y_pred, n_classes=K), metric, level=0.95, n_resamples=20_000, rng=rng)
    found = bootstrap.one_run(
        count(y_true, y_pred, n_classes=K), metric, level=0.95, n_resamples=20_000, rng=rng, how="bca"
    )
    width = expected.high - expected.low
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.08 * width)
    assert found.method == "multinomial bootstrap, BCa"
    assert (found.low, found.high) != (plain.low, plain.high)


def test_the_acceleration_over_cells_is_that_over_samples(rng):
    answers, _ = simulated(rng)
    values = measuring.pseudo_values(ALL["macro_f1"], answers, n_classes=K)[0]
    cells, times = bootstrap.cell_values(
        count(answers[0].y_true, answers[0].y_pred, n_classes=K), ALL["macro_f1"].of_confusion
    )
    expected = ((values - values.mean()) ** 3).sum() / (6 * ((values - values.mean()) ** 2).sum() ** 1.5)
    assert bootstrap.acceleration(cells, times) == pytest.approx(expected, rel=1e-9)


def test_bca_falls_back_and_says_so_where_it_is_undefined(rng):
    constant = np.zeros((3, 3), dtype=int)
    constant[:, 1] = (30, 40, 35)
    interval = bootstrap.one_run(constant, ALL["mean_recall"], level=0.95, n_resamples=200, rng=rng, how="bca")
    assert interval.low == interval.high == pytest.approx(1 / 3)
    assert interval.method.endswith("percentile (BCa is undefined here)")


def test_the_interval_of_a_mean_agrees_with_scipy(rng):
    answers, _ = simulated(rng)
    losses = ALL["log_loss"].of_samples(answers[0])[:, 0]
    for how, method in (("percentile", "percentile"), ("bca", "BCa")):
        expected = stats.bootstrap((losses,), np.mean, n_resamples=9999, method=method, rng=rng).confidence_interval
        found = of_runs({"m": ALL["log_loss"]}, answers, Way(K, 0.95, 9999, one_run=how))["m"][0]
        width = expected.high - expected.low
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.05 * width)


def test_persons_who_are_alike_in_themselves_widen_the_interval(rng):
    answers, subjects = simulated(rng, n=1200, n_persons=80, n_seeds=3)
    for compute, settings in ((of_runs, {}), (over_seeds, {}), (over_seeds, {"over_seeds": "crossed"})):
        widths = []
        for who in (None, subjects):
            found = compute({"accuracy": ALL["accuracy"]}, answers, Way(K, 0.95, 2000, subjects=who, **settings))
            interval = found["accuracy"] if compute is over_seeds else found["accuracy"][0]
            widths.append(interval.high - interval.low)
        assert widths[1] > 1.3 * widths[0]


def test_persons_count_only_where_drawing_them_is_something_else():
    assert estimating.persons(None) is None
    assert estimating.persons(np.arange(9)) is None  # one picture each
    assert estimating.persons(np.zeros(9, dtype=int)) is None  # one person
    assert estimating.persons(np.array([0, 0, 1])) is not None


def test_the_crossed_interval_is_near_the_two_way_one(rng):
    answers, _ = simulated(rng, n=2000, n_seeds=5)
    for name in ("accuracy", "macro_f1", "recall_happiness", "log_loss", "jensen_shannon"):
        ends = [
            over_seeds({name: ALL[name]}, answers, Way(K, 0.95, 4000, over_seeds=over))[name]
            for over in ("two_way", "crossed")
        ]
        assert ends[1].standard_error == pytest.approx(ends[0].standard_error, rel=0.06), name
        width = ends[0].high - ends[0].low
        assert (ends[1].low, ends[1].high) == pytest.approx((ends[0].low, ends[0].high), abs=0.12 * width), name


def test_few_seeds_widen_the_crossed_interval_as_students_t_does(rng):
    # seeds that differ by far more than samples do: Student's t with S - 1 degrees of freedom on the seeds' values
    observed = np.array([0.1, 0.5, 0.9])
    values = observed[:, None] + 1e-6 * rng.normal(size=(3, 4000))
    low, high, error = crossed.few_seeds(values, observed, n=1000, level=0.95, rng=rng)
    assert error == pytest.approx(observed.std(ddof=1) / np.sqrt(3), rel=1e-6)
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 2) * error, rel=0.15)


@pytest.mark.parametrize("over", ["two_way", "crossed"])
def test_seeds_that_all_answer_the_same_leave_an_interval_over_samples(rng, over):
    answers, _ = simulated(rng)
    found = over_seeds({"f": ALL["macro_f1"]}, answers * 3, Way(K, 0.95, 4000, over_seeds=over))["f"]
    single = of_runs({"f": ALL["macro_f1"]}, answers, Way(K, 0.95, 4000))["f"][0]
    assert found.high - found.low == pytest.approx(single.high - single.low, rel=0.1)


@pytest.mark.parametrize("over", ["two_way", "crossed"])
def test_a_proportion_without_variation_has_wilsons_bound(rng, over):
    y_true = np.array([0] * 30 + [1] * 20)
    never = Answers(y_true, np.zeros(50, dtype=int))
    found = over_seeds(
        {name: ALL[name] for name in ("recall_happiness", "recall_neutral", "precision_fear")},
        [never] * 3,
        Way(K, 0.95, 200, over_seeds=over),
    )
    assert (found["recall_happiness"].low, found["recall_happiness"].high) == pytest.approx(
        proportion_confint(0, 20, method="wilson"), abs=1e-10
    )
    assert found["recall_neutral"].high == 1
    assert 0.8 < found["recall_neutral"].low < 0.9
    assert (found["precision_fear"].low, found["precision_fear"].high) == (0, 1)
    assert all(interval.method.startswith("no variation") for interval in found.values())


@pytest.mark.parametrize("over", ["two_way", "crossed"])
def test_no_errors_under_any_seed_is_not_certainty(over):
    y_true = np.arange(140) % K
    found = over_seeds(
        {name: ALL[name] for name in ("accuracy", "macro_f1", "cohen_kappa")},
        [Answers(y_true, y_true)] * 2,
        Way(K, 0.95, 200, over_seeds=over),
    )
    assert all(0.7 < interval.low < 0.99 and interval.high == 1 for interval in found.values())


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_one_class_only_gives_intervals_in_range(rng, n_seeds):
    y_true = np.zeros(40, dtype=int)
    answers = []
    for _ in range(n_seeds):
        known = rng.dirichlet(np.ones(K), size=40)
        answers.append(Answers(y_true, known.argmax(axis=1), known, rng.integers(0, 3, size=(40, K))))
    for how in ("percentile", "bca"):
        for name, intervals in of_runs(ALL, answers, Way(K, 0.95, 200, one_run=how)).items():
            for interval in intervals:
                assert ALL[name].range[0] <= interval.low <= interval.high <= ALL[name].range[1]
    for over in ("two_way", "crossed") if n_seeds > 1 else ():
        for name, interval in over_seeds(ALL, answers, Way(K, 0.95, 200, over_seeds=over)).items():
            assert ALL[name].range[0] <= interval.low <= interval.high <= ALL[name].range[1]


@pytest.mark.parametrize("over", ["two_way", "crossed"])
def test_one_seed_has_no_interval_over_seeds(rng, over):
    answers, _ = simulated(rng)
    with pytest.raises(ValueError, match="needs 2 of each, not 1"):
        over_seeds({"f": ALL["macro_f1"]}, answers, Way(K, 0.95, 200, over_seeds=over))


def test_wilsons_bound_counts_persons_and_not_pictures():
    y_true = np.zeros(100, dtype=int)
    right = Answers(y_true, y_true)
    few = of_runs({"a": ALL["accuracy"]}, [right], Way(K, 0.95, 100, subjects=np.repeat(np.arange(20), 5)))["a"][0]
    assert few.low == pytest.approx(proportion_confint(20, 20, method="wilson")[0], abs=1e-10)
