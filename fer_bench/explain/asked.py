"""Ask a run's stored weights: the features that its classifier is given, and Grad-CAM maps, one picture at a time.

The features are what enters the last linear layer that is carried out with one output per expression, taken as it goes
in; a network for which that is the wrong one names another in an attribute ``classifier_layer`` (the dotted name of one
of its modules). The Conv-cut paper's t-SNE maps, by its released code, are of the softmax outputs: those lie where the
classifier put them, so that they show its decisions and not what it was given to decide on.

Which pictures: for the features a stratified part of the reported split, the same for all methods and seeds of a data
set. For Grad-CAM the first of each expression in an order that only the samples' ids fix, so that nobody picks.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from fer_bench.errors import FerBenchError
from fer_bench.explain import gradcam, purity
from fer_bench.method import Training
from fer_bench.params import Params
from fer_bench.protocols._parts import stratified
from fer_bench.tables import predictions
from fer_bench.tables.features import NO_MAPS, Explained, Features, GradCam, Maps
from fer_bench.tables.features import features as features_table
from fer_bench.training import cell as cells
from fer_bench.training import features, gradient, pictures
from fer_bench.training.cell import Cell
from fer_bench.training.module import RunnerModel

FITTED_ON = "what it was fitted on"
"""Stands for the layer of a method that is fitted in one go."""


class Asked(NamedTuple):
    """What a run was found to make of pictures.

    Attributes:
        found: The record.
        table: As :data:`fer_bench.tables.features.features`.
        maps: Grad-CAM maps with the pictures, whether or not these may be shown.
    """

    found: Explained
    table: pd.DataFrame
    maps: Maps

    @property
    def published(self) -> Maps:
        """Return the maps, with the pictures only where the licence lets faces be shown."""
        shown = self.found.gradcam is not None and self.found.gradcam.faces
        return self.maps if shown else self.maps._replace(images=None)


def of_run(params: Params, *, dataset: str, method: str, seed: int, n: int) -> Asked:
    """Ask one run.

    A run that diverged left no weights, and a method that is fitted in one go keeps none: of such a one the features
    are what it was fitted on, if it says what that is. The record says why something is missing.

    Args:
        params: The grid.
        dataset: A key of ``params.prepare``.
        method: A key of ``params.methods``.
        seed: The run's seed.
        n: Pictures whose features are asked for, at most.

    Raises:
        FerBenchError: If the run or its weights are missing, or do not fit the grid, the data or the method as they
            are now.
    """
    cell = cells.resolve(params, dataset=dataset, method=method, seed=seed)
    if cell.brought:
        return _nothing(cell, "brought as predictions, so that there is no model to ask")
    if cell.method.fit is not None and cell.method.features is None:
        return _nothing(cell, "fitted in one go, so that its runs keep nothing that could be asked")
    folder = params.cell(dataset, method, seed)
    record = cells.record_of(cell, folder)
    if cell.method.fit is not None:
        return _fitted(cell, folder, chosen(cell, n))
    if record.status == "failed":
        return _nothing(cell, f"training diverged for seed {seed}, which left no weights")
    selection = cell.protocol.headline
    epoch = record.selected[selection]
    torch.set_num_threads(cell.asked.threads)
    model = gradient.trained(cell, folder, epoch).to(_device()).eval()
    with _repeatable():
        found, table = _features(cell, model, chosen(cell, n))
        cam, maps = _gradcam(cell, model, picked(cell))
    return _asked(cell, found, table, cam, maps, selection=selection, epoch=epoch)


def chosen(cell: Cell, n: int) -> np.ndarray:
    """Return the rows whose features are asked for: n of the reported part, stratified, or all where there are fewer.

    Raises:
        FerBenchError: If n is less than the number of expressions.
    """
    rows = cell.parts.report
    if n >= len(rows):
        return rows
    labels = cell.labels[rows]
    n_present = len(np.unique(labels))
    if n < n_present:
        raise FerBenchError(f"{n} pictures are too few for {n_present} expressions", fix="raise --pictures")
    some: np.ndarray = rows[stratified(labels, n / len(rows), "features")]
    return some


def picked(cell: Cell) -> np.ndarray:
    """Return a row of the reported part for each expression: the first by the digest of its id."""
    rows = cell.parts.report
    ids = cell.dataset.samples["sample_id"].to_numpy()[rows]
    order = np.argsort([hashlib.sha256(str(name).encode()).hexdigest() for name in ids])
    labels = cell.labels[rows][order]
    first: np.ndarray = rows[order][[int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)]]
    return first


def _nothing(cell: Cell, why: str) -> Asked:
    found = Explained(
        dataset=cell.dataset.name,
        method=cell.method_name,
        seed=cell.seed,
        status="none",
        why=why,
        n_reported=len(cell.parts.report),
    )
    return Asked(found, features_table.frame([]), NO_MAPS)


def _asked(
    cell: Cell,
    found: Features | str,
    table: pd.DataFrame,
    cam: GradCam | str,
    maps: Maps,
    *,
    selection: str,
    epoch: int | None,
) -> Asked:
    explained = Explained(
        dataset=cell.dataset.name,
        method=cell.method_name,
        seed=cell.seed,
        selection=selection,
        epoch=epoch,
        n=len(table),
        n_reported=len(cell.parts.report),
        features=None if isinstance(found, str) else found,
        gradcam=None if isinstance(cam, str) else cam,
        no_features=found if isinstance(found, str) else "",
        no_gradcam=cam if isinstance(cam, str) else "",
    )
    return Asked(explained, table, maps)


def _fitted(cell: Cell, folder: Path, rows: np.ndarray) -> Asked:
    """Return what a method that is fitted in one go was fitted on, with what its run predicted."""
    assert cell.method.features is not None  # noqa: S101 - for the type checker
    points = cell.method.features(cell.recipe.options, np.asarray(cell.dataset.images[rows]))
    stored = predictions.read(folder / "predictions.csv", n_classes=cell.n_classes)
    answers = stored[stored["selection"] == cell.protocol.headline].set_index("sample_id")["y_pred"]
    y_pred = answers.loc[cell.dataset.samples["sample_id"].to_numpy()[rows]].to_numpy(dtype=np.int64)
    found, table = _measured(cell, rows, points, y_pred, layer=FITTED_ON)
    why = "no gradients: fitted in one go"
    return _asked(cell, found, table, why, NO_MAPS, selection=cell.protocol.headline, epoch=None)


def _features(cell: Cell, model: RunnerModel, rows: np.ndarray) -> tuple[Features | str, pd.DataFrame]:
    """Return what there is to say of the features of some rows, or why there is nothing; and the table."""
    inputs = _inputs(cell, model, rows)
    classifier = find_classifier(model.model, inputs, cell.n_classes)
    if isinstance(classifier, str):
        return classifier, features_table.frame([])
    points, y_pred = features_of(model.model, classifier, inputs)
    return _measured(cell, rows, points, y_pred, layer=classifier.name)


def _measured(
    cell: Cell, rows: np.ndarray, points: np.ndarray, y_pred: np.ndarray, *, layer: str
) -> tuple[Features | str, pd.DataFrame]:
    """Map features and measure how pure their neighbourhoods are."""
    if len(points) < purity.FEWEST:
        return "too few pictures for a map", features_table.frame([])
    if not np.isfinite(points).all() or np.ptp(points, axis=0).max() == 0:
        return "all pictures have the same features, or infinite ones", features_table.frame([])
    y_true = cell.labels[rows]
    places = purity.tsne(points)
    chance, chance_macro = purity.chance(y_true)
    found = Features(
        layer=layer,
        dimension=points.shape[1],
        k=min(purity.K, len(rows) - 1),
        chance=chance,
        chance_macro=chance_macro,
        perplexity=purity.perplexity(len(rows)),
        tsne_seed=purity.TSNE_SEED,
    )
    table = pd.DataFrame(
        {
            "sample_id": cell.dataset.samples["sample_id"].to_numpy()[rows],
            "y_true": y_true,
            "y_pred": y_pred,
            "x": places[:, 0],
            "y": places[:, 1],
            "pure": purity.shares(points, y_true),
            "pure_map": purity.shares(places, y_true),
        }
    )
    return found, features_table.check(table, where="table of features")


def _gradcam(cell: Cell, model: RunnerModel, rows: np.ndarray) -> tuple[GradCam | str, Maps]:
    inputs = _Pictures(cell.dataset.images, rows, model.training_settings)
    layer = gradcam.find_layer(model.model, inputs[0])
    if isinstance(layer, str):
        return layer, NO_MAPS
    found = [gradcam.grad_cam(model.model, layer, inputs[place]) for place in range(len(rows))]
    maps = Maps(
        sample_id=cell.dataset.samples["sample_id"].to_numpy()[rows].astype(np.str_),
        y_true=cell.labels[rows],
        y_pred=np.array([each.y_pred for each in found], dtype=np.int64),
        maps=np.stack([each.places.numpy() for each in found]),
        images=np.asarray(cell.dataset.images[rows]),
    )
    height, width = maps.maps.shape[1:]
    return GradCam(
        layer=layer.name, grid=(height, width), n=len(rows), faces=cell.dataset.info.faces_may_be_shown
    ), maps


class _Pictures:
    """Pictures as they enter a network, one at a time."""

    def __init__(self, images: np.ndarray, rows: np.ndarray, training: Training) -> None:
        self.images, self.rows, self.training = images, rows, training
        self.are_pictures = True

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> Tensor:
        """Return one picture, (1, 3, side, side)."""
        one = torch.from_numpy(np.array(self.images[self.rows[place]][None]))
        found: Tensor = pictures.prepare(one.to(_device()), None, self.training)
        return found


class _Stored:
    """A frozen trunk's features as the run was given them, one picture at a time."""

    def __init__(self, seen: np.ndarray, places: np.ndarray) -> None:
        self.seen, self.places = seen, places
        self.are_pictures = False

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, place: int) -> Tensor:
        """Return one picture's features, (1, …)."""
        return torch.from_numpy(np.array(self.seen[self.places[place]])[None]).to(_device()).float()


