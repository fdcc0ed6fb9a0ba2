"""One cell of the grid, from prepared pictures to its folder."""

import dataclasses
import itertools
import json
import os
import shutil
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from fer_bench import params, registry, whole
from fer_bench.datasets import _store
from fer_bench.errors import FerBenchError
from fer_bench.method import (
    Augmentation,
    Balanced,
    Crop,
    EarlyStop,
    Either,
    EpochCosine,
    Erase,
    Exponential,
    Grey,
    InBgr,
    InverseTime,
    Jitter,
    Method,
    Mirror,
    Noise,
    PaddedCrop,
    Phase,
    Plateau,
    RandAugment,
    Recipe,
    RepeatFactor,
    ResizedCrop,
    Rotate,
    Sampling,
    Schedule,
    Sometimes,
    Stages,
    Step,
    Training,
    WarmupCosine,
    Weights,
)
from fer_bench.tables import predictions, runs
from fer_bench.tables import samples as samples_table
from fer_bench.training import cell as cells
from fer_bench.training import features, gradient, loop, module, pictures
from fer_bench.training.carry_out import carry_out
from fer_bench.training.pictures import Part

PHASE = Phase(epochs=2, lr=0.01)
FROZEN = dataclasses.replace(PHASE, trunk="frozen")
TRAINING = Training(phases=(PHASE,), batch_size=16, image_size_px=16, optimizer="adam", augment=("flip",))


class Net(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 5, stride=4), nn.ReLU())
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(8 * 9, n_classes))

    def forward(self, images):
        return self.head(self.trunk(images))


def build(options, *, n_classes, weights):
    return Net(n_classes)


def method(training):
    recipe = Recipe(about="for tests", options=None, training=training)
    return Method(title="Net", recipes={"toy": recipe}, build=build)


@pytest.fixture
def cell(prepared_folder):
    """A cell with a network of two layers in the place of the method."""
    found = cells.resolve(params.read(), dataset="synthetic", method="conv_cut", seed=0)
    return dataclasses.replace(found, method=method(TRAINING), recipe=method(TRAINING).recipes["toy"])


def with_phases(cell, *phases, **changes):
    return with_training(cell, phases=phases, **changes)


def with_training(cell, **changes):
    recipe = dataclasses.replace(cell.recipe, training=dataclasses.replace(TRAINING, **changes))
    return dataclasses.replace(cell, recipe=recipe)


def test_a_method_fitted_in_one_go_leaves_predictions_and_a_record(prepared_folder):
    record = carry_out(params.read(), dataset="synthetic", method="majority_class", seed=1)
    folder = params.read().cell("synthetic", "majority_class", 1)
    assert runs.read_record(folder / "run.json") == record
    prepared = _store.open_prepared("synthetic")
    ids = set(prepared.samples.loc[prepared.samples["split"] == "test", "sample_id"])
    table = predictions.read(folder / "predictions.csv", n_classes=7, sample_ids=ids)
    assert set(table["selection"]) == {"last", "best_on_val", "best_on_test"}
    assert (record.status, record.weights, record.n_train, record.n_report) == ("ok", "none", 140, 60)


def test_an_entry_with_a_name_of_its_own_is_run_as_the_method_that_it_names(prepared_folder):
    file = prepared_folder / "params.yaml"
    file.write_text(file.read_text().replace("majority_class: {", "floor: {method: majority_class, "))
    record = carry_out(params.read(), dataset="synthetic", method="floor", seed=0)
    assert (record.method, record.method_file) == ("floor", "majority_class")
    assert (params.read().cell("synthetic", "floor", 0) / "predictions.csv").is_file()


def test_training_sees_neither_pictures_nor_labels_of_the_reported_part(cell):
    """With other test labels the history is the same, so nothing of them reached training or validation."""
    first = gradient.train(cell, "none")
    samples = cell.dataset.samples.copy()
    reported = samples.index[cell.parts.report]
    samples.loc[reported, "label"] = (samples.loc[reported, "label"] + 1) % 7
    changed = dataclasses.replace(cell, dataset=dataclasses.replace(cell.dataset, samples=samples))
    second = gradient.train(changed, "none")
    assert [{**row, "seconds": 0} for row in first.history] == [{**row, "seconds": 0} for row in second.history]
    assert first.logits["last"].tobytes() == second.logits["last"].tobytes()
    assert first.sealed != second.sealed


