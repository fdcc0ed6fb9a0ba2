"""FERPlus: FER2013's pictures, labelled anew by ten people each (Barsoum et al. 2016, arXiv:1608.01041).

``source`` is a folder with FER2013's pixels (npz or CSV, :mod:`fer_bench.datasets._fer2013`; or PNG files) and, of the
repository microsoft/FERPlus, ``fer2013new.csv`` and ``data/FER2013{Train,Valid,Test}/label.csv``.

What the release does not say, and what is done about it (counted on the repository at ae2128ab):

- **Two vote tables.** ``fer2013new.csv`` and the three ``label.csv`` differ in the votes of 1,601 pictures, and in the
  majority label of 377. All 1,601 have an exact copy in FER2013: ``label.csv`` has each copy's own votes,
  ``fer2013new.csv`` the same ones for all copies. The official training code reads ``label.csv``: 3,137 test pictures;
  from ``fer2013new.csv`` it would be 3,153. ``options.votes`` chooses; ``label_csv`` is the default.
- **Votes are joined to pixels by row, never by image name.** Row i of ``fer2013new.csv`` belongs to row i of
  ``fer2013.csv``. The number in a name falls behind the row number by up to 85. ``label.csv`` has names only; a name
  leads to its row through ``fer2013new.csv``.
- **173 rows have no name** (all votes NF). They stay in the store as ``row_<row>`` and are never labelled.
- **Four names stand in two rows** (5274 and 6968, 5348 and 11817, 8423 and 15835, 33200 and 34334). The row nearest to
  the number in the name is the name's own: 6968, 11817, 8423, 33200. In all four its votes agree in both tables, and of
  the two pairs with different pictures the other row shows no face. The other row is ``<name>_2``; ``label.csv`` has no
  votes for it, so under ``label_csv`` it has no label.
- **PNG files** (``options.form: png``) are what the official script writes: 35,710, the later row overwriting the
  earlier of the same name. One test picture (fer0033120) is therefore the wrong one. Its label under ``label_csv`` is
  that of its name; under ``fer2013new`` that of the row whose picture it is.
"""

import csv
import re
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from fer_bench import given
from fer_bench.datasets import Dataset, Loaded, Pictures, _ferplus_counts, _ferplus_rules
from fer_bench.datasets._decode import Form
from fer_bench.datasets._fer2013 import FOLDERS, GET, PNG_ANEW, SIDE_PX, USAGES, Rows, read_rows
from fer_bench.datasets._ferplus_toy import write_toy
from fer_bench.datasets._files import Folder
from fer_bench.datasets._pictures import FilePictures
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.params import Section

N_ROWS = 35_887
_SPLIT_OF = dict(zip(USAGES, ("train", "val", "test"), strict=True))
_VOTES = (*EXPRESSIONS, "unknown", "NF")
_OF_FER2013 = np.array([4, 5, 6, 1, 3, 2, 0])  # angry, disgust, fear, happy, sad, surprise, neutral
_NAME = re.compile(r"fer(\d{7})\.png")


class Options(Section, frozen=True, kw_only=True):
    """Which FERPlus: papers mean different things by the name.

    Attributes:
        votes: The vote table: ``label_csv`` (what the official code reads) or ``fer2013new``.
        rule: From votes to labels; see :mod:`fer_bench.datasets._ferplus_rules`. ``probability`` and ``multi_target``
            hold for train only, as in the official code: val and test are labelled by ``majority``.
        n_classes: 8, or 7: samples labelled contempt are dropped.
        form: ``rows``: all 35,887 rows, from npz or CSV. ``png``: the 35,710 files of the official script.
        allow_part: Take a source that holds only the first rows, or some of the files. For trials; the tables say so.
    """

    votes: Literal["label_csv", "fer2013new"] = "label_csv"
    rule: Literal["majority", "probability", "multi_target", "argmax10", "argmax8"] = "majority"
    n_classes: Literal[8, 7] = 8
    form: Literal["rows", "png"] = "rows"
    allow_part: bool = False


