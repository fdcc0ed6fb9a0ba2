"""Simulated worlds are what their model says."""

import numpy as np
import pytest

from fer_bench.metrics import accuracy, mean_recall
from fer_bench.stats import simulate


def test_expressions_are_as_frequent_as_stated_and_recalls_as_chosen(rng):
    counts, right = np.zeros(simulate.K), np.zeros(simulate.K)
    for _ in range(60):
        world = simulate.World(rng)
        y_pred = world.predict(1, points=0.0)[0]
        counts += np.bincount(world.y_true, minlength=simulate.K)
        right += np.bincount(world.y_true[y_pred == world.y_true], minlength=simulate.K)
    assert counts / 60 == pytest.approx(simulate.COUNTS, rel=0.06)
    assert right / counts == pytest.approx(simulate.RECALL, abs=0.025)


@pytest.mark.parametrize("points", [0.0, 0.4, 0.8])
def test_the_truth_is_the_expectation_whatever_the_seeds_do(points):
    assert simulate.truth(accuracy.metric, points=points) == pytest.approx(
        (simulate.COUNTS / simulate.N * simulate.RECALL).sum(), abs=1e-9
    )
    assert simulate.truth(mean_recall.metric, points=points) == pytest.approx(simulate.RECALL.mean(), abs=1e-9)


def test_the_effect_of_the_seed_is_the_one_asked_for(rng):
    world = simulate.World(rng)
    accuracies = (world.predict(400, points=2.0) == world.y_true).mean(axis=1)
    noise = (world.predict(400, points=0.0) == world.y_true).mean(axis=1)
    assert 100 * np.sqrt(accuracies.var() - noise.var()) == pytest.approx(2.0, rel=0.15)


def test_runs_with_a_common_effect_are_equally_good(rng):
    world = simulate.World(rng)
    accuracies = (world.predict(200, points=8.0, common=True) == world.y_true).mean(axis=1)
    assert 100 * accuracies.std() < 0.6  # 8 points, were the effect not the same


def test_twins_are_easier_and_as_many_as_asked_for(rng):
    world = simulate.World(rng, share_of_twins=0.3)
    right = world.predict(1, points=0.0)[0] == world.y_true
    assert world.twin.mean() == pytest.approx(0.3, abs=0.04)
    assert right[world.twin].mean() > right[~world.twin].mean()
    assert simulate.true_gap(accuracy.metric, points=0.0, share_of_twins=0.3) > 0


def test_wrong_predictions_are_never_the_true_expression():
    assert np.diagonal(simulate.WRONG) == pytest.approx(0)
    assert simulate.WRONG.sum(axis=1) == pytest.approx(1)