def test_the_three_selections_are_the_epochs_that_their_names_say(cell):
    outcome = gradient.train(with_phases(cell, Phase(epochs=4, lr=0.05)), "none")
    val = [row["val_accuracy"] for row in outcome.history]
    test = [row["test_accuracy"] for row in outcome.sealed]
    selected = outcome.facts["selected"]
    assert selected == {"last": 4, "best_on_val": 1 + val.index(max(val)), "best_on_test": 1 + test.index(max(test))}
    labels = cell.labels[cell.parts.report]
    for selection, epoch in selected.items():
        right = float((outcome.logits[selection].argmax(axis=1) == labels).mean())
        assert right == pytest.approx(test[epoch - 1])


def test_a_diverged_run_is_recorded_as_failed(cell):
    outcome = gradient.train(with_phases(cell, Phase(epochs=2, lr=1e30), optimizer="sgd", augment=()), "none")
    assert outcome.facts["status"] == "failed"
    assert "the loss of epoch" in outcome.facts["error"]
    assert outcome.logits == {}


def test_another_seed_gives_other_weights(cell):
    first, second = (gradient.train(dataclasses.replace(cell, seed=seed), "none") for seed in (0, 1))
    assert first.logits["last"].tobytes() != second.logits["last"].tobytes()


def test_stored_features_give_the_logits_of_the_trunk_in_the_loop(cell):
    """Same draws, same order; half precision of the features is the only difference."""
    frozen = with_phases(cell, FROZEN)
    assert features.can_be_stored(frozen.recipe.training, 0)
    stored = gradient.train(frozen, "none")
    original = features.can_be_stored
    try:
        features.can_be_stored = lambda _training, _phase: False
        in_loop = gradient.train(frozen, "none")
    finally:
        features.can_be_stored = original
    assert stored.facts["settings"]["features"].startswith("stored")
    assert in_loop.facts["settings"]["features"] == "computed in the loop"
    assert np.abs(stored.logits["last"] - in_loop.logits["last"]).max() < 5e-3
    assert np.abs(stored.logits["last"]).max() > 0.1


@pytest.mark.parametrize("name", ["conv_cut", "patt_lite"])
def test_the_released_heads_compute_the_same_from_stored_features_of_mirrored_pictures_too(cell, name):
    """Heads at full size and at the settings of both phases; trunks at toy size, settled on the pictures."""
    found = registry.load("methods", name)
    training = dataclasses.replace(found.recipes["code_flip"].training, image_size_px=48, batch_size=16)
    torch.manual_seed(0)
    net = found.build(found.recipes["toy_code"].options, n_classes=7, weights=Weights("none"))
    for layer in net.trunk.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    rows = cell.parts.train[:32]
    images, labels = cell.dataset.images, cell.labels
    seen = pictures.resize(pictures.as_tensor(torch.from_numpy(images[rows])), 48)
    with torch.no_grad():
        net.train()(seen)
        grid = net.trunk(seen)
        for _ in range(400):  # Keras' averages move by a hundredth per step
            net.head(grid)
    net.eval()
    device = torch.device("cpu")
    trunk_digest = features.digest_of(net.trunk, images.shape[1:], side=48, device=device)
    both = tuple(
        features.stored(net.trunk, trunk_digest, images, rows, side=48, mirrored=mirrored, device=device)
        for mirrored in (False, True)
    )
    model = module.RunnerModel(net, training, weights=[torch.ones(7)] * 2, loss=None, couples_batch=True).eval()
    parts = [Part(images, rows, labels[rows], 0, features=views) for views in (None, both)]
    unchanged = [Part(images, rows, labels[rows], 0, features=views) for views in (None, (both[0], None))]
    for phase in (0, 1):
        model.enter_phase(phase)
        for part in parts:
            part.set_epoch(phase)
        with torch.no_grad():
            losses = [model(**part.__getitems__(range(32)), mode="loss")["loss"].item() for part in parts]
        in_loop, stored = (loop.predict(model, part) for part in unchanged)
        spread = in_loop.std()
        assert spread > 1e-3
        assert np.abs(stored - in_loop).max() < 0.02 * spread
        assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert 0 < pictures.mirrored_half(parts[0]._draws).sum() < 32


def test_features_are_computed_once_for_the_same_trunk_and_pictures(cell):
    gradient.train(with_phases(cell, FROZEN), "none")
    before = {path.name: path.stat().st_mtime_ns for path in features.FOLDER.glob("*.npy")}
    assert len(before) == 4  # train, train mirrored, val, test
    gradient.train(with_phases(cell, dataclasses.replace(FROZEN, lr=0.02)), "none")
    assert {path.name: path.stat().st_mtime_ns for path in features.FOLDER.glob("*.npy")} == before


