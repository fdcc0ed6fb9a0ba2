r"""Brier score: the mean squared distance of the probabilities from the true expression.

.. math:: \frac1n \sum_i \sum_k (p_{ik} - 1[y_i = k])^2

Range 0 to 2; lower is better. This is Brier's own scale, over all expressions; scikit-learn's ``brier_score_loss``
gives it for three or more, and with ``scale_by_half=False`` for two. Rivals: half of it (range 0 to 1), and the mean
over expressions instead of the sum. Without samples it is 0.

References:
    Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78 (1950).
"""

import numpy as np

from fer_bench.metrics import Answers, SoftMetric
from fer_bench.metrics._known import probabilities, true_ones


def distances(answers: Answers) -> np.ndarray:
    """Return (n, 1) squared distances.

    Examples:
        >>> distances(Answers(np.array([1]), np.array([0]), np.array([[0.5, 0.5]]))).tolist()
        [[0.5]]
    """
    return np.asarray(((probabilities(answers) - true_ones(answers)) ** 2).sum(axis=1, keepdims=True))


metric = SoftMetric(title="Brier score", of_samples=distances, range=(0.0, 2.0), higher_is_better=False)
