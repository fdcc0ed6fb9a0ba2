"""Audits of prepared data, one file each: ``fer_bench/audits/<name>.py`` registers ``audit = Audit(…)``.

An audit looks at one prepared data set and says ``green`` (nothing found), ``amber`` (found, known and allowed; it
stands beside the numbers) or ``red`` (the data are not what they are said to be).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import pandas as pd

from fer_bench.datasets._store import Prepared

Status: TypeAlias = Literal["green", "amber", "red"]

STATUSES: tuple[Status, ...] = ("green", "amber", "red")
"""From best to worst."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What an audit found.

    Attributes:
        status: Its verdict.
        why: One sentence with the numbers that led to it.
        numbers: Everything counted; plain data, so that it becomes JSON.
        tables: Tables of ids by a short name, each written as ``<dataset>_<short name>.csv``; no pixels.
    """

    status: Status
    why: str
    numbers: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Audit:
    """An audit, as the harness knows it.

    Attributes:
        title: What it looks at, a few words.
        run: Look at a prepared data set. The same data give the same finding, to the byte.
    """

    title: str
    run: Callable[[Prepared], Finding]


def worst(statuses: list[Status]) -> Status:
    """Return the worst of some statuses; ``green`` of none."""
    return max(statuses, key=STATUSES.index, default="green")
