"""Fingerprints: what a copy of a data set holds, in a text file without pictures, to be shared where they may not be.

A comment line of JSON with title, label rule, picture size and counts, then a CSV with one row per picture:

* ``sample_id``, ``split``, ``label`` (the expression's name; empty where the label rule drops the sample),
* ``digest``: of the decoded pixels (:func:`fer_bench.tables.samples.digest`),
* ``hash``: 64 bits that survive re-encoding and resizing (:func:`perceptual_hash`), 16 hex digits.

``fer_bench/datasets/fingerprints/<reader>.csv`` or ``.csv.xz`` is the official fingerprint of a data set: copies are
held against it. A file's name is its registration here too.
"""

import io
import lzma
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pandas as pd

from fer_bench import given, whole
from fer_bench.datasets import SPLITS
from fer_bench.datasets._store import Prepared
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.tables._schema import Schema, text

FOLDER = Path(__file__).parent / "fingerprints"
"""Official fingerprints, by the name of the data set's reader."""

VERSION = 1
N_BITS = 63
"""Bits of a perceptual hash that carry something: 8×8 waves without the mean."""

_MOST_BYTES = 2**28  # a hundred times the longest of a release
_MARK = "# fer-bench fingerprint "
_SIDE = 32  # of the pictures that are hashed
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as Pillow's mode L

