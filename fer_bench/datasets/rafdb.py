"""RAF-DB, basic part: faces found on the web, aligned to 100×100, seven expressions (Li, Deng and Du, CVPR 2017).

``source`` is the folder that holds ``EmoLabel/list_patition_label.txt`` and ``Image/aligned/*_aligned.jpg`` or
``Image/aligned.zip``, as released, or the folder above it (``basic/``). A zip is read without unpacking it. Where both
are there the folder is read. What the release does not say, and what is done about it:

- **No validation split.** The release has train and test only. A protocol makes its own from train.
- **Two lists of one name.** The compound part has a ``list_patition_label.txt`` too, with other codes. It is refused.
- **Order.** ``position`` is the line in the list. Neighbours in it tend to have one expression, in test too: code that
  does not shuffle sees that order.
- **Colour.** A picture stored as grey would become RGB with three equal channels, so that all have one shape.
- **Encrypted zips** are not read: unpack ``aligned.zip`` with its password into ``Image/aligned/``.

Copies sorted into class folders (``options.form: class_folders``) are read too, and called unofficial everywhere.
Anyone could have made them: their counts are not held to the release's here; an audit judges them. Folders ``train``
and ``test``, perhaps ``val``, ``valid`` or ``validation``, lie in ``source`` or in one folder below it (``DATASET/``);
in each lie folders with the release's codes ``1`` to ``7`` or with names (``anger`` or ``angry``, …), in any case. A
picture whose file bears an official name (``train_00001_aligned.jpg``) keeps that id, also in another split's folder,
if no other picture of the copy bears it; else its id is its path. ``position`` is the order of torchvision's
``ImageFolder``, class by class.
"""

from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from fer_bench.datasets import SPLITS, Dataset, Loaded, _files, _pictures, _rafdb_counts, _rafdb_list, _store
from fer_bench.datasets._class_folders import SPELLINGS, class_folders, is_picture
from fer_bench.datasets._decode import Form
from fer_bench.datasets._files import first_of
from fer_bench.datasets._pictures import FilePictures
from fer_bench.datasets._rafdb_counts import CODES, N_CLASSES, OFFICIAL
from fer_bench.datasets._rafdb_list import GET
from fer_bench.datasets._rafdb_toy import write_toy
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.params import Section

SIDE_PX = 100
_RGB = Form(colour="rgb")
_LIST = Path("EmoLabel", "list_patition_label.txt")
_SPLIT_FOLDERS = {"train": "train", "test": "test", "val": "val", "valid": "val", "validation": "val"}


class Options(Section, frozen=True, kw_only=True):
    """Which RAF-DB.

    Attributes:
        form: ``official``: the release's own layout. ``class_folders``: a copy that somebody sorted into folders.
        allow_part: Take an official layout in which lines of the list or pictures are missing. For trials; the tables
            say so.
    """

    form: Literal["official", "class_folders"] = "official"
    allow_part: bool = False


def load(source: Path, options: Options) -> Loaded:
    """Read labels, and pictures when they are asked for.

    Raises:
        FerBenchError: For files that are missing, unreadable, not the release's, or do not belong together.
    """
    if not source.is_dir():
        raise FerBenchError(f"rafdb: no folder {source}", fix=GET)
    return _load_class_folders(source) if options.form == "class_folders" else _load_official(source, options)


def _load_official(source: Path, options: Options) -> Loaded:
    root = _root(source)
    lines = _rafdb_list.read(root / _LIST)
    if not options.allow_part:
        _rafdb_list.check_whole(root / _LIST, lines)
    files = _aligned(root / "Image")
    names = _names_of(files, lines, root, part=options.allow_part)
    kept = [line for line in lines if line.sample_id in names]
    samples = pd.DataFrame(
        {
            "sample_id": [line.sample_id for line in kept],
            "split": [line.split for line in kept],
            "label": [CODES[line.code] for line in kept],
            "position": [line.number for line in kept],
            # as in the zip, so that folder and zip give the same table
            "source": [f"aligned/{line.sample_id}_aligned.jpg" for line in kept],
            "subject": pd.array([pd.NA] * len(kept), dtype="string"),
        }
    )
    images = FilePictures(
        dataset="rafdb",
        files=files,
        names=[names[line.sample_id] for line in kept],
        form=_RGB,
        shape=(len(kept), SIDE_PX, SIDE_PX, 3),
    )
    return Loaded(samples, images)


