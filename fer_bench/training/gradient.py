"""Methods trained by gradient descent: build, train, and only then open the reported part.

After training, every epoch's weights are scored on the reported part. That gives the sealed history and
``best_on_test``; nothing of it reaches training, which is not given the reported part.
"""

import ctypes
import dataclasses
import hashlib
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_world_size, is_main_process

from fer_bench import provenance, seeds
from fer_bench.errors import FerBenchError
from fer_bench.method import Weights
from fer_bench.params import Run
from fer_bench.tables import runs
from fer_bench.training import cost, features, loop, pictures, processes, rules
from fer_bench.training.cell import Cell, Entry, Outcome
from fer_bench.training.module import RunnerModel, class_weights
from fer_bench.training.pictures import Part

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def train(cell: Cell, launcher: str) -> Outcome | None:
    """Train a cell's method and predict the reported part.

    Args:
        cell: The cell.
        launcher: As :func:`fer_bench.training.processes.start`.

    Returns:
        The outcome; ``status`` is ``failed`` in its facts where training diverged. None on processes other than the
        main one.

    Raises:
        FerBenchError: If the device or precision asked for is not there, weights do not fit, or a file in the work
            folder is not a checkpoint of this run.
    """
    processes.start(launcher)
    torch.set_num_threads(cell.asked.threads)
    keep_freed_memory()
    precision = precision_of(cell.asked)
    start = time.monotonic()
    model = _build(cell)
    parameters = list(model.model.parameters())  # a loss may have weights of its own
    facts: dict[str, Any] = {
        "device": _device_name(),
        "precision": precision,
        # each process has batches of its own, so their number changes what is computed
        "settings": {"processes": get_world_size()},
        "n_parameters": sum(p.numel() for p in parameters),
        "n_trainable": sum(p.numel() for p in parameters if p.requires_grad),
        "n_macs": _count_macs(cell),
    }
    key = _key(cell, facts)
    try:
        fitted, open_part = _fit(cell, model, key, amp=precision == "amp")
    except loop.DivergedError as error:
        facts |= {"status": "failed", "error": f"diverged: {error}", "train_s": time.monotonic() - start}
        return Outcome(logits={}, facts=facts) if is_main_process() else None
    before = sum(row["seconds"] for row in fitted.history[: fitted.n_before])
    facts |= {"train_s": before + time.monotonic() - start, "epochs": len(fitted.history)}
    facts["settings"] |= {"features": _said_of_features(model), "phases": _said_of_phases(model, fitted)}
    if not is_main_process():
        return None  # and wait for nothing: scoring can take longer than a group of processes waits
    fitted.load(model, 1)  # features are the untrained trunk's
    found = _score_epochs(cell, model, fitted, open_part(cell.parts.report))  # opened here, after training
    facts |= {**found.facts, "peak_memory_mb": _peak_accelerator_mb()}
    return dataclasses.replace(found, facts=facts, history=fitted.history)


def network(entry: Entry | Cell, n_classes: int, *, selects: bool) -> Any:  # noqa: ANN401 - the method's own module
    """Return an entry's network with its initial weights, drawn from torch's generator as it is.

    Args:
        entry: The entry, of a method that is trained by gradient descent.
        n_classes: Number of logits.
        selects: Whether a part of the data selects.

    Raises:
        FerBenchError: If the recipe watches a part that selects and there is none, weights do not fit, or the network
            takes no pictures of the recipe's size.
    """
    training = entry.recipe.training
    assert training is not None and entry.method.build is not None  # noqa: S101, PT018 - Method checks it
    if not selects and any("val_accuracy" in phase.watched for phase in training.phases):
        raise FerBenchError(
            f"recipe {entry.recipe_name} stops, or lowers its learning rate, by the accuracy on a part that selects; "
            "this protocol has none",
            fix="set run.protocol to honest, or choose a recipe of fixed length",
        )
    net = entry.method.build(entry.recipe.options, n_classes=n_classes, weights=entry.weights)
    _check_size(net, training.image_size_px)
    return net


