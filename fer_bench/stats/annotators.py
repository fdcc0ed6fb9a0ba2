r"""Annotators: how much of a score hangs on who labelled, and how well one annotator agrees with the others.

**Label noise.** Every picture's votes are drawn anew from its own (multinomial, as many as it has), the data set's
label rule turns them into a label, and stored predictions are scored against it. What moves with the draw, pictures and
checkpoints held fixed, is the votes' part of the variance. Pictures come with their votes, so the variance over
pictures, which every usual interval rests on, *contains* the votes' part; it is a share of it, not an addition to it:

.. math:: \underbrace{\mathrm E\,\mathrm{Var}_{i}(u_i)/n}_{\text{other pictures, other votes}} =
    \underbrace{\mathrm{Var}_\text{votes}(\theta^*)}_{\text{votes}} + \text{pictures}

with :math:`\theta^*` the score under redrawn votes and :math:`u_i` each picture's influence on it. "Pictures" is what
is left. Redrawn votes are votes about votes: the mean of :math:`\theta^*` is not the score. Labels that flip lower it;
pictures that lose their majority leave, and as they were the hard ones, that raises it. So only variances of
:math:`\theta^*` are used, and intervals stay centred on the score as it is.

**One annotator.** One vote is left out, the rule labels the picture by the others, and the vote is right if it is that
label. The expectation over which vote is left out follows from the counts: a vote for category c has weight
:math:`v_c/m`. A vote for something that is no expression (unknown, no face) is wrong; as it names no expression, it is
spread evenly over the wrong ones.

A picture is reported because all its votes, the one left out among them, gave it a label. Counting all reported
pictures would therefore favour the annotator, whose agreement helped to choose them. Only pictures that keep *a* label
whatever the vote left out had been are counted (:func:`leave_one_out`, ``settled``).

What is resampled: votes, pictures, seeds, as each function says. What is held fixed: the recipe and its training data,
with the labels trained on. When it misleads: annotators are anonymous, so votes count as independent between pictures;
an annotator who differs from the others in all pictures moves all labels together, which nothing here shows. A picture
whose votes all agree shows no noise, though an eleventh annotator might differ: the votes' part is too small where
votes are few. Pictures that the rule drops were not predicted, so they can leave but not enter.

References:
    Barsoum, Zhang, Canton Ferrer and Zhang, ICMI 2016, arXiv:1608.01041 (ten votes per picture). Efron and Tibshirani,
    "An Introduction to the Bootstrap" (1993), chapter 21 (infinitesimal jackknife). Fleiss, Psychological Bulletin 76
    (1971).
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from scipy import stats

from fer_bench.arrays import Labels, SeedLabels
from fer_bench.metrics import Metric
from fer_bench.stats import bootstrap, two_way
from fer_bench.stats.confusion import count_seeds
from fer_bench.stats.interval import Interval, clipped

Rule: TypeAlias = Callable[[np.ndarray], np.ndarray]
"""Distinct votes (u, v) to labels (u,), -1 where the rule drops them."""

SINGLE = "one drawn vote per picture, percentile"
PICTURES = "bootstrap over pictures, percentile"
VOTES_TOO = "the usual interval, stretched to the standard error with votes drawn anew"
SAME_PICTURES = "variance over redrawn votes, and over seeds where there are several"
_CHUNK = 250  # resamples at a time
_PARTED = 200  # draws of votes over which the variance over pictures is averaged
_STEP = 1e-3  # in samples, for derivatives of a metric
_SCALE = 1e6  # metrics count in whole samples; weights are shares of one


class Noise(NamedTuple):
    """What redrawing the votes does to a method's score, mean over its seeds.

    Attributes:
        votes: Variance due to votes.
        pictures: Variance due to pictures, votes apart.
        usual: Variance over pictures, labels as they are.
        seeds: Variance due to seeds, pictures apart; 0 for one seed.
        shift: Mean score under redrawn votes less the score.
    """

    votes: float
    pictures: float
    usual: float
    seeds: float
    shift: float


class Rest(NamedTuple):
    """Each picture's label by all votes but one.

    Attributes:
        labels: (n, v) the label when a vote for category c is left out; -1 where that does not count.
        weights: (n, v) probability that the vote left out is one for c; 0 where it does not count.
    """

    labels: np.ndarray
    weights: np.ndarray


def apply(votes: np.ndarray, rule: Rule) -> np.ndarray:
    """Apply a rule to votes (..., v), to every distinct vector once.

    Examples:
        >>> apply(np.array([[[2, 1], [1, 2]], [[2, 1], [0, 3]]]), lambda votes: votes.argmax(axis=1)).tolist()
        [[0, 1], [0, 1]]
    """
    flat = votes.reshape(-1, votes.shape[-1])
    if not len(flat):
        return np.empty(votes.shape[:-1], dtype=np.int64)
    distinct, inverse = _distinct(flat)
    return np.asarray(rule(distinct)[inverse].reshape(votes.shape[:-1]), dtype=np.int64)


def draw_labels(votes: np.ndarray, rule: Rule, *, n_resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw every picture's votes anew from its own, and label it.

    Args:
        votes: (n, v) counts, each row with at least one.
        rule: The label rule.
        n_resamples: b.
        rng: Source of the draws.

    Returns:
        (b, n) labels, -1 where the rule drops the picture.
    """
    n_votes = votes.sum(axis=1)
    contested = np.flatnonzero(votes.max(axis=1) < n_votes)
    labels = np.tile(apply(votes, rule), (n_resamples, 1))
    shares = votes[contested] / n_votes[contested, None]
    for start in range(0, n_resamples, _CHUNK):
        size = min(_CHUNK, n_resamples - start)
        drawn = rng.multinomial(n_votes[contested], shares, size=(size, len(contested)))
        labels[start : start + size, contested] = apply(drawn, rule)
    return labels