def _root(source: Path) -> Path:
    for root in (source, source / "basic"):
        if (root / _LIST).is_file():
            return root
    if any(child.is_dir() and child.name.lower() in _SPLIT_FOLDERS for child in [*source.iterdir(), *_only(source)]):
        raise FerBenchError(
            f"rafdb: no file {_LIST.as_posix()} under {source}, but folders named after splits: a copy sorted by class",
            fix="get the release itself (see docs/data.md), or set prepare.rafdb.options.form to class_folders: it is "
            "then called an unofficial copy in every table",
        )
    raise FerBenchError(f"rafdb: no file {_LIST.as_posix()} under {source}", fix=GET)


def _only(source: Path) -> list[Path]:
    """Return what lies in the only folder of ``source``, if there is just one."""
    folders = [child for child in source.iterdir() if child.is_dir() and not child.name.startswith(".")]
    return list(folders[0].iterdir()) if len(folders) == 1 else []


def _aligned(image: Path) -> _files.Files:
    folder, archive = image / "aligned", image / "aligned.zip"
    if folder.is_dir() and (any(folder.iterdir()) or not archive.is_file()):
        return _files.folder(folder)
    if archive.is_file():
        return _files.archive(archive)
    raise FerBenchError(f"rafdb: neither {folder} nor {archive}", fix=GET)


def _names_of(files: _files.Files, lines: list[_rafdb_list.Line], root: Path, *, part: bool) -> dict[str, str]:
    """Return the file of each sample id. Folders around the files (``aligned/`` in the zip) do not matter.

    Raises:
        FerBenchError: For pictures that are missing, in two places, or not in the list.
    """
    by_name: dict[str, list[str]] = {}
    for path in filter(is_picture, files.names):
        by_name.setdefault(PurePosixPath(path).name, []).append(path)
    twice = [" and ".join(paths) for paths in by_name.values() if len(paths) > 1]
    if twice:
        raise FerBenchError(
            f"rafdb: {len(twice)} pictures stand in two places: {first_of(twice)}", fix="keep the release's own file"
        )
    expected = {f"{line.sample_id}_aligned.jpg": line.sample_id for line in lines}
    strange = [name for name in by_name if name not in expected]
    if strange:
        raise FerBenchError(
            f"rafdb: {len(strange)} pictures that the list does not name: {first_of(strange)}",
            fix=f"take out of {root / 'Image'} what is not of the release; copies are passed around with additions",
        )
    missing = [name for name in expected if name not in by_name]
    if missing and (not part or not by_name):
        raise FerBenchError(
            f"rafdb: {len(missing)} of {len(expected)} pictures are missing: {first_of(missing)}",
            fix=f"{GET}; for a trial with a part, set prepare.rafdb.options.allow_part to true",
        )
    return {sample_id: by_name[name][0] for name, sample_id in expected.items() if name in by_name}


class _Sorted(NamedTuple):
    """A picture in a class folder: its file, and what the folders say."""

    path: str
    split: str
    label: int
    position: int


def _load_class_folders(source: Path) -> Loaded:
    files = _files.folder(source)
    placed = _sorted_pictures(files.names, source)
    names = [one.path for one in placed]
    shapes = _pictures.shapes("rafdb", files, names, _RGB)
    if len(shapes) > 1:
        raise FerBenchError(
            f"rafdb: the pictures of {source} have {len(shapes)} sizes: {_pictures.in_words(shapes)}",
            fix="get the release itself, whose pictures are all 100×100 (see docs/data.md)",
        )
    samples = pd.DataFrame(
        {
            "sample_id": _ids(names),
            "split": [one.split for one in placed],
            "label": [one.label for one in placed],
            "position": [one.position for one in placed],
            "source": names,
            "subject": pd.array([pd.NA] * len(placed), dtype="string"),
        }
    )
    shape = next(iter(shapes))
    images = FilePictures(dataset="rafdb", files=files, names=names, form=_RGB, shape=(len(placed), *shape))
    return Loaded(samples, images, unofficial=_why_unofficial(samples, shape))


def _sorted_pictures(names: list[str], source: Path) -> list[_Sorted]:
    """Find out split and label of every picture from the folders it lies in."""
    splits = _split_folders(names, source)
    by_folder = {
        folder: class_folders(
            [name.removeprefix(f"{folder}/") for name in names if name.startswith(f"{folder}/")], folder
        )
        for folder in splits
    }
    labels = _labels_of_folders({name for classes in by_folder.values() for name in classes}, source)
    placed = []
    for folder, classes in by_folder.items():
        meant: dict[int, str] = {}
        for name in classes:
            other = meant.setdefault(labels[name], name)
            if other != name:
                raise FerBenchError(
                    f"rafdb: {folder}/{other} and {folder}/{name} both mean {EXPRESSIONS[labels[name]]}",
                    fix="put the pictures of both into one of them",
                )
        paths = [(path, labels[name]) for name, inside in classes.items() for path in inside]
        placed += [
            _Sorted(f"{folder}/{path}", splits[folder], label, position) for position, (path, label) in enumerate(paths)
        ]
    return placed