_SCHEMA = Schema(
    name="fingerprint",
    columns={
        "sample_id": text("the data set's own name of the picture"),
        "split": text("train, val or test"),
        "label": text("the expression's name", empty="where the label rule drops the sample"),
        "digest": text("SHA-256 of shape and pixels, first 16 hex digits"),
        "hash": text("perceptual hash, hex"),
    },
    key=("sample_id",),
    remake="fer-bench data fingerprint DATASET -o FILE",
)


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a fingerprint says of the whole.

    Attributes:
        version: Of the file's form.
        dataset: The data set's name where it was made.
        title: Its usual name.
        label_rule: Rule that made labels of votes; ``released`` where labels are as released.
        image_shape: (h, w) or (h, w, 3), in pixels.
        counts: Per split, samples of each expression and ``dropped``.
        official: ``complete``, ``part`` or ``none``, as :class:`fer_bench.datasets._store.Info`.
        unofficial: Why the copy is not the release in its official form; empty where it is.
    """

    version: int
    dataset: str
    title: str
    label_rule: str
    image_shape: tuple[int, ...]
    counts: dict[str, dict[str, int]]
    official: str
    unofficial: str


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """A fingerprint in memory.

    Attributes:
        head: What it says of the whole.
        rows: One row per picture, sorted by ``sample_id``; columns as in the file.
    """

    head: Head
    rows: pd.DataFrame


def of(prepared: Prepared) -> Fingerprint:
    """Take the fingerprint of a prepared data set."""
    info, samples = prepared.info, prepared.samples
    labels = samples["label"].to_numpy(dtype=int)
    rows = pd.DataFrame(
        {
            "sample_id": samples["sample_id"],
            "split": samples["split"],
            "label": [EXPRESSIONS[label] if label >= 0 else None for label in labels],
            "digest": samples["digest"],
            "hash": [f"{value:016x}" for value in perceptual_hash(prepared.images)],
        }
    )
    head = Head(
        version=VERSION,
        dataset=info.name,
        title=info.title,
        label_rule=info.label_rule,
        image_shape=info.image_shape,
        counts=info.counts,
        official=info.official,
        unofficial=info.unofficial,
    )
    return Fingerprint(head=head, rows=_SCHEMA.check(rows, where="fingerprint"))


def write(fingerprint: Fingerprint, path: Path) -> None:
    """Write a fingerprint, compressed if the name ends with ``.xz``; equal fingerprints give equal bytes."""
    head = msgspec.json.encode(fingerprint.head).decode()
    text = f"{_MARK}{head}\n{fingerprint.rows.to_csv(index=False, lineterminator=chr(10))}"
    data = text.encode()
    whole.write(path, lzma.compress(data, preset=9) if path.suffix == ".xz" else data)


def read(path: Path) -> Fingerprint:
    """Read and check a fingerprint.

    Raises:
        FerBenchError: If it is missing, or not a fingerprint of this version.
    """
    fix = "make it: fer-bench data fingerprint DATASET -o FILE"
    data = given.content(path, missing=f"no fingerprint at {path}", fix=fix, most=_MOST_BYTES)
    try:
        text = (_unpacked(data) if path.suffix == ".xz" else data).decode("utf-8-sig")
    except (lzma.LZMAError, EOFError, ValueError) as error:
        raise FerBenchError(f"{path}: not a fingerprint: {error}", fix=fix) from None
    first, _, rest = text.partition("\n")
    try:
        head = msgspec.json.decode(first.removeprefix(_MARK), type=Head)
        table = pd.read_csv(io.StringIO(rest), dtype="string", keep_default_na=False, na_values=[""])
    except (msgspec.DecodeError, RecursionError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise FerBenchError(f"{path}: not a fingerprint: {error}", fix=fix) from None
    if head.version != VERSION:
        raise FerBenchError(f"{path}: a fingerprint of version {head.version}, expected {VERSION}", fix=fix)
    rows = _SCHEMA.check(table, where=str(path))
    wrong = ~(
        rows["split"].isin(SPLITS)
        & (rows["label"].isna() | rows["label"].isin(EXPRESSIONS))
        & rows["digest"].str.fullmatch("[0-9a-f]{16}")
        & rows["hash"].str.fullmatch("[0-9a-f]{16}")
    )
    if wrong.any():
        raise FerBenchError(
            f"{path}: sample {rows['sample_id'][wrong].iloc[0]}: split, label or digits are wrong", fix=fix
        )
    return Fingerprint(head=head, rows=rows)


def official(reader: str) -> Fingerprint | None:
    """Return the official fingerprint of what a reader reads; None if there is none.

    Raises:
        FerBenchError: If there are two, or it is damaged.
    """
    found = [path for suffix in (".csv", ".csv.xz") if (path := FOLDER / f"{reader}{suffix}").exists()]
    if len(found) > 1:
        raise FerBenchError(f"two official fingerprints: {found[0]} and {found[1]}", fix="remove one of them")
    return read(found[0]) if found else None


def perceptual_hash(images: Any) -> np.ndarray:  # noqa: ANN401 - an array, or a memory map of one
    """Return 64 bits per picture that survive re-encoding, resizing and other lighting (Zauner 2010, "pHash").

    The picture in grey, 32×32, is taken apart into cosine waves; bit u·8+v says whether the wave of frequency (u, v),
    u, v < 8, lies above the median of the 63 without the mean. The mean's own bit is 0.

    Args:
        images: uint8 (n, h, w) or (n, h, w, 3).

    Returns:
        (n,) uint64, the bit of frequency (0, 0) first.
    """
    places = (np.arange(_SIDE) + 0.5) * np.pi / _SIDE
    basis = np.cos(np.arange(8)[:, None] * places)
    basis[0] /= np.sqrt(2)
    weights = 1 << np.arange(N_BITS, -1, -1, dtype=np.uint64)
    out = np.empty(len(images), dtype=np.uint64)
    for row, image in enumerate(images):
        grey = np.asarray(image, dtype=np.float32)
        grey = grey @ _LUMA if grey.ndim == 3 else grey
        way = cv2.INTER_AREA if min(grey.shape) > _SIDE else cv2.INTER_LINEAR
        waves = (basis @ cv2.resize(grey, (_SIDE, _SIDE), interpolation=way) @ basis.T).ravel()
        bits = waves > np.median(waves[1:])
        bits[0] = False
        out[row] = weights[bits].sum()
    return out


def as_numbers(hashes: "pd.Series[str]") -> np.ndarray:
    """Return hashes, 16 hex digits each, as (n,) uint64."""
    return np.array([int(value, 16) for value in hashes], dtype=np.uint64)


def _unpacked(data: bytes) -> bytes:
    """Unpack a fingerprint, as far as one can be long.

    Raises:
        ValueError: If it is longer, as one that is made to fill the memory, or cut off.
    """
    unpacking = lzma.LZMADecompressor()
    found = unpacking.decompress(data, max_length=_MOST_BYTES)
    if not unpacking.eof:
        message = f"cut off, or more than {_MOST_BYTES} bytes"
        raise ValueError(message)
    return found
