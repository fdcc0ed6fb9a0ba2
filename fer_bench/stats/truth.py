"""True labels of a prepared data set for predictions that anyone brings, and which id is which."""

import re
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd

from fer_bench import given, registry
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.tables import reported, samples
from fer_bench.tables.brought import Brought

DATA = Path("data")


class Truth(NamedTuple):
    """What a prepared data set knows of its samples.

    Attributes:
        dataset: Its name.
        samples: The samples table.
        n_classes: Expressions.
        label_rule: How votes became labels.
        whole: Whether these are all samples; committed results know those that were reported, and what a file holds
            beside them is left out.
        optional: Whether a file could be scored by its own labels instead, which errors then advise.
    """

    dataset: str
    samples: pd.DataFrame
    n_classes: int
    label_rule: str
    whole: bool = True
    optional: bool = True


class Labelled(NamedTuple):
    """Predictions with true labels, and what else is known of their samples.

    Attributes:
        brought: The predictions; ``y_true`` is there.
        votes: (n, v) annotators' votes; None where they are not known.
        subjects: (n,) persons, as indices; None where they are not known.
        notes: What was done, line by line.
    """

    brought: Brought
    votes: np.ndarray | None
    subjects: np.ndarray | None
    notes: tuple[str, ...]


class _Info(msgspec.Struct):
    """The fields of ``info.json`` that are needed here."""

    n_classes: int
    label_rule: str


def prepared(dataset: str, folder: Path = DATA) -> Truth | None:
    """Open what a prepared data set knows of its samples; None if it is a known data set that is not prepared here.

    Raises:
        FerBenchError: If there is no such data set, or its store does not fit.
    """
    place = folder / dataset
    if not (place / "samples.csv").exists():
        registry.path_of("datasets", dataset)
        return None
    info: _Info = given.json(
        place / "info.json",
        _Info,
        what="what preparing data writes",
        missing=f"no file {place / 'info.json'}",
        fix=f"fer-bench data prepare {dataset}",
    )
    return Truth(dataset, samples.read(place / "samples.csv"), info.n_classes, info.label_rule)


def label(brought: Brought, truth: Truth) -> Labelled:
    """Give predictions a data set's ids, true labels, votes and persons.

    Samples that the label rule drops are left out.

    Raises:
        FerBenchError: For ids that the data set lacks, samples of its split that the file lacks, samples of several
            splits, and true labels of the file that are others than the data set's.
    """
    where, name = str(brought.path), truth.dataset
    notes: list[str] = []
    if not truth.whole and not brought.numbered:
        known = _known(brought.sample_ids, set(truth.samples["sample_id"]))
        if 0 < known.sum() < len(known):
            notes.append(f"{int((~known).sum())} samples left out, which the results do not report")
            brought = _rows(brought, np.flatnonzero(known))
    table = truth.samples.set_index("sample_id")
    if brought.numbered:
        ids = _by_rows(brought, truth)
        note: str | None = f"rows are the test samples of {name} in its order, for true labels agree"
    else:
        ids, note = match(brought.sample_ids, table.index.to_numpy(dtype=object), where=where, other=name)
    notes += [note] if note else []
    here = table.loc[list(ids)]
    splits = here["split"].value_counts()
    if len(splits) > 1:
        raise FerBenchError(
            f"{where} holds samples of several splits of {name}: "
            + ", ".join(f"{count} of {split}" for split, count in splits.items()),
            fix="give the predictions of one split",
        )
    split = str(splits.index[0])
    labelled = table[(table["split"] == split) & (table["label"] >= 0)]
    _complete(set(ids), list(labelled.index), where=where, name=f"{name} {split}", optional=truth.optional)
    labels = here["label"].to_numpy(dtype=int)
    kept = labels >= 0
    if not kept.all():
        notes.append(f"{int((~kept).sum())} samples left out, which the label rule {truth.label_rule} drops")
    if brought.y_true is not None:
        _agree(brought.y_true[kept], labels[kept], ids[kept], where=where, truth=truth)
    notes.append(f"true labels: {name} {split}, label rule {truth.label_rule}, {int(kept.sum()):,} samples")
    found = _kept(brought, ids, labels, kept)
    kept_ids = list(found.sample_ids)
    return Labelled(
        found, reported.votes(truth.samples, kept_ids), reported.subjects(truth.samples, kept_ids), tuple(notes)
    )


def _by_rows(brought: Brought, truth: Truth) -> np.ndarray:
    """Return the ids of the test samples in the data set's order, all of them or those with a label.

    Raises:
        FerBenchError: For another number of rows, or without true labels that could show the order.
    """
    test = truth.samples[truth.samples["split"] == "test"]
    fitting = [part for part in (test, test[test["label"] >= 0]) if len(part) == len(brought.sample_ids)]
    if not fitting:
        raise FerBenchError(
            f"{brought.path}: {len(brought.sample_ids)} rows, and {truth.dataset} has {len(test)} test samples, "
            f"{int((test['label'] >= 0).sum())} of them with a label",
            fix=f"predict every test sample in the order of {DATA / truth.dataset / 'samples.csv'}, or give ids: a "
            "column sample_id",
        )
    if brought.y_true is None:
        raise ordered_by_nothing(brought.path)
    return fitting[0]["sample_id"].to_numpy(dtype=object)


