"""The interval of any metric: of each run, and of the mean over seeds.

=====================  ==================================================  =============================================
metric                 one run                                             mean over two or more seeds
=====================  ==================================================  =============================================
proportion of samples  Wilson                                              two-way variance, or crossed bootstrap
other, of labels       bootstrap of the confusion matrix                   the same
of probabilities       bootstrap of what samples contribute                the same
any, persons known     bootstrap of persons                                the same, over persons
=====================  ==================================================  =============================================

A bootstrap of one run gives the percentile or the BCa interval. Draws of a metric of probabilities that is no plain
mean (calibration errors) are centred at the estimate: resampling adds the noise of the bins once more, so that the
draws lie too high as a whole. Such an interval is one of the metric as measured on so many samples.

Where nothing varies:

- A proportion that is 0 or 1 in every run: Wilson's interval of one run, the one with the fewest trials.
- Another metric of labels, where no run made an error: the lower end is
  :func:`fer_bench.stats.confusion.furthest`.
- Anything else that is the same whatever is drawn (mean recall of a constant prediction): an interval of no width.
- Seeds that all answer the same: the two-way interval is one over samples, with many degrees of freedom.

With persons, Wilson's intervals are those of as many trials as there would be if each person were one sample: the
share of persons per sample, times the trials. That is conservative.

What is resampled: samples or persons; with several seeds, seeds too. What is held fixed: the checkpoint, or the
training data and the recipe. When it misleads: see :mod:`fer_bench.stats.bootstrap`, :mod:`fer_bench.stats.two_way` and
:mod:`fer_bench.stats.crossed`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from fer_bench.metrics import Answers, Metric, SoftMetric, first
from fer_bench.stats import bootstrap, crossed, measuring, two_way
from fer_bench.stats.confusion import count, furthest
from fer_bench.stats.interval import Interval, clipped

AnyMetric = Metric | SoftMetric
CROSSED = "crossed bootstrap, few seeds allowed for"


class Way(NamedTuple):
    """How intervals are computed.

    Attributes:
        n_classes: Expressions told apart.
        level: Coverage, e.g. 0.95.
        n_resamples: Bootstrap resamples.
        one_run: Bootstrap interval of one run.
        over_seeds: Interval of the mean over seeds.
        subjects: (n,) persons, as indices; None: samples are independent (:func:`persons`).
    """

    n_classes: int
    level: float
    n_resamples: int
    one_run: bootstrap.How = "percentile"
    over_seeds: Literal["two_way", "crossed"] = "two_way"
    subjects: np.ndarray | None = None


def persons(subjects: np.ndarray | None) -> np.ndarray | None:
    """Return who is who where drawing persons is something else than drawing samples.

    Args:
        subjects: (n,) persons, as indices; None: not known.

    Returns:
        None where persons are not known, where each has one picture, and where there are fewer than two.

    Examples:
        >>> persons(np.array([0, 1, 2])) is None, persons(np.array([0, 1, 1]))
        (True, array([0, 1, 1]))
    """
    if subjects is None:
        return None
    n_persons = len(np.unique(subjects))
    return None if n_persons in {1, len(subjects)} else subjects


def independent(subjects: np.ndarray | None) -> float:
    """Return how many persons there are per sample; 1 where samples are independent.

    Args:
        subjects: (n,) persons, as indices; None: samples are independent.
    """
    return 1.0 if subjects is None else (int(subjects.max()) + 1) / len(subjects)


def of_runs(
    metrics: Mapping[str, AnyMetric],
    answers: Sequence[Answers],
    way: Way,
    *,
    rngs: Sequence[Callable[[], np.random.Generator]],
    common: Callable[[], np.random.Generator],
) -> dict[str, list[Interval]]:
    """Compute the interval of each run under each metric; see the module for what it covers.

    Args:
        metrics: By name.
        answers: Of each run.
        way: How.
        rngs: For each run a source of draws of its confusion matrix.
        common: Source of draws that runs share.

    Returns:
        For each metric the runs' intervals.
    """
    found: dict[str, list[Interval]] = {}
    if way.subjects is None:
        counted = {
            name: one for name, one in metrics.items() if isinstance(one, Metric) and not measuring.is_proportion(one)
        }
        found |= _of_matrices(counted, answers, way, rngs)
        for name, metric in metrics.items():
            if measuring.is_proportion(metric):
                found[name] = [_wilson([one], metric, way) for one in answers]
    drawn = {name: metric for name, metric in metrics.items() if name not in found}
    if drawn:
        found |= _of_common(drawn, answers, way, common)
    return {name: found[name] for name in metrics}


def over_seeds(
    metrics: Mapping[str, AnyMetric],
    answers: Sequence[Answers],
    way: Way,
    *,
    common: Callable[[], np.random.Generator],
    of_seeds: Callable[[], np.random.Generator],
) -> dict[str, Interval]:
    """Compute the interval of each metric's mean over seeds and samples; see the module for what it covers.

    Args:
        metrics: By name.
        answers: Of each seed, at least two.
        way: How.
        common: Source of draws of samples, for the crossed bootstrap.
        of_seeds: Source of draws of seeds, for the crossed bootstrap.

    Raises:
        ValueError: With fewer than two seeds or samples.
    """
    if way.over_seeds == "crossed":
        found = _crossed(metrics, answers, way, common=common, of_seeds=of_seeds)
        return {name: _settled(interval, metrics[name], answers, way) for name, interval in found.items()}
    return {name: two_way_interval(metric, answers, way) for name, metric in metrics.items()}


def two_way_interval(metric: AnyMetric, answers: Sequence[Answers], way: Way) -> Interval:
    """Compute the two-way interval of one metric's mean over seeds and samples; see the module for what it covers.

    Args:
        metric: The metric.
        answers: Of each seed, at least two.
        way: How.

    Raises:
        ValueError: With fewer than two seeds or samples.
    """
    parts = measuring.parts(metric, answers, n_classes=way.n_classes, subjects=way.subjects)
    return _settled(two_way.one(parts, level=way.level), metric, answers, way)


def _of_matrices(
    metrics: Mapping[str, Metric],
    answers: Sequence[Answers],
    way: Way,
    rngs: Sequence[Callable[[], np.random.Generator]],
) -> dict[str, list[Interval]]:
    found: dict[str, list[Interval]] = {name: [] for name in metrics}
    for one, rng in zip(answers, rngs, strict=True) if metrics else ():
        confusion = count(one.y_true, one.y_pred, n_classes=way.n_classes)
        drawn = bootstrap.draw(confusion, n_resamples=way.n_resamples, rng=rng())
        for name, metric in metrics.items():
            found[name].append(bootstrap.of_drawn(confusion, metric, drawn, level=way.level, how=way.one_run))
    return found


def _of_common(
    metrics: Mapping[str, AnyMetric], answers: Sequence[Answers], way: Way, common: Callable[[], np.random.Generator]
) -> dict[str, list[Interval]]:
    drawn = _resampled(metrics, answers, way, common())
    found: dict[str, list[Interval]] = {}
    of = two_way.SAMPLES if way.subjects is None else two_way.PERSONS
    for name, metric in metrics.items():
        estimates = measuring.values(metric, answers, n_classes=way.n_classes)
        skewness = _skewness(metric, answers, way)
        found[name] = []
        for one, draws, estimate, skew in zip(answers, drawn[name], estimates, skewness, strict=True):
            interval = bootstrap.of_values(
                draws,
                float(estimate),
                level=way.level,
                how=way.one_run,
                skewness=skew,
                name=f"bootstrap of {of}{_centred(metric)}",
                resampled=of,
            )
            found[name].append(_settled(interval, metric, [one], way))
    return found


def _skewness(metric: AnyMetric, answers: Sequence[Answers], way: Way) -> list[float]:
    """Return the acceleration of each run's BCa interval; 0 where none is asked for."""
    if way.one_run != "bca":
        return [0.0] * len(answers)
    values = measuring.pseudo_values(metric, answers, n_classes=way.n_classes)
    values = values if way.subjects is None else two_way.clustered(values, way.subjects)
    return [bootstrap.acceleration(row, np.ones(len(row))) for row in values]


