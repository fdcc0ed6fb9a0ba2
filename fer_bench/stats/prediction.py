r"""Where one more run would land: an interval for a single published number, beside our S runs.

Model (:mod:`fer_bench.stats.two_way`), for the value of sample i under seed s:
:math:`x_{si} = \mu + a_s + b_i + e_{si}`, all parts random. Our S runs are scored on n samples; their mean is
:math:`\bar y`. Another group's run :math:`y'` has a seed of its own. If it is scored on the **same samples**,
:math:`b_i` is in both numbers and cancels,

.. math:: y' - \bar y = (a' - \bar a) + (\bar e' - \bar e), \qquad
   \operatorname{var} = s^2 (1 + 1/S), \quad s^2 \approx \sigma_a^2 + \sigma_e^2 / n

where :math:`s^2` is the plain variance of our S scores: given the samples, scores of runs differ by the seed's effect
and by what the seed does to single samples, and :math:`s^2` holds both. With normal scores :math:`(y' - \bar y) / (s
\sqrt{1 + 1/S})` has Student's t distribution with S - 1 degrees of freedom, exactly.

If it is scored on **other samples** of the same kind (another copy, another alignment, another selection of pictures),
:math:`b_i` does not cancel: ours and theirs are drawn independently, and

.. math:: \operatorname{var} = s^2 (1 + 1/S) + 2 \sigma_b^2 / n, \qquad
   \hat\sigma_b^2 / n = \max(0, A - R), \quad A = \operatorname{var}_i(\bar x_{\cdot i}) / n, \quad R = MS_e / (S n)

Not :math:`2 p (1 - p) / n`: that would count :math:`\sigma_e^2 / n`, which :math:`s^2` holds already, once more. Their
test set is taken to be as large as ours; where the published size differs, the claim is not comparable to begin with.
The two parts :math:`V_1 = s^2 (1 + 1/S)` and :math:`V_2 = 2 \hat\sigma_b^2 / n` are known unequally well, with S - 1
degrees of freedom and with thousands. Half the width is Cochran's: quantiles of t weighted by the parts,

.. math:: \frac{t_{S-1} V_1 + t_{\nu} V_2}{\sqrt{V_1 + V_2}}

with Satterthwaite's :math:`\nu` of the difference A - R. One Satterthwaite approximation of the whole sum, as for the
interval of the mean, is liberal where the seeds dominate and are few: where :math:`s^2` happens to come out small it
also reports many degrees of freedom. With normal parts and a true share of :math:`V_1` between 0 and 1 it covers 92.2
to 95.1 % at 3 seeds and 87.4 to 95.1 % at 2, Cochran's 95.0 to 97.2 % and 94.5 to 97.8 % (400,000 draws each).

What is resampled: nothing; the new run's seed, and where they may differ its samples, count as drawn at random. What is
held fixed: the training data, the recipe and everything else that the two runs are assumed to share. When it misleads:

- with 2 seeds it is 12.7 standard deviations wide either way, with 3 it is 4.3: honest, and hardly of use;
- for a published number that is the best of several runs: those are not one run, and lie higher;
- where the copies of a test set overlap without being equal, the second form is too wide;
- where the seeds do not vary. If the predictions are the same under every seed (a method without chance), the interval
  has no width on the same samples, and any difference is one of procedure. If only the scores are equal by chance,
  :math:`MS_e / n`, the least that such disagreement makes scores vary, stands in for :math:`s^2`.

References:
    Geisser, "Predictive Inference" (1993), ch. 1, and Hahn and Meeker, "Statistical Intervals" (1991), sec. 4.3: the
    interval for one further observation; Cochran, "Approximate significance levels of the Behrens-Fisher test",
    Biometrics 20 (1964); Satterthwaite, Biometrics Bulletin 2 (1946); Searle, Casella and McCulloch, "Variance
    Components" (1992), ch. 4.
"""

import math
from dataclasses import dataclass, replace

from scipy import stats

from fer_bench.stats.interval import Interval
from fer_bench.stats.two_way import TRAINING_DATA, Components

