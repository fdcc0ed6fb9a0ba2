"""The prepared store: a data set decoded once into ``data/<name>/``, checked when written and when opened.

``samples.csv`` (columns in :mod:`fer_bench.tables.samples`, sorted by ``sample_id``), ``images.npy`` (uint8, row i is
the picture of row i of the samples table) and ``info.json`` (:class:`Info`). A store is written beside its place and
moved there when it is whole: what stands in ``data/<name>/`` is finished, and an earlier one survives a failure.
"""

import difflib
import hashlib
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pandas as pd

from fer_bench import given, params, provenance, registry, whole
from fer_bench.datasets import SPLITS, Dataset, Loaded, Pictures
from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.params import Section
from fer_bench.tables import samples as samples_table

VERSION = 2
"""Of the store's layout; a store of another version is made anew."""

DROPPED = "dropped"
"""The key under which :attr:`Info.counts` has the samples that the label rule drops."""

_CHUNK_BYTES = 2**26  # of pictures at a time: a store may be larger than memory
_FILES = ("samples.csv", "images.npy", "info.json")


class Info(Section, frozen=True, kw_only=True):
    """What a prepared data set is.

    Attributes:
        version: Of the store's layout.
        name: The data set's name.
        reader: The file in ``fer_bench/datasets`` that read it.
        title: Its usual name.
        licence: Terms, in a few words.
        citation: Paper to cite.
        faces_may_be_shown: Whether pictures may be printed in a report.
        n_classes: Number of expressions.
        label_rule: Rule that made labels of votes; ``released`` where labels are as released.
        options: The data set's choices, defaults included.
        n_images: Number of samples, those that the label rule drops included.
        image_shape: (h, w) or (h, w, 3), in pixels.
        counts: Per split, samples of each expression and ``dropped``.
        official: ``complete``: the counts are the release's; ``part``: fewer, as the options allow; ``none``: there
            are no official counts.
        unofficial: Why this is not the release in its official form; empty where it is.
        samples_digest: SHA-256 of ``samples.csv``, hex.
        pixels_digest: SHA-256 over the pictures' digests in order, hex.
    """

    version: int
    name: str
    reader: str
    title: str
    licence: str
    citation: str
    faces_may_be_shown: bool
    n_classes: int
    label_rule: str
    options: dict[str, Any]
    n_images: int
    image_shape: tuple[int, ...]
    counts: dict[str, dict[str, int]]
    official: Literal["complete", "part", "none"]
    unofficial: str
    samples_digest: str
    pixels_digest: str


@dataclass(frozen=True)
class Prepared:
    """A prepared data set, opened.

    Attributes:
        name: The data set's name.
        samples: The samples table; row i belongs to ``images[i]``.
        images: uint8 (n, h, w) or (n, h, w, 3), memory-mapped, read-only.
        info: What it is.
    """

    name: str
    samples: pd.DataFrame
    images: np.ndarray
    info: Info


def prepare(name: str, choice: params.Prepare, folder: Path = Path("data")) -> Prepared:
    """Load a data set from its release, check it, and write its store.

    Args:
        name: The data set's name.
        choice: Where it lies, its options, and its reader if that bears another name.
        folder: Holds one store per data set; ``folder/name`` is replaced when the new one is whole.

    Raises:
        FerBenchError: For an unknown name or option, for whatever the data set's file refuses, and for counts that
            are not the release's.
    """
    reader = choice.reader or name
    dataset: Dataset = registry.load("datasets", reader)
    options = read_options(name, choice.options, dataset.options)
    loaded = dataset.load(Path(choice.source).expanduser(), options)
    described = loaded.described or dataset
    _check_loaded(name, loaded, dataset.n_classes(options))
    counts = count(loaded.samples, dataset.n_classes(options))
    official = hold_to_official(name, counts, dataset.official_counts(options), part=_allows_part(options))
    order = loaded.samples["sample_id"].astype("string").argsort(kind="stable").to_numpy()
    whole.room(folder / name, len(order) * int(np.prod(loaded.images.shape[1:])))
    with whole.replacing(folder / name) as new:
        digests = _write_images(new / "images.npy", loaded.images, order)
        table = loaded.samples.iloc[order].reset_index(drop=True).assign(digest=digests)
        votes = samples_table.vote_columns(list(table.columns))
        samples_table.schema(votes).write(table, new / "samples.csv")
        info = Info(
            version=VERSION,
            name=name,
            reader=reader,
            title=described.title,
            licence=described.licence,
            citation=described.citation,
            faces_may_be_shown=described.faces_may_be_shown,
            n_classes=dataset.n_classes(options),
            label_rule=dataset.label_rule(options),
            options=msgspec.to_builtins(options),
            n_images=len(table),
            image_shape=tuple(loaded.images.shape[1:]),
            counts=counts,
            official=official,
            unofficial=loaded.unofficial,
            samples_digest=provenance.sha256_of_file(new / "samples.csv"),
            pixels_digest=_digest_of_digests(digests),
        )
        (new / "info.json").write_bytes(msgspec.json.format(msgspec.json.encode(info), indent=1) + b"\n")
    return open_prepared(name, folder)


