"""``features/<dataset>_<method>.csv``, ``.json`` and ``.npz``: the features that one run's classifier is given.

``.csv`` has one row per picture asked; the pictures are the same for all methods of a data set, and purity is computed
from it where it is printed. ``.json`` is an :class:`Explained`. ``.npz`` holds :class:`Maps`: Grad-CAM maps of a few
pictures, and the pictures themselves only where the data set's licence lets faces be shown. A method that cannot be
asked leaves all three, without rows, and says why.

``private/<dataset>_<method>.npz``, made on request and ignored by git, holds the maps with the pictures whatever the
licence says.
"""

import io
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from fer_bench import given, whole
from fer_bench.errors import FerBenchError
from fer_bench.params import Section
from fer_bench.tables._schema import Schema, integer, number, text

REMAKE = "fer-bench explain METHOD --dataset DATASET"
_MAKE = f"make it: {REMAKE}"

features = Schema(
    name="table of features",
    columns={
        "sample_id": text("the data set's own name of the picture"),
        "y_true": integer("true expression, index in expressions.py"),
        "y_pred": integer("predicted expression, index in expressions.py"),
        "x": number("its place on the t-SNE map, three decimals"),
        "y": number("likewise"),
        "pure": number("share of its nearest neighbours among the features that have its label, fraction"),
        "pure_map": number("share of its nearest neighbours on the map that do, fraction"),
    },
    key=("sample_id",),
    remake=REMAKE,
)


class Features(Section, frozen=True, kw_only=True):
    """What was found of the features before the classifier.

    Attributes:
        layer: The layer that they enter; of a method that is fitted in one go, words.
        dimension: Numbers per picture.
        k: Neighbours looked at.
        chance: Purity expected if labels were dealt out at random, with the shares that they have.
        chance_macro: Mean over expressions expected then.
        perplexity: Of t-SNE.
        tsne_seed: Of t-SNE.
    """

    layer: str
    dimension: int
    k: int
    chance: float
    chance_macro: float
    perplexity: float
    tsne_seed: int


class GradCam(Section, frozen=True, kw_only=True):
    """What the Grad-CAM maps are of.

    Attributes:
        layer: The layer whose grid is weighted.
        grid: Its rows and columns.
        n: Pictures.
        faces: Whether the pictures lie beside the maps.
    """

    layer: str
    grid: tuple[int, int]
    n: int
    faces: bool


class Explained(Section, frozen=True, kw_only=True):
    """What was found of one run.

    Attributes:
        dataset: Data set.
        method: Entry of the grid.
        seed: The run's seed.
        selection: The checkpoint.
        epoch: Its epoch, 1-based.
        status: ``none``: nothing could be asked.
        why: Why not; empty where it was.
        n: Pictures asked.
        n_reported: Pictures of the reported part.
        features: None where there is none.
        gradcam: None where there is none.
        no_features: Why there are no features; empty where there are.
        no_gradcam: Why there is no Grad-CAM; empty where there is.
    """

    dataset: str
    method: str
    seed: int
    selection: str = ""
    epoch: int | None = None
    status: Literal["ok", "none"] = "ok"
    why: str = ""
    n: int = 0
    n_reported: int = 0
    features: Features | None = None
    gradcam: GradCam | None = None
    no_features: str = ""
    no_gradcam: str = ""


class Maps(NamedTuple):
    """Grad-CAM maps.

    Attributes:
        sample_id: (n,) text.
        y_true: (n,) integers.
        y_pred: (n,) integers; the maps are of these.
        maps: float32 (n, h, w), zero or more, not normalised.
        images: uint8 (n, h, w) or (n, h, w, 3); None: not shown.
    """

    sample_id: np.ndarray
    y_true: np.ndarray
    y_pred: np.ndarray
    maps: np.ndarray
    images: np.ndarray | None = None


NO_MAPS = Maps(
    np.empty(0, dtype="<U1"), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty((0, 1, 1), np.float32)
)


def stem(folder: Path, dataset: str, method: str) -> Path:
    """Return the files' common path, without the suffix."""
    return folder / f"{dataset}_{method}"


def write(found: Explained, table: pd.DataFrame, maps: Maps, folder: Path) -> Path:
    """Write the three files and return the path of the record; equal contents give equal bytes.

    Raises:
        FerBenchError: As ``features.check``.
    """
    base = stem(folder, found.dataset, found.method)
    features.write(table, folder / f"{base.name}.csv")
    write_maps(maps, folder / f"{base.name}.npz")
    whole.write(folder / f"{base.name}.json", msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    return base.with_suffix(".json")


def write_maps(maps: Maps, path: Path) -> None:
    """Write Grad-CAM maps, with the pictures where they are there; equal contents give equal bytes."""
    arrays = {name: array for name, array in maps._asdict().items() if array is not None}
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    whole.write(path, file.getvalue())


def read_record(path: Path) -> Explained:
    """Read a record.

    Raises:
        FerBenchError: If it is missing or does not fit.
    """
    found: Explained = given.json(
        path, Explained, what="a record of features", missing=f"no record of features at {path}", fix=_MAKE
    )
    return found


def read_maps(path: Path) -> Maps:
    """Read Grad-CAM maps.

    Raises:
        FerBenchError: If they are missing or do not fit.
    """
    held = given.arrays(path, what="Grad-CAM maps", missing=f"no Grad-CAM maps at {path}", fix=_MAKE)
    try:
        found = Maps(**held)
    except TypeError as error:
        raise FerBenchError(f"{path}: not Grad-CAM maps: {error}", fix=_MAKE) from None
    sizes = {len(array) for array in found if array is not None}
    if len(sizes) != 1 or found.maps.ndim != 3:
        raise FerBenchError(f"{path}: arrays that do not belong together", fix=f"make them anew: {REMAKE}")
    return found