def label_noise(y_true: Labels, y_pred: SeedLabels, drawn: np.ndarray, metric: Metric, *, n_classes: int) -> Noise:
    """Part the variance of a score, mean over seeds, into votes, pictures and seeds.

    What is resampled: votes, by draws; pictures and seeds by their estimated variance. What is held fixed: the recipe
    and its training data; for one seed, the checkpoint. When it misleads: see the module.

    Args:
        y_true: True labels.
        y_pred: Predicted labels per seed.
        drawn: (b, n) of :func:`draw_labels`; a draw that drops every picture is left out.
        metric: The metric.
        n_classes: K.
    """
    drawn = drawn[(drawn >= 0).any(axis=1)]
    matrices = count_seeds(y_true, y_pred, n_classes=n_classes)
    by_seed = np.asarray(metric.of_confusion(matrices), dtype=float)
    redrawn = np.stack([_matrices(drawn, row, n_classes=n_classes) for row in y_pred])  # (s, b, k, k)
    scores = np.asarray(metric.of_confusion(redrawn), dtype=float).mean(axis=0)
    moved = not (drawn == y_true).all()
    usual = _over_pictures(y_true[None], y_pred, matrices[:, None], metric)
    whole = _over_pictures(drawn[:_PARTED], y_pred, redrawn[:, :_PARTED], metric) if moved else usual
    of_votes = float(scores.var(ddof=1)) if moved else 0.0
    of_seeds = 0.0
    if len(y_pred) > 1:
        values = _values(matrices, _one_hot(y_true, y_pred, n_classes=n_classes), metric)
        of_seeds = two_way.components(values, by_seed).seed_variance
    shift = float(scores.mean() - by_seed.mean()) if moved else 0.0
    return Noise(of_votes, max(0.0, whole - of_votes), usual, of_seeds, shift)


def with_votes(usual: Interval, estimate: float, noise: Noise, metric: Metric) -> Interval:
    """Return the interval for other pictures, votes and seeds with the votes drawn anew; centred as the usual one is.

    The usual interval already covers other votes, so the two differ only as far as redrawn votes are noisier than
    votes, and fewer pictures keep a label.

    Args:
        usual: The usual interval.
        estimate: The score.
        noise: Of :func:`label_noise`.
        metric: The metric.
    """
    whole = noise.votes + noise.pictures + noise.seeds
    error = math.sqrt(whole)
    known = noise.usual + noise.seeds
    if known > 0:
        stretch = math.sqrt(whole / known)
        low, high = estimate - stretch * (estimate - usual.low), estimate + stretch * (usual.high - estimate)
    else:  # no errors: the usual interval is Wilson's bound
        half = float(stats.norm.ppf((1 + usual.level) / 2)) * error
        low, high = min(usual.low, estimate - half), max(usual.high, estimate + half)
    resampled = "votes and samples" if usual.resampled == "samples" else "votes, seeds and samples"
    interval = usual._replace(low=low, high=high, method=VOTES_TOO, resampled=resampled, standard_error=error)
    return clipped(interval, low=metric.range[0], high=metric.range[1])