def open_prepared(name: str, folder: Path = Path("data"), *, pixels: bool = True) -> Prepared:
    """Open a data set's store.

    Args:
        name: The data set's name.
        folder: Holds one store per data set.
        pixels: Whether to read all pictures and hold each to its digest: a changed byte looks like any other picture.

    Raises:
        FerBenchError: If there is none, or its files do not belong together.
    """
    place = folder / name
    remake = f"fer-bench data prepare {name}"
    missing = [file for file in _FILES if not (place / file).is_file()]
    if missing:
        raise FerBenchError(f"{name} is not prepared: no {', '.join(missing)} in {place}", fix=remake)
    what, said = "a store of this version", f"no file {place / 'info.json'}"
    info: Info = given.json(place / "info.json", Info, what=what, missing=said, fix=remake)
    try:
        images = np.load(place / "images.npy", mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise FerBenchError(f"{place}: not {what}: {error}", fix=remake) from None
    if info.version != VERSION or info.name != name:
        found = f"version {info.version} of {info.name}"
        raise FerBenchError(f"{place}: expected version {VERSION} of {name}, found {found}", fix=remake)
    if provenance.sha256_of_file(place / "samples.csv") != info.samples_digest:
        raise FerBenchError(f"{place}/samples.csv is not the table that was prepared", fix=remake)
    table = samples_table.read(place / "samples.csv")
    expected = (info.n_images, *info.image_shape)
    agree = images.shape == expected and images.dtype == np.uint8 and len(table) == info.n_images
    if not agree or _digest_of_digests(list(table["digest"])) != info.pixels_digest:
        found = f"{images.dtype} {images.shape} and {len(table)} rows"
        raise FerBenchError(f"{place}: expected uint8 {expected} and as many samples, found {found}", fix=remake)
    if pixels:
        _check_pixels(place, images, table, remake)
    return Prepared(name=name, samples=table, images=images, info=info)


def _check_pixels(place: Path, images: np.memmap, table: pd.DataFrame, remake: str) -> None:
    size, changed = int(np.prod(images.shape[1:])), []
    with (place / "images.npy").open("rb") as file:  # not through the memory map, whose pages would stay in memory
        file.seek(images.offset)
        for row, digest in enumerate(table["digest"]):
            image = np.frombuffer(file.read(size), dtype=np.uint8).reshape(images.shape[1:])
            if samples_table.digest(image) != digest:
                changed.append(row)
    if changed:
        first = table["sample_id"].iloc[changed[0]]
        said = f"{len(changed)} pictures are not those that were prepared, first {first}"
        raise FerBenchError(f"{place}/images.npy: {said}", fix=remake)


def read_options(name: str, given: Mapping[str, Any], kind: type[Any]) -> Any:  # noqa: ANN401 - an instance of `kind`
    """Check a data set's options.

    Args:
        name: The data set's name, for errors.
        given: As in ``params.yaml``.
        kind: The data set's ``params.Section``.

    Raises:
        FerBenchError: For an unknown key, or a value that is none of those allowed; the fix names the nearest.
    """
    where = f"prepare.{name}.options"
    hints = typing.get_type_hints(kind)
    for key, value in given.items():
        allowed = typing.get_args(hints.get(key)) if typing.get_origin(hints.get(key)) is Literal else ()
        if allowed and value not in allowed:
            near = difflib.get_close_matches(str(value), [str(one) for one in allowed], n=1)
            listed = ", ".join(str(one) for one in allowed)
            raise FerBenchError(
                f"{where}: {key} is {value!r}; it may be: {listed}",
                fix=f"did you mean {near[0]}?" if near else f"set {key} to one of: {listed}",
            )
    return params.convert(dict(given), kind, where=where)


def count(samples: pd.DataFrame, n_classes: int) -> dict[str, dict[str, int]]:
    """Count the samples of each split and expression, and under ``dropped`` those whose label is -1."""
    found = {}
    for split in SPLITS:
        labels = samples.loc[samples["split"] == split, "label"].to_numpy(dtype=np.int64)
        per_label = np.bincount(labels + 1, minlength=n_classes + 1).tolist()
        found[split] = {**dict(zip(expressions(n_classes), per_label[1:], strict=True)), DROPPED: per_label[0]}
    return found


def hold_to_official(
    name: str,
    counts: Mapping[str, Mapping[str, int]],
    official: Mapping[str, tuple[int, ...]] | None,
    *,
    part: bool,
) -> Literal["complete", "part", "none"]:
    """Compare counts with the release's.

    Args:
        name: The data set's name, for errors.
        counts: As :func:`count` gives.
        official: Per split, counts per expression; None if there are none.
        part: Whether fewer are allowed. More than the release has never are.

    Returns:
        What :attr:`Info.official` says.

    Raises:
        FerBenchError: Naming every expression that is short or over.
    """
    if official is None:
        return "none"
    differing = {
        split: [
            (expression, counts[split][expression], expected)
            for expression, expected in zip(expressions(len(row)), row, strict=True)
            if counts[split][expression] != expected
        ]
        for split, row in official.items()
    }
    if not any(differing.values()):
        return "complete"
    if part and all(found < expected for rows in differing.values() for _, found, expected in rows):
        return "part"
    said = "; ".join(
        f"{split} has {', '.join(f'{expression} {found} of {expected}' for expression, found, expected in rows)}"
        for split, rows in differing.items()
        if rows
    )
    raise FerBenchError(
        f"{name}: counts are not the release's: {said}",
        fix=f"get the release anew, as it is: see fer-bench describe dataset {name}",
    )


def _allows_part(options: object) -> bool:
    return bool(getattr(options, "allow_part", False))


def _check_loaded(name: str, loaded: Loaded, n_classes: int) -> None:
    """Check what a data set's file returned: its mistakes are bugs, so these are not user errors.

    Raises:
        ValueError: If pictures and samples do not fit each other or the contract.
    """
    samples, images = loaded.samples, loaded.images
    n_dimensions = len(images.shape)
    problems = [
        (len(samples) != images.shape[0], f"{len(samples)} samples, {images.shape[0]} images"),
        (images.dtype != np.uint8 or n_dimensions not in {3, 4}, f"images are {images.dtype} {images.shape}"),
        (n_dimensions == 4 and images.shape[-1] != 3, f"images are {images.shape}"),
        (not samples["split"].isin(SPLITS).all(), f"splits are {sorted(set(samples['split']))}"),
        (not samples["label"].between(-1, n_classes - 1).all(), f"labels outside -1 to {n_classes - 1}"),
        (samples["sample_id"].duplicated().any(), "sample_id repeats"),
        (samples.duplicated(["split", "position"]).any(), "position repeats within a split"),
    ]
    said = [text for wrong, text in problems if wrong]
    if said:
        message = f"fer_bench/datasets/{name}.py returned {'; '.join(said)}"
        raise ValueError(message)


def _write_images(path: Path, images: Pictures, order: np.ndarray) -> list[str]:
    """Write pictures in a given order and return their digests."""
    n_at_once = max(1, _CHUNK_BYTES // int(np.prod(images.shape[1:])))
    head = {"descr": "|u1", "fortran_order": False, "shape": tuple(images.shape)}
    digests: list[str] = []
    with path.open("wb") as file:  # not through a memory map, whose pages would stay in memory
        np.lib.format.write_array_header_1_0(file, head)
        for start in range(0, len(order), n_at_once):
            chunk = np.ascontiguousarray(images[order[start : start + n_at_once]])
            file.write(chunk.data)
            digests.extend(samples_table.digest(image) for image in chunk)
    return digests


def _digest_of_digests(digests: list[str]) -> str:
    return hashlib.sha256("".join(digests).encode()).hexdigest()
