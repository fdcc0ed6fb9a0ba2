"""Metrics by the names that params.yaml and the command line use.

Apart from the contract, so that training, which knows its metrics, depends on no other metric's file.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from fer_bench import registry
from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.metrics import Metric, SoftMetric


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
