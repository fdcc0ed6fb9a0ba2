"""Numbers follow the version: a signature's ``v`` is another one wherever intervals, tests or p-values are.

A change that moves a number here raises the version (``fer_bench/__init__.py``, ``pyproject.toml``, ``CITATION.cff``),
gets its lines under *Numbers* in CHANGELOG.md, and its numbers in ``NUMBERS``.
"""

import tomllib
from functools import partial

import numpy as np
import pytest
import yaml

from fer_bench import __version__
from fer_bench.metrics import Answers, accuracy, macro_f1, mean_recall
from fer_bench.provenance import ROOT
from fer_bench.stats import bootstrap, estimating, measuring, prediction, simulate
from fer_bench.stats.confusion import count
from fer_bench.stats.gap import gap
from fer_bench.stats.pairs import Predicted, Settings, compare_methods
from fer_bench.stats.signature import Signature

NUMBERS = {
    "0.2.0": {
        "one run, percentile, accuracy": [89.5294, 91.5946],
        "one run, percentile, macro_f1": [79.5343, 83.5678],
        "one run, percentile, mean_recall": [81.4615, 85.8307],
        "one run, bca, accuracy": [89.5294, 91.5946],
        "one run, bca, macro_f1": [79.675, 83.7852],
        "one run, bca, mean_recall": [81.5135, 85.9436],
        "two_way, samples, accuracy": [89.1908, 91.1221],
        "two_way, samples, macro_f1": [79.0213, 82.6595],
        "two_way, samples, mean_recall": [81.2386, 85.0091],
        "two_way, persons, accuracy": [89.1924, 91.1205],
        "two_way, persons, macro_f1": [79.0315, 82.6493],
        "two_way, persons, mean_recall": [81.2073, 85.0404],
        "crossed, samples, accuracy": [89.1503, 91.0956],
        "crossed, samples, macro_f1": [78.8217, 82.7575],
        "crossed, samples, mean_recall": [81.0852, 84.9949],
        "crossed, persons, accuracy": [89.2085, 91.1011],
        "crossed, persons, macro_f1": [79.0116, 82.5514],
        "crossed, persons, mean_recall": [81.2749, 84.9612],
        "1 seeds, a less b, accuracy": [-0.9624, 1.1408, 90.0748, 90.0748, 1.4639],
        "1 seeds, a less c, accuracy": [-0.3259, 1.8595, 14.5617, 43.6851, 1.4438],
        "1 seeds, b less c, accuracy": [-0.3259, 1.7601, 21.7406, 43.6851, 1.4809],
        "1 seeds, a less b, macro_f1": [-1.2616, 2.7008, 43.1138, 86.2275, 2.9183],
        "1 seeds, a less c, macro_f1": [-0.5472, 3.1126, 21.9561, 65.8683, 2.6967],
        "1 seeds, b less c, macro_f1": [-1.3799, 2.497, 61.0778, 86.2275, 2.7972],
        "3 seeds, a less b, accuracy": [-0.9677, 0.8373, 87.5866, 87.6094, 1.2607],
        "3 seeds, a less c, accuracy": [-0.4163, 1.1768, 31.1349, 84.4045, 1.1111],
        "3 seeds, b less c, accuracy": [-0.3351, 1.226, 24.1558, 84.4045, 1.097],
        "3 seeds, a less b, macro_f1": [-1.1249, 1.9143, 58.7566, 93.8681, 2.1367],
        "3 seeds, a less c, macro_f1": [-0.5015, 2.3035, 18.8505, 67.179, 1.9679],
        "3 seeds, b less c, macro_f1": [-0.7813, 1.794, 42.1329, 93.8681, 1.8178],
        "the same twice, accuracy": [-0.1251, 0.1251],
        "gap, accuracy": [0.6017, 0.9904],
        "one more run, True, accuracy": [88.1338, 92.1791],
        "one more run, False, accuracy": [87.9967, 92.3162],
        "the same twice, macro_f1": [-0.5403, 0.5403],
        "gap, macro_f1": [0.8494, 1.8361],
        "one more run, True, macro_f1": [77.4667, 84.2141],
        "one more run, False, macro_f1": [77.0677, 84.6131],
        "the same twice, mean_recall": [-0.7134, 0.7134],
        "gap, mean_recall": [0.8992, 1.8388],
        "one more run, True, mean_recall": [80.3603, 85.8874],
        "one more run, False, mean_recall": [79.6876, 86.5602],
    }
}
NUMPY = "2.4"
"""They are drawn by this NumPy: another one may draw otherwise from the same seed (NEP 19)."""