METHOD = "prediction of one run, Student's t"
SAME = "a new seed"
OTHER = "a new seed and new samples"
_MOST = 1_000_000  # seeds that are looked at


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What makes one more run land elsewhere than our mean, estimated from our runs.

    Attributes:
        estimate: Our mean over seeds.
        n_seeds: S.
        n_samples: n.
        between_seeds: s², variance of the scores of seeds on the same samples.
        freedom: Its degrees of freedom.
        samples: σ_b² / n, the part of the mean's variance that all seeds share.
        residual: σ_e² / n, what a seed does to single samples.
    """

    estimate: float
    n_seeds: int
    n_samples: int
    between_seeds: float
    freedom: float
    samples: float
    residual: float


def spread(parts: Components) -> Spread:
    """Estimate the parts from our runs.

    Args:
        parts: Of :func:`fer_bench.stats.two_way.components`: two seeds or more.
    """
    n_seeds, n_samples = parts.n_seeds, len(parts.sample_means)
    between, freedom = n_seeds * parts.seeds, float(n_seeds - 1)
    residual = n_seeds * parts.residual
    if between == 0:  # equal scores: what single samples did under the seeds says how much they could have differed
        between, freedom = residual, float((n_seeds - 1) * (n_samples - 1))
    shared = float(parts.sample_means.var(ddof=1)) / n_samples
    return Spread(
        estimate=parts.estimate,
        n_seeds=n_seeds,
        n_samples=n_samples,
        between_seeds=between,
        freedom=freedom,
        samples=max(0.0, shared - parts.residual),
        residual=residual,
    )


def predict(found: Spread, *, level: float, same_samples: bool) -> Interval:
    """Compute the interval in which one more run lands with a given probability; see the module for what it covers.

    Args:
        found: Of :func:`spread`.
        level: Coverage, e.g. 0.95.
        same_samples: Whether the other run is known to be scored on the very same samples.

    Returns:
        Around our mean; its standard error is that of the difference between the run and our mean.
    """
    half, error = _half(found, level=level, same_samples=same_samples)
    resampled = SAME if same_samples else OTHER
    return Interval(found.estimate - half, found.estimate + half, level, METHOD, resampled, TRAINING_DATA, 0, error)


def floor(found: Spread, *, level: float, same_samples: bool) -> float:
    """Compute half the width of :func:`predict` with any number of seeds: how far one run alone spreads.

    Args:
        found: Of :func:`spread`; its parts are taken for the true ones.
        level: Coverage, e.g. 0.95.
        same_samples: As for :func:`predict`.
    """
    variance = found.between_seeds + (0.0 if same_samples else 2 * found.samples)
    return _quantile(math.inf, level) * math.sqrt(variance)


def seeds_needed(found: Spread, half: float, *, level: float, same_samples: bool) -> int | None:
    """Compute how many seeds make half the width of :func:`predict` at most ``half``.

    Args:
        found: Of :func:`spread`; its parts are taken for the true ones.
        half: What half the width may be.
        level: Coverage, e.g. 0.95.
        same_samples: As for :func:`predict`.

    Returns:
        None where no number does: one run alone spreads more (:func:`floor`).
    """
    if floor(found, level=level, same_samples=same_samples) >= half:
        return None

    def fits(n_seeds: int) -> bool:
        wanted = replace(found, n_seeds=n_seeds, freedom=float(n_seeds - 1))
        return _half(wanted, level=level, same_samples=same_samples)[0] <= half

    low, high = 1, 2
    while not fits(high):
        low, high = high, 2 * high
        if high > _MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def _half(found: Spread, *, level: float, same_samples: bool) -> tuple[float, float]:
    """Return half the width, and the standard deviation of another run less our mean."""
    of_seeds = found.between_seeds * (1 + 1 / found.n_seeds)
    if same_samples:
        error = math.sqrt(of_seeds)
        return _quantile(found.freedom, level) * error, error
    of_samples = 2 * found.samples
    error = math.sqrt(of_seeds + of_samples)
    if error == 0:
        return 0.0, 0.0
    weighted = _quantile(found.freedom, level) * of_seeds + _quantile(_freedom(found), level) * of_samples
    return weighted / error, error


def _freedom(found: Spread) -> float:
    """Return the degrees of freedom with which the part of the samples is known: of A - R."""
    residual = found.residual / found.n_seeds
    whole = found.samples + residual
    uncertain = whole**2 / (found.n_samples - 1)
    uncertain += residual**2 / ((found.n_seeds - 1) * (found.n_samples - 1))
    return max(1.0, found.samples**2 / uncertain) if uncertain > 0 else math.inf


def _quantile(freedom: float, level: float) -> float:
    return float(stats.t.ppf((1 + level) / 2, freedom))
