"""Search for pictures that show the same photograph: mirrored, resized, recompressed, lit otherwise, turned, cropped.

Three steps, each keeping what the next has to look at (figures: the 34,032 distinct pictures of FER2013 that are not
blank, 579 million pairs, two cores):

1. **Coarse**: the slow changes of brightness in the middle of the face, 34 numbers a picture, compared for all pairs by
   matrix products. Under a mirror the numbers of odd waves change their sign, so one product for even and one for odd
   waves compares each pair both ways. About 4.7 million pairs pass.
2. **Views**: each picture of the pair turned, scaled and shifted in 49 ways, compared with the other by 86 numbers that
   weigh finer structure more. A view is a linear map, so all views of a picture are one matrix product. About 27,000
   pairs pass.
3. **Registration**: the pair is laid over each other by an affine map (enhanced correlation coefficient: Evangelidis
   and Psarakis, IEEE TPAMI 2008, as OpenCV has it), and what is left is the correlation of their fine structure, a
   difference of Gaussians, where both have pixels. That is the **similarity**. Faces that resemble each other part
   here: edges of eyes, teeth and hair coincide in copies of one photograph only.

Each picture is compared as 48×48 pixels of grey, whatever its size; nothing is learned from data. Memory grows with the
number of pictures, time with its square.
"""

import functools
import itertools
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from fer_bench.datasets import SIMILAR

BLANK_SD = 2.0
"""Pictures whose grey levels have a smaller standard deviation show nothing to compare."""

_SIDE = 48  # of the pictures that are registered
_SMALL = 32  # of those from which the first two steps take their numbers
_COARSE = 0.64  # cosine from which a pair passes step 1: of copies turned by 10° with black corners, 96 in 100 pass
_ALIKE = 0.80  # cosine from which a pair passes step 2
_BLOCK = 512  # rows of the pair matrix at a time
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as Pillow's mode L
_LEAST_OVERLAP = 0.5  # share of the picture that both must show

View: TypeAlias = tuple[float, float, float, float]
"""Rotation in degrees, scale, shift to the right and down in pixels of 48."""

_SHIFTS = ((0, 0), (3, 0), (-3, 0), (0, 3), (0, -3))
_VIEWS: tuple[View, ...] = (
    *((angle, scale, 0.0, 0.0) for angle in (-5.0, 5.0, -10.0, 10.0) for scale in (1.0, 0.92, 1.09)),
    *((0.0, scale, float(dx), float(dy)) for scale in (0.8, 0.9, 1.0, 1.1, 1.22) for dx, dy in _SHIFTS),
    *((0.0, scale, dx, dy) for scale in (0.87, 1.0, 1.15) for dx in (3.0, -3.0) for dy in (3.0, -3.0)),
)


class Pair(NamedTuple):
    """Two pictures that show the same photograph.

    Attributes:
        a: Row of the first picture.
        b: Row of the second, larger than ``a``.
        similarity: Correlation of the fine structure after registration, at most 1.
        mirrored: Whether one is the other's mirror image.
        scale: Factor by which ``a`` is enlarged to lie on ``b``.
        angle: Degrees by which it is turned.
        shift: How far the middle moves, as a share of the picture's side.
        overlap: Share of the picture on which both have pixels.
    """

    a: int
    b: int
    similarity: float
    mirrored: bool
    scale: float
    angle: float
    shift: float
    overlap: float


def search(images: np.ndarray, rows: np.ndarray | None = None, *, least: float = SIMILAR) -> list[Pair]:
    """Find all pairs of pictures that show the same photograph.

    Args:
        images: uint8 (n, h, w) or (n, h, w, 3), or a memory map of such; read one by one.
        rows: Those to compare, without exact duplicates (they would be found, at a price); None: all.
        least: Similarity from which a pair is returned.

    Returns:
        Pairs of positions in ``rows``, sorted. Blank pictures are in none.
    """
    grey = _grey(images, np.arange(len(images)) if rows is None else rows)
    live = np.flatnonzero(grey.reshape(len(grey), -1).std(axis=1) > BLANK_SD)
    grey = grey[live]
    if len(live) < 2:
        return []
    small = np.stack([cv2.resize(one, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA) for one in grey])
    with _one_thread_each(), ThreadPoolExecutor(os.cpu_count()) as pool:  # blocks and pairs stand for themselves
        numbers = _numbers(small.reshape(len(small), -1))
        blocks = pool.map(lambda start: _candidates(numbers, start), range(0, len(live), _BLOCK))
        registered = pool.map(lambda one: _register(grey, one), _better_way(blocks))
        found = [pair for pair in registered if pair is not None and pair.similarity >= least]
    return sorted(pair._replace(a=int(live[pair.a]), b=int(live[pair.b])) for pair in found)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Keep OpenCV and BLAS from threads of their own, which would wait for each other on a busy machine."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        cv2.setNumThreads(before)


