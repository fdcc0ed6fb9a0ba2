"""LBP + SVM: the classical baseline, histograms of local binary patterns and a linear support vector machine.

Paper
    Shan, Gong, McOwan, "Facial expression recognition based on Local Binary Patterns: A comprehensive study", Image
    and Vision Computing 27(6), 2009. Faces of 110 × 150 px, aligned by hand-marked eyes, are divided into 6 × 7 regions
    of about 18 × 21 px; each gives the 59-bin histogram of uniform patterns of 8 neighbours at radius 2; the joined
    histograms go to a support vector machine.

Code read
    None was released. Patterns are scikit-image's ``local_binary_pattern(method="nri_uniform")``, the machine is
    scikit-learn's ``LinearSVC`` (liblinear).

Departures
    The recipes name theirs. Grey values are 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601). Logits are the one-against-rest
    decision values, each expression's signed distance from its hyperplane times the norm of its weights.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from skimage.feature import local_binary_pattern
from sklearn.svm import LinearSVC

from fer_bench.arrays import Images, Labels, Logits
from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.method import Method, Recipe

N_NEIGHBOURS = 8
N_PATTERNS = 59  # 58 uniform patterns of 8 neighbours, and one bin for all others


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        grid: Regions, as (rows, columns).
        radius_px: Distance of the 8 neighbours.
        root: Take square roots of the shares (Hellinger's distance instead of Euclid's).
        c: Cost of a violated margin.
    """

    grid: tuple[int, int]
    radius_px: int
    root: bool
    c: float


def grey(images: Images) -> Images:
    """Return pictures as grey values 0 to 255, by the weights of ITU-R BT.601."""
    if images.ndim == 3:
        return images
    luma: Images = np.rint(images @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return luma


def histograms(images: Images, options: Options) -> np.ndarray:
    """Return each picture's joined histograms: float32 (n, rows · columns · 59), each region's part summing to 1.

    Args:
        images: Grey or RGB.
        options: Grid and radius.

    Raises:
        FerBenchError: If the pictures have fewer pixels than the grid has regions along a side.
    """
    height, width = images.shape[1:3]
    n_rows, n_columns = options.grid
    if height < n_rows or width < n_columns:
        raise FerBenchError(
            f"pictures of {width} × {height} px cannot be divided into {n_columns} × {n_rows} regions",
            fix="prepare the data set with larger pictures",
        )
    region = (np.arange(height) * n_rows // height)[:, None] * n_columns + np.arange(width) * n_columns // width
    n_bins = n_rows * n_columns * N_PATTERNS
    sizes = np.bincount(region.ravel(), minlength=n_rows * n_columns).astype(np.float32)
    shares = np.empty((len(images), n_bins), dtype=np.float32)
    patterns: Callable[..., np.ndarray] = local_binary_pattern
    for row, picture in enumerate(images):
        code = patterns(grey(picture[None])[0], N_NEIGHBOURS, options.radius_px, method="nri_uniform")
        bins = region * N_PATTERNS + code.astype(np.intp)
        shares[row] = np.bincount(bins.ravel(), minlength=n_bins)
    shares /= np.repeat(sizes, N_PATTERNS)
    return np.sqrt(shares) if options.root else shares


def fit(options: Options, images: Images, labels: Labels, *, n_classes: int, seed: int) -> Callable[[Images], Logits]:
    """Fit one linear machine per expression against the rest.

    Args:
        options: The recipe's options.
        images: Of the training part.
        labels: Of the training part.
        n_classes: Number of expressions.
        seed: Seeds liblinear, which visits the samples in random order.

    Returns:
        A function from pictures to decision values.

    Raises:
        FerBenchError: If an expression has no sample.
    """
    names = expressions(n_classes)
    absent = [names[k] for k in range(n_classes) if not (labels == k).any()]
    if absent:
        raise FerBenchError(
            f"a support vector machine needs samples of every expression; none of {', '.join(absent)}",
            fix="raise run.train_share in params.yaml, or prepare more of the data set",
        )
    machine = LinearSVC(C=options.c, dual=False, max_iter=10_000, random_state=seed)
    machine.fit(histograms(images, options), labels)

    def predict(pictures: Images) -> Logits:
        values = machine.decision_function(histograms(pictures, options))
        # of two expressions there is one value only, positive for the second
        return np.stack([-values, values], axis=1) if values.ndim == 1 else values

    return predict


_SHAN_2009 = Recipe(
    about="Shan, Gong and McOwan 2009: 59 uniform patterns in 7 rows of 6 regions, linear machine",
    departures=(
        "pictures keep the data set's size and alignment instead of 110 × 150 px between hand-marked eyes",
        "radius 1 px, which on faces of 48 px is what the paper's 2 px are on its 110",
        "square roots of the histograms' shares",
        "one machine per expression against the rest, cost 1: the paper does not give its cost",
    ),
    options=Options(grid=(7, 6), radius_px=1, root=True, c=1.0),
)

method = Method(
    title="LBP + SVM",
    recipes={"toy": _SHAN_2009, "shan2009": _SHAN_2009},
    fit=fit,
    features=lambda options, images: histograms(images, options),
)