def _inputs(cell: Cell, model: RunnerModel, rows: np.ndarray) -> "_Pictures | _Stored":
    """Return rows as the model's phase was given them."""
    training, images, trunk = model.training_settings, cell.dataset.images, model.model.trunk
    side, device = training.image_size_px, _device()
    if not features.can_be_stored(training, model.phase):
        return _Pictures(images, rows, training)
    digest = features.digest_of(trunk, images.shape[1:], side=side, device=device)
    reported = cell.parts.report  # all of it: so it lies in the store since the run
    seen = features.stored(trunk, digest, images, reported, side=side, mirrored=False, device=device)
    return _Stored(seen, np.searchsorted(reported, rows))


def find_classifier(net: Any, inputs: Any, n_classes: int) -> gradcam.Layer | str:  # noqa: ANN401 - see _inputs
    """Find the last linear layer that is carried out with one output per expression; or say that there is none."""
    named = getattr(net, "classifier_layer", None)
    if named is not None:
        return gradcam.Layer(named, net.get_submodule(named))
    seen: list[gradcam.Layer] = []

    def note(name: str, module: nn.Module) -> Any:  # noqa: ANN401 - torch's handle
        return module.register_forward_hook(lambda *_: seen.append(gradcam.Layer(name, module)))

    linear = [(name, each) for name, each in net.named_modules() if isinstance(each, nn.Linear)]
    handles = [note(name, module) for name, module in linear if module.out_features == n_classes]
    try:
        _carry(net, inputs, 0)
    finally:
        for handle in handles:
            handle.remove()
    return seen[-1] if seen else "no linear layer of it has one output per expression (classifier_layer names another)"


