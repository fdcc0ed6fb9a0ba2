"""Protocols, one file each: which samples train, which select the checkpoint, which are reported.

``fer_bench/protocols/<name>.py`` registers ``protocol = Protocol(…)``. Rows whose label is -1 (dropped by the data
set's label rule) belong to no part.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

SELECTIONS = ("last", "best_on_val", "best_on_test")
"""The three checkpoints that every run keeps; ``best_on_test`` is printed as *oracle*."""


class Parts(NamedTuple):
    """Rows of the samples table, ascending, no row in two parts.

    Attributes:
        train: Rows that train.
        select: Rows that select the checkpoint; None if the protocol selects on the reported part.
        report: Rows that are reported.
    """

    train: np.ndarray
    select: np.ndarray | None
    report: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A protocol, as the harness knows it.

    Attributes:
        about: One sentence.
        parts: ``(samples, train_share) -> Parts``. The same for every method and seed: what a split is may not depend
        on a run.
        headline: The selection whose number is the protocol's own.
        trains_on: The splits from which samples train; where a release has no split that selects, a part of them may.
        reports_on: The splits whose samples are reported.
    """

    about: str
    parts: Callable[[pd.DataFrame, float], Parts]
    headline: str
    trains_on: tuple[str, ...]
    reports_on: tuple[str, ...] = ("test",)
