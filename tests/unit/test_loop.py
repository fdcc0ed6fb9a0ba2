"""Training with mmengine's Runner: repeatable, resumable, and blind to the reported part."""

import shutil

import numpy as np
import pytest
import torch
from torch import nn

from fer_bench.errors import FerBenchError
from fer_bench.method import Training
from fer_bench.training import loop, module, pictures

TRAINING = Training(
    epochs=3, batch_size=8, image_size_px=12, optimizer="adam", lr=0.01, schedule="cosine", augment=("flip", "contrast")
)


class Small(nn.Module):
    """A trunk with batch statistics and a head with dropout: everything that random state touches."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(32, 3))

    def forward(self, images):
        return self.head(self.trunk(images))


def wrapped(training=TRAINING, *, couples_batch=False, from_features=False):
    torch.manual_seed(1)
    return module.RunnerModel(
        Small(),
        training,
        weights=torch.ones(3),
        loss=module.cross_entropy,
        couples_batch=couples_batch,
        from_features=from_features,
    )


@pytest.fixture
def parts(rng):
    labels = np.arange(60) % 3
    images = (rng.random((60, 12, 12, 3)) * 100 + labels[:, None, None, None] * 60).astype(np.uint8)

    def part(rows):
        return pictures.Part(images=images, rows=rows, labels=labels[rows], seed=0)

    return part(np.arange(40)), part(np.arange(40, 60))


def fit(model, parts, folder, training=TRAINING, *, validate=True):
    return loop.fit(
        model,
        training,
        parts[0],
        parts[1] if validate else None,
        n_classes=3,
        seed=0,
        folder=folder,
        amp=False,
        launcher="none",
        title="test",
    )


def test_the_same_seed_gives_the_same_bytes(parts, tmp_path):
    logits = []
    for name in ("a", "b"):
        model = wrapped()
        fit(model, parts, tmp_path / name)
        logits.append(loop.predict(model, parts[1]))
    assert logits[0].tobytes() == logits[1].tobytes()


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
    training = Training(epochs=2, batch_size=8, image_size_px=12, optimizer="sgd", lr=0.1, frozen_trunk=True)
    model = wrapped(training)
    before = {name: value.clone() for name, value in model.model.trunk.state_dict().items()}
    fitted = fit(model, parts, tmp_path / "run", training)
    assert all(torch.equal(value, before[name]) for name, value in model.model.trunk.state_dict().items())
    saved = torch.load(tmp_path / "run" / "epoch_0001.pth", weights_only=True)["state_dict"]
    assert not [name for name in saved if "trunk" in name]
    fitted.load(model, 1)


def test_a_loss_that_is_not_finite_is_a_divergence(parts, tmp_path):
    training = Training(epochs=3, batch_size=8, image_size_px=12, optimizer="sgd", lr=1e30)
    with pytest.raises(loop.DivergedError, match="epoch 1, step"):
        fit(wrapped(training), parts, tmp_path / "run", training)


def test_a_last_batch_of_one_is_left_out_of_training_only(parts, tmp_path):
    training = Training(epochs=1, batch_size=13, image_size_px=12, optimizer="sgd", lr=0.1)  # 40 = 3 × 13 + 1
    model = wrapped(training)
    fit(model, parts, tmp_path / "run", training)
    assert loop.predict(model, parts[0]).shape == (40, 3)


@pytest.mark.parametrize("content", [b"not a checkpoint", None])
def test_a_checkpoint_that_is_not_ours_is_refused(parts, tmp_path, content):
    (tmp_path / "run").mkdir()
    file = tmp_path / "run" / "epoch_0001.pth"
    torch.save({"state_dict": {}}, file) if content is None else file.write_bytes(content)
    with pytest.raises(FerBenchError, match="is not a checkpoint of this run") as caught:
        fit(wrapped(), parts, tmp_path / "run")
    assert "remove the folder" in caught.value.fix


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
    with pytest.raises(FerBenchError, match="no training sample of expression 1") as caught:
        module.class_weights(np.array([0, 0, 2]), 3, "balanced")
    assert "train_share" in caught.value.fix


def test_weighted_losses_are_divided_by_the_batch_size():
    model = Small().eval()
    images, labels = torch.rand(4, 3, 12, 12), torch.tensor([0, 1, 2, 0])
    weights = torch.tensor([2.0, 1.0, 0.5, 2.0])
    from fer_bench.method import Batch

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
    assert module.cross_entropy(model, batch).item() == pytest.approx(-(log_p * weights).sum().item() / 4, rel=1e-5)