def _build(cell: Cell) -> RunnerModel:
    training = cell.recipe.training
    assert training is not None  # noqa: S101 - Method checks it
    torch.manual_seed(seeds.derive(cell.seed, "initial weights"))
    return RunnerModel(
        network(cell, cell.n_classes, selects=cell.parts.select is not None),
        training,
        weights=[
            class_weights(cell.labels[cell.parts.train], cell.n_classes, phase.class_weights)
            for phase in training.phases
        ],
        loss=_loss(cell),
        couples_batch=cell.couples_batch,
        depth=None if cell.method.depth is None else partial(cell.method.depth, cell.recipe.options),
    )


def _loss(cell: Cell) -> Callable[..., torch.Tensor] | None:
    if cell.method.build_loss is None:
        return cell.method.loss
    loss: Callable[..., torch.Tensor] = cell.method.build_loss(
        cell.recipe.options, labels=cell.labels[cell.parts.train], n_classes=cell.n_classes
    )
    return loss


def _count_macs(cell: Cell) -> int:
    training = cell.recipe.training
    assert training is not None and cell.method.build is not None  # noqa: S101, PT018 - Method checks it
    build = partial(cell.method.build, cell.recipe.options, n_classes=cell.n_classes, weights=Weights("none"))
    return cost.macs(build, training.image_size_px)


@torch.no_grad()
def _check_size(net: Any, side: int) -> None:  # noqa: ANN401 - the method's own module
    """Carry one black picture through, so that a size that does not fit stops the run before features are computed."""
    try:
        net.eval()(torch.zeros(1, 3, side, side))
    except RuntimeError as error:
        raise FerBenchError(
            f"the network takes no pictures of {side} × {side} px: {error}",
            fix="raise image_size_px in the recipe, or cut the trunk earlier",
        ) from None


def _fit(cell: Cell, model: RunnerModel, key: str, *, amp: bool) -> tuple[loop.Fitted, Callable[..., list[Part]]]:
    open_part = _opener(cell, model)
    fitted = loop.fit(
        model,
        open_part(cell.parts.train, trains=True),
        None if cell.parts.select is None else open_part(cell.parts.select),
        n_classes=cell.n_classes,
        seed=cell.seed,
        folder=cell.work / key,
        key=key,
        amp=amp,
        title=f"{cell.dataset.name} {cell.method_name} seed {cell.seed}",
    )
    return fitted, open_part


def _opener(cell: Cell, model: RunnerModel) -> Callable[..., list[Part]]:
    """Return a function that opens a part: for each phase as pictures, or with the features that stand for them."""
    images, labels = cell.dataset.images, cell.labels
    training, trunk = model.training_settings, model.model.trunk
    stored = [features.can_be_stored(training, phase) for phase in range(len(training.phases))]
    side = training.image_size_px
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trunk_digest = features.digest_of(trunk, images.shape[1:], side=side, device=device) if any(stored) else ""

    def view(rows: np.ndarray, *, mirrored: bool) -> np.ndarray:
        return features.stored(trunk, trunk_digest, images, rows, side=side, mirrored=mirrored, device=device)

    def open_part(rows: np.ndarray, *, trains: bool = False) -> list[Part]:
        part = Part(
            images=images,
            rows=rows,
            labels=labels[rows],
            seed=cell.seed,
            votes=cell.vote_shares(rows) if trains and training.targets == "votes" else None,
            n_draws=pictures.n_draws(training),
            n_second_draws=pictures.n_second_draws(training) if trains else 0,
            sampling=training.sampling if trains else "once",
        )
        if not any(stored):
            return [part] * len(stored)
        mirrored = view(rows, mirrored=True) if trains and "flip" in training.augment else None
        seen = (view(rows, mirrored=False), mirrored)
        return [dataclasses.replace(part, features=seen) if has else part for has in stored]

    return open_part


def _said_of_features(model: RunnerModel) -> str:
    training = model.training_settings
    stored = sum(features.can_be_stored(training, phase) for phase in range(len(training.phases)))
    if stored == 0:
        return "computed in the loop"
    return "stored, float16" if stored == len(training.phases) else f"stored, float16, in the first {stored} phases"


