"""What schedules and Keras' callbacks decide, as functions of the epochs so far.

Nothing is remembered beside the history, so a run that goes on decides what an uninterrupted one would have.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from fer_bench.method import (
    EpochCosine,
    Exponential,
    InverseTime,
    Phase,
    Plateau,
    Stages,
    Step,
    Training,
    WarmupCosine,
)

Row: TypeAlias = Mapping[str, float]
"""One epoch: ``phase`` (from 0), ``epoch`` (from 1, over all phases), ``train_accuracy``, and what validation gave."""


def of_phase(rows: Iterable[Row], phase: int) -> list[Row]:
    """Return a phase's epochs."""
    return [row for row in rows if row["phase"] == phase]


def first_index(training: Training, phase: int, rows: Sequence[Row]) -> int:
    """Return the number that Keras gives a phase's first epoch.

    Args:
        training: The recipe's settings.
        phase: Which, from 0.
        rows: All epochs so far.
    """
    rewind = training.phases[phase].rewind
    if phase == 0 or rewind is None:
        return 0
    ended = first_index(training, phase - 1, rows) + len(of_phase(rows, phase - 1))
    return max(ended - rewind, 0)


def risen(values: Iterable[float], min_delta: float) -> list[bool]:
    """Return which values are more than ``min_delta`` above the last one that was; the first one always is.

    Examples:
        >>> risen([0.5, 0.502, 0.504, 0.5035], 0.003)
        [True, False, True, False]
    """
    best = float("-inf")
    found = []
    for value in values:
        found.append(value - min_delta > best)
        best = value if found[-1] else best
    return found


def stopped_early(phase: Phase, rows: Sequence[Row]) -> bool:
    """Whether a phase has stopped by its own rule.

    Args:
        phase: Its settings.
        rows: Its epochs.
    """
    rule = phase.early_stop
    if rule is None:
        return False
    last = risen((row[rule.watch] for row in rows), rule.min_delta)[-rule.patience :]
    return len(last) == rule.patience and not any(last)


def is_over(phase: Phase, rows: Sequence[Row], first: int) -> bool:
    """Whether no epoch of a phase is left.

    Args:
        phase: Its settings.
        rows: Its epochs.
        first: From :func:`first_index`.
    """
    return first + len(rows) >= phase.epochs or stopped_early(phase, rows)


def ends_with(training: Training, rows: Sequence[Row]) -> int | None:
    """Return the epoch whose weights are those after all epochs so far; None before the first.

    It is the last one, or the one to which the last phase has gone back.
    """
    if not rows:
        return None
    last = int(rows[-1]["phase"])
    rule, own = training.phases[last].early_stop, of_phase(rows, last)
    if rule is None or not rule.restore or not stopped_early(training.phases[last], own):
        return int(rows[-1]["epoch"])
    rises = risen((row[rule.watch] for row in own), rule.min_delta)
    return max(int(row["epoch"]) for row, rise in zip(own, rises, strict=True) if rise)


def learning_rate(phase: Phase, rows: Sequence[Row], first: int) -> float | None:
    """Return the learning rate of a phase's next epoch; None where it does not change from epoch to epoch.

    Args:
        phase: Its settings.
        rows: Its epochs so far.
        first: From :func:`first_index`.
    """
    rule, epoch = phase.schedule, first + len(rows)
    if isinstance(rule, InverseTime):
        return phase.lr / (1 + epoch / rule.epochs)
    if isinstance(rule, Plateau):
        return _fallen(rule, phase.lr, rows)
    if isinstance(rule, Stages):
        return _stage(rule, epoch)[1]
    factor = _factor(phase, epoch)
    return None if factor is None else phase.lr * factor


def _factor(phase: Phase, epoch: int) -> float | None:
    rule = phase.schedule
    if isinstance(rule, Exponential):
        return rule.factor**epoch
    if isinstance(rule, Step):
        return rule.factor ** (epoch // rule.epochs)
    return _half_cosine(epoch / phase.epochs) if isinstance(rule, EpochCosine) else None


def learning_rate_of_trunk(phase: Phase, rows: Sequence[Row], first: int) -> float | None:
    """Return the trunk's learning rate in a phase's next epoch; None where it follows :func:`learning_rate`.

    Args:
        phase: Its settings.
        rows: Its epochs so far.
        first: From :func:`first_index`.
    """
    return _stage(phase.schedule, first + len(rows))[0] if isinstance(phase.schedule, Stages) else None


def learning_rate_of_step(phase: Phase, step: int, n_steps: int) -> float | None:
    """Return the learning rate of one step of a phase; None where it does not change from step to step.

    Args:
        phase: Its settings.
        step: Counted from 0 over the phase.
        n_steps: Steps per epoch.
    """
    rule = phase.schedule
    if not isinstance(rule, WarmupCosine):
        return None
    risen_after, ended_after = rule.warmup_epochs * n_steps, phase.epochs * n_steps
    if step < risen_after:
        return rule.start_lr + (phase.lr - rule.start_lr) * step / risen_after
    first = 0 if rule.counts_warmup else risen_after
    share = min((step - first) / (ended_after - first), 1.0)
    return rule.end_lr + (phase.lr - rule.end_lr) * _half_cosine(share)


def _half_cosine(share: float) -> float:
    """Fall from 1 to 0 while a share goes from 0 to 1."""
    return (1 + math.cos(math.pi * share)) / 2


def _stage(rule: Stages, epoch: int) -> tuple[float, float]:
    """Return the rates of an epoch, the trunk's first."""
    ends = itertools.accumulate(epochs for epochs, _, _ in rule.table)
    return next(stage[1:] for stage, end in zip(rule.table, ends, strict=True) if epoch < end)


def _fallen(rule: Plateau, lr: float, rows: Sequence[Row]) -> float:
    waited = 0
    for rise in risen((row[rule.watch] for row in rows), rule.min_delta):
        waited = 0 if rise else waited + 1
        if waited >= rule.patience:
            lr, waited = max(lr * rule.factor, rule.min_lr), 0
    return lr
