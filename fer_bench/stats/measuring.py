"""One way to deal with any metric: its values, what each sample adds to them, and resamples on common draws.

A metric of the confusion matrix and one of probabilities differ only here. ``answers`` are those of several runs to
the same samples in the same order, for example one per seed. A metric with one value per expression comes in as one
metric per expression (:func:`fer_bench.metrics._named.named`).

What is resampled: samples; or persons, all pictures of a drawn person together, where ``subjects`` says who is who.
What is held fixed: the checkpoints. When it misleads: pictures of one person drawn one by one count as independent;
with few samples of an expression, or few persons (below about 30), draws have too little spread.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from fer_bench.arrays import SeedResamples, SeedSamples, SeedValues
from fer_bench.metrics import Answers, Metric, SoftMetric, first
from fer_bench.stats import crossed, jackknife, two_way
from fer_bench.stats.confusion import count_seeds


def values(metric: Metric | SoftMetric, answers: Sequence[Answers], *, n_classes: int) -> SeedValues:
    """Compute a metric of each run.

    Args:
        metric: The metric.
        answers: Of each run.
        n_classes: Expressions told apart.

    Examples:
        >>> from fer_bench.metrics.accuracy import metric
        >>> values(metric, [Answers(np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0]))], n_classes=2)
        array([0.75])
    """
    if isinstance(metric, SoftMetric):
        return np.array([float(metric.of_means(_mean(metric.of_samples(one)))) for one in answers])
    return np.asarray(metric.of_confusion(_matrices(answers, n_classes)), dtype=float)


def pseudo_values(metric: Metric | SoftMetric, answers: Sequence[Answers], *, n_classes: int) -> SeedSamples:
    """Compute what each sample adds to a metric of each run: jackknife pseudo-values.

    For a mean over samples they are what each sample contributes. For a metric of the confusion matrix all samples of
    one cell share a value (:mod:`fer_bench.stats.jackknife`); for other functions of means every sample is left out
    once, all at once.

    Args:
        metric: The metric.
        answers: Of each run; at least 2 samples.
        n_classes: Expressions told apart.
    """
    if isinstance(metric, SoftMetric):
        return np.stack([_left_out(metric, metric.of_samples(one)) for one in answers])
    y_pred = np.stack([one.y_pred for one in answers])
    return jackknife.pseudo_values(_matrices(answers, n_classes), answers[0].y_true, y_pred, metric.of_confusion)


def is_proportion(metric: Metric | SoftMetric) -> bool:
    """Return whether a metric is a proportion of samples, so that Wilson's interval serves one run."""
    return metric.binary if isinstance(metric, SoftMetric) else metric.proportion is not None


def proportion(metric: Metric | SoftMetric, answers: Answers, *, n_classes: int) -> tuple[int, int]:
    """Return successes and trials of one run under a metric that is a proportion of samples.

    Raises:
        ValueError: If it is none.
    """
    if isinstance(metric, SoftMetric) and metric.binary:
        return int(metric.of_samples(answers).sum()), len(answers.y_true)
    if isinstance(metric, Metric) and metric.proportion is not None:
        successes, trials = metric.proportion(_matrices([answers], n_classes)[0])
        return int(successes), int(trials)
    message = f"{metric.title} is no proportion of samples"
    raise ValueError(message)


def parts(
    metric: Metric | SoftMetric, answers: Sequence[Answers], *, n_classes: int, subjects: np.ndarray | None = None
) -> two_way.Components:
    """Part a metric of several seeds into variation over seeds and over samples, or over persons.

    Args:
        metric: The metric.
        answers: Of each seed, at least two.
        n_classes: Expressions told apart.
        subjects: (n,) persons, as indices; None: samples are independent.
    """
    metric_values = values(metric, answers, n_classes=n_classes)
    return two_way.components(pseudo_values(metric, answers, n_classes=n_classes), metric_values, subjects=subjects)


def resample_common(
    metrics: Mapping[str, Metric | SoftMetric],
    answers: Sequence[Answers],
    *,
    n_classes: int,
    n_resamples: int,
    rng: np.random.Generator,
    subjects: np.ndarray | None = None,
) -> dict[str, SeedResamples]:
    """Compute metrics of several runs on common draws of samples, or of persons.

    The draws depend on the number of samples (or on who is who) and the generator alone: neither another run nor
    another metric changes them.

    Args:
        metrics: By name.
        answers: Of each run.
        n_classes: Expressions told apart.
        n_resamples: Draws.
        rng: Source of the draws.
        subjects: (n,) persons, as indices; all pictures of a drawn person come together. None: samples are drawn.

    Returns:
        For each metric one row per run, one column per draw.

    Raises:
        ValueError: Without runs or samples, or where runs disagree about the true labels.
    """
    _check_common(answers)
    y_true = answers[0].y_true
    hard = {name: metric for name, metric in metrics.items() if not isinstance(metric, SoftMetric)}
    soft = {name: metric for name, metric in metrics.items() if isinstance(metric, SoftMetric)}
    counter = crossed.Counter(y_true, np.stack([one.y_pred for one in answers]), n_classes=n_classes) if hard else None
    added = {name: np.stack([metric.of_samples(one) for one in answers], axis=1) for name, metric in soft.items()}
    found = {name: np.empty((len(answers), n_resamples)) for name in metrics}
    start = 0
    for weights in crossed.draws(len(y_true), n_resamples=n_resamples, rng=rng, subjects=subjects):
        here = slice(start, start + len(weights))
        if counter is not None:
            confusions = counter(weights)
            for name, metric in hard.items():
                found[name][:, here] = metric.of_confusion(confusions)
        exact = weights.astype(float) if soft else weights
        for name, each in soft.items():
            n, n_runs, n_means = added[name].shape
            sums = (exact @ added[name].reshape(n, n_runs * n_means)).reshape(-1, n_runs, n_means)
            means = sums / exact.sum(axis=1)[:, None, None]
            found[name][:, here] = each.of_means(means).T
        start += len(weights)
    return found


def _check_common(answers: Sequence[Answers]) -> None:
    if not answers or not len(answers[0].y_true):
        message = "without runs or samples there is nothing to resample"
        raise ValueError(message)
    if not all(np.array_equal(one.y_true, answers[0].y_true) for one in answers):
        message = "runs must be about the same samples in the same order"
        raise ValueError(message)


def _matrices(answers: Sequence[Answers], n_classes: int) -> np.ndarray:
    return count_seeds(answers[0].y_true, np.stack([one.y_pred for one in answers]), n_classes=n_classes)


def _mean(contributions: np.ndarray) -> np.ndarray:
    """Return the mean over samples (f,); 0 without samples."""
    return np.asarray(contributions.sum(axis=0) / max(len(contributions), 1))


def _left_out(metric: SoftMetric, contributions: np.ndarray) -> np.ndarray:
    if metric.of_means is first:
        return np.asarray(contributions[:, 0], dtype=float)
    n = len(contributions)
    without = (contributions.sum(axis=0) - contributions) / (n - 1)
    return np.asarray(n * metric.of_means(_mean(contributions)) - (n - 1) * metric.of_means(without), dtype=float)