def _said_of_phases(model: RunnerModel, fitted: loop.Fitted) -> list[dict[str, Any]]:
    """Return how each phase went."""
    said = []
    for index, phase in enumerate(model.training_settings.phases):
        own = rules.of_phase(fitted.history, index)
        said.append({"epochs": len(own), "stopped_early": rules.stopped_early(phase, own)})
    return said


def _score_epochs(cell: Cell, model: RunnerModel, fitted: loop.Fitted, parts: list[Part]) -> Outcome:
    labels = cell.labels[cell.parts.report]
    sealed: list[dict[str, float]] = []
    start = time.monotonic()
    for row in fitted.history:
        found = _predict(model, fitted, int(row["epoch"]), parts)
        accuracy, macro_f1 = loop.scores(labels, found, cell.n_classes)
        sealed.append({"epoch": row["epoch"], "test_accuracy": accuracy, "test_macro_f1": macro_f1})
    predict_s = (time.monotonic() - start) / len(sealed)
    selected = {"last": fitted.last, "best_on_test": _first_best(sealed, "test_accuracy")}
    if cell.parts.select is not None:
        selected["best_on_val"] = _first_best(fitted.history, "val_accuracy")
    logits = {name: _predict(model, fitted, selected[name], parts) for name in cell.selections}
    weights = {epoch: fitted.weights(epoch) for epoch in sorted(set(selected.values()))}
    return Outcome(logits=logits, facts={"selected": selected, "predict_s": predict_s}, sealed=sealed, weights=weights)


def trained(cell: Cell, folder: Path, epoch: int) -> RunnerModel:
    """Return a cell's model with the weights that a run kept of a selected epoch.

    Args:
        cell: The cell.
        folder: The run's folder.
        epoch: As the run's record has it under ``selected``.

    Raises:
        FerBenchError: If the run kept none, or they do not fit the method as it is now.
    """
    model = _build(cell)
    loop.restore(model, runs.weights_of(folder, epoch))
    return model


def _predict(model: RunnerModel, fitted: loop.Fitted, epoch: int, parts: list[Part]) -> np.ndarray:
    fitted.load(model, epoch)
    return loop.predict(model, parts[model.phase])


def _first_best(rows: list[dict[str, float]], column: str) -> int:
    """Return the first epoch with the largest value."""
    return int(max(rows, key=lambda row: row[column])["epoch"])


def _key(cell: Cell, facts: dict[str, Any]) -> str:
    """Return a digest of everything that training depends on: a run goes on only where it is the same."""
    same = {
        "cell": [cell.dataset.name, cell.method_name, cell.recipe_name, cell.seed],
        "settings": cell.settings,
        "weights": [cell.weights_name, cell.files],
        "digests": cell.digests(),
        "threads": cell.asked.threads,
        "facts": facts,
        "versions": provenance.versions(),
    }
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:32]


def precision_of(asked: Run) -> str:
    """Return ``amp`` or ``fp32``, as the grid asks and the device has it.

    Raises:
        FerBenchError: If the device or precision asked for is not there.
    """
    cuda = torch.cuda.is_available()
    if asked.device == "cuda" and not cuda:
        raise FerBenchError(
            "run.device is cuda, but torch finds no CUDA device",
            fix="`fer-bench doctor` says what the driver and torch have; or set run.device to auto or cpu",
        )
    if asked.precision == "amp" and not cuda:
        raise FerBenchError(
            "run.precision is amp, which mmengine has for accelerators only; this run is on the CPU",
            fix="set run.precision to auto or fp32",
        )
    return "amp" if cuda and asked.precision != "fp32" else "fp32"


def keep_freed_memory() -> None:
    """Tell glibc to keep freed blocks: handing each tensor's pages back to the system costs up to a quarter of a step.

    See mallopt(3); ``benchmarks/allocator.py`` measures the ratio. Elsewhere than on glibc nothing is done.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for option in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD):
            mallopt(option, 2**30)


def _device_name() -> str:
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"


def _peak_accelerator_mb() -> float | None:
    return torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else None
