"""Time training and prediction of methods as a run carries them out, against a plain PyTorch loop, in one run.

    python benchmarks/throughput.py finetune:lite0 convnext_full:paper --n 2048 --steps 30

The plain loop is what one would write instead: torchvision's transforms on PIL pictures in the DataLoader's worker
processes, the same network in channels-last memory, mixed precision (bfloat16) where a run has it, fused AdamW, plain
cross-entropy. Ours has the recipe's changes of pictures, its loss and its optimiser, and reads pictures from the image
store in the process that trains; a frozen trunk is computed in the loop both times. Ours predicts in single precision,
and one picture at a time in meaning where a method couples the batch; the plain loop predicts whole batches, in the
precision of training.

Noise of 48 px stands for faces and random weights for pretrained ones: neither changes the time. Prints CSV: pictures a
second, the median of several steps after the first ones, and the ratio to the plain loop.
"""

import argparse
import csv
import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

_PX = 48
_WARM = 3  # steps that are not counted: kernels are chosen, memory is taken
_COLUMNS = (
    "method", "recipe", "px", "batch", "device", "precision", "workers",
    "trained_per_s", "trained_per_s_plain", "trained_ratio", "predicted_per_s", "predicted_per_s_plain",
    "predicted_ratio",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="+", metavar="METHOD:RECIPE", help="files in baselines, each with a recipe")
    parser.add_argument("--steps", type=int, default=20, help="steps of which the median is taken (default 20)")
    parser.add_argument("--batch", type=int, help="pictures per step (default: the recipe's)")
    parser.add_argument("--workers", type=int, help="of the plain loop's loader (default: one per core, 16 at most)")
    asked = parser.parse_args()
    workers = min(os.cpu_count() or 1, 16) if asked.workers is None else asked.workers
    table = csv.DictWriter(sys.stdout, _COLUMNS)
    table.writeheader()
    for one in asked.recipes:
        method, _, recipe = one.partition(":")
        table.writerow(measure(method, recipe, batch=asked.batch, steps=asked.steps, workers=workers))
        sys.stdout.flush()


def measure(name: str, recipe_name: str, *, batch: int | None, steps: int, workers: int) -> dict[str, Any]:
    """Return a row of the table."""
    import numpy as np
    import torch

    from fer_bench import registry
    from fer_bench.method import Weights
    from fer_bench.params import Run
    from fer_bench.training import gradient, loop, pictures
    from fer_bench.training.module import PREDICT_BATCH, RunnerModel

    gradient.keep_freed_memory()
    precision = gradient.precision_of(Run(seeds=[0]))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    method = registry.load("methods", name)
    recipe = method.recipes[recipe_name]
    n_batch = batch or recipe.training.batch_size
    phase = dataclasses.replace(recipe.training.phases[-1], epochs=1, schedule="constant", early_stop=None, rewind=None)
    training = dataclasses.replace(recipe.training, phases=(phase,), batch_size=n_batch)
    n = max(n_batch, PREDICT_BATCH) * (steps + _WARM)
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (n, _PX, _PX), dtype=np.uint8), np.arange(n) % 7

    def network() -> torch.nn.Module:
        torch.manual_seed(0)
        net: torch.nn.Module = method.build(recipe.options, n_classes=7, weights=Weights("none"))
        return net

    loss = method.loss
    if method.build_loss is not None:
        loss = method.build_loss(recipe.options, labels=labels, n_classes=7)
    model = RunnerModel(
        network(), training, weights=[torch.ones(7)], loss=loss, couples_batch=method.couples_batch(recipe.options)
    )
    n_draws = (pictures.n_draws(training), pictures.n_second_draws(training))
    rows = np.arange(n_batch * (steps + _WARM))
    part = pictures.Part(images, rows, labels[rows], 0, n_draws=n_draws[0], n_second_draws=n_draws[1])
    seen = np.arange(PREDICT_BATCH * (steps + _WARM))
    reported = pictures.Part(images, seen, labels[seen], 0)
    with tempfile.TemporaryDirectory() as folder:
        timed = _Steps(device)
        model.train_step = timed.around(model.train_step)
        loop.fit(
            model, [part], None,
            n_classes=7, seed=0, folder=Path(folder) / "work", key="benchmark", amp=precision == "amp", title=name,
        )  # fmt: skip
        ours = n_batch / timed.between()
        timed = _Steps(device)
        model.forward = timed.around(model.forward)
        loop.predict(model, reported)
        ours_predicted = PREDICT_BATCH / timed.between()
    side = training.image_size_px
    frozen = phase.trunk == "frozen"
    plain = _Plain(network().to(device), side=side, device=device, precision=precision, workers=workers, frozen=frozen)
    trained = n_batch / plain.train(images[rows], labels[rows], n_batch)
    predicted = PREDICT_BATCH / plain.predict(images[seen], labels[seen], PREDICT_BATCH)
    speeds = (ours, trained, ours / trained, ours_predicted, predicted, ours_predicted / predicted)
    said = torch.cuda.get_device_name(0) if device.type == "cuda" else "cpu"
    first = (name, recipe_name, side, n_batch, said, precision, workers)
    return dict(zip(_COLUMNS, (*first, *(f"{speed:.3g}" for speed in speeds)), strict=True))