class _VoteTable(NamedTuple):
    """``fer2013new.csv``: (n,) sample ids, image names ("" for none), usages; votes (n, 10)."""

    ids: np.ndarray
    names: np.ndarray
    usages: np.ndarray
    votes: np.ndarray


def load(source: Path, options: Options) -> Loaded:
    """Read pixels and votes, join them, and label.

    Raises:
        FerBenchError: For files that are missing, short, unreadable, or do not belong together.
    """
    if not source.is_dir():
        raise FerBenchError(f"ferplus: no folder {source}", fix=GET)
    table = _read_fer2013new(source / "fer2013new.csv")
    images: Pictures
    if options.form == "rows":
        pixels = read_rows(source)
        _check_rows(pixels, table, source, part=options.allow_part)
        rows, images = np.arange(len(pixels.images)), pixels.images
        sources = [f"row {row}" for row in rows]
    else:
        rows, files = _png_files(source, table, part=options.allow_part)
        sources = [path.relative_to(source).as_posix() for path in files]
        images = FilePictures(
            dataset="ferplus",
            files=Folder(dict(zip(sources, files, strict=True))),
            names=sources,
            form=Form(),
            shape=(len(files), SIDE_PX, SIDE_PX),
            fix=PNG_ANEW,
        )
    splits = np.array([_SPLIT_OF[usage] for usage in table.usages[rows]])
    ids = table.ids[rows] if options.form == "rows" else _stems(table.names[rows])
    votes, listed = table.votes[rows], np.full(len(rows), fill_value=True)
    if options.votes == "label_csv":
        votes, listed = _votes_of_label_csv(source, table, ids, votes)
    labels = _ferplus_rules.labels(votes, splits, options.rule, options.n_classes)
    samples = pd.DataFrame(
        {
            "sample_id": ids,
            "split": splits,
            "label": np.where(listed, labels, _ferplus_rules.DROP),
            "position": rows,
            "source": sources,
            "subject": pd.array([pd.NA] * len(rows), dtype="string"),
            **{f"votes_{name.lower()}": votes[:, column] for column, name in enumerate(_VOTES)},
        }
    )
    return Loaded(samples, images)


def _read_fer2013new(path: Path) -> _VoteTable:
    header, records = _read_csv(path)
    expected = ["Usage", "Image name", *_VOTES]
    if [name.strip() for name in header] != expected:
        raise FerBenchError(f"{path}: columns are {', '.join(header)}; expected {', '.join(expected)}", fix=GET)
    votes = _as_votes([record[2:] for record in records], path, first_line=2)
    for line, (usage, name, *_) in enumerate(records, start=2):
        if usage not in USAGES or (name and not _NAME.fullmatch(name)):
            raise FerBenchError(f"{path}, line {line}: Usage {usage!r} and Image name {name!r}", fix=GET)
    names = np.array([record[1] for record in records], dtype=object)
    usages = np.array([record[0] for record in records], dtype=object)
    return _VoteTable(_ids(list(names)), names, usages, votes)


def _ids(names: list[str]) -> np.ndarray:
    """Return one id per row: the name's stem; ``row_<row>`` without a name; ``<stem>_2`` for a name's other row."""
    holders: dict[str, list[int]] = {"": []}
    for row, name in enumerate(names):
        holders.setdefault(name, []).append(row)
    ids = [f"row_{row:05d}" for row in range(len(names))]
    del holders[""]
    for name, rows in holders.items():
        number = int(name[len("fer") : -len(".png")])
        by_distance = sorted((abs(row - number), row) for row in rows)
        for place, (_, row) in enumerate(by_distance, start=1):
            ids[row] = name.removesuffix(".png") + (f"_{place}" if place > 1 else "")
    return np.array(ids, dtype=object)