def features_of(net: Any, classifier: gradcam.Layer, inputs: Any) -> tuple[np.ndarray, np.ndarray]:  # noqa: ANN401
    """Return what enters a layer for each picture, asked alone, and what the network answers.

    Args:
        net: The network, in evaluation mode.
        classifier: From :func:`find_classifier`. Of several tokens that enter it, the mean is taken.
        inputs: Pictures or stored features, one at a time.

    Returns:
        (n, d) float32 and (n,) predicted expressions.
    """
    held: list[np.ndarray] = []

    def hook(_module: nn.Module, entering: tuple[Tensor, ...]) -> None:
        vector = entering[0].detach().float()
        held[:] = [vector.flatten(1, -2).mean(dim=1)[0].cpu().numpy() if vector.ndim > 2 else vector[0].cpu().numpy()]

    handle = classifier.module.register_forward_pre_hook(hook)
    points, y_pred = [], []
    try:
        for place in range(len(inputs)):
            y_pred.append(int(_carry(net, inputs, place).argmax()))
            points.append(held[0].copy())
    finally:
        handle.remove()
    return np.stack(points), np.array(y_pred, dtype=np.int64)


@torch.no_grad()
def _carry(net: Any, inputs: Any, place: int) -> Tensor:  # noqa: ANN401 - see _inputs
    logits: Tensor = (net if inputs.are_pictures else net.head)(inputs[place])
    return logits[0]


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def _repeatable() -> Iterator[None]:
    """Keep TF32, whose rounding moves answers by 1e-3, and kernels that differ from call to call out of it."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