def spoil(files, how):
    """Do to stored features what disks, kills and people do."""
    first, second = files[:2]
    content = first.read_bytes()
    if how == "exchanged":
        first.write_bytes(second.read_bytes())
        second.write_bytes(content)
    elif how == "an array of another kind":
        np.save(first, np.zeros(3))
    elif how == "pickled":
        np.save(first, np.array([{}], dtype=object), allow_pickle=True)
    elif how == "a dangling link":
        first.unlink()
        first.symlink_to("nowhere")
    elif how == "one bit":
        first.write_bytes(content[:-100] + bytes([content[-100] ^ 1]) + content[-99:])
    else:
        first.write_bytes({"half": content[: len(content) // 2], "empty": b"", "text": b"not an array"}[how])


@pytest.mark.parametrize("how", [
    "half", "empty", "text", "exchanged", "an array of another kind", "pickled", "a dangling link", "one bit",
])  # fmt: skip
def test_stored_features_that_are_not_as_they_were_stored_are_made_again(cell, capsys, how):
    expected = gradient.train(with_phases(cell, FROZEN), "none")
    files = sorted(features.FOLDER.glob("*.npy"))
    before = [file.read_bytes() for file in files]
    shutil.rmtree(cells.WORK)
    spoil(files, how)
    again = gradient.train(with_phases(cell, FROZEN), "none")
    assert again.logits["last"].tobytes() == expected.logits["last"].tobytes()
    assert [file.read_bytes() for file in files] == before
    if how != "a dangling link":
        assert f"{files[0]} is not as it was stored; it is made again" in capsys.readouterr().err


def test_a_folder_in_the_place_of_stored_features_is_named(cell):
    gradient.train(with_phases(cell, FROZEN), "none")
    file = min(features.FOLDER.glob("*.npy"))
    file.unlink()
    file.mkdir()
    with pytest.raises(FerBenchError, match="is a folder; a file is to be written there") as caught:
        gradient.train(with_phases(cell, FROZEN), "none")
    assert caught.value.fix == f"move {file} away"


def test_features_that_a_stopped_run_left_half_written_go(cell):
    (features.FOLDER).mkdir(parents=True)
    (features.FOLDER / ".abc.npy.fer-bench-new").write_bytes(b"half")
    gradient.train(with_phases(cell, FROZEN), "none")
    assert {path.suffix for path in features.FOLDER.iterdir()} == {".npy"}


def digest(trunk, **changes):
    device = torch.device("cpu")
    return features.digest_of(trunk, **{"size": (24, 24, 3), "side": 16, "device": device, **changes})


def test_other_weights_of_the_trunk_have_other_features():
    torch.manual_seed(0)
    first, second = Net(7), Net(7)
    assert digest(first.trunk) != digest(second.trunk)
    second.load_state_dict(first.state_dict())
    assert digest(first.trunk) == digest(second.trunk)


def test_other_code_has_other_features_exactly_where_it_computes_otherwise(monkeypatch):
    """Same weights, same printed structure; what the trunk makes of two pictures tells."""

    class Rectifier(nn.ReLU):
        def forward(self, x):
            return torch.maximum(x, torch.zeros(()))

    class Leaky(nn.ReLU):
        def forward(self, x):
            return nn.functional.leaky_relu(x)

    trunk = Net(7).trunk
    before = digest(trunk)
    for rewritten, same in ((Rectifier(), True), (Leaky(), False)):
        other = nn.Sequential(trunk[0], rewritten)
        assert (digest(other) == before) is same
    assert digest(trunk, side=24) != before
    original = pictures.resize
    monkeypatch.setattr(pictures, "resize", lambda *asked: original(*asked).flip(-1))
    assert digest(trunk) != before


@pytest.mark.parametrize(
    ("trunks", "augment", "storable"),
    [
        (("frozen",), ("flip",), [True]),
        (("frozen",), (), [True]),
        (("frozen",), ("flip", "contrast"), [False]),
        (("trained",), ("flip",), [False]),
        (("frozen", "frozen"), ("flip",), [True, True]),
        (("frozen", "tuned"), ("flip",), [True, False]),
        (("trained", "frozen"), ("flip",), [False, False]),
    ],
)
def test_features_can_be_stored_while_the_trunk_is_untrained_and_flips_alone_change_pictures(trunks, augment, storable):
    phases = tuple(Phase(epochs=1, lr=0.01, trunk=trunk) for trunk in trunks)
    training = dataclasses.replace(TRAINING, phases=phases, augment=augment)
    assert [features.can_be_stored(training, phase) for phase in range(len(phases))] == storable


@pytest.mark.parametrize("second", ["frozen", "tuned", "trained"])
def test_phases_share_features_while_the_trunk_is_untrained(cell, second):
    """The epochs of a phase with stored features are scored on the untrained trunk, whatever came after them."""
    phases = (FROZEN, dataclasses.replace(PHASE, trunk=second, epochs=1))
    outcome = gradient.train(with_phases(cell, *phases), "none")
    alone = gradient.train(with_phases(cell, FROZEN), "none")
    said = "stored, float16" if second == "frozen" else "stored, float16, in the first 1 phases"
    assert outcome.facts["settings"]["features"] == said
    assert [row["phase"] for row in outcome.history] == [0, 0, 1]
    assert outcome.sealed[:2] == alone.sealed
    assert outcome.facts["settings"]["phases"][1] == {"epochs": 1, "stopped_early": False}


def test_a_frozen_trunk_with_a_second_view_is_trained_on_pictures(cell):
    seen = []

    def loss(model, batch):
        seen.append((batch.from_features, torch.equal(batch.second, batch.inputs.flip(-1))))
        return module.cross_entropy(model, batch)[0]

    two_views = with_phases(cell, FROZEN, augment=(), second_view=(Mirror(),))
    two_views = dataclasses.replace(two_views, method=dataclasses.replace(two_views.method, loss=loss))
    outcome = gradient.train(two_views, "none")
    assert set(seen) == {(False, True)}
    assert outcome.facts["settings"]["features"] == "computed in the loop"


def test_last_is_the_epoch_that_a_phase_has_gone_back_to(cell):
    rule = EarlyStop(watch="val_accuracy", patience=2, min_delta=1.0, restore=True)  # nothing rises by more than 1
    outcome = gradient.train(with_phases(cell, Phase(epochs=9, lr=0.01, early_stop=rule)), "none")
    assert len(outcome.history) == 3
    assert outcome.facts["selected"]["last"] == 1
    right = float((outcome.logits["last"].argmax(axis=1) == cell.labels[cell.parts.report]).mean())
    assert right == pytest.approx(outcome.sealed[0]["test_accuracy"])


def voted(cell, votes):
    """The cell, whose samples have votes (n, 8) for seven expressions and for something else; None: they have none."""
    samples = cell.dataset.samples
    samples = samples.drop(columns=list(samples_table.vote_columns(list(samples.columns))))
    if votes is not None:
        samples = samples.assign(**{f"votes_{number}": column for number, column in enumerate(votes.T)})
    return dataclasses.replace(cell, dataset=dataclasses.replace(cell.dataset, samples=samples))


def test_training_on_votes_fits_the_votes_and_validates_on_labels(cell):
    labels = cell.labels
    unanimous = np.zeros((len(labels), 8), dtype=int)
    unanimous[np.arange(len(labels)), labels] = 9
    unanimous[:, 7] = 1  # for something else: left out
    on_labels = gradient.train(cell, "none")
    on_votes = gradient.train(voted(with_training(cell, targets="votes"), unanimous), "none")
    assert [row["train_loss"] for row in on_votes.history] == pytest.approx(
        [row["train_loss"] for row in on_labels.history]
    )
    assert on_votes.logits["last"] == pytest.approx(on_labels.logits["last"], abs=1e-4)
    divided = unanimous.copy()
    divided[:, 0] = 9
    shutil.rmtree(cells.WORK)  # other votes are other samples, of which a prepared data set has another digest
    on_votes = gradient.train(voted(with_training(cell, targets="votes"), divided), "none")
    assert on_votes.history[-1]["train_loss"] != pytest.approx(on_labels.history[-1]["train_loss"])
    shares = voted(cell, divided).vote_shares(np.flatnonzero(labels == 3)[:1])
    assert shares.tolist() == [[0.5, 0, 0, 0.5, 0, 0, 0]]


def test_votes_that_are_not_there_are_named(cell):
    asked = with_training(cell, targets="votes")
    with pytest.raises(FerBenchError, match="recipe toy trains on annotators' votes, which synthetic does not have"):
        gradient.train(voted(asked, None), "none")
    none = np.zeros((len(cell.labels), 8), dtype=int)
    with pytest.raises(FerBenchError, match=r"no annotator of sample .* chose an expression") as caught:
        gradient.train(voted(asked, none), "none")
    assert "targets are labels" in caught.value.fix


def test_a_loss_of_its_own_takes_no_votes():
    recipe = Recipe(about="for tests", options=None, training=dataclasses.replace(TRAINING, targets="votes"))
    with pytest.raises(TypeError, match="a loss of its own is taken against labels"):
        Method(title="Net", recipes={"toy": recipe}, build=build, loss=module.cross_entropy)


def test_rules_that_look_at_validation_need_a_part_that_selects(cell):
    rule = EarlyStop(watch="val_accuracy", patience=2, min_delta=0.0, restore=True)
    asked = with_phases(cell, dataclasses.replace(FROZEN, early_stop=rule))
    with pytest.raises(FerBenchError, match="by the accuracy on a part that selects") as caught:
        gradient.train(dataclasses.replace(asked, parts=cell.parts._replace(select=None)), "none")
    assert "run.protocol to honest" in caught.value.fix
    assert not features.FOLDER.exists()


def test_pictures_too_small_for_the_network_stop_the_run_before_features_are_computed(cell):
    with pytest.raises(FerBenchError, match="takes no pictures of 4 × 4 px") as caught:
        gradient.train(with_phases(cell, FROZEN, image_size_px=4), "none")
    assert "image_size_px" in caught.value.fix
    assert not features.FOLDER.exists()


def test_random_labels_leave_validation_near_chance(cell, rng):
    """A leak of labels into the pictures' pipeline would show here."""
    labels = rng.integers(0, 7, len(cell.labels))
    images = rng.integers(0, 256, (len(labels), 16, 16, 3), dtype=np.uint8)
    parts = [
        Part(images=images, rows=rows, labels=labels[rows], seed=0) for rows in (cell.parts.train, cell.parts.report)
    ]
    torch.manual_seed(0)
    model = module.RunnerModel(Net(7), TRAINING, weights=[torch.ones(7)], loss=None, couples_batch=False)
    options = {"n_classes": 7, "seed": 0, "key": "test", "amp": False, "title": "t"}
    loop.fit(model, [parts[0]], None, folder=cells.WORK / "random", **options)
    accuracy, _ = loop.scores(parts[1].labels, loop.predict(model, parts[1]), 7)
    assert accuracy < 1 / 7 + 4 * np.sqrt(6 / 49 / 60)


def test_a_run_of_another_number_of_processes_does_not_go_on(cell):
    facts = [{"settings": {"processes": n}} for n in (1, 2)]
    assert gradient._key(cell, facts[0]) != gradient._key(cell, facts[1])


@pytest.mark.parametrize(
    ("method", "launcher", "variables", "problem"),
    [
        ("conv_cut", "none", {"WORLD_SIZE": "2"}, "2 processes were started, and each would carry out the whole run"),
        ("conv_cut", "pytorch", {}, "RANK is not set"),
        ("conv_cut", "slurm", {"RANK": "0"}, "SLURM_PROCID is not set"),
        ("majority_class", "pytorch", {"RANK": "1", "WORLD_SIZE": "2"}, "nothing to share"),
    ],
)
@pytest.mark.usefixtures("prepared_folder")
def test_processes_that_would_not_share_the_work_are_refused(monkeypatch, method, launcher, variables, problem):
    for name in ("WORLD_SIZE", "RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(FerBenchError, match=problem):
        carry_out(params.read(), dataset="synthetic", method=method, seed=0, launcher=launcher)


@pytest.mark.parametrize(
    ("change", "problem", "fix"),
    [
        ({"method": "convnext_full"}, "'convnext_full' is not in this grid", "add methods.convnext_full"),
        ({"method": "conv_cat"}, "unknown method 'conv_cat'", "did you mean conv_cut?"),
        ({"dataset": "ferplus"}, "'ferplus' is not in this grid", "add prepare.ferplus"),
    ],
)
def test_what_is_not_in_the_grid_is_named(prepared_folder, change, problem, fix):
    with pytest.raises(FerBenchError) as caught:
        carry_out(params.read(), **{"dataset": "synthetic", "method": "conv_cut", "seed": 0, **change})
    assert problem in caught.value.problem
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("old", "new", "problem", "fix"),
    [
        ("conv_cut: {recipe: toy", "conv_cut: {recipe: tiny", "unknown recipe 'tiny'", "describe method conv_cut"),
        (
            "conv_cut: {recipe: toy",
            "conv_cut: {weights: no.npz, recipe: toy",
            "no weights file no.npz",
            "weights: none",
        ),
        ("lbp_svm: {recipe: toy", "lbp_svm: {weights: a.npz, recipe: toy", "has no trunk", "remove methods.lbp_svm"),
        ("run: {seeds", "run: {precision: amp, seeds", "run.precision is amp", "auto or fp32"),
        ("run: {seeds", "run: {device: cuda, seeds", "finds no CUDA device", "auto or cpu"),
    ],
)
def test_a_contradiction_stops_the_run_before_it_trains(prepared_folder, old, new, problem, fix):
    if torch.cuda.is_available() and "run:" in old:
        pytest.skip("there is a CUDA device; what is asked for can be had")
    file = prepared_folder / "params.yaml"
    file.write_text(file.read_text().replace(old, new))
    name = "lbp_svm" if "lbp_svm" in old else "conv_cut"
    with pytest.raises(FerBenchError) as caught:
        carry_out(params.read(), dataset="synthetic", method=name, seed=0)
    assert problem in caught.value.problem
    assert fix in caught.value.fix
    assert not (params.read().results / "runs").exists()


def test_a_data_set_that_is_not_prepared_is_named_with_the_command(grid_folder):
    with pytest.raises(FerBenchError) as caught:
        carry_out(params.read(), dataset="synthetic", method="majority_class", seed=0)
    assert caught.value.fix == "fer-bench data prepare synthetic"


def test_a_record_that_was_changed_by_hand_is_refused(prepared_folder):
    carry_out(params.read(), dataset="synthetic", method="majority_class", seed=0)
    file = params.read().cell("synthetic", "majority_class", 0) / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "seed": "zero"}))
    with pytest.raises(FerBenchError, match="seed: Expected `int`"):
        runs.read_record(file)


