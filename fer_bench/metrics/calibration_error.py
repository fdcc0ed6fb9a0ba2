r"""Expected calibration error (ECE): how far confidence and accuracy are apart, in bins of the confidence.

.. math:: \sum_{b=1}^{15} \frac{n_b}{n} \left| \mathrm{acc}_b - \mathrm{conf}_b \right|

with the confidence of a sample its largest probability, 15 bins of equal width, (0, 1/15] to (14/15, 1], and the means
of rightness and confidence over the samples of a bin. Range 0 to 1; lower is better. It looks at the predicted
expression alone, and a method that always gives each expression its frequency is calibrated. Rivals: bins of equal
size, other numbers of bins, the largest gap, all expressions (``classwise_calibration_error``). Without samples it is
0.

It is biased upward: noise moves the mean of a bin off the confidence in either direction, and both count, so that with
few samples a calibrated method is above 0. Resampling adds the same noise once more; draws are therefore centred at the
estimate (:mod:`fer_bench.stats.estimating`), and the interval is one of the error as measured on so many samples, not
of that on infinitely many. Compare methods on the same number of samples.

References:
    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015; Guo,
    Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017 (15 bins).
"""

import numpy as np

from fer_bench.metrics import Answers, SoftMetric
from fer_bench.metrics._known import binned, probabilities, sum_of_gaps


def gaps(answers: Answers) -> np.ndarray:
    """Return (n, 15): confidence less rightness, in the bin of the confidence.

    Examples:
        >>> answers = Answers(np.array([1, 0]), np.array([1, 1]), np.array([[0.3, 0.7], [0.3, 0.7]]))
        >>> round(float(sum_of_gaps(gaps(answers).mean(axis=0))), 3)  # half of them right at a confidence of 0.7
        0.2
    """
    return binned(probabilities(answers).max(axis=1), (answers.y_true == answers.y_pred).astype(float))


metric = SoftMetric(
    title="Expected calibration error",
    of_samples=gaps,
    of_means=sum_of_gaps,
    range=(0.0, 1.0),
    higher_is_better=False,
)
