r"""Neighbourhood purity: of a picture's nearest neighbours, the share that have its label; and the t-SNE map.

.. math:: \frac1n \sum_i \frac1k \sum_{j \in N_k(i)} [y_j = y_i]

Neighbours are the k nearest other pictures by Euclid's distance (leave-one-out); of equally near ones, those that come
first in the table. The range is [0, 1]. If labels were dealt out at random the expectation would be
:math:`\sum_c \frac{n_c}{n} \frac{n_c - 1}{n - 1}`. Purity among the features is the number that counts. A t-SNE map
shows clusters where there are none, and its distances between clusters mean nothing, so purity on the map only says
how much of the neighbourhoods the picture keeps.

Its interval is :mod:`fer_bench.stats.purity`'s.

References:
    van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008.
    Wattenberg, Viégas and Johnson, "How to Use t-SNE Effectively", Distill, 2016.
"""

import numpy as np
import threadpoolctl
from scipy.spatial.distance import cdist

from fer_bench import seeds

K = 10
PERPLEXITY = 30.0
FEWEST = 5
"""Pictures below which there is no map."""

TSNE_SEED = seeds.derive(0, "features", "t-SNE")
"""Of the map, not of a run: all methods have the same."""

_ROWS = 256  # at once, so that 20,000 pictures need no matrix of their squares


def shares(points: np.ndarray, y_true: np.ndarray, k: int = K) -> np.ndarray:
    """Compute each picture's share of nearest neighbours that have its label.

    Args:
        points: (n, d).
        y_true: (n,) labels.
        k: Neighbours; fewer where there are not so many other pictures.

    Returns:
        (n,) fractions.

    Examples:
        >>> shares(np.array([[0.0], [1.0], [3.0], [6.0]]), np.array([0, 0, 1, 1]), k=1)
        array([1., 1., 0., 1.])
    """
    n = len(points)
    k = min(k, n - 1)
    found = np.empty(n)
    points = np.asarray(points, dtype=np.float64)
    for start in range(0, n, _ROWS):
        distance = cdist(points[start : start + _ROWS], points, "sqeuclidean")
        rows = np.arange(len(distance))
        distance[rows, start + rows] = np.inf  # nobody is his own neighbour
        near = np.argsort(distance, axis=1, kind="stable")[:, :k]
        found[start : start + _ROWS] = (y_true[near] == y_true[start : start + _ROWS, None]).mean(axis=1)
    return found


def chance(y_true: np.ndarray) -> tuple[float, float]:
    """Return what labels dealt out at random would give on average: mean over pictures, mean over expressions.

    Examples:
        >>> chance(np.array([0, 0, 0, 1]))
        (0.5, 0.333...)
    """
    counts = np.bincount(y_true).astype(float)
    counts = counts[counts > 0]
    own = (counts - 1) / (counts.sum() - 1)
    return float((counts * own).sum() / counts.sum()), float(own.mean())


def perplexity(n: int) -> float:
    """Return t-SNE's perplexity for n pictures: 30, or less where a third of them is fewer."""
    return min(PERPLEXITY, (n - 1) / 3)


def tsne(points: np.ndarray) -> np.ndarray:
    """Map features (n, d) to (n, 2); the same features give the same map, whatever the number of threads.

    Rounded to three decimals: maps are up to some hundred units wide.
    """
    from sklearn.manifold import TSNE

    with threadpoolctl.threadpool_limits(1):  # sums in parallel depend on how they are parted
        found = TSNE(
            n_components=2,
            perplexity=perplexity(len(points)),
            init="pca" if points.shape[1] > 1 else "random",
            random_state=TSNE_SEED,
            n_jobs=1,
        ).fit_transform(np.asarray(points, dtype=np.float32))
    rounded: np.ndarray = np.round(found.astype(np.float64), 3)
    return rounded
