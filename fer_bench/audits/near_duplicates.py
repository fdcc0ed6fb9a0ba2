"""Near-duplicates: the same photograph twice, mirrored, resized, recompressed, lit otherwise, turned or cropped.

How pairs are found, and what similarity means, stands in :mod:`fer_bench.audits._near`. Exact copies count as twins
here too, so that the twins table holds everything that links two splits.

``green``: no test picture has a twin in train. ``amber``: some have, and the release has them too: both pictures of
each such pair stand in the official fingerprint, in the same splits; or, without a fingerprint, the data are in the
release's official form. ``red``: others have.
"""

from typing import Any

import numpy as np
import pandas as pd

from fer_bench import registry
from fer_bench.audits import Audit, Finding, Status, _near
from fer_bench.datasets import Dataset, _difference, _fingerprint
from fer_bench.datasets._store import Info, Prepared
from fer_bench.tables.twins import twins as twins_schema

_SPLIT_PAIRS = (("test", "train"), ("test", "val"), ("val", "train"))


def run(prepared: Prepared) -> Finding:
    """Search, count by splits, and hold the twins of test pictures to those that the release is known to have."""
    samples = prepared.samples
    pairs = _pairs(prepared)
    table = _expanded(samples, pairs)
    linked = _linked(samples, table)
    official = _fingerprint.official(prepared.info.reader)
    leaks = linked[(linked["split"] == "test") & (linked["twin_split"] == "train")]
    beyond = None if official is None else _beyond(leaks, _of_the_release(prepared, official))
    labelled = table[(table["label_a"] >= 0) & (table["label_b"] >= 0)]
    numbers: dict[str, Any] = {
        "similar_from": _similar_from(prepared),
        "n_pairs": len(table),
        "n_pairs_of_distinct_pictures": len(pairs),
        "n_mirrored": int(table["mirrored"].sum()),
        "pairs_by_splits": _by_splits(table),
        "pairs_with_conflicting_labels": int((labelled["label_a"] != labelled["label_b"]).sum()),
        **{f"{split}_with_twin_in_{other}": _counts(samples, linked, split, other) for split, other in _SPLIT_PAIRS},
        "beyond_the_release": beyond,
    }
    status: Status = "green"
    if len(leaks):
        trusted = official_form(prepared.info) if beyond is None else not beyond
        status = "amber" if trusted else "red"
    return Finding(
        status=status,
        why=_why(numbers),
        numbers=numbers,
        tables={"near": table, "twins": linked},
    )


def official_form(info: Info) -> bool:
    """Say whether data are, by their form and counts alone, the release or a part of it."""
    return info.official != "none" and not info.unofficial


def _of_the_release(prepared: Prepared, official: _fingerprint.Fingerprint) -> set[str]:
    """Return the ids of pictures that the release has in the same split, even if encoded or aligned otherwise."""
    table = _difference.difference(official, _fingerprint.of(prepared))
    kept = ~table["change"].isin(["unlike", "missing", "added"]) & ~table["moved"]
    return set(table.loc[kept, "b"])


def _similar_from(prepared: Prepared) -> float:
    dataset: Dataset = registry.load("datasets", prepared.info.reader)
    return dataset.similar_from


def _beyond(leaks: pd.DataFrame, of_the_release: set[str]) -> list[str]:
    """Return the ids of test pictures with a twin in train, where the release has not both."""
    both = leaks[["sample_id", "twin_id"]].isin(of_the_release).all(axis=1)
    return sorted(set(leaks.loc[~both, "sample_id"]))


def _pairs(prepared: Prepared) -> list[_near.Pair]:
    """Search among distinct pictures; rows are those of the first sample with each picture."""
    first = np.flatnonzero(~prepared.samples.duplicated("digest").to_numpy(dtype=bool))
    found = _near.search(prepared.images, first, least=_similar_from(prepared))
    return [pair._replace(a=int(first[pair.a]), b=int(first[pair.b])) for pair in found]


