"""Keras' callbacks as functions of the history, against Keras 2.10's own bookkeeping written out step by step."""

import numpy as np
import pytest

from fer_bench.method import (
    EarlyStop,
    EpochCosine,
    Exponential,
    InverseTime,
    Method,
    Phase,
    Plateau,
    Recipe,
    Stages,
    Step,
    Training,
    WarmupCosine,
)
from fer_bench.training import rules

PLATEAU = Plateau(watch="val_accuracy", patience=3, min_delta=0.003, factor=0.1, min_lr=1e-6)
STOP = EarlyStop(watch="val_accuracy", patience=5, min_delta=0.003, restore=True)
FIRST = Phase(epochs=100, lr=1e-3, schedule=PLATEAU, early_stop=STOP)
SECOND = Phase(epochs=60, lr=1e-5, schedule=InverseTime(epochs=80), rewind=5)


def rows(values, phase=0, before=0):
    return [
        {"phase": phase, "epoch": before + number, "val_accuracy": value, "train_accuracy": value}
        for number, value in enumerate(values, start=1)
    ]


def keras_stop(values, patience, min_delta):
    """EarlyStopping.on_epoch_end of Keras 2.10: the epoch at which it stops and the one whose weights it restores."""
    best, wait, best_epoch = -np.inf, 0, None
    for epoch, value in enumerate(values):
        wait += 1
        if value - min_delta > best:
            best, best_epoch, wait = value, epoch, 0
        if wait >= patience and epoch > 0:
            return epoch, best_epoch
    return None, None


def keras_rates(values, lr):
    """ReduceLROnPlateau.on_epoch_end of Keras 2.10, without cooldown: the rate of each epoch and of the next."""
    best, wait, found = -np.inf, 0, [lr]
    for value in values:
        if value > best + 0.003:
            best, wait = value, 0
        else:
            wait += 1
            if wait >= 3 and lr > 1e-6:
                lr, wait = max(lr * 0.1, 1e-6), 0
        found.append(lr)
    return found


@pytest.mark.parametrize("draw", range(20))
def test_a_phase_stops_and_goes_back_where_keras_does(draw, rng):
    values = np.clip(0.5 + np.cumsum(rng.normal(0.002, 0.01, 60)), 0, 1).round(4)
    stop, restored = keras_stop(values, 5, 0.003)
    training = Training(phases=(FIRST,), batch_size=8, image_size_px=8, optimizer="adam")
    found = next((n for n in range(1, 61) if rules.stopped_early(FIRST, rows(values[:n]))), None)
    assert found == (None if stop is None else stop + 1)
    if found is not None:
        assert rules.is_over(FIRST, rows(values[:found]), 0)
        assert rules.ends_with(training, rows(values[:found])) == restored + 1
        assert rules.ends_with(training, rows(values[: found - 1])) == found - 1


@pytest.mark.parametrize("draw", range(20))
def test_the_learning_rate_falls_where_keras_lets_it(draw, rng):
    values = np.clip(0.5 + np.cumsum(rng.normal(0, 0.01, 40)), 0, 1).round(4)
    found = [rules.learning_rate(FIRST, rows(values[:n]), 0) for n in range(41)]
    assert found == pytest.approx(keras_rates(values, 1e-3), rel=1e-12)


def test_the_second_phase_counts_on_behind_the_best_epoch_of_the_first():
    """Of 11 epochs the sixth is best: `history.epoch[-5]` is 6, and epochs 6 to 59 are left, from 1e-5/(1 + 6/80)."""
    training = Training(phases=(FIRST, SECOND), batch_size=8, image_size_px=8, optimizer="adam")
    first = rows([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, *[0.6] * 5])
    assert rules.stopped_early(FIRST, first)
    assert rules.ends_with(training, first) == 6
    index = rules.first_index(training, 1, first)
    assert index == list(range(11))[-5] == 6
    assert rules.learning_rate(SECOND, [], index) == pytest.approx(1e-5 / (1 + 6 / 80))
    own = rows([0.6] * 54, phase=1, before=11)
    assert not rules.is_over(SECOND, own[:-1], index)
    assert rules.is_over(SECOND, own, index)


def test_a_first_phase_longer_than_the_second_may_count_leaves_it_no_epoch():
    training = Training(phases=(FIRST, SECOND), batch_size=8, image_size_px=8, optimizer="adam")
    first = rows(np.linspace(0, 1, 100))
    index = rules.first_index(training, 1, first)
    assert rules.is_over(SECOND, [], index)
    assert rules.ends_with(training, first) == 100