def ordered_by_nothing(path: Path) -> FerBenchError:
    """Return the error of rows without ids and without true labels."""
    return FerBenchError(
        f"{path}: rows have neither ids nor true labels, so nothing shows that they are in the same order",
        fix="add one of the two: a column sample_id, or true_label",
    )


def match(ids: np.ndarray, known: np.ndarray, *, where: str, other: str) -> tuple[np.ndarray, str | None]:
    """Return for each id that of another table: itself; or, if none is there, the one with the same file name.

    Args:
        ids: A file's ids.
        known: The other table's.
        where: The file, for errors.
        other: The other table, for errors.

    Returns:
        The ids, and a line that says so where file names were compared, without folder and ending.

    Raises:
        FerBenchError: For ids that the other lacks, or that several samples share as file names.
    """
    held = set(known)
    if held & set(ids):
        lacking = sorted(set(ids) - held)
        if lacking:
            raise FerBenchError(
                f"{where}: {len(lacking)} of {len(ids)} ids are not in {other}: {some(lacking)}",
                fix="predict samples of the same data set; ids are compared as text",
            )
        return ids, None
    named: dict[str, list[str]] = {}
    for name in known:
        named.setdefault(file_name(name), []).append(name)
    own = [file_name(name) for name in ids]
    lacking = [name for name, short in zip(ids, own, strict=True) if len(named.get(short, [])) != 1]
    if lacking or len(set(own)) < len(own):
        raise FerBenchError(
            f"{where}: no id is in {other}, and {len(lacking) or 'some'} of {len(ids)} are not one sample's by file "
            f"name either: {some(lacking or list(ids))}; {other} has {some(sorted(held))}",
            fix="give the data set's own ids (data/DATASET/samples.csv), or another column: --column id=COLUMN",
        )
    return np.array([named[short][0] for short in own], dtype=object), (
        f"ids are those of {other} by file name, without folder and ending ({ids[0]}: {named[own[0]][0]})"
    )


def file_name(sample_id: str) -> str:
    r"""Return an id's file name without folder and ending.

    Examples:
        >>> file_name("test/fer0032220.png"), file_name(r"C:\faces\a.b.jpg")
        ('fer0032220', 'a.b')
    """
    return re.sub(r"\.[A-Za-z0-9]{1,5}$", "", re.split(r"[/\\]", sample_id)[-1])


def some(names: list[str]) -> str:
    """Return the first three of some names.

    Examples:
        >>> some(["a", "b", "c", "d"])
        'a, b, c …'
    """
    return f"{', '.join(map(str, names[:3]))}{' …' if len(names) > 3 else ''}"


def _complete(ids: set[str], expected: list[str], *, where: str, name: str, optional: bool) -> None:
    lacking = [sample for sample in expected if sample not in ids]
    if lacking:
        also = "; to score the file as it is, by its own true labels, leave --dataset out" if optional else ""
        raise FerBenchError(
            f"{where}: {len(expected) - len(lacking)} of {len(expected)} samples of {name}; missing {some(lacking)}",
            fix=f"predict every sample of the split (a face that was not found is a wrong answer){also}",
        )


def _agree(own: np.ndarray, labels: np.ndarray, ids: np.ndarray, *, where: str, truth: Truth) -> None:
    differs = own != labels
    if differs.any():
        first = int(differs.argmax())
        own_labels = "leave --dataset out to score by the file's labels, or " if truth.optional else ""
        raise FerBenchError(
            f"{where} and {truth.dataset} (label rule {truth.label_rule}) disagree about the true label of "
            f"{int(differs.sum())} of {len(own)} samples; first: {ids[first]}, {EXPRESSIONS[own[first]]} in the file, "
            f"{EXPRESSIONS[labels[first]]} in the data set",
            fix=f"if the label rules differ, {own_labels}remove those; if "
            "numbers were read in a wrong order, see --label-order; rows without ids have to be in its order",
        )


def _known(ids: np.ndarray, held: set[str]) -> np.ndarray:
    """Return which ids there are: as they are, or, where none is, by file name."""
    there = np.array([name in held for name in ids], dtype=bool)
    names = {file_name(name) for name in held}
    return there if there.any() else np.array([file_name(name) in names for name in ids], dtype=bool)


def _kept(brought: Brought, ids: np.ndarray, labels: np.ndarray, kept: np.ndarray) -> Brought:
    order = np.flatnonzero(kept)[np.argsort(ids[kept], kind="stable")]
    return _rows(brought, order)._replace(numbered=False, sample_ids=ids[order], y_true=labels[order])


def _rows(brought: Brought, order: np.ndarray) -> Brought:
    """Return some of a file's samples, in this order."""
    return brought._replace(
        sample_ids=brought.sample_ids[order],
        y_true=None if brought.y_true is None else brought.y_true[order],
        y_pred=brought.y_pred[order],
        probabilities=None if brought.probabilities is None else brought.probabilities[order],
        logits=None if brought.logits is None else brought.logits[order],
    )
