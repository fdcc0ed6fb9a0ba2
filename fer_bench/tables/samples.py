"""``samples.csv``: one row per picture of a prepared data set, in the order of its image store.

Where annotators are known there is one column ``votes_<name>`` per expression or other answer.
"""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from fer_bench.tables._schema import Schema, header, integer, text

_REMAKE = "fer-bench data prepare DATASET"

_BASE = {
    "sample_id": text("the data set's own stable name of the picture"),
    "split": text("train, val or test, as released"),
    "label": integer("expression, index in expressions.py; -1 where the label rule drops the sample"),
    "position": integer(
        "rises in the order in which the release lists a split's pictures: code that does not shuffle meets them so"
    ),
    "source": text("path or row in the release"),
    "subject": text("the person", empty="where unknown"),
    "digest": text("SHA-256 of shape and pixels, first 16 hex digits"),
}
VOTES = integer("how many annotators gave this answer")
"""What a column of votes holds."""


def schema(votes: tuple[str, ...] = ()) -> Schema:
    """Return the schema of a samples table with these ``votes_…`` columns."""
    return Schema(
        name="samples table",
        columns={**_BASE, **dict.fromkeys(votes, VOTES)},
        key=("sample_id",),
        remake=_REMAKE,
    )


def vote_columns(columns: list[str]) -> tuple[str, ...]:
    """Return those columns that hold votes."""
    return tuple(name for name in columns if name.startswith("votes_"))


def read(path: Path) -> pd.DataFrame:
    """Read and check a samples table.

    Raises:
        FerBenchError: If it is missing or does not fit.
    """
    return schema(vote_columns(header(path, remake=_REMAKE))).read(path)


def digest(image: np.ndarray) -> str:
    """Return the first 16 hex digits of the SHA-256 of a picture's shape and pixels (uint8, (h, w) or (h, w, 3))."""
    head = "x".join(str(side) for side in image.shape).encode()
    return hashlib.sha256(head + np.ascontiguousarray(image).tobytes()).hexdigest()[:16]
