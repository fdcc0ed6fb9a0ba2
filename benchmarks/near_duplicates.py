"""How fast are perceptual hashes and the search for near-duplicates? Beside what a user would do instead, in one run.

    python -m pip install -e ".[bench]"
    FER_BENCH_DATA=FOLDER python benchmarks/near_duplicates.py

FOLDER holds ``ferplus/`` with FER2013's pictures as fer-bench reads them; without it, ``../shared/data`` is tried. The
rival is a loop over ``imagehash.phash`` and all pairs of its hashes by Hamming distance, a numpy row at a time. Then
both of ours on more pictures than FER2013 has: morphs of two faces each. Of the largest number only every
``1 / SAMPLED``-th block of rows is searched, in one thread, and the time scaled up to the pairs of all.

Each piece runs in a process of its own, so that its peak memory is its own. Besides the time that passed there is the
processor's, which other work on the machine stretches less.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fer_bench.audits import _near
from fer_bench.datasets import SIMILAR, _fingerprint, ferplus

NEAR, CONFIRMED = 4, 6  # bits: taken as they are; and only if the pixels correlate
CORRELATED = 0.8
SIZES = (1, 2, 4)  # times FER2013
LARGEST, SAMPLED = 10, 0.02


def release() -> tuple[np.ndarray, np.ndarray]:
    """Return the pictures of FER2013 and their splits, in the order of sample ids."""
    default = Path(__file__).parents[2] / "shared" / "data"
    loaded = ferplus.load(Path(os.environ.get("FER_BENCH_DATA", default)) / "ferplus", ferplus.Options())
    order = np.argsort(loaded.samples["sample_id"].to_numpy(dtype=str), kind="stable")
    splits = loaded.samples["split"].to_numpy(dtype=str)[order]
    return np.stack([loaded.images[row] for row in order]), splits


def distinct(images: np.ndarray) -> np.ndarray:
    """Return the rows of pictures that are no exact copy of an earlier one."""
    return np.sort(np.unique(images.reshape(len(images), -1), axis=0, return_index=True)[1])


def morphs(images: np.ndarray, n: int) -> np.ndarray:
    """Return n pictures: those there are, then means of two random ones each, with the contrast of the first."""
    rng = np.random.default_rng(0)
    out = np.empty((n, *images.shape[1:]), dtype=np.uint8)
    out[: len(images)] = images
    for row in range(len(images), n):
        a, b = (images[place].astype(np.float32) for place in rng.integers(len(images), size=2))
        share = rng.uniform(0.35, 0.65)
        mixed = share * a + (1 - share) * b
        levels = (mixed - mixed.mean()) / max(float(mixed.std()), 1.0) * float(a.std()) + float(a.mean())
        out[row] = np.clip(levels, 0, 255)
    return out


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Do work; return its result, with seconds, processor seconds and how far memory rose above what stood before."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, busy = time.perf_counter(), time.process_time()
    result = work()
    spent = {"s": time.perf_counter() - wall, "cpu_s": time.process_time() - busy}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return result, {**spent, "peak_mb": peak / 1024, "rise_mb": (peak - before) / 1024}


def hashing(images: np.ndarray) -> np.ndarray:
    return _fingerprint.perceptual_hash(images)


def imagehash_loop(images: np.ndarray) -> np.ndarray:
    """Return the bits of imagehash's perceptual hash, one picture after the other."""
    import imagehash
    from PIL import Image

    return np.stack([imagehash.phash(Image.fromarray(image)).hash.ravel() for image in images])


def all_pairs(bits: np.ndarray) -> np.ndarray:
    """Return pairs of rows whose bits differ in at most ``CONFIRMED`` places, a row at a time."""
    found = []
    for row in range(len(bits) - 1):
        near = np.flatnonzero((bits[row] != bits[row + 1 :]).sum(axis=1) <= CONFIRMED)
        found += [(row, row + 1 + other) for other in near.tolist()]
    return np.array(found, dtype=np.intp).reshape(-1, 2)


def by_our_hash(hashes: np.ndarray) -> np.ndarray:
    """Return the same for hashes of 64 bits in one number."""
    found = []
    for row in range(len(hashes) - 1):
        near = np.flatnonzero(np.bitwise_count(hashes[row] ^ hashes[row + 1 :]) <= CONFIRMED)
        found += [(row, row + 1 + other) for other in near.tolist()]
    return np.array(found, dtype=np.intp).reshape(-1, 2)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    if min(one.std(), other.std()) == 0:
        return float(np.array_equal(one, other))
    return float(np.corrcoef(one.ravel().astype(np.float64), other.ravel().astype(np.float64))[0, 1])


def leaks(images: np.ndarray, splits: np.ndarray, pairs: np.ndarray, n_bits: np.ndarray) -> dict[str, int]:
    """Count test pictures with a twin in train: up to 4 bits, and up to 6 with correlated pixels."""
    across = [
        (int(a if splits[a] == "test" else b), int(a), int(b), int(bits))
        for (a, b), bits in zip(pairs, n_bits, strict=True)
        if {str(splits[a]), str(splits[b])} == {"test", "train"}
    ]
    return {
        "up to 4 bits": len({test for test, _, _, bits in across if bits <= NEAR}),
        "up to 6 bits, correlation above 0.8": len(
            {test for test, a, b, _ in across if correlation(images[a], images[b]) > CORRELATED}
        ),
    }


