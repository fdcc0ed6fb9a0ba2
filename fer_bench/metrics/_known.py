"""What metrics of probabilities share: what an answer must hold, clipping, annotators' shares, bins of confidence."""

import numpy as np

from fer_bench import expressions
from fer_bench.errors import FerBenchError
from fer_bench.metrics import Answers

EPSILON = float(np.finfo(float).eps)
"""Probabilities below it count as it: a logarithm stays finite (scikit-learn's ``log_loss`` does the same)."""

WORST_LOG = float(-np.log(EPSILON))
"""36.04: what a probability of 0 for the true expression costs."""

N_BINS = 15
"""Bins of equal width: (0, 1/15], …, (14/15, 1]; a probability of 0 is in the first."""


def probabilities(answers: Answers) -> np.ndarray:
    """Return an answer's probabilities (n, k).

    Raises:
        FerBenchError: If only labels are known.
    """
    if answers.probabilities is None:
        raise FerBenchError(
            "this metric needs probabilities, and only predicted labels are known here",
            fix="leave it out, or give predictions with probabilities or logits",
        )
    return answers.probabilities


def true_ones(answers: Answers) -> np.ndarray:
    """Return (n, k): 1 at each sample's true expression, else 0."""
    k = probabilities(answers).shape[1]
    return np.asarray(answers.y_true[:, None] == np.arange(k), dtype=float)


def logarithms(answers: Answers) -> np.ndarray:
    """Return natural logarithms (n, k) of probabilities clipped to :data:`EPSILON` and 1 - :data:`EPSILON`."""
    return np.asarray(np.log(np.clip(probabilities(answers), EPSILON, 1 - EPSILON)))


def vote_shares(answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    """Return an answer's :func:`fer_bench.expressions.vote_shares`.

    Raises:
        FerBenchError: If annotators are not known.
    """
    if answers.votes is None:
        raise FerBenchError(
            "this metric is measured against annotators' votes, and they are not known here",
            fix="leave it out, or ask for it on a data set with votes, as FERPlus",
        )
    return expressions.vote_shares(answers.votes, probabilities(answers).shape[1])


def over_voted(losses: np.ndarray, voted: np.ndarray) -> np.ndarray:
    """Return contributions (n, 2) of a mean over the samples with a vote: the loss there, and whether there is one."""
    return np.stack([np.where(voted, losses, 0.0), voted.astype(float)], axis=1)


def mean_over_voted(means: np.ndarray) -> np.ndarray:
    """Return the mean loss (...) over the samples with a vote, of ``(..., 2)`` means; 0 where no sample has one."""
    share = means[..., 1]
    return np.asarray(np.where(share > 0, means[..., 0] / np.where(share > 0, share, 1.0), 0.0))


def binned(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return contributions (n, bins): confidence less rightness (n,), in the bin of the confidence."""
    bins = np.searchsorted(np.linspace(0, 1, N_BINS + 1)[1:-1], confidence, side="left")
    return np.asarray((bins[:, None] == np.arange(N_BINS)) * (confidence - right)[:, None])


def sum_of_gaps(means: np.ndarray) -> np.ndarray:
    """Return the sum over bins (...) of how far confidence and rightness are apart, of ``(..., bins)`` means."""
    return np.asarray(np.abs(means).sum(axis=-1))