def _stems(names: np.ndarray) -> np.ndarray:
    return np.array([name.removesuffix(".png") for name in names], dtype=object)


def _check_rows(pixels: Rows, table: _VoteTable, source: Path, *, part: bool) -> None:
    """Hold pixels and ``fer2013new.csv`` to the release's number of rows and to each other's order.

    Raises:
        FerBenchError: Where they are short, or out of step.
    """
    n, n_votes = len(pixels.images), len(table.ids)
    if not part and (n, n_votes) != (N_ROWS, N_ROWS):
        raise FerBenchError(
            f"ferplus: {n} pictures and {n_votes} rows of votes in {source}; the release has {N_ROWS} of each",
            fix=f"{GET}; for a trial with its first rows, set prepare.ferplus.options.allow_part to true",
        )
    if n == 0 or n > n_votes:
        raise FerBenchError(f"ferplus: {n} pictures, {n_votes} rows of votes in {source}", fix=GET)
    usages = np.array(USAGES, dtype=object)[pixels.usage]
    if (usages != table.usages[:n]).any():
        row = int((usages != table.usages[:n]).argmax())
        raise FerBenchError(
            f"ferplus: row {row} is {usages[row]} among the pictures and {table.usages[row]} in fer2013new.csv",
            fix="keep the rows of fer2013.csv in the order in which they were released",
        )
    # 63 % of all rows agree, 49 % in the worst hundred; 18 % if shuffled
    agreement = float((_OF_FER2013[pixels.emotion] == table.votes[:n, : len(EXPRESSIONS)].argmax(axis=1)).mean())
    if n >= 100 and agreement < 0.4:
        raise FerBenchError(
            f"ferplus: FER2013's labels agree with the votes in {agreement:.0%} of the rows, expected about 63 %",
            fix="keep the rows of fer2013.csv in the order in which they were released",
        )


def _png_files(source: Path, table: _VoteTable, *, part: bool) -> tuple[np.ndarray, list[Path]]:
    """Return the rows that the official script's files show, ascending, and the files."""
    last_row = {name: row for row, name in enumerate(table.names) if name}
    rows = np.array(sorted(last_row.values()))
    files = [source / "data" / FOLDERS[table.usages[row]] / table.names[row] for row in rows]
    there = {path for folder in FOLDERS.values() for path in (source / "data" / folder).glob("*.png")}
    unknown = sorted(there.difference(files))
    if unknown:
        raise FerBenchError(
            f"ferplus: {len(unknown)} PNG files that fer2013new.csv does not name there, e.g. {unknown[0]}",
            fix="remove them, or write the folders anew with generate_training_data.py of microsoft/FERPlus",
        )
    missing = [path for path in files if path not in there]
    if missing and (not part or not there):
        raise FerBenchError(
            f"ferplus: {len(missing)} of {len(files)} PNG files are missing, e.g. {missing[0]}",
            fix="write them with generate_training_data.py of microsoft/FERPlus; for a trial with some of them, set "
            "prepare.ferplus.options.allow_part to true",
        )
    kept = [index for index, path in enumerate(files) if path in there]
    return rows[kept], [files[index] for index in kept]


