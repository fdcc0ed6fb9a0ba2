"""McNemar, Holm, Wilson, Cohen's kappa and the verdict of a margin, against statsmodels and by hand."""

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from fer_bench.metrics import cohen_kappa
from fer_bench.stats.confusion import count
from fer_bench.stats.decide import decide
from fer_bench.stats.holm import holm
from fer_bench.stats.interval import Interval
from fer_bench.stats.mcnemar import detectable, exact, mcnemar, mid_p
from fer_bench.stats.wilson import wilson


@pytest.mark.parametrize("only_a", [0, 1, 7, 40])
@pytest.mark.parametrize("only_b", [1, 7, 63])
def test_mcnemar_agrees_with_statsmodels(only_a, only_b):
    expected = reference_mcnemar([[100, only_a], [only_b, 9]], exact=True).pvalue
    assert exact(only_a, only_b) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("only_a", "only_b"), [(1, 7), (3, 12), (40, 63), (5, 5), (20, 21)])
def test_mid_p_agrees_with_statsmodels(only_a, only_b):
    # mid-p = P(X <= k) + P(X <= k - 1), the mean of the exact p-values of k and of k - 1 among as many
    few, many = sorted((only_a, only_b))
    tables = ([[0, few], [many, 0]], [[0, few - 1], [many + 1, 0]])
    exact_ones = [reference_mcnemar(table, exact=True).pvalue for table in tables]
    expected = sum(exact_ones) / 2
    if few == many:  # the exact p-value of a tie is cut at 1
        expected = 1.0
    assert mid_p(only_a, only_b) == pytest.approx(expected, abs=1e-10)


def test_mid_p_is_the_published_one():
    # Fagerland et al. (2013), airway hyper-responsiveness: 1 and 7 discordant pairs; exact 0.070, mid-p 0.039
    assert (round(exact(1, 7), 3), round(mid_p(1, 7), 3)) == (0.070, 0.039)
    assert mid_p(0, 0) == 1.0


def test_cohens_kappa_agrees_with_statsmodels(rng):
    y_true, y_pred = rng.integers(0, 7, size=(2, 500))
    table = count(y_true, np.where(rng.random(500) < 0.6, y_true, y_pred), n_classes=7)
    assert float(cohen_kappa.metric.of_confusion(table)) == pytest.approx(
        cohens_kappa(table, return_results=False), abs=1e-10
    )


def test_mcnemar_counts_the_samples_on_which_exactly_one_is_right():
    right_a = np.array([True] * 9 + [False] * 4)
    right_b = np.array([True] * 8 + [False] * 1 + [True] * 4)
    assert mcnemar(right_a, right_b) == exact(1, 4)


def test_two_runs_right_on_the_same_samples_have_p_1():
    assert mcnemar(np.array([True, False]), np.array([True, False])) == 1.0


def test_holm_agrees_with_statsmodels(rng):
    for m in (1, 2, 10, 66):
        p = rng.random(m) ** 3
        assert np.abs(holm(p) - multipletests(p, method="holm")[1]).max() < 1e-10


def test_holm_is_stepped_down_and_not_one_alpha_for_all():
    # Bonferroni would give 0.08 for the second; dividing by the number of others alone would give 0.03
    assert holm(np.array([0.01, 0.02, 0.03, 0.9])).tolist() == pytest.approx([0.04, 0.06, 0.06, 0.9])


def test_a_family_of_none_is_no_error():
    assert holm(np.array([])).shape == (0,)


@pytest.mark.parametrize(("n_right", "n"), [(0, 10), (10, 10), (1, 74), (2700, 3068)])
def test_wilson_agrees_with_statsmodels(n_right, n):
    expected = proportion_confint(n_right, n, alpha=0.05, method="wilson")
    assert wilson(n_right, n, level=0.95) == pytest.approx(expected, abs=1e-10)


def test_wilson_without_samples_says_nothing():
    assert wilson(0, 0, level=0.95) == (0.0, 1.0)


def test_more_right_than_there_are_is_refused():
    with pytest.raises(ValueError, match="5 of 4"):
        wilson(5, 4, level=0.95)


@pytest.mark.parametrize(("share", "points"), [(0.04, 1.01), (0.06, 1.24), (0.08, 1.43), (0.10, 1.60)])
def test_the_detectable_difference_on_3068_images(share, points):
    # power 80 % at 5 %: (1.960 + 0.842) · √(share / 3068)
    assert 100 * detectable(share, 3068, level=0.95) == pytest.approx(points, abs=0.005)


@pytest.mark.parametrize(
    ("low", "high", "p", "verdict"),
    [
        (0.010, 0.030, 0.01, "better"),
        (-0.030, -0.010, 0.01, "worse"),
        (-0.004, 0.005, 0.70, "equivalent"),
        (0.001, 0.004, 0.01, "equivalent"),  # not 0, but too small to matter
        (-0.001, 0.030, 0.06, "undecided"),
        (0.010, 0.030, 0.06, "undecided"),  # the interval is for this pair alone, the p-value for the family
    ],
)
def test_verdicts_by_margin_zero_and_family(low, high, p, verdict):
    interval = Interval(low, high, 0.95, "", "samples", "", 0, 0.01)
    assert decide(interval, p_adjusted=p, margin=0.005) == verdict
