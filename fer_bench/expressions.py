"""The one order of expressions, used in every table, array and figure.

It is the order of FERPlus' vote vector (Barsoum et al. 2016, arXiv:1608.01041). Data sets with seven expressions use
the first seven: they have no contempt.

A class beyond the eighth is no expression of that vector. It is called by its number, counted from 1 and without an
underscore (``class9``, with index 8 in the tables): a metric of one class is ``<metric>_<name>``, ``recall_class9``.
"""

import numpy as np

EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")


def expressions(n_classes: int) -> tuple[str, ...]:
    """Return the names of ``n_classes`` classes: expressions first, and those beyond the eighth by number.

    Args:
        n_classes: 2 or more.

    Raises:
        ValueError: If there are fewer than two.

    Examples:
        >>> expressions(7)[-1]
        'fear'
        >>> expressions(10)[7:]
        ('contempt', 'class9', 'class10')
    """
    if n_classes < 2:
        message = f"n_classes must be 2 or more, not {n_classes}"
        raise ValueError(message)
    numbered = (f"class{number}" for number in range(len(EXPRESSIONS) + 1, n_classes + 1))
    return (*EXPRESSIONS[:n_classes], *numbered)


def vote_shares(votes: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Turn counts of annotators' votes into shares over the expressions.

    Votes for something else (unknown, no face, an expression that is not told apart) are left out and the rest adds up
    to 1; the shares of a sample without any vote are 0.

    Args:
        votes: (n, v) counts; the first K columns are the expressions'.
        n_classes: K.

    Returns:
        (n, K) shares, and whether (n,) a sample has a vote for any expression.

    Examples:
        >>> shares, voted = vote_shares(np.array([[3, 1, 6], [0, 0, 10]]), 2)
        >>> shares.tolist(), voted.tolist()
        ([[0.75, 0.25], [0.0, 0.0]], [True, False])
    """
    own = np.asarray(votes[:, :n_classes], dtype=float)
    total = own.sum(axis=1, keepdims=True)
    return own / np.maximum(total, 1), total[:, 0] > 0
