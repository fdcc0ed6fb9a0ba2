"""The floor: always the most frequent expression of the training part.

No paper: this is the number that any method has to beat before its accuracy means anything, which on RAF-DB's test
split is 38.6 % and on FERPlus' (majority rule) 34.5 %.

Logits are the logarithms of the training part's class frequencies, so that metrics of probabilities are defined too.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fer_bench.arrays import Images, Labels, Logits
from fer_bench.method import Method, Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        pseudo_count: Added to each expression's count, so that the logarithm of an absent one is finite (Laplace: 1).
    """

    pseudo_count: float = 1.0


def fit(
    options: Options,
    images: Images,  # noqa: ARG001 - no picture is looked at
    labels: Labels,
    *,
    n_classes: int,
    seed: int,  # noqa: ARG001 - nothing is random
) -> Callable[[Images], Logits]:
    """Count the labels.

    Args:
        options: The recipe's options.
        images: Not looked at.
        labels: Of the training part.
        n_classes: Number of expressions.
        seed: Not used.

    Returns:
        A function that gives every picture the same logits.
    """
    counts = np.bincount(labels, minlength=n_classes) + options.pseudo_count
    logits = np.log(counts / counts.sum())

    def predict(pictures: Images) -> Logits:
        return np.tile(logits, (len(pictures), 1))

    return predict


_RECIPE = Recipe(about="class frequencies of the training part, with one added to each count", options=Options())

method = Method(title="Majority class", recipes={"toy": _RECIPE, "default": _RECIPE}, fit=fit)