def test_a_phase_that_does_not_go_back_ends_with_its_last_epoch():
    stop = EarlyStop(watch="train_accuracy", patience=2, min_delta=0.0, restore=False)
    training = Training(
        phases=(Phase(epochs=9, lr=1.0, early_stop=stop),), batch_size=8, image_size_px=8, optimizer="sgd"
    )
    assert rules.ends_with(training, rows([0.5, 0.4, 0.4])) == 3
    assert rules.learning_rate(training.phases[0], [], 0) is None


def test_a_method_with_a_loss_of_its_own_cannot_watch_the_training_accuracy():
    stop = EarlyStop(watch="train_accuracy", patience=2, min_delta=0.0, restore=False)
    training = Training(
        phases=(Phase(epochs=9, lr=1.0, early_stop=stop),), batch_size=8, image_size_px=8, optimizer="sgd"
    )
    recipes = {"toy": Recipe(about="for tests", options=None, training=training)}
    with pytest.raises(TypeError, match="no train_accuracy to watch"):
        Method(title="Net", recipes=recipes, build=lambda *_: None, loss=lambda *_: None)


@pytest.mark.parametrize(("schedule", "kind", "settings"), [
    (Exponential(factor=0.9), "ExponentialLR", {"gamma": 0.9}),
    (Step(epochs=3, factor=0.1), "StepLR", {"step_size": 3, "gamma": 0.1}),
    (EpochCosine(), "CosineAnnealingLR", {"T_max": 10}),
])  # fmt: skip
def test_exponential_and_stepwise_rates_are_those_of_torch(schedule, kind, settings):
    import torch

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    theirs = getattr(torch.optim.lr_scheduler, kind)(optimizer, **settings)
    for epoch in range(10):
        found = rules.learning_rate(Phase(epochs=10, lr=0.1, schedule=schedule), rows([0.5] * epoch), 0)
        assert found == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


def test_a_rate_that_warms_up_rises_to_the_full_rate_and_falls_to_its_end():
    phase = Phase(epochs=10, lr=0.2, schedule=WarmupCosine(warmup_epochs=2.5, start_lr=0.01, end_lr=0.002))
    rates = [rules.learning_rate_of_step(phase, step, 4) for step in range(41)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[5] == pytest.approx(0.105)
    assert rates[10] == pytest.approx(0.2)
    assert rates[25] == pytest.approx(0.101)
    assert rates[40] == pytest.approx(0.002)
    assert rules.learning_rate(phase, rows([0.5]), 0) is None
    assert rules.learning_rate_of_step(FIRST, 3, 4) is None


def test_a_cosine_that_counts_warm_up_is_timms():
    import torch
    from timm.scheduler.cosine_lr import CosineLRScheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.2)
    timms = CosineLRScheduler(
        optimizer, t_initial=40, lr_min=0.002, warmup_t=10, warmup_lr_init=0.01, cycle_limit=1, t_in_epochs=False
    )
    rule = WarmupCosine(warmup_epochs=2.5, start_lr=0.01, end_lr=0.002, counts_warmup=True)
    for step in range(40):
        timms.step_update(step)
        found = rules.learning_rate_of_step(Phase(epochs=10, lr=0.2, schedule=rule), step, 4)
        assert found == pytest.approx(optimizer.param_groups[0]["lr"])


STAGES = Stages(table=((2, 0.01, 0.1), (1, 0.02, 0.05), (3, 0.001, 0.001)))


def test_stages_give_the_trunk_and_the_rest_a_rate_each():
    phase = Phase(epochs=5, lr=0.1, schedule=STAGES)
    assert [rules.learning_rate(phase, [{}] * epoch, 0) for epoch in range(5)] == [0.1, 0.1, 0.05, 0.001, 0.001]
    of_trunk = [rules.learning_rate_of_trunk(phase, [{}] * epoch, 0) for epoch in range(5)]
    assert of_trunk == [0.01, 0.01, 0.02, 0.001, 0.001]
    assert rules.learning_rate_of_trunk(FIRST, [], 0) is None


@pytest.mark.parametrize(("settings", "said"), [
    ({"epochs": 7, "lr": 0.1}, "end before it"),
    ({"epochs": 5, "lr": 0.2}, "the lr of the first one"),
    ({"epochs": 5, "lr": 0.1, "trunk_lr_factor": 0.1}, "no trunk_lr_factor"),
])  # fmt: skip
def test_stages_that_contradict_their_phase_are_refused(settings, said):
    with pytest.raises(TypeError, match=said):
        Phase(**settings, schedule=STAGES)
