r"""Jensen–Shannon divergence of the probabilities from the shares of annotators' votes.

.. math:: \frac{1}{|V|} \sum_{i \in V} \tfrac12 D(q_i \,\|\, m_i) + \tfrac12 D(p_i \,\|\, m_i),
    \qquad m_i = \tfrac12 (p_i + q_i)

with D the Kullback–Leibler divergence to base 2 and :math:`q_i` the shares of sample i's votes over the K expressions,
which add up to 1; a sample without any vote for one of them is left out (V: the others). Range 0 to 1; lower is better;
0 where the probabilities are the shares. It needs no clipping. Rivals: natural logarithm (range 0 to ln 2), and the
square root, a distance, which SciPy's ``jensenshannon`` gives. Without samples it is 0.

References:
    Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Information Theory 37 (1991).
"""

import numpy as np
from scipy.special import rel_entr

from fer_bench.metrics import Answers, SoftMetric
from fer_bench.metrics._known import mean_over_voted, over_voted, probabilities, vote_shares


def divergences(answers: Answers) -> np.ndarray:
    """Return (n, 2): each sample's divergence, and whether it has a vote for an expression.

    Examples:
        >>> votes = np.array([[4, 4], [8, 0]])
        >>> certain = np.array([[0.5, 0.5], [0.0, 1.0]])
        >>> divergences(Answers(np.array([0, 0]), np.array([0, 1]), certain, votes)).tolist()
        [[0.0, 1.0], [1.0, 1.0]]
    """
    (shares, voted), known = vote_shares(answers), probabilities(answers)
    middle = (shares + known) / 2
    both = (rel_entr(shares, middle) + rel_entr(known, middle)).sum(axis=1) / (2 * np.log(2))
    return over_voted(np.clip(both, 0.0, 1.0), voted)


metric = SoftMetric(
    title="Jensen–Shannon divergence from votes",
    of_samples=divergences,
    of_means=mean_over_voted,
    range=(0.0, 1.0),
    higher_is_better=False,
    needs_votes=True,
)
