"""Methods on the same samples, two by two: difference, interval, p-value, Holm's correction, verdict."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fer_bench import metrics as kinds
from fer_bench import seeds
from fer_bench.errors import FerBenchError
from fer_bench.metrics import Answers, Metric, SoftMetric
from fer_bench.metrics._named import named
from fer_bench.metrics.accuracy import accuracy
from fer_bench.stats import bootstrap, estimating, mcnemar, measuring, paired, two_way
from fer_bench.stats.confusion import count
from fer_bench.stats.decide import decide
from fer_bench.stats.holm import holm
from fer_bench.stats.interval import Interval, clipped
from fer_bench.stats.signature import UNKNOWN, Signature


class Settings(NamedTuple):
    """How comparisons are made.

    Attributes:
        metrics: Names; each is a family of its own, one with a value per expression too.
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
        fixed: Methods of which one run is known, and others of which several are: the same run stands under every seed.
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
    fixed: frozenset[str] = frozenset()

    def answers(self, method: str, run_seeds: Sequence[int]) -> list[Answers]:
        """Return what a method answered under each of these seeds."""
        probabilities = self.probabilities
        return [
            Answers(
                self.y_true,
                self.y_pred[method][seed],
                None if probabilities is None else probabilities[method][seed],
                self.votes,
            )
            for seed in run_seeds
        ]

    def metrics(self, name: str) -> dict[str, Metric | SoftMetric]:
        """Return the metrics that a name stands for, as far as they can be computed here.

        Raises:
            FerBenchError: If there is no such metric, or it needs probabilities or votes that are not known.
        """
        found = named([name], n_classes=self.n_classes)
        for needed, held in (("probabilities", self.probabilities), ("votes", self.votes)):
            if held is None and any(needed in _needed(metric) for metric in found.values()):
                raise FerBenchError(
                    f"{name} needs {needed}, which are not known of {self.dataset}",
                    fix=f"leave {name} out, or give {_GIVE[needed]}",
                )
        return found


_GIVE = {
    "probabilities": "predictions with probabilities or logits",
    "votes": "a data set with annotators' votes, audited: fer-bench data audit DATASET",
}


def _needed(metric: Metric | SoftMetric) -> tuple[str, ...]:
    return {"labels": (), "probabilities": ("probabilities",), "votes": ("probabilities", "votes")}[kinds.needs(metric)]


class Pair(NamedTuple):
    """Two methods and the seeds that both have; (s, n) predicted labels each."""

    a: str
    b: str
    seeds: tuple[int, ...]
    y_pred_a: np.ndarray
    y_pred_b: np.ndarray


class _Set(NamedTuple):
    """A data set's predictions, and the pairs that are compared on it."""

    found: Predicted
    pairs: list[Pair]


class Tested(NamedTuple):
    """One pair under one metric, before the correction for the family.

    Attributes:
        difference: A minus B.
        interval: Around it.
        p: Of the pair alone.
        p_family: Of the pair as one of several, which holds in the tails too; at least ``p``.
        test: How it was made.
        detectable: Smallest difference that is found with a power of 80 %; 0 where nothing tells.
    """

    difference: float
    interval: Interval
    p: float
    p_family: float
    test: str
    detectable: float


_Parts = dict[tuple[str, tuple[int, ...]], two_way.Components]  # of one metric; a method is parted once, not per pair
_Drawn = Mapping[tuple[str, int], np.ndarray]  # of one metric: method and seed to (b,) resampled values


def compare_methods(found: Predicted, settings: Settings) -> list[dict[str, object]]:
    """Compare methods on the same samples: :func:`compare_sets` for one data set."""
    return compare_sets([found], settings)


def compare_sets(sets: Sequence[Predicted], settings: Settings) -> list[dict[str, object]]:
    """Compare methods on the same samples of each data set: all pairs, or each with the baseline.

    With two or more common seeds: two-way paired (samples paired, seeds random; :mod:`fer_bench.stats.paired`). With
    one: exact McNemar where each sample counts as right or wrong, else a paired bootstrap, conditional on these
    checkpoints. A method of which one run is known among others with several stands as that run beside each of theirs,
    and adds no part of its own to what seeds vary. Pairs without a common seed are left out. Holm's family is, for each
    metric asked for, all pairs on all data sets; a metric with one value per expression is one family.

    What is resampled: samples, with two or more seeds seeds too; persons instead of samples where they are known. What
    is held fixed: training data and recipes; with one seed, the checkpoints. When it misleads: where an outcome is
    looked at and another metric asked for after it; see also :mod:`fer_bench.stats.paired`.

    Args:
        sets: The predictions, by data set.
        settings: How.

    Returns:
        Rows of the comparisons table.

    Raises:
        FerBenchError: If a metric does not exist, or needs what is not known.
    """
    sets = [found._replace(subjects=estimating.persons(found.subjects)) for found in sets]
    all_sets = [_Set(found, _pairs(found, settings.baseline)) for found in sets]
    held = {asked: metrics_of(sets, asked) for asked in settings.metrics}
    drawn = [_draw(one, [metrics[index] for metrics in held.values()], settings) for index, one in enumerate(all_sets)]
    rows = []
    for asked in settings.metrics:
        compared = [one for one, metrics in zip(all_sets, held[asked], strict=True) if metrics]
        tests = [
            (one.found, pair, name, metric, tested)
            for one, metrics, values in zip(all_sets, held[asked], drawn, strict=True)
            for name, metric in metrics.items()
            for pair, tested in _test(one, metric, settings, values.get(name, {}))
        ]
        several = len(tests) > 1
        corrected = holm(np.array([one.p_family if several else one.p for *_, one in tests]))
        family = f"{asked}{_expressions(asked, tests)}: {_said(compared, settings.baseline)}"
        for (found, pair, name, metric, one), p_holm in zip(tests, corrected, strict=True):
            row = _row(found, pair, one, settings, p_holm=float(p_holm), higher_is_better=metric.higher_is_better)
            rows.append({**row, "metric": name, "family": family, "family_size": len(tests)})
    return rows


