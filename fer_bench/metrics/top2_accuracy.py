r"""Top-2 accuracy: the share of samples whose true expression is among the two most probable ones.

.. math:: \frac1n \sum_i 1[\text{fewer than two expressions are more probable than } y_i]

Range 0 to 1; higher is better; never below accuracy, and 1 with two expressions. Among equal probabilities the first
expression comes first, as in predicted labels; scikit-learn's ``top_k_accuracy_score`` takes the last. Without samples
it is 0.
"""

import numpy as np

from fer_bench.metrics import Answers, SoftMetric
from fer_bench.metrics._known import probabilities


def top2(answers: Answers) -> np.ndarray:
    """Return (n, 1): 1 where the true expression is among the two most probable ones.

    Examples:
        >>> top2(Answers(np.array([1, 2]), np.array([0, 0]), np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]))).tolist()
        [[1.0], [0.0]]
    """
    known = probabilities(answers)
    own = np.take_along_axis(known, answers.y_true[:, None], axis=1)
    earlier = np.arange(known.shape[1]) < answers.y_true[:, None]
    before = ((known > own) | ((known == own) & earlier)).sum(axis=1, keepdims=True)
    return np.asarray(before < 2, dtype=float)


metric = SoftMetric(title="Top-2 accuracy", of_samples=top2, range=(0.0, 1.0), higher_is_better=True, binary=True)
