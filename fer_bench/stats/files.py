"""Files of predictions, and folders of them, as methods that can be compared: the same samples, the same true labels.

A file is a run. A folder is a method and holds its runs (:mod:`fer_bench.stats.folders`).
"""

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fer_bench.errors import FerBenchError
from fer_bench.stats import alongside, committed, folders, signature, truth
from fer_bench.stats.alongside import Gathered, Opened, Say
from fer_bench.stats.signature import UNKNOWN, Signature
from fer_bench.tables import brought
from fer_bench.tables.brought import Brought
from fer_bench.tables.reading import Reading

PREFERRED = ("best_on_val", "last", "best_on_test")
"""Of the selections that files have, the first of these is taken."""


_Read = dict[str | None, Brought]  # of one file, by selection


def open_one(path: Path, *, reading: Reading, dataset: str | None, selection: str | None, say: Say) -> Opened:
    """Read one run and label it.

    Args:
        path: The file.
        reading: What the user says about it.
        dataset: The data set that it is about; where that is prepared here, true labels are its.
        selection: The selection; None: the first of :data:`PREFERRED` that the file has.
        say: Where what was understood is reported.

    Raises:
        FerBenchError: If the file does not fit, has no true labels and none are prepared, or no such selection.
    """
    if path.is_dir():
        raise FerBenchError(f"{path} is a folder", fix=f"name one file; or compare methods: fer-bench compare {path} …")
    known = _truth(dataset, say)
    # one file by its own labels needs no ids: nothing is laid beside it
    held = brought.read(path, _for(reading, known)._replace(rows=reading.rows or known is None))
    _named(reading, {path: held})
    _understood({path: held}, say)
    if not held:
        raise FerBenchError(f"{path} has no rows: its run failed", fix="score runs that ended well")
    found = held[_choose({path: set(held)}, selection, force=False)[path]]
    opened = _label(found, known, dataset, say)
    if opened.brought.y_true is None:
        raise alongside.unlabelled(path)
    return opened._replace(
        notes=(*opened.notes, *alongside.degenerate(opened.brought.y_true, opened.brought.n_classes))
    )


def gather(
    paths: list[Path],
    *,
    beside: Sequence[str] = (),
    reading: Reading,
    dataset: str | None,
    selection: str | None,
    force: bool,
    say: Say,
) -> Gathered:
    """Read what is to be compared, and hold the runs against each other.

    Args:
        paths: Files or folders; two or more with ``beside``.
        beside: Committed results, as :func:`fer_bench.stats.committed.read`; true labels are then theirs.
        reading: What the user says about the files.
        dataset: The data set that they are about; where that is prepared here, true labels are its.
        selection: The selection; None: the first of :data:`PREFERRED` that all have.
        force: Go on where signatures differ in what changes the meaning.
        say: Where what was understood is reported.

    Raises:
        FerBenchError: For fewer than two methods, files that do not fit, other samples, other true labels, another
            number of expressions, or signatures that differ in what changes the meaning.
    """
    if len(paths) + len(beside) < 2:
        raise FerBenchError(
            "one file alone cannot be compared",
            fix="name two or more, or results: --with results/GRID; or score it: fer-bench score",
        )
    repeated = [path for path in paths if paths.count(path) > 1]
    if repeated:
        raise FerBenchError(f"{repeated[0]} is named twice", fix="name each file once")
    results = [committed.read(text, dataset=dataset, selection=selection) for text in beside]
    known = results[0].truth if results else _truth(dataset, say)
    dataset, selection = (known.dataset, results[0].selection) if results and known else (dataset, selection)
    asked = _for(reading, known)
    methods = {path: folders.runs_of(path) for path in paths}
    held = {file: brought.read(file, asked) for files in methods.values() for file in files}
    _named(reading, held)
    _understood(held, say)
    methods = {path: _ended(path, files, held, say) for path, files in methods.items()}
    files = [file for found in methods.values() for file in found]
    n_classes = alongside.same_classes({file: next(iter(held[file].values())) for file in files})
    held = {
        file: {name: found._replace(n_classes=n_classes) for name, found in by_selection.items()}
        for file, by_selection in held.items()
    }
    chosen = _choose({file: set(held[file]) for file in files}, selection, force=force)
    opened = {
        place: run._replace(brought=run.brought._replace(n_classes=n_classes))
        for each in results
        for place, run in each.runs.items()
    }
    opened |= {file: _label(held[file][chosen[file]], known, dataset, say) for file in files}
    methods = {place: runs for each in results for place, runs in each.methods.items()} | methods
    opened = alongside.aligned(opened, say)
    notes = alongside.held_together(opened, force=force)
    return alongside.gathered(methods, opened, notes, say)