def metrics_of(sets: Sequence[Predicted], asked: str) -> list[dict[str, Metric | SoftMetric]]:
    """Return what a name stands for on each data set; nothing on one without it, where another has it.

    So votes may be known of one data set alone, or contempt be told apart on one alone.

    Args:
        sets: The predictions, by data set.
        asked: A metric.

    Raises:
        FerBenchError: If it can be computed on none.
    """
    found: list[dict[str, Metric | SoftMetric]] = []
    refused: list[FerBenchError] = []
    for one in sets:
        try:
            found.append(one.metrics(asked))
        except FerBenchError as error:
            refused.append(error)
            found.append({})
    if refused and len(refused) == len(sets):
        raise refused[0]
    return found


def disagreement(y_true: np.ndarray, pair: Pair) -> float:
    """Return the share of samples on which exactly one of two methods is right, averaged over all pairs of seeds."""
    right_a, right_b = ((y_pred == y_true).mean(axis=0) for y_pred in (pair.y_pred_a, pair.y_pred_b))
    return float((right_a * (1 - right_b) + right_b * (1 - right_a)).mean())


def _pairs(found: Predicted, baseline: str | None) -> list[Pair]:
    """Return the pairs that have a common seed."""
    names = sorted(found.y_pred)
    if baseline is None:
        chosen = list(itertools.combinations(names, 2))
    else:  # a baseline without a run leaves nothing to compare
        chosen = [(name, baseline) for name in names if name != baseline and baseline in names]
    pairs = []
    for a, b in chosen:
        common = tuple(sorted(found.y_pred[a].keys() & found.y_pred[b].keys()))
        if {a, b} <= found.fixed:
            common = common[:1]
        if common:
            stacked = [np.stack([found.y_pred[name][seed] for seed in common]) for name in (a, b)]
            pairs.append(Pair(a, b, common, *stacked))
    return pairs


def _said(compared: Sequence[_Set], baseline: str | None) -> str:
    """Return which pairs a family is of."""
    held = [one for one in compared if one.pairs]
    names = {name for one in held for pair in one.pairs for name in (pair.a, pair.b)}
    where = f"{len(held)} data sets" if len(held) > 1 else "".join(one.found.dataset for one in held)
    where = "in files" if where == "files" else f"on {where}"
    if baseline is None:
        return f"all pairs of {len(names)} methods {where}"
    return f"{len(names - {baseline})} methods against {baseline} {where}"


def _expressions(asked: str, tests: Sequence[tuple[Predicted, Pair, str, Metric | SoftMetric, Tested]]) -> str:
    n_values = len({name for _, _, name, *_ in tests} - {asked})
    return f" of {n_values} expressions" if n_values else ""


def _test(one: _Set, metric: Metric | SoftMetric, settings: Settings, drawn: _Drawn) -> Iterator[tuple[Pair, Tested]]:
    """Test every pair under one metric."""
    parts: _Parts = {}
    for pair in one.pairs:
        if len(pair.seeds) > 1:
            yield pair, _over_seeds(one.found, pair, metric, settings, parts)
        else:
            yield pair, _one_seed(one.found, pair, metric, settings, drawn)


def _over_seeds(found: Predicted, pair: Pair, metric: Metric | SoftMetric, settings: Settings, parts: _Parts) -> Tested:
    for name in (pair.a, pair.b):
        if (name, pair.seeds) not in parts:
            parts[name, pair.seeds] = measuring.parts(
                metric, found.answers(name, pair.seeds), n_classes=found.n_classes, subjects=found.subjects
            )
    first, second = parts[pair.a, pair.seeds], parts[pair.b, pair.seeds]
    interval, p, p_family, detectable = paired.difference(first, second, level=settings.level)
    if interval.standard_error == 0:
        interval = _alike(found, pair, metric, interval, settings, held_fixed=two_way.TRAINING_DATA)
    width = metric.range[1] - metric.range[0]
    test = "two-way paired t" if found.subjects is None else "two-way paired t over persons"
    held = [name for name in (pair.a, pair.b) if name in found.fixed]
    test += f", the one run of {held[0]} held fixed" if held else ""
    return Tested(
        first.estimate - second.estimate,
        clipped(interval, low=-width, high=width),
        p,
        p_family,
        test,
        detectable,
    )


