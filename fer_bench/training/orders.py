"""The batch-independence audit's part that needs torch: the same pictures, given to a model in other batches.

Here a batch really goes through the model as one, in evaluation mode, whatever ``couples_batch`` says. What counts as a
changed answer is said in :mod:`fer_bench.audits._orders`.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from fer_bench import registry, seeds
from fer_bench.audits._orders import Answer, Audited, answer, batches
from fer_bench.datasets import Dataset
from fer_bench.datasets._store import Prepared, read_options
from fer_bench.errors import FerBenchError
from fer_bench.method import Method, Training, Weights
from fer_bench.params import Params
from fer_bench.tables import orders, runs
from fer_bench.training import cell as cells
from fer_bench.training import features, gradient, pictures
from fer_bench.training.cell import Cell
from fer_bench.training.module import RunnerModel
from fer_bench.training.pictures import Part

TRUNK_PICTURES = 16
"""On which a frozen trunk, whose stored features stand for it, is asked together and alone."""

UNTRAINED_PICTURES = 96
"""Synthetic pictures for initial weights: more than the largest batch."""

_FITTED = "is fitted in one go: it has no batches"
_BROUGHT = "was brought as predictions: there is no model to ask"


def of_method(params: Params, *, dataset: str, method: str) -> Audited:
    """Audit a method's runs on a data set: all seeds of the grid.

    A method that is fitted in one go has no batches, and a run that diverged left no weights; the finding says so.

    Args:
        params: The grid.
        dataset: A key of ``params.prepare``.
        method: A key of ``params.methods``.

    Raises:
        FerBenchError: If a run is missing or does not fit the grid, the data or the method as they are now.
    """
    found = []
    for seed in params.run.seeds:
        cell = cells.resolve(params, dataset=dataset, method=method, seed=seed)
        if cell.method.build is None:
            return _audited(cell, without=f"{method} {_BROUGHT if cell.brought else _FITTED}")
        folder = params.cell(dataset, method, seed)
        record = cells.record_of(cell, folder)
        found.append((cell, folder, record))
    failed = [str(cell.seed) for cell, _, record in found if record.status == "failed"]
    without = f"training diverged for seed {', '.join(failed)}: no weights" if failed else ""
    parts = [of_cell(cell, folder, record.selected) for cell, folder, record in found if record.status == "ok"]
    moved = [part.trunk_moved for part in parts if part.trunk_moved is not None]
    return _audited(
        found[0][0],
        answers={key: value for part in parts for key, value in part.answers.items()},
        dropped={key: value for part in parts for key, value in part.dropped.items()},
        trunk_moved=max(moved, default=None),
        without=without,
    )


def of_run(params: Params, folder: Path) -> Audited:
    """Audit one run.

    Args:
        params: The grid that it is of.
        folder: The run's folder.

    Raises:
        FerBenchError: If there is no such run, it kept no weights, or it does not fit the grid, the data or the
            method as they are now.
    """
    record = runs.read_record(folder / "run.json")
    cell = cells.resolve(params, dataset=record.dataset, method=record.method, seed=record.seed)
    if cell.method.build is None:
        raise FerBenchError(
            f"{folder}: {record.method} {_BROUGHT if cell.brought else _FITTED}",
            fix="audit a run of a method that is trained by gradient descent",
        )
    if record.status == "failed":
        raise FerBenchError(f"{folder}: the run failed ({record.error}), so it has no weights", fix=cells.again(cell))
    return of_cell(cell, folder, cells.record_of(cell, folder).selected)


def untrained(method: str, *, recipe: str = "toy") -> Audited:
    """Audit a method without a run: initial weights, synthetic pictures.

    Batch normalisation takes its statistics from the pictures once, as training would give it some: with those that it
    starts with, random weights can shrink what tells pictures apart to nothing.

    Args:
        method: Its name.
        recipe: One of its recipes.

    Raises:
        FerBenchError: If there is no such method, or it is fitted in one go.
    """
    found: Method = registry.load("methods", method)
    settings = found.recipes[recipe].training
    if found.build is None or settings is None:
        raise FerBenchError(f"{method} {_FITTED}", fix="audit a method that is trained by gradient descent")
    dataset: Dataset = registry.load("datasets", "synthetic")
    options = read_options("synthetic", {"n_train": 7, "n_val": 7, "n_test": UNTRAINED_PICTURES}, dataset.options)
    loaded = dataset.load(Path(), options)
    rows = np.flatnonzero(loaded.samples["split"] == "test")
    samples = loaded.samples.iloc[rows].reset_index(drop=True)
    n_classes = dataset.n_classes(options)
    torch.manual_seed(seeds.derive(0, "initial weights"))
    net = found.build(found.recipes[recipe].options, n_classes=n_classes, weights=Weights("none"))
    y_true = samples["label"].to_numpy(dtype=np.int64)
    part = Part(images=loaded.images[rows], rows=np.arange(len(rows)), labels=y_true, seed=0)
    _settle(net, part, settings.image_size_px)
    asked = batches(y_true, samples["position"].to_numpy(dtype=np.int64))
    return Audited(
        dataset="synthetic",
        method=method,
        recipe=recipe,
        n_classes=n_classes,
        couples_batch=found.couples_batch(found.recipes[recipe].options),
        samples=pd.DataFrame({"sample_id": samples["sample_id"], "y_true": y_true}),
        answers={(0, "last"): ask(_wrapped(net, settings), part, asked)},
        dropped={(0, "last"): np.empty(0, dtype=np.int64)},
    )


def _wrapped(net: nn.Module, settings: Training) -> RunnerModel:
    """Return a net in the phase that training would end with."""
    weights = [torch.ones(1)] * len(settings.phases)
    model = RunnerModel(net, settings, weights=weights, loss=None, couples_batch=False)
    model.enter_phase(len(settings.phases) - 1)
    return model


@torch.no_grad()
def _settle(net: nn.Module, part: Part, side: int) -> None:
    norms = [layer for layer in net.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    kept = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 1.0
    net.train()(pictures.resized(torch.from_numpy(part.images), side))
    for layer, momentum in zip(norms, kept, strict=True):
        layer.momentum = momentum


def ask(model: RunnerModel, part: Part, asked: Mapping[str, Sequence[np.ndarray]]) -> dict[str, Answer]:
    """Ask a model for a part in several orders.

    Args:
        model: The model; it is given whole batches, whatever its ``couples_batch`` says.
        part: The pictures, or the features that stand for them.
        asked: By order, positions in the part of each batch; ``single`` comes first.

    Returns:
        By order.

    Raises:
        FerBenchError: If the model takes no picture alone.
    """
    start = time.monotonic()
    try:
        single = _logits(model, part, asked[orders.SINGLE])
    except ValueError as error:  # torch's word for batch statistics of one sample
        raise FerBenchError(
            f"the model takes no picture alone: {error}",
            fix="keep batch normalisation in evaluation mode when predicting; model.eval() must reach it",
        ) from None
    answers = {orders.SINGLE: answer(single, single, time.monotonic() - start)}
    for order, steps in asked.items():
        if order != orders.SINGLE:
            start = time.monotonic()
            logits = _logits(model, part, steps)
            answers[order] = answer(single, logits, time.monotonic() - start)
    return answers


@torch.no_grad()
def _logits(model: RunnerModel, part: Part, steps: Sequence[np.ndarray]) -> np.ndarray:
    """Return logits (n, k) of a part, given to the model in these batches."""
    model.eval()
    model.couples_batch = False  # or the model would part the batches itself
    device = next(model.parameters()).device
    logits = np.zeros((0, 0), dtype=np.float32)
    # TF32 rounds by some 1e-3, and otherwise in batches of other sizes
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        for rows in steps:
            batch = part.__getitems__(rows.tolist())
            found = model(**{name: value.to(device) for name, value in batch.items()}, mode="predict").float().cpu()
            if not logits.size:
                logits = np.empty((len(part), found.shape[1]), dtype=np.float32)
            logits[rows] = found.numpy()
    return logits


def of_cell(cell: Cell, folder: Path, selected: Mapping[str, int]) -> Audited:
    """Audit what a cell's run has left.

    Args:
        cell: The cell.
        folder: The run's folder, which holds the weights.
        selected: Selection to epoch, from the run's record.

    Raises:
        FerBenchError: If weights are missing or do not fit.
    """
    torch.set_num_threads(cell.asked.threads)
    gradient.keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    first = "best_on_val" if "best_on_val" in selected else "last"
    epochs = {selection: selected[selection] for selection in (first, "best_on_test")}
    samples = cell.dataset.samples
    reported, dropped = cell.parts.report, _dropped(cell)
    asked = batches(cell.labels[reported], samples["position"].to_numpy(dtype=np.int64)[reported])
    by_epoch: dict[int, tuple[dict[str, Answer], np.ndarray]] = {}
    moved: list[float] = []
    for epoch in sorted(set(epochs.values())):
        model = gradient.trained(cell, folder, epoch).to(device)
        part, rest = (_part(cell, model, rows, device) for rows in (reported, dropped))
        if part.features is not None:
            moved.append(_trunk_moved(model, cell.dataset.images[reported[:TRUNK_PICTURES]], device))
            torch.set_num_threads(1)  # steps of a head are so short that a second thread waits longer than it works
        answers = ask(model, part, asked)
        torch.set_num_threads(cell.asked.threads)
        alone = [np.array([row]) for row in range(len(dropped))]
        by_epoch[epoch] = (answers, _logits(model, rest, alone).argmax(axis=1) if len(dropped) else dropped)
    return _audited(
        cell,
        answers={(cell.seed, selection): by_epoch[epoch][0] for selection, epoch in epochs.items()},
        dropped={(cell.seed, selection): by_epoch[epoch][1] for selection, epoch in epochs.items()},
        trunk_moved=max(moved, default=None),
    )


def _part(cell: Cell, model: RunnerModel, rows: np.ndarray, device: torch.device) -> Part:
    """Return rows as the model's phase was given them: as pictures, or with the features that stand for them."""
    images, training = cell.dataset.images, model.training_settings
    part = Part(images=images, rows=rows, labels=cell.labels[rows], seed=cell.seed)
    if features.can_be_stored(training, model.phase) and len(rows):
        side, trunk = training.image_size_px, model.model.trunk
        digest = features.digest_of(trunk, images.shape[1:], side=side, device=device)
        seen = features.stored(trunk, digest, images, rows, side=side, mirrored=False, device=device)
        part.features = (seen, None)
    return part


