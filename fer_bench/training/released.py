"""Predictions of a released checkpoint: the authors' weights, our pictures, one at a time in meaning."""

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


def predict(method: str, recipe: str, checkpoint: Path, *, dataset: str, protocol: str) -> pd.DataFrame:
    """Give a method the weights of a released checkpoint and predict a data set's reported part.

    Pictures are prepared as the recipe prepares them; how the authors aligned and cropped theirs is not undone.

    Args:
        method: A file in ``baselines``.
        recipe: The recipe whose network the checkpoint is of.
        checkpoint: The released file; read without running code.
        dataset: A prepared data set.
        protocol: Which part is reported.

    Returns:
        A predictions table under the selection ``last``.

    Raises:
        FerBenchError: If the method, the recipe or the data set is not there, the method has no released checkpoint,
            or the file is not one of this network with this data set's expressions.
    """
    found: Method = registry.load("methods", method)
    if recipe not in found.recipes:
        raise FerBenchError(f"{method} has no recipe '{recipe}'", fix=f"one of: {', '.join(found.recipes)}")
    chosen = found.recipes[recipe]
    if found.build is None or chosen.training is None:
        raise FerBenchError(f"{method} is fitted in one go and has no checkpoints", fix="carry it out: fer-bench run")
    prepared = _store.open_prepared(dataset)
    n_classes = prepared.info.n_classes
    net = found.build(chosen.options, n_classes=n_classes, weights=Weights("none"))
    official.load(found, net, checkpoint)
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