def test_weights_none_is_random_and_said_so(prepared_folder):
    found = cells.resolve(params.read(), dataset="synthetic", method="conv_cut", seed=0)
    assert found.weights == Weights("none")
    assert found.weights_name == "none"


@pytest.mark.gpu
def test_mixed_precision_trains_on_a_gpu(cell):
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device; run this on a machine with one")
    asked = msgspec.structs.replace(cell.asked, precision="amp")
    outcome = gradient.train(dataclasses.replace(cell, asked=asked), "none")
    assert outcome.facts["precision"] == "amp"
    assert np.isfinite(outcome.logits["last"]).all()


def test_a_run_keeps_the_weights_of_its_selections(prepared_folder):
    record = carry_out(params.read(), dataset="synthetic", method="conv_cut", seed=0)
    folder = params.read().cell("synthetic", "conv_cut", 0)
    cell = cells.resolve(params.read(), dataset="synthetic", method="conv_cut", seed=0)
    table = predictions.read(folder / "predictions.csv", n_classes=7)
    parts = gradient._opener(cell, gradient.trained(cell, folder, 1))(cell.parts.report)
    for selection, epoch in record.selected.items():
        model = gradient.trained(cell, folder, epoch)
        logits = loop.predict(model, parts[model.phase])
        kept = table[table["selection"] == selection].filter(like="logit_").to_numpy(dtype=float)
        np.testing.assert_allclose(logits, kept, rtol=1e-5, atol=1e-6)