@torch.no_grad()
def _trunk_moved(model: RunnerModel, images: np.ndarray, device: torch.device) -> float:
    trunk = model.eval().model.trunk
    asked = torch.from_numpy(np.ascontiguousarray(images)).to(device)
    prepared = pictures.prepare(asked, None, model.training_settings)
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        together = trunk(prepared)
        alone = torch.cat([trunk(prepared[row : row + 1]) for row in range(len(prepared))])
    return float((together - alone).abs().max() / alone.abs().max())


def _dropped(cell: Cell) -> np.ndarray:
    """Return the rows of the reported splits that the label rule drops."""
    samples = cell.dataset.samples
    of_split = samples["split"].isin(cell.protocol.reports_on).to_numpy(dtype=bool)
    rows: np.ndarray = np.flatnonzero(of_split & (cell.labels < 0))
    return rows


def _audited(cell: Cell, **found: Any) -> Audited:  # noqa: ANN401 - fields of Audited
    rows = np.concatenate([cell.parts.report, _dropped(cell)])
    labels = {f"label/{rule}": labels[rows] for rule, labels in _labels_under(cell.dataset).items()}
    ids = cell.dataset.samples["sample_id"].to_numpy()[rows]
    return Audited(
        dataset=cell.dataset.name,
        method=cell.method_name,
        recipe=cell.recipe_name,
        n_classes=cell.n_classes,
        couples_batch=cell.couples_batch,
        samples=pd.DataFrame({"sample_id": ids, "y_true": cell.labels[rows], **labels}),
        **found,
    )


def _labels_under(prepared: Prepared) -> Mapping[str, np.ndarray]:
    dataset: Dataset = registry.load("datasets", prepared.info.reader)
    if dataset.labels_under is None:
        return {}
    return dataset.labels_under(prepared.samples, read_options(prepared.name, prepared.info.options, dataset.options))
