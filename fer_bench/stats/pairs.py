"""Methods on the same samples, two by two: difference, interval, p-value, Holm's correction, verdict."""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from fer_bench import registry, seeds
from fer_bench.metrics import Metric
from fer_bench.stats import bootstrap, crossed, mcnemar, two_way
from fer_bench.stats.confusion import count
from fer_bench.stats.decide import decide
from fer_bench.stats.holm import holm
from fer_bench.stats.interval import Interval, clipped
from fer_bench.stats.scoring import two_way_parts
from fer_bench.stats.signature import Signature


class Settings(NamedTuple):
    """How comparisons are made.

    Attributes:
        metrics: Names; each is a family of its own.
        level: Coverage of the intervals; 1 - level is the error rate of the verdicts.
        margin: Differences within ± this fraction count as practically equal.
        n_resamples: Bootstrap resamples.
        seed: Seed of the resampling.
        baseline: Compare every method with this one; None: all pairs.
    """

    metrics: tuple[str, ...]
    level: float
    margin: float
    n_resamples: int
    seed: int
    baseline: str | None


class Predicted(NamedTuple):
    """What is compared: several methods on one data set under one selection.

    Attributes:
        dataset: Its name, or ``files``.
        selection: The selection.
        n_classes: Expressions told apart.
        y_true: (n,) true labels.
        y_pred: Method to seed to (n,) predicted labels.
        probabilities: Method to seed to (n, k); None where only labels are known.
        votes: (n, v) annotators' votes; None where they are not known.
        subjects: (n,) persons, as indices; None where they are not known. Where they are, persons are drawn.
        signature: What the numbers of all methods have in common.
    """

    dataset: str
    selection: str
    n_classes: int
    y_true: np.ndarray
    y_pred: Mapping[str, Mapping[int, np.ndarray]]
    probabilities: Mapping[str, Mapping[int, np.ndarray]] | None = None
    votes: np.ndarray | None = None
    subjects: np.ndarray | None = None
    signature: Signature = Signature()


class Pair(NamedTuple):
    """Two methods and the seeds that both have; (s, n) predicted labels each."""

    a: str
    b: str
    seeds: tuple[int, ...]
    y_pred_a: np.ndarray
    y_pred_b: np.ndarray


class Tested(NamedTuple):
    """One pair under one metric, before the correction for the family."""

    difference: float
    interval: Interval
    p: float
    test: str


_Parts = dict[tuple[str, tuple[int, ...]], two_way.Components]  # of one metric; a method is parted once, not per pair
_Drawn = dict[tuple[str, int], np.ndarray]  # of one metric: method and seed to (b,) resampled values


def compare_methods(found: Predicted, settings: Settings) -> list[dict[str, object]]:
    """Compare methods on the same samples: all pairs, or each with the baseline.

    With two or more common seeds: two-way paired (samples paired, seeds random; :mod:`fer_bench.stats.two_way`). With
    one: exact McNemar for accuracy and a paired bootstrap, conditional on these checkpoints. Pairs without a common
    seed are left out. Holm's family is the pairs of one data set and metric.

    Args:
        found: The predictions.
        settings: How.

    Returns:
        Rows of the comparisons table.
    """
    pairs, said = _pairs(found, settings.baseline)
    metrics = {name: registry.load("metrics", name) for name in settings.metrics}
    drawn = _draw(found, pairs, metrics, settings)
    rows = []
    for name, metric in metrics.items():
        parts: _Parts = {}
        tested = [
            _over_seeds(found, pair, metric, settings, parts)
            if len(pair.seeds) > 1
            else _one_seed(found, pair, metric, settings, drawn[name], exact=name == "accuracy")
            for pair in pairs
        ]
        adjusted = holm(np.array([one.p for one in tested]))
        for pair, one, p_holm in zip(pairs, tested, adjusted, strict=True):
            row = _row(found, pair, one, settings, p_holm=float(p_holm), higher_is_better=metric.higher_is_better)
            rows.append(
                {**row, "metric": name, "family": f"{found.dataset}, {name}: {said}", "family_size": len(pairs)}
            )
    return rows


def disagreement(y_true: np.ndarray, pair: Pair) -> float:
    """Return the share of samples on which exactly one of two methods is right, averaged over all pairs of seeds."""
    right_a, right_b = ((y_pred == y_true).mean(axis=0) for y_pred in (pair.y_pred_a, pair.y_pred_b))
    return float((right_a * (1 - right_b) + right_b * (1 - right_a)).mean())