class _Steps:
    """Times from the end of one call to the end of the next, the device's work included."""

    def __init__(self, device: Any) -> None:
        self.device, self.ends = device, []

    def end(self) -> None:
        import torch

        if self.device.type == "cuda":
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())

    def around(self, called: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            found = called(*args, **kwargs)
            self.end()
            return found

        return timed

    def between(self) -> float:
        ends = self.ends[_WARM - 1 :]
        return median(later - earlier for earlier, later in pairwise(ends))


class _Plain:
    """A loop as one writes it without a harness."""

    def __init__(self, net: Any, *, side: int, device: Any, precision: str, workers: int, frozen: bool) -> None:
        import torch

        self.net = net.to(memory_format=torch.channels_last)
        if frozen:
            net.trunk.requires_grad_(mode=False)
        self.frozen, self.side, self.device, self.workers = frozen, side, device, workers
        self.mixed = torch.autocast(device.type, enabled=precision == "amp", dtype=torch.bfloat16)

    def train(self, images: Any, labels: Any, n_batch: int) -> float:
        import torch

        weights = [each for each in self.net.parameters() if each.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=1e-4, fused=True)
        self.net.train()
        if self.frozen:
            self.net.trunk.eval()
        timed = _Steps(self.device)
        for batch, target in self._batches(images, labels, n_batch, flips=True):
            with self.mixed:
                loss = torch.nn.functional.cross_entropy(self.net(batch), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            timed.end()
        return timed.between()

    def predict(self, images: Any, labels: Any, n_batch: int) -> float:
        import torch

        self.net.eval()
        timed = _Steps(self.device)
        with torch.inference_mode(), self.mixed:
            for batch, _ in self._batches(images, labels, n_batch, flips=False):
                self.net(batch).float().cpu()
                timed.end()
        return timed.between()

    def _batches(self, images: Any, labels: Any, n_batch: int, *, flips: bool) -> Iterator[tuple[Any, Any]]:
        import torch
        from PIL import Image
        from torchvision import transforms

        changes = [transforms.Resize((self.side, self.side)), *([transforms.RandomHorizontalFlip()] * flips)]
        change = transforms.Compose([*changes, transforms.ToTensor()])

        class Faces(torch.utils.data.Dataset[Any]):
            def __len__(self) -> int:
                return len(images)

            def __getitem__(self, index: int) -> tuple[Any, int]:
                return change(Image.fromarray(images[index]).convert("RGB")), int(labels[index])

        loader = torch.utils.data.DataLoader(
            Faces(), batch_size=n_batch, shuffle=flips, num_workers=self.workers, pin_memory=self.device.type == "cuda"
        )
        for batch, target in loader:
            moved = batch.to(self.device, non_blocking=True, memory_format=torch.channels_last)
            yield moved, target.to(self.device, non_blocking=True)


if __name__ == "__main__":
    main()