def piece(name: str) -> dict[str, object]:
    """Do one piece of the benchmark, in this process."""
    images, splits = release()
    if name == "hash":
        hashes, spent = timed(lambda: hashing(images))
        pairs, of_pairs = timed(lambda: by_our_hash(hashes))
        n_bits = np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])
        return {"hash": spent, "pairs": of_pairs, "n_pairs": len(pairs), "leaks": leaks(images, splits, pairs, n_bits)}
    if name == "rival":
        bits, spent = timed(lambda: imagehash_loop(images))
        pairs, of_pairs = timed(lambda: all_pairs(bits))
        n_bits = (bits[pairs[:, 0]] != bits[pairs[:, 1]]).sum(axis=1)
        return {"hash": spent, "pairs": of_pairs, "n_pairs": len(pairs), "leaks": leaks(images, splits, pairs, n_bits)}
    if name == "search":
        rows = distinct(images)
        found, spent = timed(lambda: _near.search(images, rows))
        pairs = np.array([(rows[pair.a], rows[pair.b]) for pair in found])
        return {"search": spent, "n": len(rows), "n_pairs": len(found), "leaks": near_leaks(images, splits, pairs)}
    many = morphs(images, len(images) * int(name))
    _, of_hash = timed(lambda: hashing(many))
    rows = distinct(many)
    if int(name) == LARGEST:
        return {"n": len(many), "hash": of_hash, **sampled_search(many, rows)}
    found, of_search = timed(lambda: _near.search(many, rows))
    return {"n": len(many), "hash": of_hash, "search": of_search, "n_pairs": len(found)}


def sampled_search(images: np.ndarray, rows: np.ndarray) -> dict[str, object]:
    """Do what :func:`_near.search` does for some blocks of rows, and scale the time by the pairs looked at."""
    grey, before = timed(lambda: _near._grey(images, rows))
    n, size = len(rows), (_near._SMALL, _near._SMALL)

    def numbers_of() -> object:
        small = np.stack([cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in grey])
        return _near._numbers(small.reshape(n, -1))

    numbers, of_numbers = timed(numbers_of)
    starts = np.arange(0, n, _near._BLOCK)
    chosen = starts[int(0.5 / SAMPLED) :: int(1 / SAMPLED)]
    candidates, in_blocks = timed(lambda: [one for start in chosen for one in _near._candidates(numbers, int(start))])
    registered, in_pairs = timed(lambda: [_near._register(grey, one) for one in candidates])
    factor = float((n - starts).sum() / (n - chosen).sum())
    spent = {key: before[key] + of_numbers[key] + factor * (in_blocks[key] + in_pairs[key]) for key in ("s", "cpu_s")}
    found = sum(pair is not None and pair.similarity >= SIMILAR for pair in registered)
    return {"search": {**spent, "peak_mb": in_pairs["peak_mb"]}, "n_pairs": round(factor * found)}


def near_leaks(images: np.ndarray, splits: np.ndarray, pairs: np.ndarray) -> dict[str, int]:
    """Count test pictures with a twin in train; all holders of a picture that is in a pair count."""
    _, picture = np.unique(images.reshape(len(images), -1), axis=0, return_inverse=True)
    linked: dict[int, set[int]] = {}
    for a, b in pairs:
        linked.setdefault(int(picture[a]), set()).add(int(picture[b]))
        linked.setdefault(int(picture[b]), set()).add(int(picture[a]))
    in_train = set(picture[splits == "train"].tolist())
    test = picture[splits == "test"].tolist()
    near = [bool(linked.get(one, set()) & in_train) for one in test]
    return {
        "an exact copy": sum(one in in_train for one in test),
        "a near twin": sum(near),
        "either": sum(is_near or one in in_train for is_near, one in zip(near, test, strict=True)),
    }


def apart(name: str, *, plain: bool = False) -> dict[str, dict[str, float]]:
    """Do a piece in a process of its own; ``plain``: without settings of OpenBLAS from outside."""
    environment = {key: value for key, value in os.environ.items() if not (plain and key.startswith("OPENBLAS_"))}
    done = subprocess.run(  # noqa: S603 - this file itself
        [sys.executable, __file__, name], capture_output=True, text=True, check=True, env=environment
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def line(name: str, spent: dict[str, float], beside: dict[str, float] | None = None) -> None:
    ratio = f"   {spent['s'] / beside['s']:6.1f} times ours" if beside else ""
    print(f"  {name:44} {spent['s']:8.2f} s  {spent['cpu_s']:8.2f} s of processor  {spent['peak_mb']:7.0f} MB{ratio}")


def load() -> str:
    return f"load of the last minute {os.getloadavg()[0]:.2f} on {os.cpu_count()} processors"


def main() -> None:
    print(f"FER2013, 35,887 pictures; {load()}")
    ours, search, rival = apart("hash"), apart("search"), apart("rival")
    line("perceptual_hash", ours["hash"])
    line("imagehash.phash, one after the other", rival["hash"], ours["hash"])
    line("search (34,034 distinct pictures)", search["search"])
    line("all pairs of hashes, a numpy row at a time", rival["pairs"], search["search"])
    line("all pairs of our hashes, as numbers", ours["pairs"], search["search"])
    if any(key.startswith("OPENBLAS_") for key in os.environ):
        line("search, without OPENBLAS_* of this machine", apart("search", plain=True)["search"])
    print("test pictures with a twin in train")
    for name, found in (("search", search), ("imagehash", rival), ("our hash", ours)):
        said = ", ".join(f"{what}: {n:.0f}" for what, n in found["leaks"].items())
        print(f"  {name:20} {said}; {found['n_pairs']:,} pairs in all")
    print(f"growth; {load()}")
    for size in (*SIZES, LARGEST):
        grown = apart(str(size))
        line(f"{size:2} times, {grown['n']:7,} pictures: hash", grown["hash"])
        line(f"{size:2} times, {grown['n_pairs']:7,} pairs: search", grown["search"])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(piece(sys.argv[1])))
    else:
        main()
