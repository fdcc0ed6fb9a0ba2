"""Training with mmengine's Runner: repeatable, resumable, and blind to the reported part."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from fer_bench.errors import FerBenchError
from fer_bench.method import (
    Batch,
    EarlyStop,
    Erase,
    Exponential,
    InverseTime,
    Mirror,
    Phase,
    Plateau,
    Stages,
    Training,
    WarmupCosine,
)
from fer_bench.training import loop, module, pictures


def training(*phases, optimizer="adam", batch_size=8, **changes):
    return Training(phases=phases, batch_size=batch_size, image_size_px=12, optimizer=optimizer, **changes)


TRAINING = training(Phase(epochs=3, lr=0.01, schedule="cosine"), augment=("flip", "contrast"))
TWO_PHASES = training(
    Phase(
        epochs=6,
        lr=0.01,
        class_weights="balanced",
        schedule=Plateau(watch="val_accuracy", patience=1, min_delta=0.0, factor=0.5, min_lr=1e-6),
        early_stop=EarlyStop(watch="val_accuracy", patience=2, min_delta=1.0, restore=True),
    ),
    Phase(
        epochs=5,
        rewind=1,
        lr=0.002,
        trunk="frozen",
        schedule=InverseTime(epochs=4),
        early_stop=EarlyStop(watch="train_accuracy", patience=9, min_delta=0.003, restore=True),
    ),
    augment=("flip", "contrast"),
    clip_norm=3.0,
)


class Small(nn.Module):
    """A trunk with batch statistics and a head with dropout: everything that random state touches."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(32, 3))

    def forward(self, images):
        return self.head(self.trunk(images))


def wrapped(settings=TRAINING, *, couples_batch=False, loss=None):
    torch.manual_seed(1)
    weights = [torch.ones(3)] * len(settings.phases)
    return module.RunnerModel(Small(), settings, weights=weights, loss=loss, couples_batch=couples_batch)