METRICS = {"accuracy": accuracy.metric, "macro_f1": macro_f1.metric, "mean_recall": mean_recall.metric}


def computed():
    rng = np.random.default_rng(0)
    world = simulate.World(rng, share_of_twins=0.1)
    y_pred = {name: dict(enumerate(world.predict(3, points=0.4))) for name in "abc"}
    answers = [Answers(world.y_true, row) for row in y_pred["a"].values()]
    draws = partial(np.random.default_rng, 1)
    found = {}
    for how in ("percentile", "bca"):
        way = estimating.Way(simulate.K, 0.95, 500, one_run=how)
        of_one = estimating.of_runs(METRICS, answers[:1], way, rngs=[draws], common=draws)
        found |= {f"one run, {how}, {name}": interval[:2] for name, (interval,) in of_one.items()}
    for over in ("two_way", "crossed"):
        for persons in (None, np.arange(simulate.N) % 700):
            way = estimating.Way(simulate.K, 0.95, 500, over_seeds=over, subjects=persons)
            several = estimating.over_seeds(METRICS, answers, way, common=draws, of_seeds=draws)
            of = "samples" if persons is None else "persons"
            found |= {f"{over}, {of}, {name}": interval[:2] for name, interval in several.items()}
    for n_seeds in (1, 3):
        runs = {name: {seed: of[seed] for seed in range(n_seeds)} for name, of in y_pred.items()}
        held = Predicted("simulated", "last", simulate.K, world.y_true, runs)
        for row in compare_methods(held, Settings(("accuracy", "macro_f1"), 0.95, 0.005, 500, 0, None)):
            name = f"{n_seeds} seeds, {row['method_a']} less {row['method_b']}, {row['metric']}"
            found[name] = tuple(row[key] for key in ("low", "high", "p", "p_holm", "detectable"))
    stacked = np.stack(list(y_pred["a"].values()))
    confusion = count(world.y_true, stacked[0], n_classes=simulate.K)
    for name, metric in METRICS.items():
        found[f"the same twice, {name}"] = bootstrap.alike(confusion, metric, level=0.95, held_fixed="")[:2]
        _, interval = gap(
            world.y_true, stacked, world.twin, metric, n_classes=simulate.K, level=0.95, n_resamples=500, rng=draws()
        )
        found[f"gap, {name}"] = interval[:2]
        spread = prediction.spread(measuring.parts(metric, answers, n_classes=simulate.K))
        for same in (True, False):
            one_more = prediction.predict(spread, level=0.95, same_samples=same)
            found[f"one more run, {same}, {name}"] = one_more[:2]
    return {name: [round(100 * float(value), 4) for value in values] for name, values in found.items()}


@pytest.mark.skipif(not np.__version__.startswith(f"{NUMPY}."), reason=f"the numbers are drawn by NumPy {NUMPY}")
def test_the_numbers_are_those_of_the_version():
    assert __version__ in NUMBERS, "a version has its numbers here"
    for name, values in computed().items():
        assert values == pytest.approx(NUMBERS[__version__][name], abs=2e-4), f"{name}: raise the version"


def test_the_version_stands_in_every_signature_and_is_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    assert {project, cited, Signature().v} == {__version__}