def same_pictures(by_seed: np.ndarray, noise: Noise, metric: Metric, *, level: float, n_resamples: int) -> Interval:
    """Compute the interval of a score on these very pictures, had others judged them (and other seeds trained).

    What is resampled: votes; with several seeds their variance as well (Student's t, Satterthwaite). What is held
    fixed: the pictures; with one seed, the checkpoint.

    Args:
        by_seed: (s,) scores.
        noise: Of :func:`label_noise`.
        metric: The metric.
        level: Coverage, e.g. 0.95.
        n_resamples: Draws of votes behind ``noise``.
    """
    n_seeds = len(by_seed)
    of_seeds = float(by_seed.var(ddof=1)) / n_seeds if n_seeds > 1 else 0.0
    variance = noise.votes + of_seeds
    freedom = (n_seeds - 1) * (variance / of_seeds) ** 2 if of_seeds > 0 else math.inf
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * math.sqrt(variance)
    fixed = f"the pictures, {bootstrap.CHECKPOINT if n_seeds == 1 else two_way.TRAINING_DATA}"
    resampled = "votes" if n_seeds == 1 else "votes and seeds"
    middle = float(by_seed.mean())
    interval = Interval(
        middle - half, middle + half, level, SAME_PICTURES, resampled, fixed, n_resamples, math.sqrt(variance)
    )
    return clipped(interval, low=metric.range[0], high=metric.range[1])


def leave_one_out(votes: np.ndarray, rule: Rule, *, settled: bool) -> Rest:
    """Label every picture by all its votes but one, for each category whose vote may be the one left out.

    Args:
        votes: (n, v) counts.
        rule: The label rule.
        settled: Count only what keeps a label whatever the vote left out had been, so that the vote had no part in the
            picture's being reported.

    Examples:
        >>> first = lambda votes: np.where(votes.any(axis=1), votes.argmax(axis=1), -1)
        >>> rest = leave_one_out(np.array([[3, 1]]), first, settled=False)
        >>> rest.labels.tolist(), rest.weights.tolist()
        ([[0, 0]], [[0.75, 0.25]])
    """
    one = np.eye(votes.shape[1], dtype=votes.dtype)
    there = votes > 0
    rest = np.where(there[:, :, None], votes[:, None] - one, 0)
    counts = there & (rest.sum(axis=2) > 0)  # nobody else judged a picture with one vote
    labels = np.where(counts, apply(rest, rule), -1)
    if settled:
        for other in one:
            labels = np.where(apply(rest + other, rule) >= 0, labels, -1)
    weights = np.where(labels >= 0, votes / np.maximum(votes.sum(axis=1, keepdims=True), 1), 0.0)
    return Rest(labels, weights)


def of_annotator(rest: Rest, *, n_classes: int) -> np.ndarray:
    """Return what each picture adds (n, k, k) to the confusion matrix of one annotator; rows: label by the others."""
    found = np.zeros((len(rest.labels), n_classes, n_classes))
    place = np.arange(len(found))
    for category, (labels, weights) in enumerate(zip(rest.labels.T, rest.weights.T, strict=True)):
        row = np.maximum(labels, 0)  # where it does not count, the weight is 0
        if category < n_classes:
            found[place, row, category] += weights
        else:
            found[place, row] += weights[:, None] / (n_classes - 1)
            found[place, row, row] -= weights / (n_classes - 1)
    return found


def of_run(rest: Rest, y_pred: Labels, *, n_classes: int) -> np.ndarray:
    """Return what each picture adds (n, k, k) to a run's confusion matrix against the same labels by the others."""
    found = np.zeros((len(rest.labels), n_classes, n_classes))
    place = np.arange(len(found))
    for labels, weights in zip(rest.labels.T, rest.weights.T, strict=True):
        found[place, np.maximum(labels, 0), y_pred] += weights
    return found


