"""The interval for one more run: by hand, its limits, and whether fresh runs land in it as often as it says."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from fer_bench.stats import prediction, two_way

N, TRIALS = 3068, 2000  # standard error of a share near 96 %: 0.45 points
EASE, OWN, NOISE = 1.0, 0.35, 0.45  # standard deviations of a sample's ease, a method's own, and a run's


def found(right):
    right = np.asarray(right, dtype=float)
    return prediction.spread(two_way.components(right, right.mean(axis=1)))


def runs(rng, n_seeds, *, seed_sd, effects=None):
    """Which of N fresh samples each of some seeds gets right; about 87 %."""
    effects = rng.normal(0, seed_sd, n_seeds) if effects is None else effects
    spread = np.sqrt(EASE**2 + OWN**2 + NOISE**2 + seed_sd**2)
    ease = rng.normal(0, EASE, N) + rng.normal(0, OWN, N)
    return stats.norm.ppf(0.87) * spread + ease + effects[:, None] + rng.normal(0, NOISE, (n_seeds, N)) > 0


def test_on_the_same_samples_it_is_the_textbook_interval_of_one_more_observation(rng):
    right = rng.random((3, 200)) < 0.8
    scores = right.mean(axis=1)
    interval = prediction.predict(found(right), level=0.95, same_samples=True)
    half = stats.t.ppf(0.975, 2) * scores.std(ddof=1) * np.sqrt(1 + 1 / 3)
    assert (interval.low, interval.high) == pytest.approx((scores.mean() - half, scores.mean() + half))


def test_by_hand_on_other_samples():
    right = np.array([[1, 1, 1, 0], [1, 1, 0, 0]])  # scores 3/4 and 2/4: s² = 1/32
    parts = found(right)
    assert parts.between_seeds == pytest.approx(1 / 32)
    # means over seeds 1, 1, 1/2, 0 have variance 0.2291667; residuals ±1/8 (three samples), ±3/8 (one): MS_e = 0.125
    assert parts.residual == pytest.approx(0.125 / 4)
    assert parts.samples == pytest.approx(0.2291667 / 4 - 0.125 / 8)
    error = prediction.predict(parts, level=0.95, same_samples=False).standard_error
    assert error**2 == pytest.approx(1.5 / 32 + 2 * parts.samples)


def test_other_samples_make_it_wider(rng):
    parts = found(runs(rng, 3, seed_sd=0.02))
    same, other = (prediction.predict(parts, level=0.95, same_samples=same) for same in (True, False))
    assert other.standard_error > same.standard_error


def test_a_method_without_chance_has_an_interval_of_no_width_on_the_same_samples(rng):
    right = np.tile(rng.random(300) < 0.7, (3, 1))
    interval = prediction.predict(found(right), level=0.95, same_samples=True)
    assert interval.low == interval.high == pytest.approx(right[0].mean())
    other = prediction.predict(found(right), level=0.95, same_samples=False)
    p = right[0].mean()
    assert other.standard_error == pytest.approx(np.sqrt(2 * p * (1 - p) / 299))


def test_scores_that_are_equal_by_chance_still_have_an_interval():
    right = np.array([[1, 1, 1, 0] * 50, [1, 1, 0, 1] * 50])
    interval = prediction.predict(found(right), level=0.95, same_samples=True)
    assert interval.standard_error > 0


@pytest.mark.parametrize("same", [True, False])
def test_the_seeds_that_are_needed_are_enough_and_one_fewer_is_not(rng, same):
    parts = found(runs(rng, 3, seed_sd=0.05))
    half = 1.3 * prediction.floor(parts, level=0.95, same_samples=same)
    needed = prediction.seeds_needed(parts, half, level=0.95, same_samples=same)
    widths = []
    for n_seeds in (needed - 1, needed):
        wanted = replace(parts, n_seeds=n_seeds, freedom=float(n_seeds - 1))
        interval = prediction.predict(wanted, level=0.95, same_samples=same)
        widths.append((interval.high - interval.low) / 2)
    assert widths[0] > half >= widths[1]


def test_no_number_of_seeds_makes_one_run_spread_less(rng):
    parts = found(runs(rng, 3, seed_sd=0.2))
    assert prediction.seeds_needed(parts, 0.0001, level=0.95, same_samples=True) is None


@pytest.mark.slow
@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("seed_sd", [0.0, 0.02, 0.05])
@pytest.mark.parametrize("n_seeds", [3, 5])
def test_a_fresh_run_lands_in_it_about_as_often_as_it_says(rng, n_seeds, seed_sd, same):
    """Same samples: 95 % exactly. Other samples: 95.0 to 97.2 % (the module says why not less)."""
    inside = 0
    for _ in range(TRIALS):
        ours = runs(rng, n_seeds + same, seed_sd=seed_sd)
        theirs = ours[-1] if same else runs(rng, 1, seed_sd=seed_sd)[0]
        interval = prediction.predict(found(ours[:n_seeds]), level=0.95, same_samples=same)
        inside += interval.low <= theirs.mean() <= interval.high
    assert 0.93 <= inside / TRIALS <= (0.97 if same else 0.975)
