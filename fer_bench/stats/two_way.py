r"""Seeds × samples: variance of a mean over both, and Student's t interval with Satterthwaite's degrees of freedom.

Model, for a method's value on sample i under seed s: :math:`x_{si} = \mu + a_s + b_i + e_{si}`, all parts random. The
mean over S seeds and n samples has variance

.. math:: \sigma_a^2 / S + \sigma_b^2 / n + \sigma_e^2 / (S n)

The last two terms are estimated by the variance over samples of the means over seeds, divided by n, :math:`V_b`; the
first by :math:`\max(0, MS_a / (S n) - R)` with :math:`R = \min(MS_e / (S n), V_b)`. :math:`V_b` holds the residual, so
that no more of it can be taken from the seeds than stands there; else the whole would fall below what seeds alone make,
and the degrees of freedom below one. It happens where seeds move single samples much and samples differ little, as for
macro-F1 with a rare expression. Two methods are compared in :mod:`fer_bench.stats.paired`.

Where several samples show one person, persons take the place of samples (:func:`clustered`): the mean over samples is a
ratio, what the persons' samples add up to by how many they are, and enters by its linear part.

What is resampled: nothing; seeds and samples (or persons) both count as drawn at random. What is held fixed: the
training data and the recipe. When it misleads: with two seeds (very wide), with samples that depend on each other
(several pictures of one person, and nobody says who is who), with few persons (below about 30), and for metrics far
from linear in the counts, as with a handful of samples of an expression.

References:
    Satterthwaite, Biometrics Bulletin 2 (1946); Searle, Casella and McCulloch, "Variance Components" (1992), ch. 4;
    Bouthillier et al., "Accounting for variance in machine learning benchmarks", MLSys 2021.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from fer_bench.arrays import SeedSamples, SeedValues
from fer_bench.stats.interval import Interval

METHOD = "two-way variance over seeds and samples, Satterthwaite t"
TRAINING_DATA = "the training data and the recipe"
SAMPLES, PERSONS = "samples", "persons"


@dataclass(frozen=True)
class Components:
    """What a method's values say about its two sources of variation.

    Attributes:
        sample_means: (n,) mean over seeds of each sample's value; of each person's where there are persons.
        n_seeds: S.
        estimate: Mean over seeds of the metric.
        seeds: MS_a / (S n).
        residual: MS_e / (S n).
        of: What n counts: ``samples`` or ``persons``.
    """

    sample_means: np.ndarray
    n_seeds: int
    estimate: float
    seeds: float
    residual: float
    of: str = SAMPLES

    @property
    def of_samples(self) -> float:
        """Part of the estimate's variance that is due to samples, and to what seeds do to single samples."""
        return float(self.sample_means.var(ddof=1)) / len(self.sample_means)

    @property
    def seed_variance(self) -> float:
        """Part of the estimate's variance that is due to seeds; never negative."""
        return max(0.0, self.seeds - min(self.residual, self.of_samples))


def components(values: SeedSamples, metric: SeedValues, *, subjects: np.ndarray | None = None) -> Components:
    """Part a method's values into seeds, samples and residual.

    Args:
        values: Value per seed and sample; for a metric other than a mean, pseudo-values.
        metric: The metric's value per seed.
        subjects: (n,) persons, as indices 0 to p - 1; None: samples are independent.

    Raises:
        ValueError: With fewer than 2 seeds, or fewer than 2 samples or persons.
    """
    of = SAMPLES
    if subjects is not None:
        values, of = clustered(values, subjects), PERSONS
    n_seeds, n = values.shape
    if n_seeds < 2 or n < 2:
        message = f"variation over seeds and {of} needs 2 of each, not {n_seeds} × {n}"
        raise ValueError(message)
    by_sample, by_seed = values.mean(axis=0), values.mean(axis=1, keepdims=True)
    residuals = values - by_sample - by_seed + values.mean()
    mean_square_seeds = n * float(metric.var(ddof=1))
    mean_square_residual = float((residuals**2).sum()) / ((n_seeds - 1) * (n - 1))
    return Components(
        by_sample,
        n_seeds,
        float(metric.mean()),
        mean_square_seeds / (n_seeds * n),
        mean_square_residual / (n_seeds * n),
        of,
    )


def clustered(values: SeedSamples, subjects: np.ndarray) -> np.ndarray:
    r"""Return one value per seed and person whose mean over persons is the mean over samples.

    With :math:`n_p` samples of person p out of n, and p of P persons,

    .. math:: z_{sp} = \bar x_s + \frac{P}{n} \sum_{i \in p} (x_{si} - \bar x_s)

    so that the variance of the mean of the z is that of the ratio :math:`\sum_p \sum_{i \in p} x_{si} / \sum_p n_p`
    to first order, however unequal the persons' shares are. With one sample per person z is x.

    Args:
        values: Value per seed and sample.
        subjects: (n,) persons, as indices 0 to P - 1, each with a sample.

    Returns:
        (s, P).

    References:
        Cochran, "Sampling Techniques" (3rd ed., 1977), chapters 6 and 9A: ratio estimates, clusters of unequal size.

    Examples:
        >>> clustered(np.array([[1.0, 0.0, 1.0]]), np.array([0, 1, 1])).round(3)
        array([[0.889, 0.444]])
    """
    n_persons = int(subjects.max()) + 1
    means = values.mean(axis=1, keepdims=True)
    sums = np.stack([np.bincount(subjects, weights=row, minlength=n_persons) for row in values - means])
    return np.asarray(means + n_persons / len(subjects) * sums)


def one(method: Components, *, level: float) -> Interval:
    """Compute the interval of a method's mean over seeds and samples; see the module for what it covers.

    Args:
        method: Of :func:`components`.
        level: Coverage, e.g. 0.95.
    """
    error, freedom = _standard_error(method)
    return _interval(method.estimate, error, freedom, level=level, of=method.of)


def _standard_error(method: Components) -> tuple[float, float]:
    n = len(method.sample_means)
    variance = method.of_samples + method.seed_variance
    spread = method.of_samples**2 / (n - 1)
    if method.seed_variance > 0:
        spread += method.seeds**2 / (method.n_seeds - 1)
        spread += min(method.residual, method.of_samples) ** 2 / ((method.n_seeds - 1) * (n - 1))
    return math.sqrt(variance), variance**2 / spread if spread > 0 else math.inf


def _interval(estimate: float, error: float, freedom: float, *, level: float, of: str) -> Interval:
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * error
    return Interval(estimate - half, estimate + half, level, METHOD, f"seeds and {of}", TRAINING_DATA, 0, error)