def score_of(added: np.ndarray, metric: Metric) -> float:
    """Compute a metric of what pictures (n, k, k) add up to."""
    return float(metric.of_confusion(_SCALE * added.sum(axis=0)))


def annotator(
    votes: np.ndarray, added: np.ndarray, metric: Metric, *, level: float, n_resamples: int, rng: np.random.Generator
) -> Interval:
    """Compute the interval of one annotator's score; what is resampled: pictures with their votes.

    Args:
        votes: (n, v) counts; pictures with the same votes are one pattern.
        added: Of :func:`of_annotator`.
        metric: The metric.
        level: Coverage, e.g. 0.95.
        n_resamples: b.
        rng: Source of the draws.
    """
    _, inverse = _distinct(votes)
    drawn = _resampled(inverse, [added], metric, n_resamples=n_resamples, rng=rng)[0]
    interval = _percentile(drawn, level=level, method=PICTURES, fixed="who judged: annotators are anonymous")
    return clipped(interval, low=metric.range[0], high=metric.range[1])


def single_annotators(
    rest: Rest, metric: Metric, *, n_classes: int, level: float, n_resamples: int, rng: np.random.Generator
) -> Interval:
    """Compute the band in which annotators lie who judge all these pictures, each answer drawn from a picture's votes.

    What is resampled: which vote is the annotator's, picture by picture. What is held fixed: the pictures and all
    votes. When it misleads: such an annotator is put together from many people; real ones differ in skill as well, so
    the band of real ones is wider. How much cannot be told where annotators are anonymous.
    """
    n, n_categories = rest.labels.shape
    ends = np.cumsum(rest.weights, axis=1)
    width = n_classes + 1
    answer = np.minimum(np.arange(n_categories), n_classes)  # all that is no expression is one answer
    cells = np.where(rest.labels >= 0, np.maximum(rest.labels, 0) * width + answer, n_classes * width)
    cells = np.column_stack([cells, np.full(n, n_classes * width)])  # the vote left out does not count
    drawn = np.empty(n_resamples)
    for start in range(0, n_resamples, _CHUNK):
        size = min(_CHUNK, n_resamples - start)
        chosen = (rng.random((size, n))[:, :, None] >= ends).sum(axis=2)
        found = cells[np.arange(n), chosen] + np.arange(size)[:, None] * (n_classes * width + 1)
        counts = np.bincount(found.ravel(), minlength=size * (n_classes * width + 1)).reshape(size, -1)
        whole = counts[:, :-1].reshape(size, n_classes, width)
        spread = whole[:, :, n_classes:] * (1 - np.eye(n_classes)) / (n_classes - 1)
        drawn[start : start + size] = metric.of_confusion(_SCALE * (whole[:, :, :n_classes] + spread))
    fixed = "the pictures and all votes; that annotators differ in skill"
    return _percentile(drawn, level=level, method=SINGLE, fixed=fixed)._replace(resampled="the annotator's votes")


def difference(
    votes: np.ndarray,
    runs: np.ndarray,
    human: np.ndarray | None,
    metric: Metric,
    *,
    level: float,
    n_resamples: int,
    rng: np.random.Generator,
) -> tuple[float, Interval]:
    """Compute a method's score less one annotator's, against the same labels by the others, and its interval.

    Without an annotator it is the method's own score.

    What is resampled: pictures with their votes, common to both, and seeds (two-way variance, Student's t); with one
    seed pictures alone (percentile bootstrap). What is held fixed: the recipe and its training data; with one seed the
    checkpoint.

    Args:
        votes: (n, v) counts.
        runs: (s, n, k, k) of :func:`of_run`.
        human: (n, k, k) of :func:`of_annotator`; None: nothing is subtracted.
        metric: The metric.
        level: Coverage, e.g. 0.95.
        n_resamples: Draws of pictures, for one seed.
        rng: Source of the draws, for one seed.
    """
    theirs = 0.0 if human is None else score_of(human, metric)
    by_seed = np.array([score_of(run, metric) for run in runs])
    estimate = float(by_seed.mean()) - theirs
    if len(runs) == 1:
        patterns = np.column_stack([votes, runs[0].sum(axis=1).argmax(axis=1)])  # a run predicts one expression each
        _, inverse = np.unique(patterns, axis=0, return_inverse=True)
        added = [runs[0]] if human is None else [runs[0], human]
        drawn = _resampled(inverse.reshape(-1), added, metric, n_resamples=n_resamples, rng=rng)
        less = drawn[0] if human is None else drawn[0] - drawn[1]
        interval = _percentile(less, level=level, method=PICTURES, fixed=bootstrap.CHECKPOINT)
    else:
        own = two_way.components(_values(runs.sum(axis=1), runs, metric), by_seed)
        means = np.zeros(len(votes)) if human is None else _values(human.sum(axis=0)[None], human[None], metric)[0]
        interval = two_way.one(
            replace(own, sample_means=own.sample_means - means, estimate=own.estimate - theirs), level=level
        )
    low, high = metric.range
    width = high - low
    return estimate, clipped(interval, low=low if human is None else -width, high=high if human is None else width)