class Remembering(nn.Module):
    """A loss with a weight of its own and a memory of samples."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("seen", torch.zeros(40))

    def forward(self, model, batch):
        self.seen[batch.rows] += 1 + batch.epoch
        return module.cross_entropy(model, batch)[0] * self.scale * (1 + 0.01 * self.seen[batch.rows].mean())


@pytest.fixture
def parts(rng):
    labels = np.arange(60) % 3
    images = (rng.random((60, 12, 12, 3)) * 100 + labels[:, None, None, None] * 60).astype(np.uint8)

    def part(rows):
        return pictures.Part(images=images, rows=rows, labels=labels[rows], seed=0)

    return part(np.arange(40)), part(np.arange(40, 60))


def fit(model, parts, folder, *, validate=True, key="test"):
    n_phases = len(model.training_settings.phases)
    return loop.fit(
        model,
        [parts[0]] * n_phases,
        [parts[1]] * n_phases if validate else None,
        n_classes=3,
        seed=0,
        folder=folder,
        key=key,
        amp=False,
        title="test",
    )


def test_the_same_seed_gives_the_same_bytes(parts, tmp_path):
    logits = []
    for name in ("a", "b"):
        model = wrapped()
        fit(model, parts, tmp_path / name)
        logits.append(loop.predict(model, parts[1]))
    assert logits[0].tobytes() == logits[1].tobytes()


def test_weights_have_the_channels_of_a_filter_side_by_side_whatever_they_are_loaded_from(parts, tmp_path):
    model = wrapped()
    fitted = fit(model, parts, tmp_path)
    fitted.load(model, 2)
    (filters, *_) = model.model.trunk.parameters()
    assert filters.is_contiguous(memory_format=torch.channels_last)
    assert filters.stride(1) == 1


def test_a_run_that_goes_on_equals_one_that_was_not_stopped(parts, tmp_path):
    model = wrapped()
    whole = fit(model, parts, tmp_path / "whole")
    expected = loop.predict(model, parts[1])
    shutil.copytree(tmp_path / "whole", tmp_path / "stopped")
    for epoch in (2, 3):
        (tmp_path / "stopped" / f"epoch_{epoch:04d}.pth").unlink()
    (tmp_path / "stopped" / "epoch_0002.pth.part").write_bytes(b"half a file")
    model = wrapped()
    resumed = fit(model, parts, tmp_path / "stopped")
    assert loop.predict(model, parts[1]).tobytes() == expected.tobytes()
    without_time = [[{**row, "seconds": 0} for row in fitted.history] for fitted in (whole, resumed)]
    assert without_time[0] == without_time[1]


@pytest.mark.parametrize("more", [
    {}, {"sam_rho": 0.05}, {"undecayed": ("vectors",), "weight_decay": 0.1},
], ids=["plain", "sam", "undecayed"])  # fmt: skip
@pytest.mark.parametrize("schedule", [Exponential(factor=0.5), WarmupCosine(warmup_epochs=0.5)], ids=["epoch", "step"])
def test_a_loss_that_remembers_is_trained_kept_and_goes_on_to_the_same_bytes(parts, tmp_path, schedule, more):
    settings = training(Phase(epochs=3, lr=0.01, trunk_lr_factor=0.5, schedule=schedule), **more)
    model = wrapped(settings, loss=Remembering())
    whole = fit(model, parts, tmp_path / "whole")
    n_passes = 2 if "sam_rho" in more else 1
    assert model.loss.seen.tolist() == [6.0 * n_passes] * 40
    assert model.loss.scale != 1
    shutil.copytree(tmp_path / "whole", tmp_path / "stopped")
    for epoch in (2, 3):
        (tmp_path / "stopped" / f"epoch_{epoch:04d}.pth").unlink()
    again = wrapped(settings, loss=Remembering())
    resumed = fit(again, parts, tmp_path / "stopped")
    assert [{**row, "seconds": 0} for row in resumed.history] == [{**row, "seconds": 0} for row in whole.history]
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


@pytest.mark.parametrize("more", [{}, {"undecayed": ("vectors",), "weight_decay": 0.1}], ids=["plain", "undecayed"])
def test_one_optimiser_goes_through_all_stages_and_on_to_the_same_bytes(parts, tmp_path, more, monkeypatch):
    stages = Stages(table=((1, 0.001, 0.01), (2, 0.002, 0.005)))
    settings = training(Phase(epochs=3, lr=0.01, schedule=stages), **more)
    rates = []
    taken = torch.optim.Adam.step

    def step(self, *given, **named):
        rates.append({group["of_trunk"]: group["lr"] for group in self.param_groups})
        return taken(self, *given, **named)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    model = wrapped(settings)
    whole = fit(model, parts, tmp_path / "whole")
    assert rates == [{False: 0.01, True: 0.001}] * 5 + [{False: 0.005, True: 0.002}] * 10
    assert [row["lr"] for row in whole.history] == [0.01, 0.005, 0.005]
    last = torch.load(tmp_path / "whole" / "epoch_0003.pth", weights_only=True)
    assert {float(state["step"]) for state in last["optimizer"]["state"].values()} == {15.0}
    shutil.copytree(tmp_path / "whole", tmp_path / "stopped")
    for epoch in (2, 3):
        (tmp_path / "stopped" / f"epoch_{epoch:04d}.pth").unlink()
    again = wrapped(settings)
    fit(again, parts, tmp_path / "stopped")
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


class Agreeing(nn.Module):
    """A loss of two views."""

    def forward(self, model, batch):
        apart = (model(batch.inputs) - model(batch.second)).square().mean()
        return module.cross_entropy(model, batch)[0] + apart


def test_a_run_with_two_views_goes_on_to_the_same_bytes(rng, tmp_path):
    erase = Erase(area=(0.1, 0.3), mean=(0.5, 0.5, 0.5))
    settings = training(Phase(epochs=3, lr=0.01), augment=("contrast",), second_view=(Mirror(), erase))
    labels = np.arange(40) % 3
    part = pictures.Part(
        images=rng.integers(0, 256, (40, 12, 12, 3), dtype=np.uint8), rows=np.arange(40), labels=labels, seed=0,
        n_draws=pictures.n_draws(settings), n_second_draws=pictures.n_second_draws(settings),
    )  # fmt: skip
    model = wrapped(settings, loss=Agreeing())
    whole = fit(model, (part, part), tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "stopped")
    for epoch in (2, 3):
        (tmp_path / "stopped" / f"epoch_{epoch:04d}.pth").unlink()
    again = wrapped(settings, loss=Agreeing())
    resumed = fit(again, (part, part), tmp_path / "stopped")
    assert [{**row, "seconds": 0} for row in resumed.history] == [{**row, "seconds": 0} for row in whole.history]
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_the_rate_of_an_epoch_is_the_schedules_and_the_first_groups(parts, tmp_path):
    settings = training(Phase(epochs=3, lr=0.01, trunk_lr_factor=0.1, schedule=Exponential(factor=0.5)))
    fitted = fit(wrapped(settings), parts, tmp_path / "run")
    assert [row["lr"] for row in fitted.history] == pytest.approx([0.01, 0.005, 0.0025])


def test_each_epoch_leaves_its_weights_and_a_row_of_history(parts, tmp_path):
    model = wrapped()
    fitted = fit(model, parts, tmp_path / "run")
    assert [row["epoch"] for row in fitted.history] == [1, 2, 3]
    assert fitted.history[0]["lr"] == pytest.approx(0.01)
    last = loop.predict(model, parts[1])
    fitted.load(model, 1)
    assert loop.predict(model, parts[1]).tobytes() != last.tobytes()
    fitted.load(model, 3)
    assert loop.predict(model, parts[1]).tobytes() == last.tobytes()


def test_validation_measures_what_the_weights_of_that_epoch_score(parts, tmp_path):
    model = wrapped()
    fitted = fit(model, parts, tmp_path / "run")
    fitted.load(model, 2)
    accuracy, macro_f1 = loop.scores(parts[1].labels, loop.predict(model, parts[1]), 3)
    assert fitted.history[1]["val_accuracy"] == pytest.approx(accuracy)
    assert fitted.history[1]["val_macro_f1"] == pytest.approx(macro_f1)


def test_without_a_part_that_selects_nothing_is_validated(parts, tmp_path):
    fitted = fit(wrapped(), parts, tmp_path / "run", validate=False)
    assert len(fitted.history) == 3
    assert "val_accuracy" not in fitted.history[0]


def test_a_frozen_trunk_keeps_its_weights_and_its_statistics(parts, tmp_path):
    model = wrapped(training(Phase(epochs=2, lr=0.1, trunk="frozen"), optimizer="sgd"))
    before = {name: value.clone() for name, value in model.model.trunk.state_dict().items()}
    fitted = fit(model, parts, tmp_path / "run")
    assert all(torch.equal(value, before[name]) for name, value in model.model.trunk.state_dict().items())
    saved = torch.load(tmp_path / "run" / "epoch_0001.pth", weights_only=True)["state_dict"]
    assert not [name for name in saved if "trunk" in name]
    fitted.load(model, 1)


def test_what_a_method_freezes_in_its_trunk_is_never_trained(parts, tmp_path):
    small = Small()
    small.trunk[0].requires_grad_(requires_grad=False)
    before = small.trunk[0].weight.clone()
    settings = training(Phase(epochs=1, lr=0.1, trunk="frozen"), Phase(epochs=1, lr=0.1), optimizer="sgd")
    model = module.RunnerModel(small, settings, weights=[torch.ones(3)] * 2, loss=None, couples_batch=False)
    moved = small.trunk[1].weight.clone()
    fit(model, parts, tmp_path / "run")
    assert torch.equal(small.trunk[0].weight, before)
    assert not torch.equal(small.trunk[1].weight, moved)


def test_two_phases_are_one_history_and_the_second_goes_on_from_what_the_first_went_back_to(parts, tmp_path):
    model = wrapped(TWO_PHASES)
    fitted = fit(model, parts, tmp_path / "run")
    phases = [row["phase"] for row in fitted.history]
    n_first = phases.count(0)
    assert [row["epoch"] for row in fitted.history] == list(range(1, len(phases) + 1))
    assert phases == [0] * n_first + [1] * (5 - (n_first - 1))  # rewind 1, up to Keras' epoch 5
    assert n_first == 3  # nothing rises by more than 1
    rates = [row["lr"] for row in fitted.history[n_first:]]
    assert rates == pytest.approx([0.002 / (1 + index / 4) for index in range(n_first - 1, 5)])
    trunks = [torch.load(tmp_path / "run" / f"epoch_{epoch:04d}.pth", weights_only=True) for epoch in (1, 3, 4, 6)]
    weights = [found["state_dict"]["model.trunk.0.weight"] for found in trunks]
    assert torch.equal(weights[0], weights[2])  # the first phase's best epoch is its first
    assert torch.equal(weights[2], weights[3])  # the second leaves the trunk as it is
    assert not torch.equal(weights[1], weights[2])


@pytest.mark.parametrize("kept", [1, 3, 4])
def test_two_phases_that_were_stopped_anywhere_go_on_to_the_same_bytes(parts, tmp_path, kept):
    """Stopped inside the first phase, between the two, and inside the second."""
    whole = fit(wrapped(TWO_PHASES), parts, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "stopped")
    for epoch in range(kept + 1, len(whole.history) + 1):
        (tmp_path / "stopped" / f"epoch_{epoch:04d}.pth").unlink()
    resumed = fit(wrapped(TWO_PHASES), parts, tmp_path / "stopped")
    assert [{**row, "seconds": 0} for row in resumed.history] == [{**row, "seconds": 0} for row in whole.history]
    assert resumed.last == whole.last
    logits = []
    for fitted in (whole, resumed):
        model = wrapped(TWO_PHASES)
        fitted.load(model, len(fitted.history))
        logits.append(loop.predict(model, parts[1]))
    assert logits[0].tobytes() == logits[1].tobytes()


def test_a_finished_run_of_two_phases_trains_nothing_more(parts, tmp_path):
    first = fit(wrapped(TWO_PHASES), parts, tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("*.pth")}
    again = fit(wrapped(TWO_PHASES), parts, tmp_path / "run")
    assert again.history == first.history
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("*.pth")} == before


def test_a_tuned_trunk_moves_its_weights_and_keeps_its_statistics(parts, tmp_path):
    model = wrapped(training(Phase(epochs=1, lr=0.1, trunk="tuned"), optimizer="sgd"))
    before = {name: value.clone() for name, value in model.model.trunk.state_dict().items()}
    fit(model, parts, tmp_path / "run")
    after = model.model.trunk.state_dict()
    assert torch.equal(after["1.running_mean"], before["1.running_mean"])
    assert not torch.equal(after["0.weight"], before["0.weight"])


def test_the_training_accuracy_is_that_of_the_batches_as_they_were_trained_on(parts, tmp_path):
    """At a learning rate of zero, without dropout and batch statistics, it is the accuracy of the weights."""
    model = wrapped(training(Phase(epochs=1, lr=0.0, trunk="frozen"), optimizer="sgd"))
    model.model.head[2].p = 0.0
    fitted = fit(model, parts, tmp_path / "run")
    accuracy, _ = loop.scores(parts[0].labels, loop.predict(model, parts[0]), 3)
    assert fitted.history[0]["train_accuracy"] == pytest.approx(accuracy)


def test_a_loss_that_is_not_finite_is_a_divergence(parts, tmp_path):
    with pytest.raises(loop.DivergedError, match="epoch 1, step"):
        fit(wrapped(training(Phase(epochs=3, lr=1e30), optimizer="sgd")), parts, tmp_path / "run")


def test_a_last_batch_of_one_is_left_out_of_training_only(parts, tmp_path):
    model = wrapped(training(Phase(epochs=1, lr=0.1), optimizer="sgd", batch_size=13))  # 40 = 3 × 13 + 1
    fit(model, parts, tmp_path / "run")
    assert loop.predict(model, parts[0]).shape == (40, 3)


def spoil(file, how, parts, tmp_path):
    """Do to a checkpoint what disks, kills and people do."""
    if how == "another run's":
        fit(wrapped(), parts, tmp_path / "other", key="other")
        shutil.copy(tmp_path / "other" / file.name, file)
    elif how == "another epoch":
        shutil.copy(file.with_name(f"epoch_{2 if file.stem.endswith('1') else 1:04d}.pth"), file)
    elif how == "a link to text":
        file.unlink()
        (tmp_path / "text").write_text("version https://git-lfs")
        file.symlink_to(tmp_path / "text")
    elif how == "no history":
        torch.save({"state_dict": {}}, file)
    elif how == "missing":
        file.unlink()
    else:
        content = file.read_bytes()
        file.write_bytes({"half": content[: len(content) // 2], "empty": b"", "text": b"not a checkpoint"}[how])


@pytest.mark.parametrize("epoch", [1, 2, 3])
@pytest.mark.parametrize("how", [
    "half", "empty", "text", "no history", "missing", "another run's", "another epoch", "a link to text",
])  # fmt: skip
def test_training_goes_on_after_the_last_epoch_up_to_which_all_checkpoints_are_its_own(
    parts, tmp_path, capsys, how, epoch
):
    expected = fit(wrapped(), parts, tmp_path / "run")
    logits = loop.predict(model_of(expected), parts[1])
    capsys.readouterr()
    file = tmp_path / "run" / f"epoch_{epoch:04d}.pth"
    spoil(file, how, parts, tmp_path)
    fitted = fit(wrapped(), parts, tmp_path / "run")
    said = capsys.readouterr().err
    if (how, epoch) != ("missing", 3):  # which is what a run leaves that was stopped
        assert f"{file} " in said
        assert ("training starts anew" if epoch == 1 else f"training goes on after epoch {epoch - 1}") in said
    assert fitted.n_before == epoch - 1
    assert loop.predict(model_of(fitted), parts[1]).tobytes() == logits.tobytes()


def model_of(fitted):
    """The model with the weights of the last epoch, as they are stored."""
    model = wrapped()
    fitted.load(model, 3)
    return model


def test_a_folder_in_the_place_of_a_checkpoint_is_named(parts, tmp_path):
    (tmp_path / "run" / "epoch_0001.pth").mkdir(parents=True)
    with pytest.raises(FerBenchError, match=r"epoch_0001.pth is a folder; a checkpoint is to stand there"):
        fit(wrapped(), parts, tmp_path / "run")


@pytest.mark.parametrize("of_cell", [False, True])
@pytest.mark.parametrize("kind", ["link", "dangling link", "file"])
def test_a_work_folder_that_is_none_is_refused(parts, tmp_path, kind, of_cell):
    folder = tmp_path / "run"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "epoch_0001.pth").write_text("kept")
    if kind == "file":
        folder.write_text("")
    else:
        folder.symlink_to(tmp_path / ("elsewhere" if kind == "link" else "nowhere"))
    with pytest.raises(FerBenchError, match="is a link or a file") as caught:
        fit(wrapped(), parts, folder / "content" if of_cell else folder)
    assert caught.value.fix == f"remove it: rm {folder}"
    assert (tmp_path / "elsewhere" / "epoch_0001.pth").read_text() == "kept"


def test_a_coupled_method_is_predicted_one_sample_at_a_time(parts):
    class MinusBatchMean(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, features):
            logits = self.inner(features)
            return logits - logits.mean(dim=0)

    for couples_batch, expected in ((True, True), (False, False)):
        model = wrapped(couples_batch=couples_batch)
        model.model.head = MinusBatchMean(model.model.head)
        assert bool((np.abs(loop.predict(model, parts[1])) < 1e-6).all()) is expected


def test_balanced_weights_are_n_over_k_times_the_class_count():
    found = module.class_weights(np.array([0, 0, 0, 1]), 2, "balanced")
    assert found.tolist() == pytest.approx([4 / (2 * 3), 4 / (2 * 1)])


def test_balanced_weights_need_every_expression():
    with pytest.raises(FerBenchError, match="no training sample of happiness") as caught:
        module.class_weights(np.array([0, 0, 2]), 3, "balanced")
    assert "train_share" in caught.value.fix


def test_weighted_losses_are_divided_by_the_batch_size():
    model = Small().eval()
    images, labels = torch.rand(4, 3, 12, 12), torch.tensor([0, 1, 2, 0])
    weights = torch.tensor([2.0, 1.0, 0.5, 2.0])
    batch = Batch(
        inputs=images,
        from_features=False,
        labels=labels,
        sample_weights=weights,
        label_smoothing=0.0,
        rows=None,
        epoch=0,
    )
    log_p = torch.log_softmax(model(images), dim=1)[torch.arange(4), labels]
    loss, n_right = module.cross_entropy(model, batch)
    assert loss.item() == pytest.approx(-(log_p * weights).sum().item() / 4, rel=1e-5)
    assert n_right == (model(images).argmax(dim=1) == labels).sum()


def test_the_loss_against_votes_is_their_mean_cross_entropy_and_labels_count_what_is_right():
    model = Small().eval()
    images, labels = torch.rand(2, 3, 12, 12), torch.tensor([0, 2])
    votes = torch.tensor([[0.5, 0.2, 0.3], [0.0, 0.1, 0.9]])
    batch = Batch(
        inputs=images, from_features=False, labels=labels, sample_weights=torch.ones(2), label_smoothing=0.0,
        rows=None, epoch=0, votes=votes,
    )  # fmt: skip
    loss, n_right = module.cross_entropy(model, batch)
    log_p = torch.log_softmax(model(images), dim=1)
    assert loss.item() == pytest.approx(-(votes * log_p).sum().item() / 2, rel=1e-5)
    assert n_right == (model(images).argmax(dim=1) == labels).sum()
    certain = dataclasses.replace(batch, votes=functional.one_hot(labels, 3).float())
    plain = dataclasses.replace(batch, votes=None)
    assert module.cross_entropy(model, certain)[0].item() == pytest.approx(module.cross_entropy(model, plain)[0].item())


def test_weights_that_a_run_kept_and_something_damaged_are_refused_by_name(tmp_path):
    model = wrapped()
    file = tmp_path / "epoch_1.pth"

    def refused():
        with pytest.raises(FerBenchError, match=r"epoch_1\.pth") as raised:
            loop.restore(model, file)
        assert "carry the run out again" in raised.value.fix

    whole = {"state_dict": model.state_dict(), "phase": 0}
    for content in (
        {}, [], 3, None, {0: torch.ones(2)}, {"phase": 0}, {**whole, "phase": 7}, {**whole, "phase": "a"},
        {**whole, "phase": None}, {**whole, "state_dict": {0: torch.ones(2)}}, {**whole, "state_dict": [1]},
        {**whole, "state_dict": {}}, {**whole, "state_dict": dict.fromkeys(whole["state_dict"], 1)},
        {**whole, "state_dict": dict.fromkeys(whole["state_dict"], torch.ones(7))}, torch.nn.Linear(2, 2),
    ):  # fmt: skip
        torch.save(content, file)
        refused()
    torch.save(whole, file)
    loop.restore(model, file)
    kept = file.read_bytes()
    for damaged in (b"", b"a", b"abcd", b"some text", kept[: len(kept) // 2], bytes(500)):
        file.write_bytes(damaged)
        refused()
    text = tmp_path / "text"
    text.write_text("some text, longer")
    file.unlink()
    file.symlink_to(text)
    refused()
    file.unlink()
    file.symlink_to(tmp_path / "gone")
    refused()
    file.unlink()
    file.mkdir()
    refused()