def _named(reading: Reading, held: dict[Path, _Read]) -> None:
    """Refuse a column that the user names and no file has; of several files one may lack it."""
    headers = [found.headers for by_selection in held.values() for found in by_selection.values()]
    for role, header in reading.columns.items():
        if headers and not any(header in names for names in headers):
            known = list(dict.fromkeys(name for names in headers for name in names))
            near = difflib.get_close_matches(header, known, n=1) or known[:1]
            raise FerBenchError(
                f"--column {role}={header}: no file has it; there are {truth.some(known)}",
                fix=f"name one that is there: --column {role}={near[0]}",
            )


def _understood(held: dict[Path, _Read], say: Say) -> None:
    """Say what was understood, once for files that are alike."""
    said: dict[tuple[str, ...], list[str]] = {}
    for path, by_selection in held.items():
        for found in list(by_selection.values())[:1]:
            said.setdefault(found.understood, []).append(str(path))
    for lines, paths in said.items():
        say(f"{truth.some(paths)}:")
        for line in lines:
            say(f"  {line}")


def _truth(dataset: str | None, say: Say) -> truth.Truth | None:
    found = None if dataset is None else truth.prepared(dataset)
    if dataset is not None and found is None:
        say(f"{dataset} is not prepared here (data/{dataset}): true labels are those of the files")
    return found


def _for(reading: Reading, known: truth.Truth | None) -> Reading:
    if known is None:
        return reading
    if reading.n_classes is not None and reading.n_classes < known.n_classes:
        raise FerBenchError(
            f"{known.dataset} has {known.n_classes} expressions, not {reading.n_classes}", fix="leave --classes out"
        )
    return reading._replace(known=known.n_classes)


def _ended(path: Path, files: list[Path], held: dict[Path, _Read], say: Say) -> list[Path]:
    ended = [file for file in files if held[file]]
    if not ended:
        raise FerBenchError(f"{path} has no rows: its run failed", fix="compare runs that ended well")
    if len(ended) < len(files):
        say(f"{path}: {len(files) - len(ended)} of {len(files)} runs failed and are left out")
    return ended


def _choose(held: dict[Path, set[str | None]], wanted: str | None, *, force: bool) -> dict[Path, str | None]:
    """Choose each file's selection; files without that column have but one."""
    named = {path: {name for name in names if name is not None} for path, names in held.items() if None not in names}
    common = set.intersection(*named.values()) if named else set()
    chosen = wanted if wanted is not None else next((name for name in PREFERRED if name in common), None)
    if named and chosen not in common and (wanted is not None or not force):
        said = "; ".join(f"{path}: {', '.join(sorted(names))}" for path, names in named.items())
        raise FerBenchError(
            f"the files have no {'common selection' if wanted is None else f'selection {wanted} in common'}: {said}",
            fix=f"--selection, one of: {', '.join(sorted(common))}"
            if common
            else "compare runs of one protocol; --force compares numbers that mean different things",
        )
    own = {path: next(name for name in PREFERRED if name in names) for path, names in named.items()}
    return {path: None if path not in named else chosen or own[path] for path in held}


def _label(found: Brought, known: truth.Truth | None, dataset: str | None, say: Say) -> Opened:
    votes = subjects = None
    notes: tuple[str, ...] = ()
    if known is not None:
        labelled = truth.label(found, known)
        found, votes, subjects, notes = labelled
        if votes is not None and found.n_classes > known.n_classes:  # nobody could vote for what the set does not have
            votes = np.insert(votes, known.n_classes, 0, axis=1)
        for note in notes:
            say(f"{found.path}: {note}")
        notes = tuple(note for note in notes if "left out" in note)
    record = found.record
    told = Signature(
        ds=dataset or (record.dataset if record else UNKNOWN),
        n=str(len(found.sample_ids)),
        ids=UNKNOWN if found.y_true is None else signature.digest(list(found.sample_ids), found.y_true),
        classes=str(found.n_classes),
        rule=known.label_rule if known else record.label_rule if record else UNKNOWN,
        protocol=record.protocol if record else UNKNOWN,
        selection=found.selection or UNKNOWN,
        seeds=str(record.seed) if record else UNKNOWN,
    )
    if record is not None and dataset not in {None, record.dataset}:
        raise FerBenchError(
            f"{found.path} is of a run on {record.dataset}, not {dataset}", fix=f"--dataset {record.dataset}"
        )
    return Opened(found, told, votes, subjects, notes)