def _grey(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return float32 (n, 48, 48), slightly smoothed, so that single pixels do not decide."""
    out = np.empty((len(rows), _SIDE, _SIDE), dtype=np.float32)
    for place, row in enumerate(rows):
        one = np.asarray(images[row], dtype=np.float32)
        if one.ndim == 3:
            one = one @ _LUMA
        if one.shape != (_SIDE, _SIDE):
            way = cv2.INTER_AREA if min(one.shape) > _SIDE else cv2.INTER_LINEAR
            one = np.asarray(cv2.resize(one, (_SIDE, _SIDE), interpolation=way), dtype=np.float32)
        out[place] = cv2.GaussianBlur(one, (3, 3), 0.8)
    return out


class _Candidate(NamedTuple):
    """A pair of rows that passed step 2 by a view of the first."""

    viewed: int
    other: int
    mirrored: bool
    view: View
    alikeness: float


def _better_way(blocks: Iterable[list[_Candidate]]) -> list[_Candidate]:
    """Keep of each pair the row whose view is more like the other one, so that the order of rows does not decide."""
    best: dict[tuple[int, int], _Candidate] = {}
    for candidate in itertools.chain.from_iterable(blocks):
        pair = min(candidate.viewed, candidate.other), max(candidate.viewed, candidate.other)
        if pair not in best or candidate.alikeness > best[pair].alikeness:
            best[pair] = candidate
    return list(best.values())


class _Numbers(NamedTuple):
    """What steps 1 and 2 compare, float32, a row per picture.

    Attributes:
        small: (n, 32·32) the pictures.
        even: Slow waves that a mirror leaves.
        odd: Slow waves whose sign a mirror changes.
        fine: (2, n, m) finer waves of the picture and of its mirror image, of length 1.
        mean: (m,) their mean over pictures.
    """

    small: np.ndarray
    even: np.ndarray
    odd: np.ndarray
    fine: np.ndarray
    mean: np.ndarray


def _numbers(small: np.ndarray) -> _Numbers:
    maps = _maps()
    slow = small @ maps.slow.T
    slow = _unit(slow - slow.mean(axis=0))
    fine = small @ maps.fine.T
    mean = fine.mean(axis=0)
    fine = _unit(fine - mean)
    return _Numbers(
        small=small,
        even=np.ascontiguousarray(slow[:, ~maps.slow_odd]),
        odd=np.ascontiguousarray(slow[:, maps.slow_odd]),
        fine=np.stack([fine, np.where(maps.fine_odd, -fine, fine)]),
        mean=mean,
    )


def _candidates(numbers: _Numbers, start: int) -> list[_Candidate]:
    """Return the pairs that pass steps 1 and 2 by a view of a row of this block."""
    stop = min(len(numbers.small), start + _BLOCK)
    of_even, of_odd = (waves[start:stop] @ waves.T for waves in (numbers.even, numbers.odd))
    places = np.flatnonzero((of_even + np.abs(of_odd)).ravel() > _COARSE)
    viewed, other = np.divmod(places, len(numbers.small))
    mirrored = (of_odd.ravel()[places] < 0).astype(np.intp)
    del of_even, of_odd
    views = (numbers.small[start:stop] @ _maps().views.T).reshape(stop - start, len(_VIEWS), -1) - numbers.mean
    views /= np.maximum(np.linalg.norm(views, axis=2, keepdims=True), 1e-6)
    cuts = np.searchsorted(viewed, np.arange(stop - start + 1))
    found = []
    for row, (low, high) in enumerate(itertools.pairwise(cuts)):
        alikeness = numbers.fine[mirrored[low:high], other[low:high]] @ views[row].T
        for place in np.flatnonzero(alikeness.max(axis=1, initial=-2.0) > _ALIKE):
            rows = start + row, int(other[low + place])
            if rows[0] != rows[1]:
                way = alikeness[place].argmax()
                found.append(_Candidate(*rows, bool(mirrored[low + place]), _VIEWS[way], float(alikeness[place, way])))
    return found


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6))


def _register(grey: np.ndarray, candidate: _Candidate) -> Pair | None:
    """Lay the viewed picture over the other and compare; None if they hardly overlap."""
    source, target = grey[candidate.viewed], grey[candidate.other]
    if candidate.mirrored:
        target = np.ascontiguousarray(target[:, ::-1])
    start = cv2.invertAffineTransform(_matrix(candidate.view, _SIDE)).astype(np.float32)
    tried = [start]
    try:
        stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 1e-3)
        tried.append(np.asarray(cv2.findTransformECC(target, source, start.copy(), cv2.MOTION_AFFINE, stop)[1]))
    except cv2.error:  # it found no better map: the view itself stands
        pass
    results = [(similarity, overlap, warp) for warp in tried for similarity, overlap in _compare(source, target, warp)]
    if not results:
        return None
    similarity, overlap, warp = max(results, key=lambda one: one[0])
    # warp leads from the other to the viewed picture; a pair is described from its first row to its second
    onward = warp if candidate.other < candidate.viewed else cv2.invertAffineTransform(warp)
    middle = (_SIDE - 1) / 2
    moved = onward @ np.array([middle, middle, 1.0]) - middle
    return Pair(
        min(candidate.viewed, candidate.other),
        max(candidate.viewed, candidate.other),
        similarity=similarity,
        mirrored=candidate.mirrored,
        scale=float(np.sqrt(abs(np.linalg.det(onward[:, :2])))),
        angle=float(np.degrees(np.arctan2(onward[1, 0] - onward[0, 1], onward[0, 0] + onward[1, 1]))),
        shift=float(np.hypot(*moved)) / _SIDE,
        overlap=overlap,
    )


def _compare(source: np.ndarray, target: np.ndarray, warp: np.ndarray) -> Iterator[tuple[float, float]]:
    """Yield the correlation of fine structure and the overlap; nothing where the overlap is too small."""
    outside = -1e4
    laid = cv2.warpAffine(
        source,
        warp,
        (_SIDE, _SIDE),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=outside,
    )
    both = (laid > -1.0).astype(np.float32)
    inner = cv2.erode(both, np.ones((5, 5), dtype=np.uint8), borderValue=1.0) > 0
    overlap = float(inner.mean())
    if overlap < _LEAST_OVERLAP:
        return
    p, q = (_fine(np.where(both > 0, one - one[inner].mean(), 0).astype(np.float32)) for one in (target, laid))
    p, q = p[inner] - p[inner].mean(), q[inner] - q[inner].mean()
    yield float((p @ q) / np.sqrt((p @ p) * (q @ q) + 1e-6)), overlap


def _fine(picture: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), 1.0) - cv2.GaussianBlur(picture, (0, 0), 3.0)


def _matrix(view: View, side: int) -> np.ndarray:
    """Return the affine map (2, 3) of a view of pictures with this side."""
    angle, scale, dx, dy = view
    middle = (side - 1) / 2
    matrix = np.asarray(cv2.getRotationMatrix2D((middle, middle), angle, scale), dtype=np.float64)
    matrix[:, 2] += dx * side / _SIDE, dy * side / _SIDE
    return matrix


class _Maps(NamedTuple):
    """From a picture (32·32) to the numbers of steps 1 and 2, float32; ``…_odd``: which change sign in a mirror."""

    slow: np.ndarray
    slow_odd: np.ndarray
    fine: np.ndarray
    fine_odd: np.ndarray
    views: np.ndarray


@functools.cache
def _maps() -> _Maps:
    down, across = np.mgrid[:_SMALL, :_SMALL] - (_SMALL - 1) / 2
    from_middle = np.hypot(down, across) / (_SMALL / 2)
    # the border differs most between crops, and corners are black in turned copies
    bell = np.exp(-(from_middle**2) / 8 / 0.35**2)
    ramp = np.clip((1.25 - from_middle) / 0.4, 0, 1)
    slow, slow_odd = _waves(7, low=0, high=6, power=0.5)
    fine, fine_odd = _waves(11, low=1.5, high=10, power=1)
    fine = _windowed(fine, ramp * ramp * (3 - 2 * ramp))
    return _Maps(
        _windowed(slow, bell).astype(np.float32), slow_odd, fine.astype(np.float32), fine_odd, _view_maps(fine)
    )


def _waves(n: int, *, low: float, high: float, power: float) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted cosine waves (m, 32, 32), ``low`` < frequency <= ``high``, and which are odd from left to right.

    Natural pictures have amplitudes that fall with frequency; the weight frequency^``power`` levels them.
    """
    places = (np.arange(_SMALL) + 0.5) * np.pi / _SMALL
    basis = np.cos(np.arange(n)[:, None] * places) * np.where(np.arange(n) == 0, 1, np.sqrt(2))[:, None]
    down, across = np.mgrid[:n, :n]
    frequency = np.hypot(down, across)
    kept = (frequency > low) & (frequency <= high)
    waves = np.einsum("ui,vj->uvij", basis, basis)[kept] * (frequency[kept] ** power)[:, None, None]
    return waves / _SMALL, across[kept] % 2 == 1


def _windowed(waves: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Return maps (m, 32·32) that take each wave's share of a picture seen through a window, its mean left out."""
    seen = waves * window
    seen = seen - seen.sum(axis=(1, 2), keepdims=True) * window / window.sum()
    return np.asarray(seen.reshape(len(seen), -1))


def _view_maps(maps: np.ndarray) -> np.ndarray:
    """Return the maps that take the same numbers of a picture's views, (views · m, 32·32).

    Turning and shifting with linear interpolation is linear in the pixels, so each view of each single pixel gives it.
    """
    pixels = np.eye(_SMALL * _SMALL, dtype=np.float32).reshape(_SMALL, _SMALL, -1)
    parts = []
    for view in _VIEWS:
        matrix = _matrix(view, _SMALL)
        seen = [
            cv2.warpAffine(
                np.ascontiguousarray(pixels[:, :, four : four + 4]),  # OpenCV takes four channels at a time
                matrix,
                (_SMALL, _SMALL),
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            for four in range(0, _SMALL * _SMALL, 4)
        ]
        parts.append(maps @ np.concatenate(seen, axis=2).reshape(_SMALL * _SMALL, -1))
    return np.concatenate(parts).astype(np.float32)
