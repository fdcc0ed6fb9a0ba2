"""Whether a grid can be carried out as it is asked: found before anything is trained, not after days."""

from pathlib import Path

from fer_bench import registry
from fer_bench.datasets import Dataset, _store
from fer_bench.errors import FerBenchError
from fer_bench.params import Params
from fer_bench.protocols import Protocol
from fer_bench.training import brought_in
from fer_bench.training import cell as cells


def check(params: Params) -> None:
    """Check every data set's options and every entry's recipe, options, weights, files and digests.

    Networks are built with their weights, one after the other, for the number of expressions of every data set.

    Raises:
        FerBenchError: If something does not hold; all that does not is named, each with its fix.
    """
    found = {f"prepare.{name}": data_set_problem(params, name) for name in params.prepare}
    sizes = sorted({n_classes_of(params, name) for name in params.prepare if found[f"prepare.{name}"] is None})
    found |= {f"methods.{name}": entry_problem(params, name, sizes) for name in params.methods}
    found["run"] = device_problem(params)
    wrong = {where: error for where, error in found.items() if error is not None}
    if len(wrong) == 1:
        raise next(iter(wrong.values()))
    if wrong:
        said = "".join(f"\n  {where}: {error.problem}\n    fix: {error.fix}" for where, error in wrong.items())
        raise FerBenchError(
            f"{len(wrong)} of {len(found)} data sets and entries cannot be carried out:{said}",
            fix="mend each, or take it out of the grid",
        )


def n_classes_of(params: Params, name: str) -> int:
    """Return the number of expressions that a data set will have.

    Raises:
        FerBenchError: For options that its reader does not take.
    """
    choice = params.prepare[name]
    dataset: Dataset = registry.load("datasets", choice.reader or name)
    return dataset.n_classes(_store.read_options(name, choice.options, dataset.options))


def data_set_problem(params: Params, name: str) -> FerBenchError | None:
    """Return what is wrong with a data set's options."""
    try:
        n_classes_of(params, name)
    except FerBenchError as error:
        return error
    return None


def device_problem(params: Params) -> FerBenchError | None:
    """Return why the grid cannot be trained on the device, or in the precision, that it asks for."""
    if params.run.device != "cuda" and params.run.precision != "amp":
        return None  # found without torch
    from fer_bench.training import gradient

    try:
        gradient.precision_of(params.run)
    except FerBenchError as error:
        return error
    return None


def entry_problem(params: Params, name: str, n_classes: list[int]) -> FerBenchError | None:
    """Return why an entry cannot be carried out.

    Args:
        params: The grid.
        name: The entry.
        n_classes: The numbers of expressions for which its network is built; none: it is not built, and torch draws
            nothing.
    """
    try:
        entry = cells.entry_of(params, name)
        if params.methods[name].predictions is not None:
            _read_brought(params, name)
        cells.loaded(entry.method, entry.recipe, entry.weights)
        cells.hold_to_digests(params, name)
        if entry.method.build is not None:
            _build(params, entry, n_classes)
    except FerBenchError as error:
        return error
    return None


def _read_brought(params: Params, name: str) -> None:
    """Read every file of predictions that were brought; onto the samples of data sets that are prepared."""
    brought_in.sources(params, name)  # all are there, before one is read
    protocol: Protocol = registry.load("protocols", params.run.protocol)
    for dataset in params.prepare:
        prepared = _store.open_prepared(dataset, pixels=False) if Path("data", dataset).is_dir() else None
        for seed in params.run.seeds:
            found = brought_in.read(params, name, dataset, seed, n_classes=n_classes_of(params, dataset))
            if prepared is not None:
                rows = protocol.parts(prepared.samples, params.run.train_share).report
                brought_in.table(params, name, found, prepared, rows=rows)


def _build(params: Params, entry: cells.Entry, n_classes: list[int]) -> None:
    from fer_bench.training import gradient

    protocol: Protocol = registry.load("protocols", params.run.protocol)
    for size in n_classes:
        gradient.network(entry, size, selects=protocol.headline != "best_on_test")