def _votes_of_label_csv(
    source: Path, table: _VoteTable, ids: np.ndarray, otherwise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return votes (n, 10) of ``label.csv``, from ``otherwise`` where it lacks the sample, and where it has it (n,)."""
    known = {name: usage for name, usage in zip(table.names, table.usages, strict=True) if name}
    found: dict[str, np.ndarray] = {}
    for usage, folder in FOLDERS.items():
        path = source / "data" / folder / "label.csv"
        first, rest = _read_csv(path)
        records = [first, *rest]
        votes = _as_votes([record[2:] for record in records], path, first_line=1)
        for line, (record, row) in enumerate(zip(records, votes, strict=True), start=1):
            stem = record[0].removesuffix(".png")
            if known.get(record[0]) != usage or stem in found:
                said = "stands twice" if stem in found else f"is not a {usage} picture of fer2013new.csv"
                raise FerBenchError(f"{path}, line {line}: {record[0]!r} {said}", fix=GET)
            found[stem] = row
    listed = np.array([sample_id in found for sample_id in ids])
    votes = np.stack([found.get(sample_id, row) for sample_id, row in zip(ids, otherwise, strict=True)])
    return votes, listed


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read a vote table of twelve columns: its first line and the others."""
    given.check(path, missing=f"ferplus: no file {path}", fix=GET)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [record for record in csv.reader(file) if record]
    except (UnicodeDecodeError, csv.Error) as error:
        raise FerBenchError(f"{path}: not a CSV table: {error}", fix=GET) from None
    if len(lines) < 2:
        raise FerBenchError(f"{path}: no rows", fix=GET)
    for line, record in enumerate(lines, start=1):
        if len(record) != 2 + len(_VOTES):
            raise FerBenchError(f"{path}, line {line}: {len(record)} columns, expected {2 + len(_VOTES)}", fix=GET)
    return lines[0], lines[1:]


def _as_votes(cells: list[list[str]], path: Path, *, first_line: int) -> np.ndarray:
    """Turn text into votes (n, 10): none negative, ten in a row (one row of the release has nine)."""
    for line, row in enumerate(cells, start=first_line):
        if not all(cell.isdecimal() for cell in row) or not 9 <= sum(map(int, row)) <= 10:
            raise FerBenchError(
                f"{path}, line {line}: {', '.join(row)} are not the votes of nine or ten annotators", fix=GET
            )
    return np.array(cells, dtype=np.int64).reshape(-1, len(_VOTES))


def labels_under(samples: pd.DataFrame, options: Options) -> dict[str, np.ndarray]:
    """Label a samples table by every rule that labels test pictures, from the votes that it holds.

    Args:
        samples: The samples table.
        options: With which it was prepared.

    Returns:
        By rule, (n,) integers, -1 where the rule drops the sample.
    """
    votes = samples[[f"votes_{name.lower()}" for name in _VOTES]].to_numpy(dtype=np.int64)
    splits = samples["split"].to_numpy(dtype=object)
    # label.csv has no votes for rows without a name of their own (see above); those of fer2013new.csv stand there
    unlisted = samples["sample_id"].str.contains(r"^row_|_2$").to_numpy(dtype=bool) & (options.votes == "label_csv")
    rules = [rule for rule in _ferplus_rules.RULES if rule not in _ferplus_rules.TRAIN_ONLY]
    found = {rule: _ferplus_rules.labels(votes, splits, rule, options.n_classes) for rule in rules}
    return {rule: np.where(unlisted, _ferplus_rules.DROP, labels) for rule, labels in found.items()}


def _official_counts(options: Options) -> dict[str, tuple[int, ...]]:
    counts = _ferplus_counts.counts(options.votes, options.rule, png=options.form == "png")
    return {split: row[: options.n_classes] for split, row in counts.items()}


dataset = Dataset(
    title="FERPlus",
    about="48×48 grey pictures found on the web (FER2013), each judged by ten annotators for eight expressions",
    licence="votes: MIT (microsoft/FERPlus); pictures: as FER2013, for research, not to be passed on",
    citation=(
        "Barsoum, Zhang, Canton Ferrer, Zhang: Training Deep Networks for Facial Expression Recognition with "
        "Crowd-Sourced Label Distribution, ICMI 2016; pictures: Goodfellow et al., Challenges in Representation "
        "Learning, ICONIP 2013"
    ),
    options=Options,
    n_classes=lambda options: options.n_classes,
    label_rule=lambda options: f"{options.rule} on {options.votes}",
    load=load,
    official_counts=_official_counts,
    labels_under=labels_under,
    write_toy=write_toy,
)