def stands(interval: Interval, *, margin: float, higher_is_better: bool) -> Literal["above", "within", "below"]:
    """Say how a method stands to one annotator.

    Within: the interval of the difference contains 0, or lies within ± margin. Above, below: all else.

    Args:
        interval: Of the method's score less the annotator's.
        margin: What counts as practically equal; decided before looking.
        higher_is_better: The metric's direction.

    Examples:
        >>> stands(Interval(0.01, 0.03, 0.95, "", "", "", 0, 0.0), margin=0.005, higher_is_better=True)
        'above'
    """
    contains = interval.low <= 0 <= interval.high
    if contains or (-margin <= interval.low and interval.high <= margin):
        return "within"
    return "above" if (interval.low > 0) == higher_is_better else "below"


def fleiss_kappa(votes: np.ndarray) -> float:
    r"""Compute Fleiss' kappa, agreement of annotators beyond chance.

    .. math:: \frac{\bar P - P_e}{1 - P_e},\quad P_i = \frac{\sum_c v_{ic}^2 - m_i}{m_i (m_i - 1)},\quad
        P_e = \sum_c \Bigl(\frac{\sum_i v_{ic}}{\sum_i m_i}\Bigr)^2

    With equal numbers of votes this is Fleiss' own; pictures with fewer or more votes count as one picture each in the
    first mean, and pictures with fewer than two votes not at all. Range up to 1; NaN where all votes are for one
    category, or no picture has two.

    Args:
        votes: (n, v) counts.

    Examples:
        >>> fleiss_kappa(np.array([[2, 0], [0, 2]])), round(fleiss_kappa(np.array([[2, 1], [1, 2]])), 4)
        (1.0, -0.3333)
    """
    votes = votes[votes.sum(axis=1) > 1]
    return float(_kappas(votes, np.ones((1, len(votes))))[0]) if len(votes) else math.nan


def kappa_interval(votes: np.ndarray, *, level: float, n_resamples: int, rng: np.random.Generator) -> Interval | None:
    """Compute the percentile interval of Fleiss' kappa; what is resampled: pictures with their votes.

    Returns:
        None where kappa is not defined.
    """
    votes = votes[votes.sum(axis=1) > 1]
    if not len(votes) or math.isnan(fleiss_kappa(votes)):
        return None
    distinct, inverse = _distinct(votes)
    times = np.bincount(inverse)
    weights = rng.multinomial(len(votes), times / len(votes), size=n_resamples)
    drawn = _kappas(distinct, weights)
    return _percentile(drawn[~np.isnan(drawn)], level=level, method=PICTURES, fixed="who judged")


