"""A small copy of FERPlus in the official layout, drawn: parsing is tested without the pictures' licence.

It has the release's oddities too: rows without a name, a name in two rows, votes that differ between the two tables,
votes that no rule can settle, and a test picture that also stands in train.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from fer_bench import seeds
from fer_bench.datasets._fer2013 import FOLDERS, SIDE_PX, USAGES
from fer_bench.expressions import EXPRESSIONS

_PER_EXPRESSION = {"Training": 6, "PublicTest": 3, "PrivateTest": 4}
_TO_FER2013 = (6, 3, 5, 4, 0, 1, 2, 6)  # FER2013 has no contempt
_NO_FACE = (0, 0, 0, 0, 0, 0, 0, 0, 0, 10)
_UNDECIDED = (5, 0, 0, 5, 0, 0, 0, 0, 0, 0)
_REPEATED = 5  # the Training row whose name a later row bears too


class _Row(NamedTuple):
    usage: str
    expression: int
    votes: tuple[int, ...]
    name: str
    picture: int  # equal numbers are equal pictures


def write_toy(folder: Path) -> None:
    """Write ``fer2013.csv``, ``fer2013new.csv`` and ``data/FER2013*/label.csv``, 111 rows; the same bytes each time."""
    rows = _rows()
    pixels = [" ".join(map(str, _picture(row.expression, row.picture).ravel())) for row in rows]
    fer2013 = [f"{_TO_FER2013[row.expression]},{text},{row.usage}" for row, text in zip(rows, pixels, strict=True)]
    _write(folder / "fer2013.csv", ["emotion,pixels,Usage", *fer2013])
    votes = [f"{row.usage},{row.name},{_join(row.votes)}" for row in rows]
    _write(folder / "fer2013new.csv", [f"Usage,Image name,{','.join(EXPRESSIONS)},unknown,NF", *votes])
    for usage in USAGES:
        listed = {row.name: row.votes for row in rows if row.usage == usage and row.name}
        first = next(iter(listed))
        listed[first] = (9, *listed[first][1:8], 0, 0)  # other votes than in fer2013new.csv, the same majority
        labels = [f'{name},"(0, 0, 48, 48)",{_join(counts)}' for name, counts in listed.items()]
        _write(folder / "data" / FOLDERS[usage] / "label.csv", labels)


def _rows() -> list[_Row]:
    rows: list[_Row] = []
    n_named = 0

    def add(usage: str, expression: int, votes: tuple[int, ...], name: str | None = None) -> None:
        nonlocal n_named
        if name is None:  # names number the named rows, so they fall behind the row numbers
            name = f"fer{n_named:07d}.png"
            n_named += 1
        # the first test picture is the first train picture again
        picture = 0 if usage == "PrivateTest" and not any(row.usage == usage for row in rows) else len(rows)
        rows.append(_Row(usage, expression, votes, name, picture))

    for usage, n in _PER_EXPRESSION.items():
        for index in range(n * len(EXPRESSIONS)):
            expression = index % len(EXPRESSIONS)
            add(usage, expression, _clear_votes(expression))
        add(usage, 0, _NO_FACE, name="")
        add(usage, 0, _UNDECIDED)
        if usage == "Training":
            add(usage, rows[_REPEATED].expression, rows[_REPEATED].votes, name=rows[_REPEATED].name)
    return rows


def _clear_votes(expression: int) -> tuple[int, ...]:
    votes = [0] * (len(EXPRESSIONS) + 2)
    votes[expression], votes[(expression + 1) % len(EXPRESSIONS)], votes[-2] = 8, 1, 1
    return tuple(votes)


def _picture(expression: int, number: int) -> np.ndarray:
    """Draw a noisy oval, uint8 (48, 48), with a bright bar whose height tells the expression."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] - (SIDE_PX - 1) / 2
    face = np.where((x / 16) ** 2 + (y / 21) ** 2 < 1, 150, 60)
    face[10 + 4 * expression : 12 + 4 * expression, 16:32] = 220
    noise = seeds.generator(0, "ferplus toy", number).integers(-20, 21, size=face.shape)
    return (face + noise).astype(np.uint8)


def _join(votes: tuple[int, ...]) -> str:
    return ",".join(map(str, votes))


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, ""]), encoding="utf-8", newline="\n")
