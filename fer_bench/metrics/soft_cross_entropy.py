r"""Cross-entropy against annotators: what the probabilities cost under the shares of the votes.

.. math:: -\frac{1}{|V|} \sum_{i \in V} \sum_k q_{ik} \ln p_{ik}

with :math:`q_{ik}` the share of sample i's votes that went to expression k. Only votes for the K expressions count, and
their shares add up to 1; a sample without any such vote is left out (V: the others). Natural logarithm, in nats; lower
is better. Its least value is the mean entropy of the votes, which is 0 only where annotators agree: compare methods,
not data sets. Probabilities are clipped as in ``log_loss``; where all votes of each sample are for its label it is
``log_loss``. Without samples it is 0.

References:
    Barsoum, Zhang, Canton Ferrer and Zhang, "Training deep networks for facial expression recognition with
    crowd-sourced label distribution", ICMI 2016, arXiv:1608.01041 (as a training loss); Peterson et al., "Human
    uncertainty makes classification more robust", ICCV 2019.
"""

import numpy as np

from fer_bench.metrics import Answers, SoftMetric
from fer_bench.metrics._known import WORST_LOG, logarithms, mean_over_voted, over_voted, vote_shares


def losses(answers: Answers) -> np.ndarray:
    """Return (n, 2): each sample's cross-entropy, and whether it has a vote for an expression.

    Examples:
        >>> votes = np.array([[5, 5, 0], [0, 0, 9]])  # the last column is for something else
        >>> losses(Answers(np.array([0, 1]), np.array([0, 0]), np.full((2, 2), 0.5), votes)).round(3).tolist()
        [[0.693, 1.0], [0.0, 0.0]]
    """
    shares, voted = vote_shares(answers)
    return over_voted(-(shares * logarithms(answers)).sum(axis=1), voted)


metric = SoftMetric(
    title="Cross-entropy against votes",
    of_samples=losses,
    of_means=mean_over_voted,
    range=(0.0, WORST_LOG),
    higher_is_better=False,
    needs_votes=True,
)
