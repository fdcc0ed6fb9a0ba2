"""Does the crossed bootstrap cover with few seeds? Simulated, 1,000 trials each.

Model: a sample is right where a threshold + the sample's ease + the seed's effect + noise is positive (probit); an
expression's threshold is common to its samples. Accuracies of seeds spread by 0.3 points without an effect of the seed,
and by 0.5 and 0.8 with the two sizes of one.
"""

import numpy as np
import pytest
from scipy import stats

from fer_bench.metrics import Answers, accuracy, macro_f1
from fer_bench.stats import estimating
from fer_bench.stats.confusion import count

COUNTS = np.array([680, 1185, 329, 478, 162, 160, 74])
RECALL = np.array([0.90, 0.95, 0.87, 0.88, 0.82, 0.62, 0.66])
N, K = int(COUNTS.sum()), len(COUNTS)
EASE, NOISE = 1.06, 0.45  # standard deviations
TRIALS = 1000
METRICS = {"accuracy": accuracy.metric, "macro_f1": macro_f1.metric}


def predict(rng, n_seeds, seed_sd, counts=None):
    y_true = np.repeat(np.arange(K), rng.multinomial(N, COUNTS / N) if counts is None else counts)
    thresholds = stats.norm.ppf(RECALL) * np.sqrt(EASE**2 + NOISE**2 + seed_sd**2)
    ease = rng.normal(0, EASE, len(y_true))
    wrong = (y_true + 1 + (rng.random(len(y_true)) < 0.4)) % K
    effects = rng.normal(0, seed_sd, (n_seeds, 1))
    level = thresholds[y_true] + ease + effects + rng.normal(0, NOISE, (n_seeds, len(y_true)))
    return [Answers(y_true, row) for row in np.where(level > 0, y_true, wrong)]


def truth(metric, seed_sd):
    """Return the metric's expectation over seeds on very many samples."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    thresholds = stats.norm.ppf(RECALL) * np.sqrt(EASE**2 + NOISE**2 + seed_sd**2)
    recall = stats.norm.cdf((thresholds + seed_sd * nodes[:, None]) / np.hypot(EASE, NOISE))
    shares = np.zeros((len(nodes), K, K))
    for k in range(K):
        shares[:, k, k] = recall[:, k]
        shares[:, k, (k + 1) % K] = 0.6 * (1 - recall[:, k])
        shares[:, k, (k + 2) % K] = 0.4 * (1 - recall[:, k])
    values = metric.of_confusion(shares * COUNTS[:, None] * 1e6)
    return float((values * weights).sum() / weights.sum())


def coverage(rng, n_seeds, seed_sd, trials):
    expected = {name: truth(metric, seed_sd) for name, metric in METRICS.items()}
    covered = dict.fromkeys(METRICS, 0)
    way = estimating.Way(K, 0.95, 500, over_seeds="crossed")
    for _ in range(trials):
        answers = predict(rng, n_seeds, seed_sd)
        found = estimating.over_seeds(METRICS, answers, way, common=lambda: rng, of_seeds=lambda: rng)
        for name, interval in found.items():
            covered[name] += interval.low <= expected[name] <= interval.high
    return {name: hits / trials for name, hits in covered.items()}


def test_the_simulated_truth_is_that_of_many_samples(rng):
    answers = predict(rng, 1, 0.0, counts=COUNTS * 300)[0]
    confusion = count(answers.y_true, answers.y_pred, n_classes=K)
    for metric in METRICS.values():
        assert float(metric.of_confusion(confusion)) == pytest.approx(truth(metric, 0.0), abs=0.002)


@pytest.mark.slow
@pytest.mark.parametrize("n_seeds", [3, 5])
@pytest.mark.parametrize("seed_sd", [0.0, 0.03, 0.05])
def test_crossed_intervals_over_seeds_and_samples_cover(rng, n_seeds, seed_sd):
    shares = coverage(rng, n_seeds, seed_sd, TRIALS)
    assert all(0.93 <= share <= 0.97 for share in shares.values()), shares