def _kappas(votes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compute kappa of weighted rows: votes (u, v), weights (b, u)."""
    n_votes = votes.sum(axis=1)
    agreeing = ((votes**2).sum(axis=1) - n_votes) / (n_votes * (n_votes - 1))
    observed = weights @ agreeing / weights.sum(axis=1)
    totals = weights @ votes
    shares = totals / totals.sum(axis=1, keepdims=True)
    chance = (shares**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(chance < 1, (observed - chance) / (1 - chance), np.nan)


def _distinct(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct rows (u, v) and each row's place among them (n,); rows are compared as integers."""
    base, n_categories = int(votes.max(initial=0)) + 1, votes.shape[1]
    if base**n_categories >= 2**63:
        rows, places = np.unique(votes, axis=0, return_inverse=True)
        return rows, places.reshape(-1)
    codes = votes @ np.array([base**power for power in range(n_categories)], dtype=np.int64)
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return votes[first], inverse


def _matrices(labels: np.ndarray, y_pred: np.ndarray, *, n_classes: int) -> np.ndarray:
    """Count confusions (b, k, k) of one run against labels (b, n); -1 does not count."""
    n_cells = n_classes * n_classes + 1
    cells = np.where(labels >= 0, labels * n_classes + y_pred, n_classes * n_classes)
    cells += np.arange(len(labels))[:, None] * n_cells
    counts = np.bincount(cells.ravel(), minlength=len(labels) * n_cells).reshape(len(labels), n_cells)
    return np.asarray(counts[:, :-1].reshape(len(labels), n_classes, n_classes))


def _one_hot(y_true: np.ndarray, y_pred: np.ndarray, *, n_classes: int) -> np.ndarray:
    """Return what each picture adds (s, n, k, k) to confusion matrices."""
    cells = y_true * n_classes + y_pred
    return np.asarray((cells[..., None] == np.arange(n_classes**2)).reshape(*cells.shape, n_classes, n_classes), float)


def _influence(matrices: np.ndarray, metric: Metric) -> np.ndarray:
    """Return the metric's derivative (..., k, k) by each count; 0 by a count that is 0."""
    k = matrices.shape[-1]
    steps = _STEP * np.eye(k * k).reshape(k * k, k, k)
    around = matrices[..., None, :, :]
    up, down = (metric.of_confusion(_SCALE * (around + sign * steps)) for sign in (1, -1))
    slopes = ((up - down) / (2 * _STEP)).reshape(matrices.shape)
    return np.where(matrices > 0, slopes, 0.0)


def _values(matrices: np.ndarray, added: np.ndarray, metric: Metric) -> np.ndarray:
    """Return (s, n) values whose mean over pictures is each seed's metric: metric plus n times the influence.

    Args:
        matrices: (s, k, k).
        added: (s, n, k, k) what pictures add to them.
        metric: The metric.
    """
    whole = np.asarray(metric.of_confusion(_SCALE * matrices), dtype=float)[:, None]
    moved = np.einsum("skl,snkl->sn", _influence(matrices, metric), added)
    return np.asarray(whole + added.shape[1] * (moved - moved.mean(axis=1, keepdims=True)))


def _over_pictures(labels: np.ndarray, y_pred: np.ndarray, matrices: np.ndarray, metric: Metric) -> float:
    """Return the variance over pictures of a score, mean over seeds, and mean over draws of the labels.

    Args:
        labels: (b, n), -1 where a picture does not count.
        y_pred: (s, n).
        matrices: (s, b, k, k).
        metric: The metric.
    """
    k, n = matrices.shape[-1], labels.shape[1]
    slopes = _influence(matrices, metric).reshape(len(y_pred), len(labels), k * k)
    found = []
    for draw, row in enumerate(labels):
        counted = row >= 0
        cells = row[counted] * k + y_pred[:, counted]
        moved = np.zeros(n)
        moved[counted] = np.take_along_axis(slopes[:, draw], cells, axis=1).mean(axis=0)
        found.append(float(moved.var()) * n * n / max(n - 1, 1))
    return float(np.mean(found))


def _resampled(
    patterns: np.ndarray, added: list[np.ndarray], metric: Metric, *, n_resamples: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Compute a metric on common draws of pictures, for each of several (n, k, k); equal patterns add the same."""
    k = added[0].shape[-1]
    _, first, times = np.unique(patterns, return_index=True, return_counts=True)
    cells = [_SCALE * one[first].reshape(len(first), k * k) for one in added]
    found = [np.empty(n_resamples) for _ in added]
    for start in range(0, n_resamples, _CHUNK):
        size = min(_CHUNK, n_resamples - start)
        weights = rng.multinomial(times.sum(), times / times.sum(), size=size).astype(float)
        for values, each in zip(found, cells, strict=True):
            values[start : start + size] = metric.of_confusion((weights @ each).reshape(size, k, k))
    return found


def _percentile(drawn: np.ndarray, *, level: float, method: str, fixed: str) -> Interval:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level, method, "samples", fixed, len(drawn), float(drawn.std(ddof=1)))
