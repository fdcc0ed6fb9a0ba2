"""Predictions of a released checkpoint: the authors' weights, our pictures, one at a time in meaning."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from fer_bench import registry
from fer_bench.datasets import _store
from fer_bench.errors import FerBenchError
from fer_bench.method import Method, Weights
from fer_bench.protocols import Protocol
from fer_bench.tables import predictions
from fer_bench.training import loop, official
from fer_bench.training.module import RunnerModel
from fer_bench.training.pictures import Part

_SHOWN = 3  # names in an error


def predict(
    method: str, recipe: str, checkpoint: Path, *, dataset: str, protocol: str, weights: Path | None = None
) -> pd.DataFrame:
    """Give a method the weights of a released checkpoint and predict a data set's reported part.

    Pictures are prepared as the recipe prepares them; how the authors aligned and cropped theirs is not undone.

    Args:
        method: A file in ``baselines``.
        recipe: The recipe whose network the checkpoint is of.
        checkpoint: The released file; read without running code.
        dataset: A prepared data set.
        protocol: Which part is reported.
        weights: The file that the network takes from what the checkpoint lacks: a text tower.

    Returns:
        A predictions table under the selection ``last``.

    Raises:
        FerBenchError: If the method, the recipe or the data set is not there, the method has no released checkpoint,
            the file is not one of this network with this data set's expressions, or something that the network
            computes with stands in no file that was given.
    """
    found: Method = registry.load("methods", method)
    if recipe not in found.recipes:
        raise FerBenchError(f"{method} has no recipe '{recipe}'", fix=f"one of: {', '.join(found.recipes)}")
    chosen = found.recipes[recipe]
    if found.build is None or chosen.training is None:
        raise FerBenchError(f"{method} is fitted in one go and has no checkpoints", fix="carry it out: fer-bench run")
    prepared = _store.open_prepared(dataset)
    n_classes = prepared.info.n_classes
    given = Weights("none") if weights is None else Weights("file", weights, before_checkpoint=True)
    build = partial(found.build, chosen.options, n_classes=n_classes, weights=given)
    net = build()
    official.load(found, net, checkpoint)
    lacking = official.ungiven(build)
    if lacking:
        raise FerBenchError(
            f"{checkpoint} is not all that {found.title} computes with; {', '.join(lacking[:_SHOWN])}"
            f"{' …' if len(lacking) > _SHOWN else ''} would be random",
            fix=f"name the file that recipe {recipe} starts from, too: --weights {chosen.weights}",
        )
    couples = found.couples_batch(chosen.options)
    ones = [torch.ones(n_classes)] * len(chosen.training.phases)
    model = RunnerModel(net, chosen.training, weights=ones, loss=None, couples_batch=couples)
    model.enter_phase(len(chosen.training.phases) - 1)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    reporting: Protocol = registry.load("protocols", protocol)
    rows = reporting.parts(prepared.samples, 1.0).report
    labels = prepared.samples["label"].to_numpy(dtype=np.int64)[rows]
    logits = loop.predict(model, Part(images=prepared.images, rows=rows, labels=labels, seed=0))
    return predictions.frame("last", prepared.samples["sample_id"].iloc[rows].tolist(), labels, logits)
