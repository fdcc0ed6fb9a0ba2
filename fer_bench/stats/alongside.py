"""Runs side by side: the same samples, true labels and expressions, and numbers that mean the same."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fer_bench.arrays import Labels
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS, expressions
from fer_bench.stats import folders, signature, truth
from fer_bench.stats.pairs import Predicted
from fer_bench.stats.signature import Signature
from fer_bench.tables import _raw, brought
from fer_bench.tables.brought import Brought

Say = Callable[[str], None]
_FEW = 20  # docs/statistics.md, "When these numbers mislead"


class Gathered(NamedTuple):
    """What is compared.

    Attributes:
        found: The methods.
        notes: What a reader of the comparison has to know, line by line.
    """

    found: Predicted
    notes: tuple[str, ...]


class Opened(NamedTuple):
    """One run, labelled.

    Attributes:
        brought: The predictions; ``y_true`` is there.
        signature: What its numbers are numbers of.
        votes: (n, v) annotators' votes; None where they are not known.
        subjects: (n,) persons, as indices; None where they are not known.
        notes: What a reader of the scores has to know, line by line.
    """

    brought: Brought
    signature: Signature
    votes: np.ndarray | None
    subjects: np.ndarray | None
    notes: tuple[str, ...]


def same_classes(first: dict[Path, Brought]) -> int:
    """Return how many expressions files tell apart; labels without scores are of as many as the others.

    Raises:
        FerBenchError: If they tell other numbers apart.
    """
    told = [(path, found.n_classes) for path, found in first.items() if found.told]
    most = max(first.items(), key=lambda one: one[1].n_classes)
    (one, n_classes), *others = told or [(most[0], most[1].n_classes)]
    for path, other in [*others, (most[0], most[1].n_classes)]:
        if other != n_classes:
            raise FerBenchError(f"{one} tells {n_classes} expressions apart, {path} {other}", fix=brought.over())
    return n_classes


def unlabelled(path: Path) -> FerBenchError:
    """Return the error of predictions without true labels."""
    return FerBenchError(
        f"{path} has no true labels",
        fix="add them (a column true_label), or name the data set that has them, prepared: --dataset ferplus",
    )


def aligned(opened: dict[Path, Opened], say: Say) -> dict[Path, Opened]:
    """Return the runs on the same samples in the same order, with the same true labels.

    Raises:
        FerBenchError: If their samples or their true labels differ, or none has true labels.
    """
    labelled = next((path for path, one in opened.items() if one.brought.y_true is not None), None)
    if labelled is None:
        raise unlabelled(next(iter(opened)))
    first = opened[labelled].brought
    done = {}
    for path, one in opened.items():
        if one.brought.numbered and one.brought.y_true is None:
            raise truth.ordered_by_nothing(path)
        ids = _ids_of(path, one.brought, labelled, first, say)
        order = np.argsort(ids, kind="stable")
        y_true = first.y_true if one.brought.y_true is None else one.brought.y_true[order]
        if one.brought.y_true is None:
            say(f"{path}: true labels are those of {labelled}")
        _same_labels(labelled, first, path, y_true)
        scores = one.brought.probabilities
        lined = one.brought._replace(
            sample_ids=first.sample_ids,
            y_true=y_true,
            y_pred=one.brought.y_pred[order],
            probabilities=None if scores is None else scores[order],
        )
        done[path] = one._replace(brought=lined, signature=one.signature._replace(ids=opened[labelled].signature.ids))
    return done


def _ids_of(path: Path, one: Brought, first_path: Path, first: Brought, say: Say) -> np.ndarray:
    """Return a run's ids as the first run has them."""
    own, held = set(one.sample_ids), set(first.sample_ids)
    if own == held:
        return one.sample_ids
    only_own, only_first = sorted(own - held), sorted(held - own)
    if not own & held and len(own) == len(held):
        ids, note = truth.match(one.sample_ids, first.sample_ids, where=str(path), other=str(first_path))
        say(f"{path}: {note}")
        return ids
    said = [
        f"{len(ids)} only in {where} ({truth.some(ids)})"
        for where, ids in ((first_path, only_first), (path, only_own))
        if ids
    ]
    raise FerBenchError(
        f"the files are not about the same samples: {'; '.join(said)}",
        fix="predict the same part of the same data set with both; ids are compared as text",
    )


def _same_labels(first_path: Path, first: Brought, path: Path, y_true: np.ndarray | None) -> None:
    if first.y_true is None or y_true is None:
        return
    differs = first.y_true != y_true
    if differs.any():
        place = int(differs.argmax())
        raise FerBenchError(
            f"{first_path} and {path} disagree about the true label of {int(differs.sum())} of {len(y_true)} samples; "
            f"first: {first.sample_ids[place]}, {EXPRESSIONS[first.y_true[place]]} and {EXPRESSIONS[y_true[place]]}",
            fix="score both against the same labels: the same data set, the same label rule",
        )


def held_together(opened: dict[Path, Opened], *, force: bool) -> list[str]:
    """Refuse to mix what means different things; say what is forced, and what is not known.

    Raises:
        FerBenchError: If two signatures differ in what changes the meaning, unless that is forced.
    """
    (first_path, first), *others = opened.items()
    notes = []
    for path, one in others:
        differing = signature.conflicts(first.signature, one.signature)
        if differing and not force:
            raise FerBenchError(
                f"{first_path} and {path} are numbers of different things: {'; '.join(differing)}",
                fix="compare runs that agree in these; --force compares them all the same, and says so",
            )
        if differing:
            notes.append(f"Forced: {first_path} and {path} differ in what they mean: {'; '.join(differing)}.")
    unknown = {name for one in opened.values() for name in signature.unknown(one.signature)}
    if unknown:
        said = ", ".join(words for name, words in signature.WORDS.items() if name in unknown)
        notes.append(f"Not known of every file, so not held against each other: {said}.")
    return [*notes, *dict.fromkeys(note for one in opened.values() for note in one.notes)]


