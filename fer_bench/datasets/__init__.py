"""Data sets, one file each: ``fer_bench/datasets/<name>.py`` registers ``dataset = Dataset(…)``.

A data set's file knows how the release is laid out and what is officially in it. It yields a samples table and
pixels; the rest of the harness sees only those.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

SPLITS = ("train", "val", "test")

SIMILAR = 0.90
"""Similarity from which two photographs of faces count as one; docs/decisions/near-duplicates.md shows why there."""


class Pictures(Protocol):
    """Decoded pictures in the order of a samples table: an array, or something that decodes when asked.

    Attributes:
        shape: (n, h, w) or (n, h, w, 3).
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (n, h, w) or (n, h, w, 3)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return uint8."""
        ...

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray:
        """Return the pictures of some rows, uint8 (m, h, w) or (m, h, w, 3)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a release says of itself where its reader cannot know it beforehand: people's own images.

    Attributes:
        title: Its name.
        licence: Terms, in a few words.
        citation: What to cite.
        faces_may_be_shown: Whether pictures may be printed in a report.
    """

    title: str
    licence: str
    citation: str
    faces_may_be_shown: bool = False


class Loaded(NamedTuple):
    """A data set as its reader found it.

    Attributes:
        samples: The samples table (columns in :mod:`fer_bench.tables.samples`), one row per picture, without
            ``digest``.
        images: In the order of ``samples``; read a few thousand at a time.
        unofficial: Why this is not the release in its official form, e.g. because somebody sorted it into class
            folders; empty where it is.
        described: What the release says of itself; None: as its :class:`Dataset` says.
    """

    samples: pd.DataFrame
    images: Pictures
    unofficial: str = ""
    described: Described | None = None


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set, as the harness knows it.

    Attributes:
        title: Its usual name.
        about: One sentence.
        licence: Terms, in a few words, with where to ask.
        citation: Paper to cite.
        options: A ``params.Section`` with the data set's choices and their defaults.
        n_classes: Number of expressions under given options.
        label_rule: Name of the rule that made labels of votes under given options; ``released`` where labels are as
            released.
        load: ``(source, options) -> Loaded``. Raises ``FerBenchError`` for anything missing, short or unreadable.
        official_counts: ``options -> {split: counts per expression}`` of the release, or None where there is no
            official count.
        labels_under: ``(samples, options) -> {rule: labels}``: what the rules that papers label test pictures by make
            of a prepared samples table's votes, (n,) with -1 where a rule drops the sample; None where there are no
            such rules.
        write_toy: Write a small copy in the official layout into a folder, for tests; None for embedded data sets.
        faces_may_be_shown: Whether pictures may be printed in a report.
        similar_from: Similarity (:mod:`fer_bench.audits.near_duplicates`) from which two pictures count as one; another
            than for photographs where pictures resemble each other more.
    """

    title: str
    about: str
    licence: str
    citation: str
    options: type[Any]
    n_classes: Callable[[Any], int]
    label_rule: Callable[[Any], str]
    load: Callable[[Path, Any], Loaded]
    official_counts: Callable[[Any], Mapping[str, tuple[int, ...]] | None]
    labels_under: Callable[[pd.DataFrame, Any], Mapping[str, np.ndarray]] | None = None
    write_toy: Callable[[Path], None] | None = None
    faces_may_be_shown: bool = False
    similar_from: float = SIMILAR
