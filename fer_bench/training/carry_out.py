"""Carry one cell out and leave its folder: predictions, record, history."""

import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from fer_bench import __version__, provenance, seeds, whole
from fer_bench.errors import FerBenchError
from fer_bench.params import Params
from fer_bench.tables import predictions, runs
from fer_bench.tables.history import history, sealed
from fer_bench.training import brought_in
from fer_bench.training import cell as cells
from fer_bench.training.cell import Cell, Outcome

_RANK = {"none": "", "pytorch": "RANK", "slurm": "SLURM_PROCID", "mpi": "OMPI_COMM_WORLD_RANK"}
"""By launcher, the variable that holds a process' number; as mmengine reads them."""

_START = "`torchrun --nproc-per-node 2 -m fer_bench run … --launcher pytorch`"


def carry_out(
    params: Params, *, dataset: str, method: str, seed: int, launcher: str = "none", out: Path | None = None
) -> runs.RunRecord | None:
    """Carry out one cell and write its folder.

    Args:
        params: The grid.
        dataset: A key of ``params.prepare``.
        method: An entry of ``params.methods``.
        seed: Any seed; the grid's are those that scores are computed from.
        launcher: As :func:`fer_bench.training.processes.start`.
        out: The run's folder; default: where the grid keeps it. What it holds is replaced if it is an earlier run of
            this cell.

    Returns:
        The run's record; ``status`` is ``failed`` where training diverged. None on processes other than the main one.

    Raises:
        FerBenchError: For anything missing or contradictory, and for a folder that holds anything else than a run of
            this cell, before training starts.
    """
    folder = params.cell(dataset, method, seed) if out is None else out.resolve()
    runs.check_replaceable(folder, (dataset, method, seed))
    cell = cells.resolve(params, dataset=dataset, method=method, seed=seed)
    _check_launcher(cell, launcher)
    if cell.brought:
        with _alone(cell, launcher, folder):
            return _take_over(params, cell, folder)
    with _alone(cell, launcher, folder):
        if cell.method.fit is not None:
            outcome: Outcome | None = _fit_in_one_go(cell)
        else:
            from fer_bench.training import gradient

            outcome = gradient.train(cell, launcher)
        if outcome is None:
            return None
        record = _record(cell, outcome)
        runs.check_replaceable(folder, (dataset, method, seed))  # training may take days
        with whole.replacing(folder) as new:
            record = _write(cell, outcome, record, new)
        whole.discard(cell.work)  # last, and of earlier contents of the cell too
    return record


def _check_launcher(cell: Cell, launcher: str) -> None:
    """Refuse processes that would not share the work."""
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if launcher == "none":
        if started > 1:
            raise FerBenchError(
                f"{started} processes were started, and each would carry out the whole run by itself",
                fix="add --launcher pytorch, or start one process without torchrun",
            )
    elif _RANK[launcher] not in os.environ:
        raise FerBenchError(
            f"--launcher {launcher}, but this process was not started by it: {_RANK[launcher]} is not set",
            fix=f"leave out --launcher, or start {_START}",
        )
    elif cell.method.fit is not None:
        raise FerBenchError(
            f"{cell.method.title} is fitted in one go: several processes have nothing to share",
            fix="start one process, without --launcher",
        )


@contextmanager
def _alone(cell: Cell, launcher: str, folder: Path) -> Iterator[None]:
    """Hold the cell for this run; of several processes that carry it out together, the main one does."""
    if int(os.environ.get(_RANK[launcher], "0")) > 0:
        yield
        return
    said = f"{cell.dataset.name} {cell.method_name} seed {cell.seed} of grid {cell.grid}"
    with whole.alone(cell.work, doing=f"carrying out {said}"):
        whole.settle(folder)
        yield