def _resampled(
    metrics: Mapping[str, AnyMetric], answers: Sequence[Answers], way: Way, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return (s, b) values on common draws, those of calibration errors centred at the estimates."""
    found = measuring.resample_common(
        metrics, answers, n_classes=way.n_classes, n_resamples=way.n_resamples, rng=rng, subjects=way.subjects
    )
    for name, metric in metrics.items():
        if _centred(metric):
            estimates = measuring.values(metric, answers, n_classes=way.n_classes)
            found[name] += (estimates - found[name].mean(axis=1))[:, None]
    return found


def _centred(metric: AnyMetric) -> str:
    return ", centred" if isinstance(metric, SoftMetric) and metric.of_means is not first else ""


def _crossed(
    metrics: Mapping[str, AnyMetric],
    answers: Sequence[Answers],
    way: Way,
    *,
    common: Callable[[], np.random.Generator],
    of_seeds: Callable[[], np.random.Generator],
) -> dict[str, Interval]:
    n = len(answers[0].y_true) if way.subjects is None else int(way.subjects.max()) + 1
    if len(answers) < 2 or n < 2:
        message = f"variation over seeds and samples needs 2 of each, not {len(answers)} × {n}"
        raise ValueError(message)
    of = two_way.SAMPLES if way.subjects is None else two_way.PERSONS
    found = {}
    for name, drawn in _resampled(metrics, answers, way, common()).items():
        observed = measuring.values(metrics[name], answers, n_classes=way.n_classes)
        low, high, error = crossed.few_seeds(drawn, observed, n=n, level=way.level, rng=of_seeds())
        method = f"{CROSSED}{_centred(metrics[name])}"
        resampled, held = f"seeds and {of}", two_way.TRAINING_DATA
        found[name] = Interval(low, high, way.level, method, resampled, held, way.n_resamples, error)
    return found


def _settled(interval: Interval, metric: AnyMetric, answers: Sequence[Answers], way: Way) -> Interval:
    """Return an interval with the ends that it has where nothing varies, within the metric's range."""
    if measuring.is_proportion(metric):
        found = [measuring.proportion(metric, one, n_classes=way.n_classes) for one in answers]
        if all(successes == 0 for successes, _ in found) or all(successes == trials for successes, trials in found):
            bound = _wilson(answers, metric, way)
            said = f"no variation: {bootstrap.WILSON}'s interval of one run"
            interval = interval._replace(low=bound.low, high=bound.high, method=said)
    elif isinstance(metric, Metric) and all(np.array_equal(one.y_true, one.y_pred) for one in answers):
        confusion = count(answers[0].y_true, answers[0].y_pred, n_classes=way.n_classes)
        low, _ = furthest(confusion, metric.of_confusion, level=way.level, independent=independent(way.subjects))
        interval = interval._replace(low=low, method=bootstrap.NO_ERRORS)
    return clipped(interval, low=metric.range[0], high=metric.range[1])


def _wilson(answers: Sequence[Answers], metric: AnyMetric, way: Way) -> Interval:
    """Return Wilson's interval of the run with the fewest trials, of which persons count once."""
    found = [measuring.proportion(metric, one, n_classes=way.n_classes) for one in answers]
    successes, trials = min(found, key=lambda one: one[1])
    if way.subjects is not None and trials:
        counted = max(1, round(trials * independent(way.subjects)))
        successes, trials = round(successes * counted / trials), counted
    return bootstrap.of_proportion(successes, trials, level=way.level)