def test_kept_weights_of_another_model_are_refused(prepared_folder):
    record = carry_out(params.read(), dataset="synthetic", method="conv_cut", seed=0)
    folder = params.read().cell("synthetic", "conv_cut", 0)
    cell = cells.resolve(params.read(), dataset="synthetic", method="conv_cut", seed=0)
    other = dataclasses.replace(cell, method=method(TRAINING), recipe=method(TRAINING).recipes["toy"])
    with pytest.raises(FerBenchError, match="not weights of this model"):
        gradient.trained(other, folder, record.selected["last"])
    with pytest.raises(FerBenchError, match="no trained weights"):
        gradient.trained(cell, folder, 999)


@pytest.fixture
def kept(prepared_folder):
    """A function that writes the record of a run of ``conv_cut`` with other training settings, and returns its folder.

    Nothing is trained; the cell that it is of comes with it.
    """
    cell = cells.resolve(params.read(), dataset="synthetic", method="conv_cut", seed=0)
    plain = carry_out(params.read(), dataset="synthetic", method="majority_class", seed=0)
    fields = {name: getattr(plain, name) for name in plain.__struct_fields__} | {
        "method": "conv_cut", "method_file": "conv_cut", "recipe": cell.recipe_name, "weights": cell.weights_name,
        "wrote": {}, "seal": None,
    }  # fmt: skip

    def write(change):
        settings = cell.settings
        change(settings["training"])
        folder = prepared_folder / "kept"
        runs.write_record(runs.RunRecord(**{**fields, "settings": settings}), folder / "run.json")
        return cell, folder

    return write