def _fit_in_one_go(cell: Cell) -> Outcome:
    assert cell.method.fit is not None  # noqa: S101 - for the type checker
    start = time.monotonic()
    rows = cell.parts.train
    predict = cell.method.fit(
        cell.recipe.options,
        np.asarray(cell.dataset.images[rows]),
        cell.labels[rows],
        n_classes=cell.n_classes,
        seed=seeds.derive(cell.seed, "fit"),
    )
    trained = time.monotonic()
    logits = predict(np.asarray(cell.dataset.images[cell.parts.report]))
    # there is one set of weights, so every selection has it
    return Outcome(
        logits=dict.fromkeys(cell.selections, logits),
        facts={"device": "cpu", "train_s": trained - start, "predict_s": time.monotonic() - trained},
    )


def _take_over(params: Params, cell: Cell, folder: Path) -> runs.RunRecord:
    """Read predictions that were made elsewhere, and leave them as a run."""
    place = (params, cell.method_name)
    found = brought_in.read(*place, cell.dataset.name, cell.seed, n_classes=cell.n_classes)
    table = brought_in.table(*place, found, cell.dataset, rows=cell.parts.report)
    record = _record(cell, Outcome(logits={}, facts={"device": runs.UNKNOWN}))
    record = runs.of_brought(record, {found.path.name: provenance.sha256_of_file(found.path)})
    with whole.replacing(folder) as new:
        predictions.write(table, new / "predictions.csv", n_classes=cell.n_classes)
        record = runs.write_sealed(record, new)
    whole.discard(cell.work)  # of a recipe that the entry had before
    return record


def _record(cell: Cell, outcome: Outcome) -> runs.RunRecord:
    commit, dirty = provenance.commit()
    peak = outcome.facts.get("peak_memory_mb")
    own = {
        "settings": {**cell.settings, **outcome.facts.get("settings", {})},
        "peak_memory_mb": _peak_memory_mb() if peak is None else peak,
    }
    return runs.RunRecord(
        dataset=cell.dataset.name,
        method=cell.method_name,
        method_file=None if cell.method_file == cell.method_name else cell.method_file,
        seed=cell.seed,
        protocol=cell.asked.protocol,
        recipe=cell.recipe_name,
        n_classes=cell.n_classes,
        label_rule=cell.dataset.info.label_rule,
        weights=cell.weights_name,
        weights_digest=cell.weights_digest,
        files=cell.files,
        couples_batch=cell.couples_batch,
        train_share=cell.asked.train_share,
        n_train=len(cell.parts.train),
        n_select=0 if cell.parts.select is None else len(cell.parts.select),
        n_report=len(cell.parts.report),
        threads=cell.asked.threads,
        commit=commit,
        dirty=dirty,
        digests=cell.digests(),
        versions={"fer-bench": __version__, **provenance.versions()},
        machine=provenance.machine(),
        **{**outcome.facts, **own},
    )


def _write(cell: Cell, outcome: Outcome, record: runs.RunRecord, folder: Path) -> runs.RunRecord:
    """Write a run's files, and its record last, which has their digests; return it."""
    sample_ids = cell.dataset.samples["sample_id"].iloc[cell.parts.report].tolist()
    y_true = cell.labels[cell.parts.report]
    frames = [predictions.frame(name, sample_ids, y_true, logits) for name, logits in outcome.logits.items()]
    empty = pd.DataFrame(columns=list(predictions.schema(cell.n_classes).columns))
    table = pd.concat(frames) if frames else empty
    predictions.write(table, folder / "predictions.csv", n_classes=cell.n_classes)
    for epoch, content in outcome.weights.items():
        file = runs.weights_of(folder, epoch)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    if cell.method.build is not None:
        key: dict[str, object] = {"dataset": record.dataset, "method": record.method, "seed": record.seed}
        for schema, rows in ((history, outcome.history), (sealed, outcome.sealed)):
            name = "history.csv" if schema is history else "sealed.csv"
            schema.write(schema.frame([{**key, **row} for row in rows]), folder / name)
    return runs.write_sealed(record, folder)


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
