"""Exact duplicates: pictures equal pixel for pixel, within a split and between splits.

Two pictures are equal if their digests are (SHA-256 of shape and pixels, 64 bits of it kept: among 100,000 pictures a
chance collision has probability 3e-10). The digests are computed anew here, so a damaged store is found too.

``green``: no picture stands in two splits. ``amber``: some do. Whether the release itself has those copies, or this
copy alone, is what :mod:`fer_bench.audits.near_duplicates` says; it counts exact copies too.
"""

from typing import Any

import numpy as np
import pandas as pd

from fer_bench.audits import Audit, Finding
from fer_bench.datasets import SPLITS
from fer_bench.datasets._store import Prepared
from fer_bench.errors import FerBenchError
from fer_bench.tables import samples as samples_table


def run(prepared: Prepared) -> Finding:
    """Group equal pictures and count the groups.

    Raises:
        FerBenchError: If the pictures are not those that were prepared.
    """
    samples = prepared.samples
    _check_digests(prepared)
    groups = samples[samples.duplicated("digest", keep=False)].sort_values(["digest", "sample_id"], ignore_index=True)
    by_digest = groups.groupby("digest", sort=True)
    splits = by_digest["split"].agg(lambda column: "+".join(split for split in SPLITS if split in set(column)))
    labelled = groups[groups["label"] >= 0]
    labels_per_group = labelled.groupby("digest")["label"].nunique()
    copies = {
        f"{split}_with_copy_in_{other}": _with_copy(samples, split, other)
        for split, other in (("test", "train"), ("test", "val"), ("val", "train"))
    }
    numbers = {
        "n_pictures": len(samples),
        "n_distinct": int(samples["digest"].nunique()),
        "n_groups": len(splits),
        "n_in_groups": len(groups),
        "largest_group": int(by_digest.size().max()) if len(groups) else 0,
        "groups_by_splits": {str(key): int(n) for key, n in splits.value_counts().items()},
        "groups_with_conflicting_labels": int((labels_per_group > 1).sum()),
        "groups_with_unequal_votes": _with_unequal_votes(groups),
        **copies,
    }
    across = any("+" in str(key) for key in splits)
    table = groups[["digest", "sample_id", "split", "label", "source"]]
    return Finding(
        status="amber" if across else "green",
        why=_why(numbers),
        numbers=numbers,
        tables={"duplicates": table},
    )


def _check_digests(prepared: Prepared) -> None:
    found = np.array([samples_table.digest(image) for image in prepared.images], dtype=object)
    wrong = found != prepared.samples["digest"].to_numpy(dtype=object)
    if wrong.any():
        first = prepared.samples["sample_id"].iloc[int(wrong.argmax())]
        raise FerBenchError(
            f"{prepared.name}: {int(wrong.sum())} pictures of the store are not those that were prepared, e.g. {first}",
            fix=f"fer-bench data prepare {prepared.name}",
        )


def _with_unequal_votes(groups: pd.DataFrame) -> int | None:
    """Count the groups whose pictures were judged differently; None where annotators are not known."""
    votes = list(samples_table.vote_columns(list(groups.columns)))
    if not votes:
        return None
    by_digest = groups.groupby("digest")[votes]
    return int((by_digest.max() != by_digest.min()).any(axis=1).sum())


def _with_copy(samples: pd.DataFrame, split: str, other: str) -> dict[str, dict[str, Any]]:
    """Count the pictures of a split that also stand in another, labelled there or not: all, and the labelled ones."""
    there = set(samples.loc[samples["split"] == other, "digest"])
    own = samples[samples["split"] == split]
    found = own["digest"].isin(there)
    return {
        "all": _share(int(found.sum()), len(own)),
        "labelled": _share(int((found & (own["label"] >= 0)).sum()), int((own["label"] >= 0).sum())),
    }


def _share(n: int, of: int) -> dict[str, Any]:
    return {"n": n, "of": of, "share": round(n / of, 6) if of else 0.0}


def _why(numbers: dict[str, Any]) -> str:
    labelled = numbers["test_with_copy_in_train"]["labelled"]
    n_test = numbers["test_with_copy_in_train"]["all"]["n"]
    return (
        f"{n_test} test pictures have an exact copy in train, {labelled['n']} of the "
        f"{labelled['of']} labelled ones ({labelled['share']:.1%}); {numbers['n_groups']} groups of equal pictures "
        f"hold {numbers['n_in_groups']} of {numbers['n_pictures']}"
    )


audit = Audit(title="pictures equal pixel for pixel, within and between splits", run=run)
