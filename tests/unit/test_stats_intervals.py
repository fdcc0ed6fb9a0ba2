"""Intervals: against SciPy, against each other, and where they degenerate."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from fer_bench.metrics import accuracy, macro_f1, mean_recall
from fer_bench.stats import bootstrap, crossed, paired, two_way
from fer_bench.stats.confusion import count, count_seeds, furthest
from fer_bench.stats.jackknife import pseudo_values

METRICS = {"accuracy": accuracy.metric, "macro_f1": macro_f1.metric, "mean_recall": mean_recall.metric}
BOOTSTRAPPED = {name: replace(metric, proportion=None) for name, metric in METRICS.items()}  # no Wilson


def simulated(rng, *, n=400, n_seeds=4, n_classes=5, share=0.8, wobble=0.2):
    y_true = rng.choice(n_classes, size=n, p=np.arange(1, n_classes + 1) / np.arange(1, n_classes + 1).sum())
    ease = rng.random(n)
    right = (1 - wobble) * ease + wobble * rng.random((n_seeds, n)) < share
    wrong = (y_true + rng.integers(1, n_classes, size=n)) % n_classes
    return y_true, np.where(right, y_true, wrong)


@pytest.mark.parametrize("name", METRICS)
def test_the_multinomial_bootstrap_agrees_with_scipy_on_rows(rng, name):
    y_true, y_pred = simulated(rng, n_seeds=1)
    of_confusion = METRICS[name].of_confusion

    def statistic(true, pred):
        return float(of_confusion(count(true, pred, n_classes=5)))

    expected = stats.bootstrap(
        (y_true, y_pred[0]), statistic, paired=True, vectorized=False, n_resamples=1500, method="percentile", rng=rng
    ).confidence_interval
    found = bootstrap.one_run(
        count(y_true, y_pred[0], n_classes=5), BOOTSTRAPPED[name], level=0.95, n_resamples=20_000, rng=rng
    )
    width = (
        expected.high - expected.low
    )  # Monte-Carlo error of a 2.5 % quantile of 1500 draws: about 2.7 % of the width
    assert abs(found.low - expected.low) < 0.12 * width
    assert abs(found.high - expected.high) < 0.12 * width


@pytest.mark.parametrize("name", METRICS)
def test_the_same_generator_gives_the_same_interval_and_another_one_another(name, rng):
    y_true, y_pred = simulated(rng, n_seeds=1)
    confusion = count(y_true, y_pred[0], n_classes=5)

    def interval(seed):
        generator = np.random.default_rng(seed)
        return bootstrap.one_run(confusion, BOOTSTRAPPED[name], level=0.95, n_resamples=300, rng=generator)

    assert interval(1) == interval(1)
    assert interval(1) != interval(2)


def test_a_paired_interval_has_the_spread_of_the_difference(rng):
    # accuracy: variance of the difference is (share only A right + share only B right - difference²) / n
    y_true, y_pred = simulated(rng, n_seeds=2, n=1000)
    drawn = crossed.resample_samples(
        y_true, y_pred, {"accuracy": accuracy.accuracy}, n_classes=5, n_resamples=8000, rng=rng
    )["accuracy"]
    interval, p = bootstrap.paired(*drawn, accuracy.metric, level=0.95)
    gap = (y_pred[0] == y_true).astype(float) - (y_pred[1] == y_true)
    error = gap.std() / np.sqrt(1000)
    assert interval.standard_error == pytest.approx(error, rel=0.05)
    assert (interval.low + interval.high) / 2 == pytest.approx(gap.mean(), abs=error / 5)
    assert p == pytest.approx(2 * stats.norm.sf(abs(gap.mean()) / error), abs=0.1)


def test_pseudo_values_of_accuracy_are_right_or_wrong(rng):
    y_true, y_pred = simulated(rng)
    values = pseudo_values(count_seeds(y_true, y_pred, n_classes=5), y_true, y_pred, accuracy.accuracy)
    assert np.allclose(values, y_pred == y_true, atol=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_pseudo_values_are_those_of_leaving_each_row_out(rng, name):
    y_true, y_pred = simulated(rng, n=60, n_seeds=1)
    of_confusion = METRICS[name].of_confusion
    found = pseudo_values(count_seeds(y_true, y_pred, n_classes=5), y_true, y_pred, of_confusion)[0]
    whole = float(of_confusion(count(y_true, y_pred[0], n_classes=5)))
    for row in range(0, 60, 7):
        without = count(np.delete(y_true, row), np.delete(y_pred[0], row), n_classes=5)
        assert found[row] == pytest.approx(60 * whole - 59 * float(of_confusion(without)), abs=1e-9)


def test_two_way_variance_agrees_with_the_mean_squares_of_an_analysis_of_variance(rng):
    # Var = (MS_seeds + MS_samples - MS_residual) / (S n) wherever no component is negative
    values = rng.normal(size=(5, 80)) + rng.normal(size=(5, 1)) + rng.normal(size=80)
    grand, rows, columns = values.mean(), values.mean(axis=1), values.mean(axis=0)
    ms_seeds = 80 * ((rows - grand) ** 2).sum() / 4
    ms_samples = 5 * ((columns - grand) ** 2).sum() / 79
    ms_residual = ((values - rows[:, None] - columns + grand) ** 2).sum() / (4 * 79)
    interval = two_way.one(two_way.components(values, rows), level=0.95)
    assert interval.standard_error**2 == pytest.approx((ms_seeds + ms_samples - ms_residual) / 400, rel=1e-10)


@pytest.mark.parametrize("name", METRICS)
def test_two_way_and_crossed_bootstrap_agree_on_the_spread(rng, name):
    y_true, y_pred = simulated(rng, n=1500, n_seeds=6)
    of_confusion = METRICS[name].of_confusion
    drawn = crossed.resample_samples(y_true, y_pred, {name: of_confusion}, n_classes=5, n_resamples=3000, rng=rng)[name]
    resampled = crossed.draw_seeds(drawn, rng=rng)
    matrices = count_seeds(y_true, y_pred, n_classes=5)
    values = pseudo_values(matrices, y_true, y_pred, of_confusion)
    interval = two_way.one(two_way.components(values, np.asarray(of_confusion(matrices), dtype=float)), level=0.95)
    assert interval.standard_error == pytest.approx(resampled.std(), rel=0.15)


def test_common_draws_of_samples_equal_counting_the_drawn_rows():
    y_true, y_pred = simulated(np.random.default_rng(0), n=50, n_seeds=2)
    found = crossed.resample_samples(
        y_true, y_pred, {"f": macro_f1.macro_f1}, n_classes=5, n_resamples=7, rng=np.random.default_rng(3)
    )["f"]
    drawn = np.random.default_rng(3).integers(50, size=(7, 50), dtype=np.int32)
    for resample, rows in enumerate(drawn):
        for run in range(2):
            expected = macro_f1.macro_f1(count(y_true[rows], y_pred[run][rows], n_classes=5))
            assert found[run, resample] == pytest.approx(float(expected), abs=1e-6)


def test_seeds_that_agree_leave_the_spread_of_one_run(rng):
    y_true, y_pred = simulated(rng, n_seeds=1)
    same = np.repeat(y_pred, 3, axis=0)
    matrices = count_seeds(y_true, same, n_classes=5)
    values = pseudo_values(matrices, y_true, same, accuracy.accuracy)
    interval = two_way.one(two_way.components(values, np.asarray(accuracy.accuracy(matrices))), level=0.95)
    right = (y_pred[0] == y_true).mean()
    assert interval.standard_error == pytest.approx(np.sqrt(right * (1 - right) / (len(y_true) - 1)), rel=1e-9)


def test_one_seed_has_no_variation_over_seeds():
    with pytest.raises(ValueError, match="needs 2 of each, not 1 × 10"):
        two_way.components(np.zeros((1, 10)), np.zeros(1))


def test_a_difference_of_a_method_with_itself_is_0_with_p_1(rng):
    y_true, y_pred = simulated(rng)
    right = (y_pred == y_true).astype(float)
    parts = two_way.components(right, right.mean(axis=1))
    found = paired.difference(parts, parts, level=0.95)
    assert found.interval.low <= 0 <= found.interval.high
    assert found.p == 1.0


@pytest.mark.parametrize("n", [20, 140, 3068])
def test_accuracy_is_bounded_by_wilsons_interval_of_all_samples(n):
    perfect = np.diag([n // 4, n // 4, n - 2 * (n // 4)])
    low, high = furthest(perfect, accuracy.accuracy, level=0.95)
    assert low == pytest.approx(n / (n + 1.959964**2), abs=1e-6)
    assert high == 1


@pytest.mark.parametrize("name", METRICS)
def test_no_allocation_of_what_may_have_happened_goes_further(rng, name):
    of_confusion = METRICS[name].of_confusion
    confusion = np.array([[50, 3, 2, 0], [4, 30, 0, 1], [1, 2, 12, 0], [1, 1, 1, 1]])
    low, high = furthest(confusion, of_confusion, level=0.95)
    wilsons = [confusion.sum(axis=1)[k] * (1 - wilson_low(int(confusion.sum(axis=1)[k]))) for k in range(4)]
    whole = confusion.sum() * (1 - wilson_low(int(confusion.sum())))
    least, most = 1.0, 0.0
    for _ in range(4000):
        rows, others = rng.integers(4, size=3), rng.integers(1, 4, size=3)
        left, rooms, moved = whole, list(wilsons), confusion.astype(float)
        for row, other in zip(rows, (rows + others) % 4, strict=True):
            source, target = (row, other) if rng.random() < 0.5 else (other, row)
            step = min(left, rooms[row], moved[row, source])
            moved[row, source] -= step
            moved[row, target] += step
            left, rooms[row] = left - step, rooms[row] - step
        value = float(of_confusion(moved))
        least, most = min(least, value), max(most, value)
    assert low <= least + 0.003  # the order in which samples are moved is found step by step
    assert high >= most - 0.003
    assert low < of_confusion(confusion) < high


def wilson_low(n):
    return n / (n + 1.959964**2)


@pytest.mark.parametrize("name", METRICS)
def test_an_absent_expression_gives_an_interval_in_range(rng, name):
    y_true, y_pred = simulated(rng, n_seeds=1, n=30)
    interval = bootstrap.one_run(
        count(y_true % 4, y_pred[0], n_classes=7), METRICS[name], level=0.95, n_resamples=500, rng=rng
    )
    assert 0 <= interval.low < interval.high <= 1


@pytest.mark.parametrize("scale", [1, 3, 100])  # all cells rare, some, none
def test_drawn_matrices_have_the_moments_of_a_multinomial(rng, scale):
    confusion = scale * np.array([[9, 2, 0], [5, 7, 1], [0, 1, 3]])
    n = confusion.sum()
    drawn = bootstrap.draw(confusion, n_resamples=40_000, rng=rng).reshape(-1, 9)
    shares = confusion.ravel() / n
    expected = n * (np.diag(shares) - np.outer(shares, shares))
    assert (drawn.sum(axis=1) == n).all()
    assert np.abs(drawn.mean(axis=0) - n * shares).max() < 4.5 * np.sqrt(expected.max() / 40_000)
    assert np.cov(drawn.T) == pytest.approx(expected, abs=0.04 * expected.max())
    assert not drawn[:, confusion.ravel() == 0].any()


def test_a_matrix_without_counts_cannot_be_resampled(rng):
    with pytest.raises(ValueError, match="without counts"):
        bootstrap.resample(np.zeros((3, 3), dtype=int), accuracy.accuracy, n_resamples=10, rng=rng)


def test_identical_predictions_differ_by_no_more_than_wilson_allows(rng):
    # 140 samples of 7 expressions: ± 16.1 points was the bound of the 20 samples of one
    y_true = np.arange(140) % 7
    y_pred = np.where(rng.random(140) < 0.8, y_true, rng.integers(7, size=140))
    found = [
        bootstrap.alike(count(y_true, y_pred, n_classes=7), metric, level=0.95, held_fixed="")
        for metric in (accuracy.metric, macro_f1.metric)
    ]
    assert all(interval.low == -interval.high for interval in found)
    assert found[0].high == pytest.approx(1.959964**2 / (140 + 1.959964**2), abs=1e-6)  # 2.7 points
    assert 0.01 < found[1].high < 0.05


def test_common_draws_serve_an_expression_without_samples(rng):
    found = crossed.resample_samples(
        np.array([0, 0, 2]), np.array([[0, 1, 2]]), {"f": macro_f1.macro_f1}, n_classes=4, n_resamples=20, rng=rng
    )["f"]
    assert np.isfinite(found).all()
