"""Predictions that were made elsewhere, read onto the samples that a grid reports.

A file is read as ``fer-bench score FILE --dataset NAME`` reads it: the same spellings, the data set's own ids and true
labels, every sample. What it leaves open the entry's ``options`` say.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from fer_bench import provenance, registry
from fer_bench.arrays import Logits
from fer_bench.datasets._store import Prepared
from fer_bench.errors import FerBenchError
from fer_bench.params import Params
from fer_bench.stats import folders, truth
from fer_bench.stats.truth import Truth
from fer_bench.tables import brought, predictions, reading
from fer_bench.tables.brought import Brought

_SMALLEST = np.finfo(float).tiny  # a probability of 0 has no logit


def file_of(params: Params, entry: str, dataset: str, seed: int) -> Path:
    """Return the file with what an entry predicts.

    Args:
        params: The grid.
        entry: An entry whose predictions were brought.
        dataset: The data set. Predictions of several lie in a folder of that name each.
        seed: The seed, after which the file or its folder is named.

    Raises:
        FerBenchError: If there is none, or more than one.
    """
    folder = Path(params.methods[entry].predictions or "")
    parted = any((folder / name).is_dir() for name in params.prepare)
    root = folder / dataset if parted else folder
    if not root.is_dir():
        raise FerBenchError(
            f"methods.{entry}.predictions: {folder} holds nothing of {dataset}",
            fix=f"bring that too, into {root}; or make a grid of the data sets that were predicted",
        )
    found = [file for file in folders.runs_of(root) if folders.seed_of(file) == seed]
    if len(found) != 1:
        said = f" ({', '.join(file.relative_to(root).as_posix() for file in found[:3])})" if found else ""
        raise FerBenchError(
            f"{root}: {len(found) or 'no'} files of seed {seed}{said}; one is expected",
            fix=f"name the file of each of the grid's seeds after it: {root / f'seed{seed}.csv'}; one run alone is set "
            "beside a grid's results with fer-bench compare mine.csv --with results/GRID",
        )
    return found[0]


def sources(params: Params, entry: str) -> dict[str, str]:
    """Return what an entry's runs are made of, each file with its SHA-256: predictions, and the code that reads them.

    Raises:
        FerBenchError: As :func:`file_of`.
    """
    paths = [file_of(params, entry, dataset, seed) for dataset in params.prepare for seed in params.run.seeds]
    files = {path.as_posix(): provenance.sha256_of_file(path) for path in dict.fromkeys(paths)}
    return files | provenance.sources(__name__)


def read(params: Params, entry: str, dataset: str, seed: int, *, n_classes: int) -> Brought:
    """Read the file of a seed.

    Args:
        params: The grid.
        entry: An entry whose predictions were brought.
        dataset: The data set.
        seed: The seed.
        n_classes: Its expressions.

    Raises:
        FerBenchError: As :func:`file_of`, and for whatever the file leaves open.
    """
    file, where = file_of(params, entry, dataset, seed), _options(entry)
    said = reading.of_options(params.methods[entry].options, where=where)
    if said.n_classes not in {None, n_classes}:
        raise FerBenchError(
            f"{where}.classes: {said.n_classes}, and {dataset} has {n_classes} expressions",
            fix=f"classes: {n_classes}; all rows of a grid are averages over the same expressions",
        )
    with _fixed_in(entry):
        return _selected(brought.read(file, said._replace(known=n_classes, only=True)), _selection(params), file)


def table(params: Params, entry: str, one: Brought, prepared: Prepared, *, rows: np.ndarray) -> pd.DataFrame:
    """Return the predictions table of a file that was read.

    Args:
        params: The grid.
        entry: The entry.
        one: What the file holds.
        prepared: The data set, with its true labels.
        rows: Those of its rows that the protocol reports.

    Raises:
        FerBenchError: If it is of other samples, or disagrees about a true label.
    """
    known = Truth(prepared.name, prepared.samples, prepared.info.n_classes, prepared.info.label_rule, optional=False)
    reported = set(prepared.samples["sample_id"].iloc[rows])
    with _fixed_in(entry):
        one = truth.label(one, known).brought
        if set(one.sample_ids) != reported:
            raise FerBenchError(
                f"{one.path}: {len(one.sample_ids)} samples, {len(reported & set(one.sample_ids))} of them among the "
                f"{len(reported)} that the protocol reports",
                fix="predict the reported samples, and only these",
            )
    head = {"sample_id": one.sample_ids, "selection": _selection(params), "y_true": one.y_true, "y_pred": one.y_pred}
    scores, labels = _logits(one), pd.DataFrame(head)
    if scores is None:
        return labels
    found = predictions.frame(_selection(params), [*one.sample_ids], labels["y_true"].to_numpy(), scores)
    return found.assign(y_pred=one.y_pred)  # of equal scores the one that the file names


def _options(entry: str) -> str:
    return f"methods.{entry}.options"


@contextmanager
def _fixed_in(entry: str) -> Iterator[None]:
    """Add to the fix of an error where a grid has what is an option on the command line."""
    try:
        yield
    except FerBenchError as error:
        names = ", ".join(reading.Options.__struct_fields__)
        fix = f"{error.fix} (in a grid, options stand in {_options(entry)}: {names})"
        raise FerBenchError(error.problem, fix=fix) from None


def _selection(params: Params) -> str:
    """Return the protocol's own selection: of a file with several it is taken, and tables have predictions under it."""
    return str(registry.load("protocols", params.run.protocol).headline)


def _selected(held: dict[str | None, Brought], selection: str, file: Path) -> Brought:
    if not held:
        raise FerBenchError(f"{file} has no rows: its run failed", fix="bring runs that ended well")
    if not set(held) & {None, selection}:
        raise FerBenchError(
            f"{file} has no selection {selection}, which the protocol reports, but {', '.join(sorted(map(str, held)))}",
            fix="keep the rows of one selection, and remove the column selection",
        )
    return held[None if None in held else selection]


def _logits(one: Brought) -> Logits | None:
    """Return logits (n, k) of which the softmax is what was brought; None of labels alone."""
    if one.logits is not None or one.probabilities is None:
        return one.logits
    return np.asarray(np.log(np.maximum(one.probabilities, _SMALLEST)))