def _one_seed(found: Predicted, pair: Pair, metric: Metric | SoftMetric, settings: Settings, drawn: _Drawn) -> Tested:
    (one,), (other,) = (found.answers(name, pair.seeds) for name in (pair.a, pair.b))
    first, second = drawn[pair.a, pair.seeds[0]], drawn[pair.b, pair.seeds[0]]
    interval, p = bootstrap.paired(first, second, metric, level=settings.level)
    test = "paired bootstrap"
    if found.subjects is not None:
        interval, test = interval._replace(resampled=two_way.PERSONS), "paired bootstrap over persons"
    if _same(one, other, metric):
        p, interval = 1.0, _alike(found, pair, metric, interval, settings, held_fixed=bootstrap.CHECKPOINTS)
    detectable = mcnemar.quantiles(settings.level) * interval.standard_error
    right = [_right(metric, answers) for answers in (one, other)]
    if found.subjects is None and right[0] is not None and right[1] is not None:  # pictures count as independent
        p, test = mcnemar.mcnemar(right[0], right[1]), "exact McNemar"
        differing = float((right[0] != right[1]).mean())
        detectable = mcnemar.detectable(differing, len(found.y_true), level=settings.level)
    a, b = (float(measuring.values(metric, [answers], n_classes=found.n_classes)[0]) for answers in (one, other))
    return Tested(a - b, interval, p, p, f"{test}, conditional on these checkpoints", detectable)


def _right(metric: Metric | SoftMetric, answers: Answers) -> np.ndarray | None:
    """Return which samples count as right, for a metric that is their share; None for all others."""
    if isinstance(metric, SoftMetric):
        return metric.of_samples(answers)[:, 0] > 0.5 if metric.binary else None
    return answers.y_pred == answers.y_true if metric.of_confusion is accuracy else None


def _same(one: Answers, other: Answers, metric: Metric | SoftMetric) -> bool:
    """Return whether two runs answered the same on every sample, as far as a metric looks."""
    if isinstance(metric, SoftMetric):
        return np.array_equal(np.asarray(one.probabilities), np.asarray(other.probabilities))
    return np.array_equal(one.y_pred, other.y_pred)


def _alike(
    found: Predicted,
    pair: Pair,
    metric: Metric | SoftMetric,
    interval: Interval,
    settings: Settings,
    *,
    held_fixed: str,
) -> Interval:
    """Return the interval where two methods answered the same: other samples might still tell them apart.

    Of probabilities that are equal to the last bit, none would: the two are one model, and the interval has no width.
    Over several seeds the difference of two methods that answer alike has a width where the seeds vary.
    """
    if isinstance(metric, SoftMetric) or not np.array_equal(pair.y_pred_a, pair.y_pred_b):
        return interval
    confusion = count(found.y_true, pair.y_pred_a[0], n_classes=found.n_classes)
    independent = estimating.independent(found.subjects)
    return bootstrap.alike(
        confusion, metric, level=settings.level, held_fixed=held_fixed, independent=independent
    )._replace(resampled=interval.resampled)


def _draw(one: _Set, metrics: Sequence[Mapping[str, Metric | SoftMetric]], settings: Settings) -> dict[str, _Drawn]:
    """Resample, on common draws of samples, the runs that are compared alone; by metric, method and seed."""
    found = one.found
    alone = sorted({(name, pair.seeds[0]) for pair in one.pairs if len(pair.seeds) == 1 for name in (pair.a, pair.b)})
    if not alone:
        return {}
    values = measuring.resample_common(
        {name: metric for each in metrics for name, metric in each.items()},
        [found.answers(name, [seed])[0] for name, seed in alone],
        n_classes=found.n_classes,
        n_resamples=settings.n_resamples,
        rng=seeds.generator(settings.seed, "compare", found.dataset, found.selection),
        subjects=found.subjects,
    )
    return {name: dict(zip(alone, rows, strict=True)) for name, rows in values.items()}


def _row(
    found: Predicted, pair: Pair, tested: Tested, settings: Settings, *, p_holm: float, higher_is_better: bool
) -> dict[str, object]:
    interval = tested.interval
    toward = interval if higher_is_better else interval._replace(low=-interval.high, high=-interval.low)
    run_seeds = ";".join(str(seed) for seed in pair.seeds) if found.signature.seeds != UNKNOWN else UNKNOWN
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
        "detectable": tested.detectable or None,  # without any disagreement it cannot be told
        "disagreement": disagreement(found.y_true, pair),
        "n_samples": len(found.y_true),
        "n_seeds": len(pair.seeds),
        "signature": str(found.signature._replace(seeds=run_seeds, b=str(interval.n_resamples))),
    }
