"""Which samples an epoch has: each once, or by class.

An epoch is a list of items, each a sample; the order in which they come is drawn elsewhere. Items, not samples, own
the draws that change a picture, so two items of one sample are changed differently.
"""

import numpy as np

from fer_bench import seeds
from fer_bench.arrays import Labels
from fer_bench.method import Balanced, RepeatFactor, Sampling


def repeats(labels: Labels, threshold: float) -> np.ndarray:
    r"""Return how often each sample occurs in an epoch of :class:`fer_bench.method.RepeatFactor`.

    .. math:: \lceil \max(1, \sqrt{t / f}) \rceil, \quad f \text{ the share of the sample's class}

    Args:
        labels: Of the training part, (n,).
        threshold: t.

    Returns:
        (n,) integers.

    References:
        Gupta, Dollár, Girshick, "LVIS", CVPR 2019, arXiv:1908.03195, section 4 (there rounded at random).

    Examples:
        RAF-DB, from surprise to neutral in its own order:

        >>> counts = np.array([1290, 281, 717, 4772, 1982, 705, 2524])
        >>> found = repeats(np.repeat(np.arange(7), counts), 0.15)
        >>> found[counts.cumsum() - 1].tolist(), int(found.sum())
        ([2, 3, 2, 1, 1, 2, 1], 15545)
    """
    shares = np.bincount(labels) / len(labels)
    found: np.ndarray = np.ceil(np.sqrt(threshold / shares[labels]).clip(min=1.0)).astype(np.int64)
    return found


def items(sampling: Sampling, labels: Labels, *, seed: int, epoch: int) -> np.ndarray | None:
    """Return the samples of an epoch, by their places in the part; None: each once, in the part's order.

    Args:
        sampling: The recipe's.
        labels: Of the training part, (n,).
        seed: The run's seed.
        epoch: 0-based, counted over all phases. How many items there are does not depend on it.
    """
    if isinstance(sampling, RepeatFactor):
        return np.repeat(np.arange(len(labels)), repeats(labels, sampling.threshold))
    if isinstance(sampling, Balanced):
        counts = np.bincount(labels)
        probability = 1 / (np.count_nonzero(counts) * counts[labels])
        return seeds.generator(seed, "sampling", epoch).choice(len(labels), size=len(labels), p=probability)
    return None