def _pairs(found: Predicted, baseline: str | None) -> tuple[list[Pair], str]:
    """Return the pairs that have a common seed, and what family they are."""
    names = sorted(found.y_pred)
    if baseline is None:
        chosen, said = list(itertools.combinations(names, 2)), f"all pairs of {len(names)} methods"
    else:  # a baseline without a run leaves nothing to compare
        chosen = [(name, baseline) for name in names if name != baseline and baseline in names]
        said = f"{len(chosen)} methods against {baseline}"
    pairs = []
    for a, b in chosen:
        common = tuple(sorted(found.y_pred[a].keys() & found.y_pred[b].keys()))
        if common:
            stacked = [np.stack([found.y_pred[name][seed] for seed in common]) for name in (a, b)]
            pairs.append(Pair(a, b, common, *stacked))
    return pairs, said


def _over_seeds(found: Predicted, pair: Pair, metric: Metric, settings: Settings, parts: _Parts) -> Tested:
    for name, y_pred in ((pair.a, pair.y_pred_a), (pair.b, pair.y_pred_b)):
        if (name, pair.seeds) not in parts:
            parts[name, pair.seeds] = two_way_parts(found.y_true, y_pred, metric, n_classes=found.n_classes)
    first, second = parts[pair.a, pair.seeds], parts[pair.b, pair.seeds]
    interval, p = two_way.difference(first, second, level=settings.level)
    if interval.standard_error == 0 and np.array_equal(pair.y_pred_a, pair.y_pred_b):
        held = two_way.TRAINING_DATA
        interval = bootstrap.alike(
            found.y_true, metric, n_classes=found.n_classes, level=settings.level, held_fixed=held
        )
    width = metric.range[1] - metric.range[0]
    return Tested(first.estimate - second.estimate, clipped(interval, low=-width, high=width), p, "two-way paired t")


def _one_seed(
    found: Predicted, pair: Pair, metric: Metric, settings: Settings, drawn: _Drawn, *, exact: bool
) -> Tested:
    y_true, y_a, y_b = found.y_true, pair.y_pred_a[0], pair.y_pred_b[0]
    first, second = drawn[pair.a, pair.seeds[0]], drawn[pair.b, pair.seeds[0]]
    interval, p = bootstrap.paired(first, second, metric, level=settings.level)
    if np.array_equal(y_a, y_b):
        p = 1.0
        interval = bootstrap.alike(
            y_true, metric, n_classes=found.n_classes, level=settings.level, held_fixed=bootstrap.CHECKPOINTS
        )
    test = "paired bootstrap"
    if exact:  # McNemar's test is one of accuracy
        p, test = mcnemar.mcnemar(y_a == y_true, y_b == y_true), "exact McNemar"
    value_a, value_b = (float(metric.of_confusion(count(y_true, y, n_classes=found.n_classes))) for y in (y_a, y_b))
    return Tested(value_a - value_b, interval, p, f"{test}, conditional on these checkpoints")


def _draw(found: Predicted, pairs: list[Pair], metrics: Mapping[str, Metric], settings: Settings) -> dict[str, _Drawn]:
    """Resample, on common draws of samples, the runs that are compared alone; by metric, method and seed."""
    alone = sorted({(name, pair.seeds[0]) for pair in pairs if len(pair.seeds) == 1 for name in (pair.a, pair.b)})
    if not alone:
        return {name: {} for name in metrics}
    values = crossed.resample_samples(
        found.y_true,
        np.stack([found.y_pred[name][seed] for name, seed in alone]),
        {name: metric.of_confusion for name, metric in metrics.items()},
        n_classes=found.n_classes,
        n_resamples=settings.n_resamples,
        rng=seeds.generator(settings.seed, "compare", found.dataset, found.selection),
    )
    return {name: dict(zip(alone, rows, strict=True)) for name, rows in values.items()}


def _row(
    found: Predicted, pair: Pair, tested: Tested, settings: Settings, *, p_holm: float, higher_is_better: bool
) -> dict[str, object]:
    interval = tested.interval
    toward = interval if higher_is_better else interval._replace(low=-interval.high, high=-interval.low)
    differing = disagreement(found.y_true, pair)
    detectable: float | None = mcnemar.quantiles(settings.level) * interval.standard_error
    if tested.test.startswith("exact McNemar"):
        detectable = mcnemar.detectable(differing, len(found.y_true), level=settings.level)
    return {
        "dataset": found.dataset,
        "selection": found.selection,
        "method_a": pair.a,
        "method_b": pair.b,
        "difference": tested.difference,
        "low": interval.low,
        "high": interval.high,
        "level": interval.level,
        "interval_method": interval.method,
        "p": tested.p,
        "p_holm": p_holm,
        "test": tested.test,
        "margin": settings.margin,
        "verdict": decide(toward, p_adjusted=p_holm, margin=settings.margin),
        "detectable": detectable or None,  # without any disagreement it cannot be told
        "disagreement": differing,
        "n_samples": len(found.y_true),
        "n_seeds": len(pair.seeds),
    }
