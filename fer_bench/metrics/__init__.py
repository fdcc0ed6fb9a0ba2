"""Metrics, one file each: ``fer_bench/metrics/<name>.py`` registers ``metric = Metric(…)`` or ``SoftMetric(…)``.

A :class:`Metric` is a function of the confusion matrix alone; that is what makes its bootstrap cheap. A
:class:`SoftMetric` also looks at probabilities, some at annotators' votes; it is a function of means over samples.

A metric with one value per expression (``per_class``) is asked for as a whole (``recall``) or by one of its values
(``recall_fear``): :func:`fer_bench.metrics._named.named` turns both into metrics with one value each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from fer_bench.arrays import Labels


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


Needs = Literal["labels", "probabilities", "votes"]


def needs(metric: Any) -> Needs:  # noqa: ANN401 - what a metric's file registers
    """Return what has to be known to compute a metric."""
    if not isinstance(metric, SoftMetric):
        return "labels"
    return "votes" if metric.needs_votes else "probabilities"
