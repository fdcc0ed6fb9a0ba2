"""Neighbourhood purity with its interval, from each picture's share of neighbours that have its label.

*What is resampled*: pictures. *What is held fixed*: the checkpoint, and who is whose neighbour; resampling pictures
before neighbours are sought would make copies neighbours of each other. *When it misleads*: with few pictures, whose
shares depend on each other through common neighbours (the interval is then too narrow), and when read as if it covered
training with another seed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fer_bench import seeds
from fer_bench.params import Score


class Purity(NamedTuple):
    """A share of neighbours that have the same label, with its interval.

    Attributes:
        estimate: Mean over pictures.
        low: Lower end.
        high: Upper end.
        macro: Mean over expressions of each one's mean.
        by_expression: Expression to its mean; those that no picture has are absent.
    """

    estimate: float
    low: float
    high: float
    macro: float
    by_expression: dict[str, float]


def purity(own: np.ndarray, y_true: np.ndarray, names: Sequence[str], score: Score) -> Purity:
    """Average each picture's share, with a percentile interval of the bootstrap over pictures.

    Args:
        own: (n,) shares, as ``fer-bench explain`` leaves them.
        y_true: (n,) labels.
        names: Expressions.
        score: Level, number of resamples and their seed.
    """
    values, counts = np.unique(own, return_counts=True)
    rng = seeds.generator(score.seed, "features", "purity")
    # drawing pictures is drawing how often each value occurs
    drawn = rng.multinomial(len(own), counts / len(own), size=score.n_resamples) @ values / len(own)
    low, high = np.quantile(drawn, [(1 - score.level) / 2, (1 + score.level) / 2])
    means = {name: float(own[y_true == index].mean()) for index, name in enumerate(names) if (y_true == index).any()}
    estimate = float(own.mean())
    return Purity(
        estimate=estimate,
        low=min(float(low), estimate),
        high=max(float(high), estimate),
        macro=float(np.mean(list(means.values()))),
        by_expression=means,
    )
