r"""Log loss: the mean negative logarithm of the probability of the true expression.

.. math:: -\frac1n \sum_i \ln p_{i, y_i}

Natural logarithm, in nats; 0 is best; lower is better. Also called cross-entropy or negative log-likelihood.
Probabilities are clipped to :math:`\varepsilon` and :math:`1 - \varepsilon`, :math:`\varepsilon = 2^{-52}`, as in
scikit-learn, so that it stays below 36.05 and one confident error does not make it infinite. Rivals: base 2; label
smoothing, which training may use and this does not. Without samples it is 0.

References:
    Good, "Rational decisions", J. Roy. Statist. Soc. B 14 (1952).
"""

import numpy as np

from fer_bench.metrics import Answers, SoftMetric
from fer_bench.metrics._known import WORST_LOG, logarithms


def losses(answers: Answers) -> np.ndarray:
    """Return (n, 1) negative logarithms of the true expression's probability.

    Examples:
        >>> losses(Answers(np.array([1]), np.array([0]), np.array([[0.5, 0.5]]))).round(3).tolist()
        [[0.693]]
    """
    return np.asarray(-np.take_along_axis(logarithms(answers), answers.y_true[:, None], axis=1))


metric = SoftMetric(title="Log loss", of_samples=losses, range=(0.0, WORST_LOG), higher_is_better=False)
