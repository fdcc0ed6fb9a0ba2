"""Which samples an epoch has."""

import dataclasses
import hashlib
import shutil

import numpy as np
import pytest
import torch
from torch import nn

from fer_bench.method import Balanced, Phase, RepeatFactor, Training
from fer_bench.training import loop, module, pictures, sampling

RAF_DB = np.array([1290, 281, 717, 4772, 1982, 705, 2524])  # surprise, fear, disgust, …: its training part
LABELS = np.repeat(np.arange(3), (30, 8, 2))
RULES = (Balanced(), RepeatFactor(threshold=0.4))


def part(rule="once", *, labels=LABELS, features=None):
    noise = np.random.default_rng(0).integers(0, 156, (len(labels), 6, 6, 3))
    images = (noise + labels[:, None, None, None] * 12).astype(np.uint8)
    rows = np.arange(len(labels))
    return pictures.Part(
        images=images, rows=rows, labels=labels, seed=3, features=features, n_draws=8, sampling=rule
    )  # fmt: skip


def batch_of(found, epoch):
    found.set_epoch(epoch)
    return found.__getitems__(range(len(found)))


def test_raf_dbs_rare_classes_are_repeated_as_by_the_released_sampler():
    labels = np.repeat(np.arange(7), RAF_DB)
    rows = batch_of(part(RepeatFactor(threshold=0.15), labels=labels), 0)["rows"]
    assert np.bincount(rows)[RAF_DB.cumsum() - 1].tolist() == [2, 3, 2, 1, 1, 2, 1]
    assert len(rows) == 15_545


def test_classes_are_drawn_evenly_in_an_epoch_as_long_as_the_part():
    labels = np.repeat(np.arange(7), RAF_DB)
    found = part(Balanced(), labels=labels)
    drawn = batch_of(found, 1)["labels"]
    assert len(drawn) == len(labels)
    expected = len(labels) / 7
    assert np.abs(np.bincount(drawn) - expected).max() < 4 * np.sqrt(expected * 6 / 7)  # four standard deviations
    assert not torch.equal(batch_of(found, 1)["rows"], batch_of(found, 2)["rows"])


def test_a_class_without_a_sample_is_not_drawn():
    labels = np.array([0, 0, 0, 2])
    assert set(batch_of(part(Balanced(), labels=labels), 0)["labels"].tolist()) <= {0, 2}
    assert len(batch_of(part(RepeatFactor(threshold=0.6), labels=labels), 0)["labels"]) == 5


def test_once_draws_what_it_always_drew():
    """The digest is of the numbers before sampling could be chosen."""
    batch = batch_of(part(), 4)
    assert batch["rows"].tolist() == list(range(40))
    fixed = np.random.default_rng(pictures.seeds.derive(3, "augment", 4)).random((40, 5), dtype=np.float32)
    assert np.array_equal(batch["draws"][:, :5].numpy(), fixed)
    assert hashlib.sha256(batch["draws"].numpy().tobytes()).hexdigest()[:16] == "fbc694a720b39940"


@pytest.mark.parametrize("rule", RULES)
def test_repeats_of_a_sample_are_changed_differently(rule):
    batch = batch_of(part(rule), 0)
    row = int(np.bincount(batch["rows"]).argmax())
    draws = batch["draws"][batch["rows"] == row]
    assert len(draws) > 1
    assert len(torch.unique(draws, dim=0)) == len(draws)


@pytest.mark.parametrize("rule", RULES)
def test_an_items_label_picture_and_features_are_its_samples(rule):
    plain = np.arange(40, dtype=np.float16)[:, None]
    for features in (None, (plain, -plain)):
        found = part(rule, features=features)
        batch = batch_of(found, 2)
        assert np.array_equal(batch["labels"], LABELS[batch["rows"]])
        if features is None:
            assert np.array_equal(batch["inputs"], found.images[batch["rows"]])
        else:
            signs = np.where(pictures.mirrored_half(batch["draws"].numpy()), -1, 1)
            assert np.array_equal(batch["inputs"][:, 0], batch["rows"].numpy() * signs)


def test_what_an_epoch_has_follows_from_seed_and_epoch_alone():
    first, second = part(Balanced()), part(Balanced())
    first.set_epoch(7)
    assert torch.equal(batch_of(first, 1)["rows"], batch_of(second, 1)["rows"])
    other = dataclasses.replace(second, seed=4)
    assert not torch.equal(batch_of(first, 1)["rows"], batch_of(other, 1)["rows"])
    assert np.array_equal(
        sampling.items(Balanced(), LABELS, seed=3, epoch=1), sampling.items(Balanced(), LABELS, seed=3, epoch=1)
    )


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))

    def forward(self, images):
        return self.head(self.trunk(images))


@pytest.mark.parametrize("rule", RULES)
def test_a_run_that_goes_on_equals_one_that_was_not_stopped(rule, tmp_path):
    settings = Training(
        phases=(Phase(epochs=3, lr=0.01),), batch_size=8, image_size_px=6, optimizer="adam", augment=("flip",),
        sampling=rule,
    )  # fmt: skip

    def fit(folder):
        torch.manual_seed(0)
        model = module.RunnerModel(Small(), settings, weights=[torch.ones(3)], loss=None, couples_batch=False)
        run = {"n_classes": 3, "seed": 0, "folder": folder, "key": "test", "amp": False,
               "title": "test"}  # fmt: skip
        loop.fit(model, [part(rule)], [part()], **run)
        return loop.predict(model, part()).tobytes()

    whole = fit(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "stopped")
    for epoch in (2, 3):
        (tmp_path / "stopped" / f"epoch_{epoch:04d}.pth").unlink()
    assert fit(tmp_path / "stopped") == whole
