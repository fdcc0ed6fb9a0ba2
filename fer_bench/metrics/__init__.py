"""Metrics, one file each: ``fer_bench/metrics/<name>.py`` registers ``metric = Metric(…)`` or ``SoftMetric(…)``.

A :class:`Metric` is a function of the confusion matrix alone; that is what makes its bootstrap cheap. A
:class:`SoftMetric` also looks at probabilities, some at annotators' votes; it is a function of means over samples.

A metric with one value per expression (``per_class``) is asked for as a whole (``recall``) or by one of its values
(``recall_fear``): :func:`named` turns both into metrics with one value each.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from fer_bench import registry
from fer_bench.arrays import Labels
from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions


class Answers(NamedTuple):
    """One run's answers to the reported samples.

    Attributes:
        y_true: (n,) true labels.
        y_pred: (n,) predicted labels.
        probabilities: (n, k), rows sum to 1; None where only labels are known.
        votes: (n, v ≥ k) annotators' votes, the first k for the expressions; None where annotators are not known.
    """

    y_true: Labels
    y_pred: Labels
    probabilities: np.ndarray | None = None
    votes: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of the confusion matrix, as the harness knows it.

    Attributes:
        title: As printed.
        of_confusion: ``(..., k, k)`` counts (rows: true, columns: predicted) to ``(...)`` values, or ``(..., k)`` where
            ``per_class``; vectorised over the front.
        range: Smallest and largest possible value.
        higher_is_better: Direction.
        per_class: Whether it has one value per expression.
        proportion: ``(k, k)`` counts to (successes, trials) where the metric is a proportion of samples, so that
            Wilson's interval serves one run; ``(k,)`` each where ``per_class``; None for all others.
    """

    title: str
    of_confusion: Callable[[np.ndarray], np.ndarray]
    range: tuple[float, float]
    higher_is_better: bool
    per_class: bool = False
    proportion: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None


def first(means: np.ndarray) -> np.ndarray:
    """Return the mean of the only value per sample: ``(..., 1)`` to ``(...)``."""
    return np.asarray(means[..., 0])


@dataclass(frozen=True, kw_only=True)
class SoftMetric:
    """A metric of probabilities: a function of means, over samples, of what each sample contributes.

    Attributes:
        title: As printed.
        of_samples: :class:`Answers` to ``(n, f)`` contributions.
        of_means: ``(..., f)`` mean contributions to ``(...)`` values; absent: the mean of the one contribution.
        range: Smallest and largest possible value; the largest may be infinite.
        higher_is_better: Direction.
        needs_votes: Whether it is measured against annotators' votes.
        binary: Whether each sample contributes 0 or 1, so that Wilson's interval serves one run.
    """

    title: str
    of_samples: Callable[[Answers], np.ndarray]
    of_means: Callable[[np.ndarray], np.ndarray] = first
    range: tuple[float, float]
    higher_is_better: bool
    needs_votes: bool = False
    binary: bool = False


def named(names: Iterable[str], *, n_classes: int) -> dict[str, Metric | SoftMetric]:
    """Return metrics by name, those with one value per expression as one metric per expression.

    Args:
        names: ``accuracy``; ``recall`` (of every expression) or ``recall_fear``.
        n_classes: Expressions.

    Raises:
        FerBenchError: If there is no such metric, or no such expression among these.
    """
    found: dict[str, Metric | SoftMetric] = {}
    for name in names:
        file, expression = registry.metric_of(name)
        metric = registry.load("metrics", file)
        if not getattr(metric, "per_class", False):
            if expression is not None:
                raise FerBenchError(f"{file} has no value per expression, so no {name}", fix=f"ask for {file}")
            found[name] = metric
            continue
        known = expressions(n_classes)
        if expression is not None and expression not in known:
            raise FerBenchError(f"{name}: no {expression} among {n_classes} expressions", fix=f"one of: {known}")
        for index, each in enumerate(known):
            if expression in {None, each}:
                found[f"{file}_{each}"] = _of_expression(metric, index, each)
    return found


def of_labels(names: Iterable[str], *, n_classes: int) -> dict[str, Metric]:
    """Return metrics by name as :func:`named`, where only predicted labels are known.

    Raises:
        FerBenchError: As :func:`named`, and for a metric that needs probabilities.
    """
    found: dict[str, Metric] = {}
    for name, metric in named(names, n_classes=n_classes).items():
        if isinstance(metric, SoftMetric):
            raise FerBenchError(
                f"{name} needs probabilities, and only predicted labels are known here",
                fix="leave it out, or give predictions with probabilities or logits",
            )
        found[name] = metric
    return found


def labels_only(names: Iterable[str], *, n_classes: int) -> dict[str, Metric]:
    """Return those of the metrics, as :func:`named` gives them, for which predicted labels are enough.

    Examples:
        >>> list(labels_only(["accuracy", "log_loss"], n_classes=7))
        ['accuracy']
    """
    found = named(names, n_classes=n_classes)
    return {name: metric for name, metric in found.items() if not isinstance(metric, SoftMetric)}


def _of_expression(metric: Metric, index: int, expression: str) -> Metric:
    whole = metric.proportion
    return replace(
        metric,
        title=f"{metric.title}, {expression}",
        of_confusion=partial(_pick, metric.of_confusion, index),
        per_class=False,
        proportion=None if whole is None else partial(_pick_both, whole, index),
    )


def _pick(whole: Callable[[np.ndarray], np.ndarray], index: int, confusion: np.ndarray) -> np.ndarray:
    return np.asarray(whole(confusion)[..., index])


def _pick_both(
    whole: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], index: int, confusion: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    successes, trials = whole(confusion)
    return np.asarray(successes[..., index]), np.asarray(trials[..., index])


Needs = Literal["labels", "probabilities", "votes"]


def needs(metric: Any) -> Needs:  # noqa: ANN401 - what a metric's file registers
    """Return what has to be known to compute a metric."""
    if not isinstance(metric, SoftMetric):
        return "labels"
    return "votes" if metric.needs_votes else "probabilities"