def _split_folders(names: list[str], source: Path) -> dict[str, str]:
    """Return the split of each split's folder, looked for in ``source`` or in its only folder.

    Raises:
        FerBenchError: If train or test is missing, two folders mean one split, or other folders hold pictures.
    """
    pictures = [name for name in names if is_picture(name)]
    above = {name.split("/")[0] for name in pictures if "/" in name}
    below = ""
    if len(above) == 1 and next(iter(above)).lower() not in _SPLIT_FOLDERS:
        below = f"{next(iter(above))}/"
    inside = [name.removeprefix(below) for name in pictures if name.startswith(below)]
    folders = sorted({name.split("/")[0] for name in inside if "/" in name})
    unknown = [name for name in folders if name.lower() not in _SPLIT_FOLDERS]
    splits = {f"{below}{name}": _SPLIT_FOLDERS[name.lower()] for name in folders if name not in unknown}
    loose = [name for name in pictures if not any(name.startswith(f"{folder}/") for folder in splits)]
    if {"train", "test"} <= set(splits.values()) and not loose and len(set(splits.values())) == len(splits):
        return splits
    listed = first_of(folders) or "none"
    raise FerBenchError(
        f"rafdb: the pictures of {source / below} lie in the folders {listed}, {len(loose)} of them in none of a "
        "split; expected one folder train and one test, perhaps one val",
        fix="name the folders train, test and val after the split whose pictures they hold, and take out all others",
    )


def _labels_of_folders(names: set[str], source: Path) -> dict[str, int]:
    """Return the expression of each class folder: codes throughout, or names throughout.

    Raises:
        FerBenchError: For folders that are neither, and for both at once.
    """
    codes = sorted(name for name in names if name in {str(code) for code in CODES})
    words = sorted(name for name in names if SPELLINGS.get(name.lower(), N_CLASSES) < N_CLASSES)
    unknown = sorted(names.difference(codes, words))
    fix = "name class folders by RAF-DB's codes 1 to 7, or all of them anger, disgust, fear, happiness, neutral, …"
    if unknown:
        raise FerBenchError(f"rafdb: unknown class folders in {source}: {first_of(unknown)}", fix=fix)
    if codes and words:
        raise FerBenchError(
            f"rafdb: class folders in {source} are codes and names at once: {first_of(codes)}; {first_of(words)}",
            fix=fix,
        )
    return {name: CODES[int(name)] for name in codes} | {name: SPELLINGS[name.lower()] for name in words}


def _ids(names: list[str]) -> list[str]:
    stems = [PurePosixPath(name).stem.removesuffix("_aligned") for name in names]
    n_of = Counter(stems)
    return [
        stem if n_of[stem] == 1 and _rafdb_list.split_of(stem) else name
        for stem, name in zip(stems, names, strict=True)
    ]


def _why_unofficial(samples: pd.DataFrame, shape: tuple[int, ...]) -> str:
    """Say in one sentence what distinguishes a copy in class folders from the release."""
    counts = _store.count(samples, N_CLASSES)
    there = {split: row for split, row in counts.items() if split in OFFICIAL or any(row.values())}
    said = ["a copy that somebody sorted into class folders, not the release's own layout"]
    differing = _rafdb_counts.differing(there)
    said += [f"its counts are not the release's ({differing})"] if differing else []
    if shape[:2] != (SIDE_PX, SIDE_PX):
        said.append(f"its pictures are {shape[1]}×{shape[0]}, the release's 100×100")
    official = np.array([_rafdb_list.split_of(sample_id) or "" for sample_id in samples["sample_id"]])
    n_moved = int(((official != "") & (official != samples["split"].to_numpy(dtype=str))).sum())
    said += [f"{n_moved} pictures lie in another split than the release's"] if n_moved else []
    return f"{'; '.join(said)}."


def _official_counts(options: Options) -> dict[str, tuple[int, ...]] | None:
    if options.form == "class_folders":
        return None  # anyone's copy: its counts stand in `unofficial`, and an audit judges them
    return {split: OFFICIAL.get(split, (0,) * N_CLASSES) for split in SPLITS}


dataset = Dataset(
    title="RAF-DB",
    about="100×100 aligned faces found on the web, each labelled by about forty people; the basic part",
    licence="for non-commercial research, from its authors on request, not to be passed on",
    citation=(
        "Li, Deng and Du: Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in "
        "the Wild, CVPR 2017; Li and Deng, IEEE Transactions on Image Processing 28(1), 2019"
    ),
    options=Options,
    n_classes=lambda _options: N_CLASSES,
    label_rule=lambda _options: "released",
    load=load,
    official_counts=_official_counts,
    write_toy=write_toy,
)