def gathered(methods: dict[Path, list[Path]], opened: dict[Path, Opened], notes: list[str], say: Say) -> Gathered:
    """Put runs together by method and seed.

    Args:
        methods: Path as named by the user to the files of its runs.
        opened: The runs, aligned.
        notes: Notes so far.
        say: Where the numbering of seeds is reported.
    """
    first = next(iter(opened.values()))
    told = signature.common(one.signature for one in opened.values())
    single = {path for path, files in methods.items() if len(files) == 1}
    single = single if len(single) < len(methods) else set()
    seeds = _seeds({path: files for path, files in methods.items() if path not in single}, opened, say)
    common = sorted(set(seeds.values()))
    names = _names(list(methods))
    y_pred, probabilities = {}, {}
    for path, files in methods.items():
        if path in single:
            runs = dict.fromkeys(common, opened[files[0]].brought)
        else:
            runs = {seeds[file]: opened[file].brought for file in files}
        y_pred[names[path]] = {seed: run.y_pred for seed, run in runs.items()}
        scores = {seed: run.probabilities for seed, run in runs.items() if run.probabilities is not None}
        if len(scores) == len(runs):
            probabilities[names[path]] = scores
    if len({frozenset(runs) for runs in y_pred.values()}) > 1:
        said = ", ".join(f"{name}: {';'.join(map(str, sorted(runs)))}" for name, runs in y_pred.items())
        notes = [*notes, f"Seeds differ ({said}): each pair is compared on the seeds that both have."]
    if single:
        said = ", ".join(names[path] for path in methods if path in single)
        held = f"One run alone: {said}. It stands beside each run of the others and is held fixed: nothing is said of "
        notes = [*notes, f"{held}what training it again would do."]
    y_true = _true(first)
    found = Predicted(
        "files" if told.ds == signature.UNKNOWN else told.ds,
        told.selection,
        first.brought.n_classes,
        y_true,
        y_pred,
        probabilities if len(probabilities) == len(y_pred) else None,
        first.votes,
        first.subjects,
        told,
        frozenset(names[path] for path in single),
    )
    return Gathered(found, (*notes, *degenerate(y_true, first.brought.n_classes)))


def degenerate(y_true: Labels, n_classes: int) -> list[str]:
    """Say which metrics mean little on these true labels.

    Examples:
        >>> degenerate(np.repeat([0, 1], 20), 2)
        []
    """
    counts = np.bincount(y_true, minlength=n_classes)
    present = [name for name, count in zip(expressions(n_classes), counts, strict=True) if count]
    absent = [name for name, count in zip(expressions(n_classes), counts, strict=True) if not count]
    if len(present) == 1:
        said = f"mean recall is its recall, macro-F1 its F1 divided by {n_classes}; kappa and correlations say nothing"
        return [f"All true labels are {present[0]}: {said}."]
    notes = []
    if absent:
        notes.append(f"No true sample of {', '.join(absent)}: macro-F1 counts its F1 as 0, mean recall leaves it out.")
    few = [f"{name} ({n})" for name, n in zip(expressions(n_classes), counts, strict=True) if 0 < n < _FEW]
    if few:
        notes.append(f"Few true samples of {', '.join(few)}: intervals of averages over expressions are rough.")
    return notes


def _true(one: Opened) -> Labels:
    if one.brought.y_true is None:  # aligned() gives every run true labels
        message = "a run without true labels"
        raise ValueError(message)
    return one.brought.y_true


def _seeds(methods: dict[Path, list[Path]], opened: dict[Path, Opened], say: Say) -> dict[Path, int]:
    """Return each run's seed; where seeds are not known or methods have none in common, runs are numbered."""
    known = {file: _seed(file, opened[file]) for files in methods.values() for file in files}
    by_method = [[known[file] for file in files] for files in methods.values()]
    complete = all(None not in seeds and len(set(seeds)) == len(seeds) for seeds in by_method)
    if complete and set.intersection(*map(set, by_method)):
        return {file: seed for file, seed in known.items() if seed is not None}
    if max(map(len, methods.values())) > 1:
        say("the runs' seeds are not all known, or not common: runs are numbered 0, 1, … in the order of their names")
    return {file: number for files in methods.values() for number, file in enumerate(files)}


def _seed(file: Path, one: Opened) -> int | None:
    if one.brought.record is not None:
        return one.brought.record.seed
    return folders.seed_of(file)


def _names(paths: list[Path]) -> dict[Path, str]:
    """Return the shortest ends of paths that tell them apart, without the files' endings."""
    parts = {}
    for path in paths:
        whole = path.absolute()
        held = list(whole.parts[1:]) if path.is_dir() else [*whole.parts[1:-1], _raw.stem(path)]
        held = held[:-1] if held[-1] == "predictions" and len(held) > 1 else held
        parts[path] = [*held[:-2], "/".join(held[-2:])] if re.fullmatch(r"seed\d+", held[-1]) else held
    for length in range(1, max(map(len, parts.values())) + 1):
        names = {path: "/".join(held[-length:]) for path, held in parts.items()}
        if len(set(names.values())) == len(paths):
            return names
    return {path: str(path) for path in paths}