def test_a_kept_run_of_the_same_training_is_taken(kept):
    cell, folder = kept(lambda _training: None)
    assert cells.record_of(cell, folder).method == "conv_cut"


@pytest.mark.parametrize(("change", "named"), [
    (lambda training: training.update(batch_size=7), "another training.batch_size"),
    (lambda training: training["phases"][0].update(lr=0.5), r"another training.phases\[0\].lr"),
    (lambda training: training["phases"].append({}), r"another training.phases\n"),
    (lambda training: training.update(augment=["crop"]), "another training.augment"),
    (lambda training: training.update(dropped=1), "another training.dropped"),
])  # fmt: skip
def test_a_kept_run_of_another_training_is_refused_by_the_settings_name(kept, change, named):
    with pytest.raises(FerBenchError, match=f"the run was made with {named}") as raised:
        cells.record_of(*kept(change))
    assert "carry the run out again" in raised.value.fix


def test_a_setting_that_is_newer_than_the_record_had_its_default(kept):
    def older(training):
        for name in ("second_view", "sampling", "sam_rho"):
            del training[name]
        del training["phases"][0]["trunk_lr_factor"]

    cell, folder = kept(older)
    assert cells.record_of(cell, folder).settings["training"].keys().isdisjoint({"second_view", "sampling"})
    two_views = dataclasses.replace(cell.recipe.training, second_view=("flip",))
    changed = dataclasses.replace(cell, recipe=dataclasses.replace(cell.recipe, training=two_views))
    with pytest.raises(FerBenchError, match=r"another training\.second_view\n"):
        cells.record_of(changed, folder)


