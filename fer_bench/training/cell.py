"""One cell of the grid: one data set, one method, one seed; from prepared pictures to predictions.

The reported part is opened when training has ended, not before. Then every epoch's weights are scored on it, which
gives the sealed history and ``best_on_test``; nothing of that reaches training.
"""

import dataclasses
import hashlib
import json
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mmengine.dist import barrier, is_main_process

from fer_bench import __version__, provenance, registry, seeds
from fer_bench.datasets import _store
from fer_bench.errors import FerBenchError
from fer_bench.method import Method, Recipe
from fer_bench.params import Params
from fer_bench.protocols import Parts, Protocol
from fer_bench.tables import predictions, runs
from fer_bench.tables.history import history as history_table
from fer_bench.tables.history import sealed as sealed_table
from fer_bench.training import features, loop, weights
from fer_bench.training.module import RunnerModel, class_weights, cross_entropy
from fer_bench.training.pictures import Part

WORK = Path(".fer-bench/work")
"""Where checkpoints lie while a run is under way, one folder per cell and content; emptied when it ends."""

_CODE = ("fer_bench.training", "fer_bench.protocols", "fer_bench.metrics", "fer_bench.seeds", "baselines")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """What a run is made of, resolved.

    Attributes:
        dataset: The prepared data set.
        method_name: The method's file.
        method: The method.
        recipe_name: Name of the recipe.
        recipe: The recipe, with the weights that ``params.yaml`` asks for.
        protocol_name: The protocol's file.
        protocol: The protocol.
        parts: Rows that train, select, report.
        seed: The run's seed.
        weights: Initial weights of the trunk.
        precision: ``fp32`` or ``amp``.
        threads: CPU threads.
    """

    dataset: _store.Prepared
    method_name: str
    method: Method
    recipe_name: str
    recipe: Recipe
    protocol_name: str
    protocol: Protocol
    parts: Parts
    seed: int
    weights: weights.Weights
    precision: str
    threads: int

    @property
    def labels(self) -> np.ndarray:
        """Labels of the whole image store, (n,)."""
        return self.dataset.samples["label"].to_numpy(dtype=np.int64)

    @property
    def couples_batch(self) -> bool:
        """Whether logits depend on batch mates."""
        return self.method.couples_batch(self.recipe.options)

    def part(self, rows: np.ndarray) -> Part:
        """Return a part of the data."""
        return Part(images=self.dataset.images, rows=rows, labels=self.labels[rows], seed=self.seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run found.

    Attributes:
        logits: Selection to logits (n, k) of the reported part.
        facts: Fields of the run record that only training knows.
        history: Rows of the history table, without the run's key.
        sealed: Rows of the sealed table, likewise.
    """

    logits: dict[str, np.ndarray]
    facts: dict[str, Any]
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)
    sealed: list[dict[str, float]] = dataclasses.field(default_factory=list)


def carry_out(
    params: Params, *, dataset: str, method: str, seed: int, launcher: str = "none", out: Path | None = None
) -> runs.RunRecord:
    """Carry out one cell and write its folder.

    Args:
        params: The grid.
        dataset: A key of ``params.prepare``.
        method: A key of ``params.methods``.
        seed: Any seed; the grid's are those that scores are computed from.
        launcher: As :func:`fer_bench.training.loop.fit`.
        out: The run's folder; default: where the grid keeps it.

    Returns:
        The run's record; ``status`` is ``failed`` where training diverged.

    Raises:
        FerBenchError: For anything missing or contradictory, before training starts.
    """
    cell = resolve(params, dataset=dataset, method=method, seed=seed)
    work = WORK / key_of(cell)
    start = time.monotonic()
    try:
        outcome = _fit_in_one_go(cell) if cell.method.fit else _train(cell, work, launcher)
    except loop.DivergedError as error:
        outcome = Outcome(
            logits={}, facts={"status": "failed", "error": f"diverged: {error}", "train_s": time.monotonic() - start}
        )
    record = _record(cell, outcome)
    if is_main_process():
        _write(cell, outcome, record, params.cell(dataset, method, seed) if out is None else out)
        shutil.rmtree(work, ignore_errors=True)
    return record


def resolve(params: Params, *, dataset: str, method: str, seed: int) -> Cell:
    """Look everything up that a run needs, and check that it fits together.

    Raises:
        FerBenchError: For a data set, method or recipe that is not there, weights that cannot be had as asked, mixed
            precision on a CPU, or parts that the data set does not have.
    """
    for name, section in ((dataset, "prepare"), (method, "methods")):
        if name not in getattr(params, section):
            registry.path_of("datasets" if section == "prepare" else "methods", name)
            raise FerBenchError(
                f"'{name}' is not in this grid; its {section} section has: {', '.join(getattr(params, section))}",
                fix=f"add {section}.{name} to params.yaml",
            )
    choice = params.methods[method]
    found: Method = registry.load("methods", method)
    if choice.recipe not in found.recipes:
        raise FerBenchError(
            f"methods.{method}.recipe: unknown recipe '{choice.recipe}'; there are: {', '.join(found.recipes)}",
            fix=f"one of these; `fer-bench describe method {method}` says what they are",
        )
    recipe = found.recipes[choice.recipe]
    prepared = _store.open_prepared(dataset)
    protocol: Protocol = registry.load("protocols", params.run.protocol)
    return Cell(
        dataset=prepared,
        method_name=method,
        method=found,
        recipe_name=choice.recipe,
        recipe=recipe,
        protocol_name=params.run.protocol,
        protocol=protocol,
        parts=protocol.parts(prepared.samples, params.run.train_share),
        seed=seed,
        weights=weights.resolve(choice.weights, recipe.weights),
        precision=_precision(params),
        threads=params.run.threads,
    )


def _precision(params: Params) -> str:
    cuda = torch.cuda.is_available()
    if params.run.device == "cuda" and not cuda:
        raise FerBenchError("run.device is cuda, but torch finds no CUDA device", fix="set run.device to auto or cpu")
    if params.run.precision == "amp" and not cuda:
        raise FerBenchError(
            "run.precision is amp, which mmengine has for accelerators only; this run is on the CPU",
            fix="set run.precision to auto or fp32",
        )
    return "amp" if cuda and params.run.precision != "fp32" else "fp32"


def key_of(cell: Cell) -> str:
    """Return a digest of everything that training depends on: a run resumes only where it is the same."""
    facts = {
        "cell": [cell.dataset.name, cell.method_name, cell.recipe_name, cell.protocol_name, cell.seed],
        "settings": _settings(cell.recipe),
        "weights": [cell.weights.source, _weights_digest(cell.weights)],
        "digests": _digests(cell),
        "precision": cell.precision,
        "threads": cell.threads,
        "device": _device(),
        "versions": provenance.versions(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _fit_in_one_go(cell: Cell) -> Outcome:
    assert cell.method.fit is not None  # noqa: S101 - for the type checker
    start = time.monotonic()
    rows = cell.parts.train
    predict = cell.method.fit(
        cell.recipe.options,
        np.asarray(cell.dataset.images[rows]),
        cell.labels[rows],
        n_classes=cell.dataset.info.n_classes,
        seed=seeds.derive(cell.seed, "fit"),
    )
    trained = time.monotonic()
    logits = predict(np.asarray(cell.dataset.images[cell.parts.report]))
    ended = time.monotonic()
    # there is one set of weights, so every selection has it
    return Outcome(
        logits=dict.fromkeys(_selections(cell), logits),
        facts={"train_s": trained - start, "predict_s": ended - trained, "device": "cpu"},
    )


def _selections(cell: Cell) -> list[str]:
    return ["last", *(["best_on_val"] if cell.parts.select is not None else []), "best_on_test"]


def _train(cell: Cell, work: Path, launcher: str) -> Outcome:
    training = cell.recipe.training
    assert training is not None and cell.method.build is not None  # noqa: S101, PT018 - for the type checker
    start = time.monotonic()
    n_classes = cell.dataset.info.n_classes
    torch.manual_seed(seeds.derive(cell.seed, "initial weights"))
    model = cell.method.build(cell.recipe.options, n_classes=n_classes, weights=cell.weights)
    from_features = features.can_be_stored(training)
    wrapped = RunnerModel(
        model,
        training,
        weights=class_weights(cell.labels[cell.parts.train], n_classes, training.class_weights),
        loss=cell.method.loss or cross_entropy,
        couples_batch=cell.couples_batch,
        from_features=from_features,
    )
    open_part = _opener(cell, model, from_features=from_features)
    fitted = loop.fit(
        wrapped,
        training,
        open_part(cell.parts.train, mirrored="flip" in training.augment),
        None if cell.parts.select is None else open_part(cell.parts.select),
        n_classes=n_classes,
        seed=cell.seed,
        folder=work,
        amp=cell.precision == "amp",
        launcher=launcher,
        title=f"{cell.dataset.name} {cell.method_name} seed {cell.seed}",
    )
    trained = time.monotonic()
    # only now is the reported part opened
    outcome = _score_epochs(cell, wrapped, fitted, lambda: open_part(cell.parts.report)) if is_main_process() else None
    if launcher != "none":
        barrier()
    parameters = list(model.parameters())
    facts = {
        "train_s": trained - start,
        "epochs": len(fitted.history),
        "n_parameters": sum(p.numel() for p in parameters),
        "n_trainable": sum(p.numel() for p in parameters if p.requires_grad),
        "device": _device(),
        "settings": {"features": "stored, float16" if from_features else "computed in the loop"},
    }
    if outcome is None:
        return Outcome(logits={}, facts=facts)
    return dataclasses.replace(outcome, facts={**facts, **outcome.facts}, history=fitted.history)


def _opener(cell: Cell, model: Any, *, from_features: bool) -> Callable[..., Part]:  # noqa: ANN401 - a torch module
    """Return a function that opens a part, with its features where they can stand for pictures."""
    trunk_digest = features.digest_of(model.trunk) if from_features else ""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def open_part(rows: np.ndarray, *, mirrored: bool = False) -> Part:
        part = cell.part(rows)
        if from_features:
            assert cell.recipe.training is not None  # noqa: S101 - for the type checker
            side = cell.recipe.training.image_size_px

            def view(*, flipped: bool) -> np.ndarray:
                arguments = {"side": side, "mirrored": flipped, "device": device}
                return features.stored(model.trunk, trunk_digest, cell.dataset.images, rows, **arguments)

            part.features = (view(flipped=False), view(flipped=True) if mirrored else None)
        return part

    return open_part


def _score_epochs(cell: Cell, model: RunnerModel, fitted: loop.Fitted, report: Callable[[], Part]) -> Outcome:
    part = report()
    sealed: list[dict[str, float]] = []
    start = time.monotonic()
    for row in fitted.history:
        fitted.load(model, int(row["epoch"]))
        accuracy, macro_f1 = loop.scores(part.labels, loop.predict(model, part), cell.dataset.info.n_classes)
        sealed.append({"epoch": row["epoch"], "test_accuracy": accuracy, "test_macro_f1": macro_f1})
    selected = {
        "last": int(fitted.history[-1]["epoch"]),
        "best_on_val": _first_best(fitted.history, "val_accuracy"),
        "best_on_test": _first_best(sealed, "test_accuracy"),
    }
    predict_s = (time.monotonic() - start) / len(sealed)
    logits: dict[str, np.ndarray] = {}
    for selection in _selections(cell):
        fitted.load(model, selected[selection])
        logits[selection] = loop.predict(model, part)
    kept = {name: selected[name] for name in _selections(cell)}
    return Outcome(logits=logits, facts={"selected": kept, "predict_s": predict_s}, sealed=sealed)


def _first_best(rows: list[dict[str, float]], column: str) -> int:
    """Return the first epoch with the largest value; 0 where the column was not measured."""
    if column not in rows[0]:
        return 0
    return int(max(rows, key=lambda row: row[column])["epoch"])


def _record(cell: Cell, outcome: Outcome) -> runs.RunRecord:
    commit, dirty = provenance.commit()
    info = cell.dataset.info
    facts = {**outcome.facts, "settings": {**_settings(cell.recipe), **outcome.facts.get("settings", {})}}
    facts.setdefault("device", _device())
    return runs.RunRecord(
        dataset=cell.dataset.name,
        method=cell.method_name,
        seed=cell.seed,
        protocol=cell.protocol_name,
        recipe=cell.recipe_name,
        n_classes=info.n_classes,
        label_rule=info.label_rule,
        weights=weights.describe(cell.weights, _backbone(cell.recipe)),
        weights_digest=_weights_digest(cell.weights),
        couples_batch=cell.couples_batch,
        n_train=len(cell.parts.train),
        n_select=0 if cell.parts.select is None else len(cell.parts.select),
        n_report=len(cell.parts.report),
        peak_memory_mb=_peak_memory_mb(),
        threads=cell.threads,
        precision=cell.precision,
        commit=commit,
        dirty=dirty,
        digests=_digests(cell),
        versions={"fer-bench": __version__, **provenance.versions()},
        machine=provenance.machine(),
        **facts,
    )


def _write(cell: Cell, outcome: Outcome, record: runs.RunRecord, folder: Path) -> None:
    """Write the run's folder beside its place, then put it there: an interruption leaves the earlier result."""
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(partial, ignore_errors=True)
    n_classes = cell.dataset.info.n_classes
    sample_ids = cell.dataset.samples["sample_id"].iloc[cell.parts.report].tolist()
    y_true = cell.labels[cell.parts.report]
    frames = [predictions.frame(name, sample_ids, y_true, logits) for name, logits in outcome.logits.items()]
    empty = pd.DataFrame(columns=list(predictions.schema(n_classes).columns))
    table = pd.concat(frames) if frames else empty
    predictions.write(table, partial / "predictions.csv", n_classes=n_classes)
    runs.write_record(record, partial / "run.json")
    if cell.method.build is not None:
        key: dict[str, object] = {"dataset": record.dataset, "method": record.method, "seed": record.seed}
        for schema, rows, name in (
            (history_table, outcome.history, "history.csv"),
            (sealed_table, outcome.sealed, "sealed.csv"),
        ):
            schema.write(schema.frame([{**key, **row} for row in rows]), partial / name)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _settings(recipe: Recipe) -> dict[str, Any]:
    settings = dataclasses.asdict(recipe)
    return json.loads(json.dumps(settings, default=str))  # type: ignore[no-any-return]


def _backbone(recipe: Recipe) -> str:
    return str(getattr(recipe.options, "backbone", ""))


def _weights_digest(chosen: weights.Weights) -> str | None:
    return None if chosen.path is None else provenance.sha256_of_file(chosen.path)


def _digests(cell: Cell) -> dict[str, str]:
    split = hashlib.sha256()
    for rows in cell.parts:
        split.update(b"/" if rows is None else np.ascontiguousarray(rows, dtype=np.int64).tobytes() + b"/")
    return {
        "samples": cell.dataset.info.samples_digest,
        "pixels": cell.dataset.info.pixels_digest,
        "split": split.hexdigest(),
        "code": provenance.code_digest(_CODE),
    }


def _device() -> str:
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"


def _peak_memory_mb() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
