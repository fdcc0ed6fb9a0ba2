r"""Classwise calibration error: how far probability and frequency of each expression are apart, in bins.

.. math:: \frac1K \sum_k \sum_{b=1}^{15} \frac{n_{bk}}{n} \left| \mathrm{freq}_{bk} - \mathrm{prob}_{bk} \right|

Each expression's probability, of all samples, is put into 15 bins of equal width; in each bin the mean probability is
set against the share of samples that show the expression. Range 0 to 1; lower is better. Also called static calibration
error. It is small for many expressions, as most probabilities are near 0: compare methods, not data sets. The bias of
``calibration_error`` is in it too. Without samples it is 0.

References:
    Kull et al., "Beyond temperature scaling: obtaining well-calibrated multi-class probabilities with Dirichlet
    calibration", NeurIPS 2019; Nixon et al., "Measuring calibration in deep learning", CVPR workshops 2019.
"""

import numpy as np

from fer_bench.metrics import Answers, SoftMetric
from fer_bench.metrics._known import binned, probabilities, sum_of_gaps, true_ones


def gaps(answers: Answers) -> np.ndarray:
    """Return (n, 15 k): probability less whether the expression is the true one, by expression and bin, over k.

    Examples:
        >>> answers = Answers(np.array([1, 0]), np.array([1, 1]), np.array([[0.3, 0.7], [0.3, 0.7]]))
        >>> round(float(sum_of_gaps(gaps(answers).mean(axis=0))), 3)
        0.2
    """
    known, true = probabilities(answers), true_ones(answers)
    k = known.shape[1]
    return np.asarray(np.concatenate([binned(known[:, index], true[:, index]) for index in range(k)], axis=1) / k)


metric = SoftMetric(
    title="Classwise calibration error",
    of_samples=gaps,
    of_means=sum_of_gaps,
    range=(0.0, 1.0),
    higher_is_better=False,
)