ONE_OF_EACH = {
    Augmentation: (
        Mirror(), Noise(std=0.1), Erase(area=(0.1, 0.2), mean=(0.0, 0.0, 0.0)), Rotate(degrees=5),
        PaddedCrop(padding=0.1), Crop(side_px=12), ResizedCrop(area=(0.5, 1.0)), Grey(), Jitter(),
        RandAugment(mean=(0.0, 0.0, 0.0)), Sometimes(p=0.5, changes=(Mirror(),)), Either(p=0.5, changes=(Mirror(),)),
        InBgr(changes=(Mirror(),)), "flip", "contrast", "crop",
    ),
    Schedule: (
        "constant", "cosine", InverseTime(epochs=2.0), Exponential(factor=0.5), Step(epochs=2, factor=0.5),
        Plateau(watch="val_accuracy", patience=1, min_delta=0.0, factor=0.5, min_lr=0.0),
        Stages(table=((2, 0.01, 0.01),)), EpochCosine(), WarmupCosine(warmup_epochs=1.0),
    ),
    Sampling: ("once", Balanced(), RepeatFactor(threshold=0.1)),
}  # fmt: skip


@pytest.mark.parametrize("union", ONE_OF_EACH)
def test_a_kind_that_may_stand_in_a_recipe_is_among_those_that_are_exchanged(union):
    named = {kind for part in get_args(union) for kind in (get_args(part) or (part,))}
    kinds = {kind for kind in named if dataclasses.is_dataclass(kind)}
    assert kinds == {type(one) for one in ONE_OF_EACH[union] if not isinstance(one, str)}
    assert {kind for kind in named if isinstance(kind, str)} == {
        one for one in ONE_OF_EACH[union] if isinstance(one, str)
    }


def settings_with(one):
    """Settings with one thing wherever it may stand, inside others too."""
    if one in ONE_OF_EACH[Schedule]:
        yield dataclasses.replace(TRAINING, phases=(dataclasses.replace(PHASE, schedule=one),))
    elif one in ONE_OF_EACH[Sampling]:
        yield dataclasses.replace(TRAINING, sampling=one)
    else:
        for name in ("augment", "augment_before_resize", "second_view"):
            yield dataclasses.replace(TRAINING, **{name: (one,)})
        if not isinstance(one, str):
            yield dataclasses.replace(TRAINING, augment=(Sometimes(p=0.5, changes=(one, Noise(std=0.1))),))


@pytest.mark.parametrize("union", ONE_OF_EACH)
def test_every_kind_that_is_exchanged_for_another_is_seen_in_the_record(union):
    """Sometimes(Mirror, Noise) and Either(Grey, Noise) were recorded alike."""
    for one, other in itertools.product(ONE_OF_EACH[union], repeat=2):
        for then, today in zip(settings_with(one), settings_with(other), strict=False):
            recorded = json.loads(json.dumps(cells.plain(then)))
            assert bool([*cells.changed_settings(recorded, today, "training")]) is (one is not other)


def untyped(settings):
    """Plain data as records of before had them."""
    if isinstance(settings, dict):
        return {name: untyped(value) for name, value in settings.items() if name != "type"}
    return [untyped(one) for one in settings] if isinstance(settings, list) else settings


@pytest.mark.parametrize(("one", "sure"), [
    (Mirror(), False), (Grey(), False), (Sometimes(p=0.5, changes=()), False), (Rotate(degrees=5), True),
    (Jitter(), True),
])  # fmt: skip
def test_an_older_record_is_taken_where_it_says_which_kind_it_is(one, sure):
    today = dataclasses.replace(TRAINING, augment=(one,))
    found = [*cells.changed_settings(untyped(cells.plain(today)), today, "training")]
    assert found == ([] if sure else [f"training.augment[0], or the same: {cells.UNSURE}"])


def test_options_of_a_grid_replace_the_recipes_and_stand_among_its_departures():
    recipe = registry.load("methods", "finetune").recipes["resnet18"]
    found = cells.with_options(recipe, {"backbone": "resnet34.tv_in1k"}, where="methods.x.options")
    assert found.options.backbone == "resnet34.tv_in1k"
    assert found.departures == ("options changed in params.yaml: backbone resnet34.tv_in1k",)
    assert cells.with_options(recipe, {}, where="methods.x.options") is recipe


