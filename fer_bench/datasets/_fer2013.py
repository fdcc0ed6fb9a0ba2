"""FER2013's pixels in the forms that people have them: npz, ``fer2013.csv``, ``icml_face_data.csv``.

The rows of ``fer2013.csv`` are the one stable name of a picture: FERPlus' vote tables follow them.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fer_bench import given
from fer_bench.errors import FerBenchError

SIDE_PX = 48
USAGES = ("Training", "PublicTest", "PrivateTest")
FOLDERS = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}
"""Where the official script puts each usage's pictures and labels, under ``data/``."""

GET = (
    "get fer2013.csv of the FER2013 challenge (Kaggle: 'Challenges in Representation Learning: Facial Expression "
    "Recognition Challenge') and, of the repository microsoft/FERPlus, fer2013new.csv and data/FER2013*/label.csv; "
    "put them into one folder as they are, and give it as source"
)

PNG_ANEW = (
    "write it anew with generate_training_data.py of microsoft/FERPlus, 48×48 with eight bits of grey, or use "
    "fer2013.csv (options.form: rows)"
)

_CSV_FILES = ("fer2013.csv", "icml_face_data.csv")
_GREY_LEVEL = {str(level): level for level in range(256)}


class Rows(NamedTuple):
    """FER2013 row by row.

    Attributes:
        images: uint8 (n, 48, 48).
        emotion: (n,) FER2013's own labels: 0 angry, 1 disgust, 2 fear, 3 happy, 4 sad, 5 surprise, 6 neutral.
        usage: (n,) indices in :data:`USAGES`.
    """

    images: np.ndarray
    emotion: np.ndarray
    usage: np.ndarray


def read_rows(source: Path) -> Rows:
    """Read ``fer2013.<part>.npz`` (joined in the order of their numbers), ``fer2013.npz``, or else a CSV.

    An npz holds ``images`` uint8 (n, 48, 48), ``emotion`` and ``usage`` (0 Training, 1 PublicTest, 2 PrivateTest).

    Raises:
        FerBenchError: If none is there, or a file does not hold what it should; the line is named.
    """
    parts = sorted(source.glob("fer2013.[0-9]*.npz"), key=_part_number) or list(source.glob("fer2013.npz"))
    if parts:
        read = [_read_npz(path) for path in parts]
        return Rows(*(np.concatenate(columns) for columns in zip(*read, strict=True)))
    for name in _CSV_FILES:
        if (source / name).is_file():
            return _read_csv(source / name)
    if any(file for folder in FOLDERS.values() for file in (source / "data" / folder).glob("*.png")):
        raise FerBenchError(
            f"ferplus: {source} holds PNG files, not the rows of fer2013.csv",
            fix="set prepare.ferplus.options.form to png (177 pictures fewer, one of them wrong), or add fer2013.csv",
        )
    raise FerBenchError(f"ferplus: no fer2013.*.npz, {' or '.join(_CSV_FILES)} in {source}", fix=GET)


def _part_number(path: Path) -> tuple[int, str]:
    middle = path.name.removeprefix("fer2013.").removesuffix(".npz")
    return (int(middle) if middle.isdigit() else -1, path.name)


def _read_npz(path: Path) -> Rows:
    fix = "write it anew from fer2013.csv, or take fer2013.csv itself"
    held = given.arrays(path, what="rows of FER2013", missing=f"ferplus: no file {path}", fix=fix)
    absent = [name for name in Rows._fields if name not in held]
    if absent:
        raise FerBenchError(f"{path}: no {', '.join(absent)}; expected images, emotion, usage", fix=fix)
    images, emotion, usage = (held[name] for name in Rows._fields)
    n = len(images)
    if images.dtype != np.uint8 or images.shape != (n, SIDE_PX, SIDE_PX):
        raise FerBenchError(f"{path}: images are {images.dtype} {images.shape}, expected uint8 (n, 48, 48)", fix=fix)
    for name, values, limit in (("emotion", emotion, 7), ("usage", usage, len(USAGES))):
        if values.shape != (n,) or not np.isin(values, np.arange(limit)).all():
            raise FerBenchError(f"{path}: {name} must be {n} numbers from 0 to {limit - 1}", fix=fix)
    return Rows(images, emotion.astype(np.int64), usage.astype(np.int64))


def _read_csv(path: Path) -> Rows:
    pixels: list[bytes] = []
    emotion: list[int] = []
    usage: list[int] = []
    for line, (label, numbers, use) in _records(path):
        try:
            # a look-up is exact (no sign, no fraction, nothing above 255) and as fast as NumPy's parser
            row = bytes(map(_GREY_LEVEL.__getitem__, numbers.split()))
        except KeyError as error:
            raise FerBenchError(
                f"{path}, line {line}: {error.args[0]!r} is not a grey level from 0 to 255", fix=GET
            ) from None
        if len(row) != SIDE_PX * SIDE_PX:
            raise FerBenchError(f"{path}, line {line}: {len(row)} pixels, expected {SIDE_PX * SIDE_PX}", fix=GET)
        if label not in set("0123456") or use not in USAGES:
            raise FerBenchError(
                f"{path}, line {line}: emotion {label!r} and Usage {use!r}; expected 0 to 6 and {', '.join(USAGES)}",
                fix=GET,
            )
        pixels.append(row)
        emotion.append(int(label))
        usage.append(USAGES.index(use))
    images = np.frombuffer(b"".join(pixels), dtype=np.uint8).reshape(-1, SIDE_PX, SIDE_PX)
    return Rows(images, np.array(emotion, dtype=np.int64), np.array(usage, dtype=np.int64))


def _records(path: Path) -> Iterator[tuple[int, tuple[str, str, str]]]:
    """Yield line numbers with emotion, pixels and Usage; columns in any order, blanks around their names allowed."""
    given.check(path, missing=f"ferplus: no file {path}", fix=GET)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip().lower() for name in next(reader, [])]
            missing = [name for name in ("emotion", "pixels", "usage") if name not in header]
            if missing:
                raise FerBenchError(f"{path}: no column {', '.join(missing)}; found: {', '.join(header)}", fix=GET)
            columns = [header.index(name) for name in ("emotion", "pixels", "usage")]
            for record in reader:
                if not record:
                    continue
                if len(record) != len(header):
                    raise FerBenchError(
                        f"{path}, line {reader.line_num}: {len(record)} columns, expected {len(header)}", fix=GET
                    )
                label, numbers, use = (record[column].strip() for column in columns)
                yield reader.line_num, (label, numbers, use)
    except (UnicodeDecodeError, csv.Error) as error:
        raise FerBenchError(f"{path}: not a CSV table: {error}", fix=GET) from None
