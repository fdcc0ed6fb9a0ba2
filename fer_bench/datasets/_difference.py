"""How two copies of a data set differ, picture by picture, told from their fingerprints.

Pictures are brought together by their id, if at most :data:`ALIKE` of the 63 bits of their perceptual hashes differ;
those left over by equal pixels; those left over then by hash, nearest first, if at most :data:`NEAR` bits differ; and
what is left then by id alone. What differs is told from pixels and hash:

========== ===========================================================================================
same       equal pixels
re-encoded the same size, other pixels, at most :data:`NEAR` bits differ
resized    another size, at most :data:`NEAR` bits differ
re-aligned at most :data:`ALIKE` bits differ: another crop, rotation or lighting of the photograph
unlike     more differ: another photograph, or a strongly altered one
missing    only in the first copy
added      only in the second copy
========== ===========================================================================================

On FER2013's faces, of copies recompressed at quality 30 or halved and enlarged again 99 in 100 differ in at most 4
bits; cropped by 5 % on each side, the middle one in 10, 99 in 100 in at most 18; of pairs of unrelated faces, 1 in 100
differs in 20 or fewer.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from fer_bench.datasets._fingerprint import Fingerprint, as_numbers

NEAR = 6
"""Bits up to which two hashes are of one picture, re-encoded or resized."""

ALIKE = 20
"""Bits up to which two hashes may be of one photograph, cropped otherwise."""

CHANGES = ("same", "re-encoded", "resized", "re-aligned", "unlike", "missing", "added")

COLUMNS = ("a", "b", "change", "bits", "split_a", "split_b", "label_a", "label_b", "moved", "relabelled")
"""Of the table that :func:`difference` returns."""

_CHUNK = 2048


def difference(first: Fingerprint, second: Fingerprint) -> pd.DataFrame:
    """Compare two copies.

    Args:
        first: The copy that is held to be right.
        second: The other.

    Returns:
        One row per picture of either copy, with columns ``a`` and ``b`` (ids), ``change`` (of :data:`CHANGES`),
        ``bits`` (that differ between the hashes), splits and labels of both, ``moved`` (another split) and
        ``relabelled`` (another label; False throughout where the copies' label rules differ, since then labels cannot
        be compared). Sorted by the ids.
    """
    a, b = first.rows.reset_index(drop=True), second.rows.reset_index(drop=True)
    hash_a, hash_b = as_numbers(a["hash"]), as_numbers(b["hash"])
    same_size = first.head.image_shape[:2] == second.head.image_shape[:2]
    comparable = first.head.label_rule == second.head.label_rule
    matched = np.array(list(_matches(a, b, hash_a, hash_b)), dtype=np.intp).reshape(-1, 2)
    rows_a, rows_b = matched[:, 0], matched[:, 1]
    bits = np.bitwise_count(hash_a[rows_a] ^ hash_b[rows_b]).astype(int)
    equal = a["digest"].to_numpy(dtype=object)[rows_a] == b["digest"].to_numpy(dtype=object)[rows_b]
    near = "re-encoded" if same_size else "resized"
    change = np.select([equal, bits <= NEAR, bits <= ALIKE], ["same", near, "re-aligned"], default="unlike")
    table = pd.DataFrame({"a": a["sample_id"].to_numpy()[rows_a], "b": b["sample_id"].to_numpy()[rows_b]})
    table = table.assign(change=change, bits=bits, **_sides(a, rows_a, "a"), **_sides(b, rows_b, "b"))
    table["moved"] = table["split_a"] != table["split_b"]
    table["relabelled"] = (table["label_a"] != table["label_b"]) & comparable
    alone = [
        _alone(rows, np.setdiff1d(np.arange(len(rows)), used), side, said)
        for rows, used, side, said in ((a, rows_a, "a", "missing"), (b, rows_b, "b", "added"))
    ]
    whole = pd.concat([table, *(part for part in alone if len(part))], ignore_index=True)
    return whole.sort_values(["a", "b"], na_position="last", ignore_index=True)[list(COLUMNS)]


def summary(table: pd.DataFrame) -> dict[str, int]:
    """Count each change, and the pictures moved and relabelled."""
    counts = {name: int((table["change"] == name).sum()) for name in CHANGES}
    return {**counts, "moved": int(table["moved"].sum()), "relabelled": int(table["relabelled"].sum())}


def _sides(rows: pd.DataFrame, at: np.ndarray, side: str) -> dict[str, np.ndarray]:
    return {f"{name}_{side}": rows[name].fillna("").to_numpy(dtype=object)[at] for name in ("split", "label")}


def _alone(rows: pd.DataFrame, at: np.ndarray, side: str, said: str) -> pd.DataFrame:
    columns = {side: rows["sample_id"].to_numpy()[at], "change": said, **_sides(rows, at, side)}
    return pd.DataFrame({**columns, "moved": False, "relabelled": False}, index=range(len(at)))


def _matches(a: pd.DataFrame, b: pd.DataFrame, hash_a: np.ndarray, hash_b: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield rows that belong together, each row once."""
    free_a, free_b = set(range(len(a))), set(range(len(b)))

    def pair(candidates: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        for row, other in candidates:
            if row in free_a and other in free_b:
                free_a.remove(row)
                free_b.remove(other)
                yield row, other

    def alike(row: int, other: int) -> bool:
        return int(np.bitwise_count(hash_a[row] ^ hash_b[other])) <= ALIKE

    ids = list(_equal(list(a["sample_id"]), list(b["sample_id"])))
    yield from pair((row, other) for row, other in ids if alike(row, other))
    left_a, left_b = sorted(free_a), sorted(free_b)
    digests_a, digests_b = list(a["digest"]), list(b["digest"])
    equal = _equal([digests_a[row] for row in left_a], [digests_b[row] for row in left_b])
    yield from pair((left_a[place], left_b[other]) for place, other in equal)
    yield from pair(_near(sorted(free_a), sorted(free_b), hash_a, hash_b))
    yield from pair(iter(ids))


def _equal(a: list[str], b: list[str]) -> Iterator[tuple[int, int]]:
    """Yield rows with equal keys; where a key repeats, its rows in their order."""
    places: dict[str, list[int]] = {}
    for row in range(len(b) - 1, -1, -1):
        places.setdefault(b[row], []).append(row)
    for row, key in enumerate(a):
        if places.get(key):
            yield row, places[key].pop()


def _near(rows_a: list[int], rows_b: list[int], hash_a: np.ndarray, hash_b: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield rows whose hashes differ in few bits, those that differ least first."""
    found: list[tuple[int, int, int]] = []
    others = np.array(rows_b, dtype=np.intp)
    for start in range(0, len(rows_a), _CHUNK):
        chunk = np.array(rows_a[start : start + _CHUNK], dtype=np.intp)
        bits = np.bitwise_count(hash_a[chunk][:, None] ^ hash_b[others][None])
        i, j = np.nonzero(bits <= NEAR)
        found += zip(bits[i, j].tolist(), chunk[i].tolist(), others[j].tolist(), strict=True)
    yield from ((row, other) for _, row, other in sorted(found))