@pytest.mark.parametrize(("asked", "said", "fix"), [
    ({"trunk": "resnet34"}, "no option 'trunk'", "one of: backbone, small"),
    ({"backbone": 34}, "methods.x.options", "of the type"),
])  # fmt: skip
def test_options_that_do_not_exist_or_do_not_fit_are_refused(asked, said, fix):
    recipe = registry.load("methods", "finetune").recipes["resnet18"]
    with pytest.raises(FerBenchError, match=said) as raised:
        cells.with_options(recipe, asked, where="methods.x.options")
    assert fix in raised.value.fix


@pytest.mark.parametrize("out", ["data", "..", ".", "link", "params.yaml", "notes"])
def test_a_folder_that_holds_anything_but_a_run_is_left_as_it_is(prepared_folder, out):
    (prepared_folder / "link").symlink_to(prepared_folder / "data")
    (prepared_folder / "notes").mkdir()
    (prepared_folder / "notes" / "run.json").write_text("{}")
    (prepared_folder / "notes" / "thesis.tex").write_text("years of work")
    before = sorted(prepared_folder.rglob("*"))
    with pytest.raises(FerBenchError) as caught:
        carry_out(params.read(), dataset="synthetic", method="majority_class", seed=0, out=Path(out))
    assert "--out" in caught.value.fix
    assert sorted(prepared_folder.rglob("*")) == before


def test_an_earlier_run_of_the_cell_is_replaced_and_one_of_another_cell_is_not(prepared_folder):
    asked = {"dataset": "synthetic", "method": "majority_class", "out": Path("kept")}
    for _ in range(2):
        carry_out(params.read(), seed=0, **asked)
    with pytest.raises(FerBenchError, match="holds the run of another cell: synthetic majority_class seed 0"):
        carry_out(params.read(), seed=1, **asked)
    assert runs.read_record(Path("kept/run.json")).seed == 0


def test_checkpoints_stay_until_the_result_is_written(prepared_folder, monkeypatch):
    """What stops the writing, a full disk or a kill, costs no epoch."""

    def full(*_):
        raise OSError("no space left on device")

    asked = {"dataset": "synthetic", "method": "conv_cut", "seed": 0}
    with monkeypatch.context() as patch:
        patch.setattr(runs, "write_record", full)
        with pytest.raises(OSError, match="no space"):
            carry_out(params.read(), **asked)
    kept = {file: file.stat().st_mtime_ns for file in cells.WORK.rglob("epoch_*.pth")}
    assert kept
    assert [path.name for path in params.read().cell(**asked).parent.iterdir()] == []
    trained = []
    monkeypatch.setattr(loop.QuietRunner, "train", lambda *_: trained.append(True))
    carry_out(params.read(), **asked)
    assert trained == []
    assert list(cells.WORK.rglob("*.pth")) == []


@pytest.mark.parametrize("method", ["conv_cut", "majority_class"])
def test_a_second_run_of_a_cell_is_told_who_carries_it_out(prepared_folder, method):
    cell = cells.resolve(params.read(), dataset="synthetic", method=method, seed=0)
    asked = {"dataset": "synthetic", "method": method, "seed": 0}
    held = whole.alone(cell.work, doing="carrying out the cell")
    with held, pytest.raises(FerBenchError, match=f"process {os.getpid()} on .*, carrying out the cell since"):
        carry_out(params.read(), **asked)
    assert carry_out(params.read(), **asked).status == "ok"


def test_work_of_a_changed_run_goes_when_the_cell_is_done(prepared_folder):
    cell = cells.resolve(params.read(), dataset="synthetic", method="conv_cut", seed=0)
    (cell.work / "another content").mkdir(parents=True)
    carry_out(params.read(), dataset="synthetic", method="conv_cut", seed=0)
    assert not cell.work.exists()


def test_time_of_training_is_that_of_all_processes_that_trained(prepared_folder, monkeypatch):
    def full(*_):
        raise OSError("no space left on device")

    asked = {"dataset": "synthetic", "method": "conv_cut", "seed": 0}
    with monkeypatch.context() as patch:
        patch.setattr(runs, "write_record", full)
        with pytest.raises(OSError, match="no space"):
            carry_out(params.read(), **asked)
    file = max(cells.WORK.rglob("epoch_*.pth"))
    content = torch.load(file, weights_only=True)
    content["history"] = [{**row, "seconds": 1000.0} for row in content["history"]]
    torch.save(content, file)
    record = carry_out(params.read(), **asked)
    assert record.epochs * 1000 < record.train_s < record.epochs * 1000 + 100
