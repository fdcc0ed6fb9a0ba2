"""RAF-DB's label list: ``EmoLabel/list_patition_label.txt`` (so spelt), one ``train_00001.jpg 5`` a line.

The compound part of RAF-DB has a list of the same file name; it is told apart by its names and codes.
"""

import re
from pathlib import Path
from typing import NamedTuple

from fer_bench import given
from fer_bench.datasets._files import first_of
from fer_bench.datasets._rafdb_counts import CODES, N_OF_SPLIT
from fer_bench.errors import FerBenchError

GET = (
    "ask RAF-DB's authors for it, from an academic address (docs/data.md says what to do with it), and give the folder "
    "that holds EmoLabel/ and Image/ as source"
)

_AS_RELEASED = "take list_patition_label.txt of RAF-DB's basic part, as it was released"
_NAME = re.compile(r"(train|test)_([0-9]+)\.jpg")
_DIGITS = {"train": 5, "test": 4}


class Line(NamedTuple):
    """One line of the list.

    Attributes:
        number: Of the line, from 1.
        sample_id: ``train_00001``.
        split: ``train`` or ``test``.
        code: 1 to 7.
    """

    number: int
    sample_id: str
    split: str
    code: int


def read(path: Path) -> list[Line]:
    """Read and check the list. A byte-order mark, Windows line ends, tabs and empty lines change nothing.

    Raises:
        FerBenchError: With file and line, for anything that is not ``NAME CODE`` with a name and a code of the
            release, for a name that stands there twice, and for the compound list.
    """
    text = given.text(path, missing=f"rafdb: no file {path}", fix=GET)
    cells = [(number, line.split()) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not cells:
        raise FerBenchError(f"{path}: no lines", fix=_AS_RELEASED)
    _refuse_compound(path, [row for _, row in cells])
    lines: list[Line] = []
    seen: dict[str, int] = {}
    for number, row in cells:
        line = _parse(path, number, row)
        if line.sample_id in seen:
            raise FerBenchError(
                f"{path}, line {number}: {row[0]} stands in line {seen[line.sample_id]} too", fix=_AS_RELEASED
            )
        seen[line.sample_id] = number
        lines.append(line)
    return lines


def check_whole(path: Path, lines: list[Line]) -> None:
    """Hold the list to the release's 15,339 names.

    Raises:
        FerBenchError: If some are missing, with how many and the first.
    """
    there = {line.sample_id for line in lines}
    released = [f"{split}_{number:0{_DIGITS[split]}d}" for split, n in N_OF_SPLIT.items() for number in range(1, n + 1)]
    missing = [f"{sample_id}.jpg" for sample_id in released if sample_id not in there]
    if missing:
        raise FerBenchError(
            f"{path}: {len(missing)} of {len(released)} names are missing: {first_of(missing)}",
            fix=f"{_AS_RELEASED}; for a trial with a part, set prepare.rafdb.options.allow_part to true",
        )


def split_of(sample_id: str) -> str | None:
    """Return the split of an official id such as ``train_00001``; None if the release has no such id."""
    found = _NAME.fullmatch(f"{sample_id}.jpg")
    if found is None or len(found[2]) != _DIGITS[found[1]] or not 1 <= int(found[2]) <= N_OF_SPLIT[found[1]]:
        return None
    return found[1]


def _refuse_compound(path: Path, rows: list[list[str]]) -> None:
    names = [_NAME.fullmatch(row[0]) for row in rows]
    n_short = sum(found is not None and found[1] == "train" and len(found[2]) == 4 for found in names)
    codes = {row[1] for row in rows if len(row) == 2}
    if n_short > len(rows) / 2 or codes >= {"8", "9", "10", "11"}:
        raise FerBenchError(
            f"{path}: this is the list of RAF-DB's compound part (train_0001.jpg, codes 1 to 11 for mixtures such as "
            "happily surprised), which has the same file name; its codes mean other expressions",
            fix="give the folder of the basic part (EmoLabel/ and Image/ beside each other, train_00001.jpg, codes 1 "
            "to 7) as source",
        )


def _parse(path: Path, number: int, row: list[str]) -> Line:
    where = f"{path}, line {number}"
    if len(row) != 2:
        separator = next((mark for mark in ",;|" if mark in row[0]), None)
        said = f"is parted by '{separator}'" if separator else f"has {len(row)} columns"
        raise FerBenchError(
            f"{where}: {' '.join(row)[:60]!r} {said}; expected a name, a blank and a code", fix=_AS_RELEASED
        )
    name, code = row
    split = split_of(name.removesuffix(".jpg")) if name.endswith(".jpg") else None
    if split is None:
        raise FerBenchError(
            f"{where}: {name!r} is no name of the release (train_00001.jpg to train_12271.jpg, test_0001.jpg to "
            "test_3068.jpg)",
            fix=_AS_RELEASED,
        )
    if code not in {str(known) for known in CODES}:
        raise FerBenchError(f"{where}: the code of {name} is {code!r}; expected 1 to 7", fix=_AS_RELEASED)
    return Line(number, name.removesuffix(".jpg"), split, int(code))
