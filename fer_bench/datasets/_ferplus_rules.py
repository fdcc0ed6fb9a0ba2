"""FERPlus: from ten votes to one label, under the five rules that people call "FERPlus labels".

Votes stand in the order of the release: the eight expressions of :mod:`fer_bench.expressions`, unknown, NF (no face).
``majority``, ``probability`` and ``multi_target`` are those of the official training code (``ferplus.py`` of the
FERPlus repository, Barsoum et al. 2016, arXiv:1608.01041); there a count of 1 first becomes 0, and ``s`` is the sum of
the rest. ``argmax10`` and ``argmax8`` are other people's, on the counts as they are. The first of equal counts wins.
"""

from collections.abc import Callable, Mapping

import numpy as np

N_EXPRESSIONS = 8
_UNKNOWN = 8
DROP = -1
"""The label of a sample that a rule drops."""


def majority(votes: np.ndarray) -> int:
    """Return the expression with more than half of ``s``; drop the sample if there is none."""
    kept = np.where(votes > 1, votes, 0)
    first = int(kept.argmax())
    return first if 2 * kept[first] > kept.sum() and first < N_EXPRESSIONS else DROP


def probability(votes: np.ndarray) -> int:
    """Return the first of the expressions that the official mode draws targets from.

    Counts are taken from the largest down, equal ones together, until they hold 0.75 s or are three. Unknown or NF
    ends the taking, and counts itself only if nothing was taken before. The sample is dropped if what was taken holds
    no more than half of ``s``, if ties made it more than three, or if unknown or NF leads it.
    """
    left = np.where(votes > 1, votes, 0)
    s = int(left.sum())
    taken = np.zeros_like(left)
    n_taken, open_ = 0, True
    while 4 * taken.sum() < 3 * s and n_taken < 3 and open_:
        largest = left.max()
        for index in np.flatnonzero(left == largest):
            taken[index], left[index] = largest, 0
            n_taken += 1
            if index >= _UNKNOWN:
                open_ = False
                if taken.sum() > largest:
                    taken[index] = 0
                    n_taken -= 1
                break
    first = int(taken.argmax())
    enough = 2 * taken.sum() > s and n_taken <= 3
    return first if enough and first < N_EXPRESSIONS else DROP


def multi_target(votes: np.ndarray) -> int:
    """Return the first of the expressions with at least 0.3 s.

    The sample is dropped if those, unknown and NF among them, hold no more than half of ``s``, or if unknown or NF has
    the most votes.
    """
    counted = np.where(votes > 1, votes, 0)
    s = int(counted.sum())
    kept = np.where(10 * counted >= 3 * s, counted, 0)
    first = int(kept.argmax())
    return first if 2 * kept.sum() > s and first < N_EXPRESSIONS else DROP


def argmax10(votes: np.ndarray) -> int:
    """Return the choice with the most votes; drop the sample if that is unknown or NF."""
    first = int(votes.argmax())
    return first if first < N_EXPRESSIONS else DROP


def argmax8(votes: np.ndarray) -> int:
    """Return the expression with the most votes; drop the sample if no expression has one."""
    emotions = votes[:N_EXPRESSIONS]
    return int(emotions.argmax()) if emotions.any() else DROP


RULES: Mapping[str, Callable[[np.ndarray], int]] = {
    "majority": majority,
    "probability": probability,
    "multi_target": multi_target,
    "argmax10": argmax10,
    "argmax8": argmax8,
}
"""By the name that ``options.rule`` uses."""

TRAIN_ONLY = frozenset({"probability", "multi_target"})
"""Modes of the official code that label training samples only; it validates and tests in majority mode throughout."""


def labels(votes: np.ndarray, splits: np.ndarray, rule: str, n_classes: int) -> np.ndarray:
    """Label every row of votes.

    Args:
        votes: Integer (n, 10).
        splits: (n,) of ``train``, ``val``, ``test``.
        rule: A key of :data:`RULES`.
        n_classes: 8, or 7: then the samples labelled contempt are dropped.

    Returns:
        (n,) integers in -1 to ``n_classes`` - 1.
    """
    found = apply(votes, rule)
    if rule in TRAIN_ONLY:
        found = np.where(splits == "train", found, apply(votes, "majority"))
    return np.where(found < n_classes, found, DROP)


def apply(votes: np.ndarray, rule: str) -> np.ndarray:
    """Apply one rule to every row of votes (n, 10), whatever its split; -1 where it drops the row."""
    distinct, inverse = np.unique(votes, axis=0, return_inverse=True)
    per_vector = np.array([RULES[rule](row) for row in distinct], dtype=np.int64)
    return per_vector[inverse.reshape(-1)] if len(votes) else per_vector
