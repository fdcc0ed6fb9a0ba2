r"""The gap: a metric on all reported samples less the same metric on those without a twin in training.

.. math:: g(C, T) = m(C + T) - m(C)

with C the confusion matrix of the clean samples and T that of the twins. Both stand as blocks of one 2K×2K matrix, C
before T, so that the gap is a function of one matrix of all samples and the machinery for metrics serves it: the
multinomial bootstrap for one run, pseudo-values with the variance over seeds and samples for several. The gap is
thereby paired: a draw of samples, and a seed, moves both of its terms at once.

What is resampled: samples (one run), or seeds and samples. What is held fixed: which samples are twins, and what a
method's interval holds fixed. When it misleads: with few twins (below about 100 for one run, 30 for several seeds),
because their share of the variance is estimated from them alone; where an expression has few clean samples; and when
read as what training on the twins gains: twins may be easier or harder than other samples for a method that never saw
them.

References:
    Barz and Denzler, "Do We Train on Test Data? Purging CIFAR of Near-Duplicates", J. Imaging 6 (2020): both scores
    side by side.
"""

from functools import partial

import numpy as np

from fer_bench.arrays import Confusions, Correct, Labels, SeedLabels
from fer_bench.metrics import Metric
from fer_bench.stats import bootstrap, two_way
from fer_bench.stats.confusion import count, furthest
from fer_bench.stats.interval import Interval, clipped
from fer_bench.stats.scoring import two_way_parts

NO_TWINS = "no twins: all samples are clean"


def of_blocks(matrices: Confusions, *, metric: Metric, n_classes: int) -> np.ndarray:
    """Compute the gap of 2K×2K matrices, clean samples in the first block and twins in the second.

    Args:
        matrices: Counts; rows: true, columns: predicted.
        metric: The metric.
        n_classes: K.

    Returns:
        One difference per matrix, within ± the width of the metric's range; positive where the twins raise the metric.

    Examples:
        >>> from fer_bench.metrics.accuracy import metric
        >>> blocks = np.zeros((4, 4), dtype=int)
        >>> blocks[0, 0], blocks[1, 0], blocks[3, 3] = 3, 1, 4  # 3 of 4 clean ones right, 4 of 4 twins
        >>> float(of_blocks(blocks, metric=metric, n_classes=2))
        0.125
    """
    clean, twins = matrices[..., :n_classes, :n_classes], matrices[..., n_classes:, n_classes:]
    return np.asarray(metric.of_confusion(clean + twins) - metric.of_confusion(clean), dtype=float)


def as_metric(metric: Metric, *, n_classes: int) -> Metric:
    """Return the gap of a metric as a metric of 2K×2K matrices."""
    width = metric.range[1] - metric.range[0]
    return Metric(
        title=f"{metric.title}, all less clean",
        of_confusion=partial(of_blocks, metric=metric, n_classes=n_classes),
        range=(-width, width),
        higher_is_better=False,
    )


def gap(
    y_true: Labels,
    y_pred: SeedLabels,
    twin: Correct,
    metric: Metric,
    *,
    n_classes: int,
    level: float,
    n_resamples: int,
    rng: np.random.Generator,
) -> tuple[float, Interval]:
    """Compute the gap, mean over seeds, and its interval; see the module for what it covers.

    Without twins both are 0, exactly. Where no seed made an error, resampling shows no spread; one end then has as
    many errors among the clean samples as Wilson's interval allows and none among the twins, the other the reverse
    (:func:`fer_bench.stats.confusion.furthest`).

    Args:
        y_true: True labels.
        y_pred: Predicted labels, one row per seed.
        twin: Whether each sample has a twin in training; not all of them.
        metric: The metric.
        n_classes: K.
        level: Coverage, e.g. 0.95.
        n_resamples: Bootstrap resamples, for one seed.
        rng: Source of the draws, for one seed.

    Raises:
        ValueError: If every sample is a twin: nothing is clean then.
    """
    if twin.all():
        message = "every sample is a twin, so that there is no gap"
        raise ValueError(message)
    one_seed = len(y_pred) == 1
    resampled, fixed = ("samples", bootstrap.CHECKPOINT) if one_seed else ("seeds and samples", two_way.TRAINING_DATA)
    held_fixed = f"which samples are twins, {fixed}"
    if not twin.any():
        return 0.0, Interval(0.0, 0.0, level, NO_TWINS, resampled, held_fixed, 0, 0.0)
    whole = as_metric(metric, n_classes=n_classes)
    true, predicted = (labels + n_classes * twin for labels in (y_true, y_pred))
    matrices = np.stack([count(true, row, n_classes=2 * n_classes) for row in predicted])
    estimate = float(whole.of_confusion(matrices).mean())
    if (y_pred == y_true).all():
        apart = np.kron(np.eye(2, dtype=bool), np.ones((n_classes, n_classes), dtype=bool))  # a twin stays one
        low, high = furthest(matrices[0], whole.of_confusion, level=level, allowed=apart)
        interval = Interval(low, high, level, bootstrap.NO_ERRORS, resampled, held_fixed, 0, 0.0)
    elif one_seed:
        interval = bootstrap.one_run(matrices[0], whole, level=level, n_resamples=n_resamples, rng=rng)
    else:
        interval = two_way.one(two_way_parts(true, predicted, whole, n_classes=2 * n_classes), level=level)
    interval = clipped(interval, low=whole.range[0], high=whole.range[1])
    return estimate, interval._replace(held_fixed=held_fixed)
