"""Train a small network in one process or several, and write down what each saw: for ``test_processes.py``.

``torchrun --nproc-per-node 2 tests/unit/run_in_processes.py FOLDER [breaks=1]``
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import get_rank
from torch import nn

from fer_bench.method import EarlyStop, Phase, Plateau, Training
from fer_bench.training import loop, module, pictures, processes

SETTINGS = Training(
    phases=(
        Phase(
            epochs=2,
            lr=0.01,
            schedule=Plateau(watch="val_accuracy", patience=1, min_delta=0.0, factor=0.5, min_lr=1e-6),
            early_stop=EarlyStop(watch="val_accuracy", patience=9, min_delta=0.0, restore=True),
        ),
        Phase(epochs=2, lr=0.01, trunk="trained"),
    ),
    batch_size=8,
    image_size_px=12,
    optimizer="adam",
    augment=("flip",),
)
N_TRAIN, N_VALIDATE = 27, 13  # neither is even, and the last batches of two processes have 6 and 5 samples


class Watched(pictures.Part):
    """Remembers which of its samples were asked for in which epoch."""

    def __getitems__(self, indices):
        self.__dict__.setdefault("seen", {}).setdefault(self.epoch, []).extend(indices)
        self.__dict__.setdefault("seeds", {})[self.epoch] = torch.initial_seed()
        return super().__getitems__(indices)


class Small(nn.Module):
    """A trunk with batch statistics and a head with dropout."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(32, 3))

    def forward(self, images):
        return self.head(self.trunk(images))


def breaking(model, batch):
    """Give one process a loss that is not a number, in the last step of an epoch."""
    loss, _ = module.cross_entropy(model, batch)
    return loss * float("nan") if get_rank() == 1 and len(batch.labels) < SETTINGS.batch_size else loss


def main(folder: Path, *, breaks: bool) -> None:
    """Train, and write ``seenRANK.npz``."""
    processes.start("pytorch" if "RANK" in os.environ else "none")
    labels = np.arange(N_TRAIN + N_VALIDATE) % 3
    noise = np.random.default_rng(0).random((len(labels), 12, 12, 3))
    images = (noise * 100 + labels[:, None, None, None] * 60).astype(np.uint8)

    def part(rows):
        return Watched(images=images, rows=rows, labels=labels[rows], seed=0)

    train, validate = part(np.arange(N_TRAIN)), part(np.arange(N_TRAIN, len(labels)))
    counted = []
    compute = loop.Validation.compute_metrics
    loop.Validation.compute_metrics = lambda self, found: counted.append(len(found)) or compute(self, found)
    torch.manual_seed(get_rank())  # the first process's weights are everyone's
    weights = [torch.ones(3)] * 2
    loss = breaking if breaks else None
    model = module.RunnerModel(Small(), SETTINGS, weights=weights, loss=loss, couples_batch=False)
    out = folder / f"seen{get_rank()}.npz"
    data = {"n_classes": 3, "seed": 0, "folder": folder / "work", "key": "test", "amp": False, "title": "test"}
    try:
        fitted = loop.fit(model, [train, train], [validate, validate], **data)
    except loop.DivergedError as error:
        np.savez(out, diverged=str(error))
        return
    history = {name: np.array([row[name] for row in fitted.history]) for name in fitted.history[0]}
    rows = {f"rows{epoch}": np.array(seen) for epoch, seen in train.__dict__["seen"].items()}
    drawn = np.array(list(train.__dict__["seeds"].values()))
    last = torch.cat([value.flatten().float() for value in model.state_dict().values()]).numpy()
    alone = []
    for epoch in range(1, len(fitted.history) + 1):
        fitted.load(model, epoch)
        logits = loop.predict(model, validate)
        rated = loop.Validation(3, folder)
        alone.append(compute(rated, list(zip(torch.from_numpy(logits), labels[N_TRAIN:].tolist(), strict=True))))
    by_one = {f"alone_val_{name}": np.array([row[name] for row in alone]) for name in alone[0]}
    unequal = torch.arange(6) if get_rank() == 0 else torch.arange(10, 15)
    found = processes.gathered(unequal).numpy()
    other = {"weights": last, "drawn": drawn, "validated": np.array(counted), "gathered": found}
    np.savez(out, **history, **rows, **by_one, **other)


if __name__ == "__main__":
    main(Path(sys.argv[1]), breaks="breaks=1" in sys.argv)