def _expanded(samples: pd.DataFrame, pairs: list[_near.Pair]) -> pd.DataFrame:
    """Return a row per pair of samples: a pair of pictures stands for all samples that have them."""
    holders: dict[str, list[int]] = {}
    for row, digest in enumerate(samples["digest"]):
        holders.setdefault(digest, []).append(row)
    digests = samples["digest"].to_numpy(dtype=object)
    ids, splits, labels = (samples[name].to_numpy(dtype=object) for name in ("sample_id", "split", "label"))
    rows = [
        {
            "a": ids[a],
            "b": ids[b],
            "split_a": splits[a],
            "split_b": splits[b],
            "label_a": int(labels[a]),
            "label_b": int(labels[b]),
            "similarity": round(pair.similarity, 3),
            "mirrored": pair.mirrored,
            "scale": round(pair.scale, 2),
            "angle": round(pair.angle, 1) + 0.0,  # no -0.0
            "shift": round(pair.shift, 2),
            "overlap": round(pair.overlap, 2),
        }
        for pair in pairs
        for a in holders[digests[pair.a]]
        for b in holders[digests[pair.b]]
    ]
    columns = ["a", "b", "split_a", "split_b", "label_a", "label_b", *_near.Pair._fields[2:]]
    return pd.DataFrame(rows, columns=columns).sort_values(["a", "b"], ignore_index=True)


def _linked(samples: pd.DataFrame, near: pd.DataFrame) -> pd.DataFrame:
    """Return the twins table: exact and near twins in other splits, each pair from both sides."""
    columns = ["sample_id", "split", "label", "digest"]
    copied = samples.loc[samples.duplicated("digest", keep=False), columns]
    exact = copied.merge(copied, on="digest", suffixes=("_a", "_b")).rename(
        columns={"sample_id_a": "a", "sample_id_b": "b"}
    )
    both = pd.concat(
        [exact.assign(kind="exact", similarity=1.0), near.assign(kind="near"), _swapped(near).assign(kind="near")],
        ignore_index=True,
    )
    across = both[both["split_a"] != both["split_b"]]
    return twins_schema.check(
        pd.DataFrame(
            {
                "sample_id": across["a"],
                "split": across["split_a"],
                "twin_id": across["b"],
                "twin_split": across["split_b"],
                "kind": across["kind"],
                "similarity": across["similarity"],
                "label": across["label_a"],
                "twin_label": across["label_b"],
            }
        ),
        where="twins table",
    )


def _swapped(near: pd.DataFrame) -> pd.DataFrame:
    sides = {f"{name}{side}": f"{name}{other}" for name in ("", "split_", "label_") for side, other in ("ab", "ba")}
    return near.rename(columns=sides)


def _by_splits(table: pd.DataFrame) -> dict[str, int]:
    order = {"train": 0, "val": 1, "test": 2}
    keys = [
        "+".join(sorted({a, b}, key=order.__getitem__)) for a, b in zip(table["split_a"], table["split_b"], strict=True)
    ]
    return {str(key): int(n) for key, n in pd.Series(keys, dtype=object).value_counts().sort_index().items()}


def _counts(samples: pd.DataFrame, linked: pd.DataFrame, split: str, other: str) -> dict[str, int]:
    """Count the samples of a split with a twin in another: all, by an exact copy, and the labelled ones."""
    here = linked[(linked["split"] == split) & (linked["twin_split"] == other)]
    own = samples[samples["split"] == split]
    return {
        "n": int(here["sample_id"].nunique()),
        "exact": int(here.loc[here["kind"] == "exact", "sample_id"].nunique()),
        "of": len(own),
        "labelled": int(here.loc[here["label"] >= 0, "sample_id"].nunique()),
        "of_labelled": int((own["label"] >= 0).sum()),
    }


def _why(numbers: dict[str, Any]) -> str:
    n, beyond = numbers["test_with_twin_in_train"], numbers["beyond_the_release"]
    said = (
        f"{n['n']} of {n['of']} test pictures have a twin in train ({n['exact']} an exact copy), {n['labelled']} of "
        f"the {n['of_labelled']} labelled ones; {numbers['n_pairs']} near pairs in all"
    )
    if not n["n"]:
        return said
    if beyond is None:
        return f"{said}; no official fingerprint says which of them the release has"
    if not beyond:
        return f"{said}; the release has them too"
    named = ", ".join(beyond[:3]) + (", …" if len(beyond) > 3 else "")
    return f"{said}; {len(beyond)} of them the release does not have ({named})"


audit = Audit(title="the same photograph twice, altered, within and between splits", run=run)
