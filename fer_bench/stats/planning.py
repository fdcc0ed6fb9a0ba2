r"""Planning: which difference of two methods can be found, with how many images and seeds.

Model, for methods A and B on the same n images, S seeds each: the answer of a run to an image is right with the
method's own probability for that image, :math:`p^A_i` and :math:`p^B_i`, independently between runs, and a seed moves
a method's accuracy by :math:`a_s` with standard deviation :math:`\sigma`. The difference of the two mean accuracies
then has variance

.. math:: \frac{D - D_0}{n} + \frac{D_0}{S n} + \frac{2 \sigma^2}{S}

with D the share of images on which exactly one of *two single runs*, one of each method, is right, and :math:`D_0` the
same for two seeds of *one* method (mean of both methods). For D counts both: that the methods differ on an image, and
that runs do. Only the first, :math:`D - D_0 = \mathrm E (p^A_i - p^B_i)^2`, is left with infinitely many seeds; it is
the floor. Where :math:`D_0` is not known it is taken as 0, which is careful: all disagreement is then between methods,
and seeds help against :math:`\sigma` alone. The difference d itself is left out of the first term (it is
:math:`D - D_0 - d^2`), as :func:`fer_bench.stats.mcnemar.detectable` does.

With one seed each the test is McNemar's, conditional on the two checkpoints: variance D/n, whatever :math:`\sigma`.
With several it is the two-way paired t (:mod:`fer_bench.stats.two_way`), whose degrees of freedom are Satterthwaite's
for the variances above; power is that of the noncentral t.

What is resampled: nothing. What is held fixed: the recipes and their training data. When it misleads: where the
difference or the disagreement assumed is not the one found later; for other metrics than accuracy; with two or three
seeds and a large :math:`\sigma`, since the variance over seeds is then hardly known
(simulated power at the planned 80 %: 75 to 79 %, least with three seeds that spread by 0.8 points).

References:
    Miettinen, Biometrics 24 (1968), on the power of McNemar's test. Satterthwaite, Biometrics Bulletin 2 (1946).
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from fer_bench.errors import FerBenchError
from fer_bench.stats import mcnemar, two_way

MOST_SEEDS = 1000
MOST_IMAGES = 10**9
_LEAST_POINTS = 0.05


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is assumed and asked for; shares are fractions.

    Attributes:
        n: Images.
        seeds: Seeds of each method.
        disagreement: D of the module.
        own: D_0 of the module.
        seed_sd: Standard deviation of a method's accuracy over seeds, images apart.
        power: Probability of finding the difference.
        level: 1 - alpha of a single comparison.
        methods: Compared with each other; the smallest of their p-values has to pass Holm's first step.
    """

    n: int
    seeds: int
    disagreement: float
    own: float = 0.0
    seed_sd: float = 0.0
    power: float = 0.8
    level: float = 0.95
    methods: int = 2

    @property
    def strict_level(self) -> float:
        """The level of one comparison that Holm's first step asks for: the careful case.

        Examples:
            >>> Plan(n=3068, seeds=1, disagreement=0.08, methods=5).strict_level
            0.995
        """
        return 1 - (1 - self.level) / math.comb(self.methods, 2)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a plan says; None where it is impossible, or no difference was asked about.

    Attributes:
        detectable: Smallest difference found with the plan's power.
        floor: The same with any number of seeds.
        images: Needed for the asked difference, with the plan's seeds.
        seeds: Needed for it, with the plan's images; at least 2.
        power: To find the asked difference.
    """

    detectable: float
    floor: float
    images: int | None
    seeds: int | None
    power: float | None


def check(plan: Plan, difference: float | None) -> None:
    """Refuse what makes no sense.

    Args:
        plan: What is assumed.
        difference: Asked for, as a fraction.

    Raises:
        FerBenchError: For counts below 1, shares or points in another unit, and assumptions that contradict each other.
    """
    for what, count, least in (("--n", plan.n, 1), ("--seeds", plan.seeds, 1), ("--methods", plan.methods, 2)):
        if count < least:
            raise FerBenchError(f"{what} {count}: expected {least} or more", fix=f"give {what} {least} or more")
    _check_units(plan)
    if plan.disagreement == 0:
        raise FerBenchError(
            "--disagreement 0: methods that are right on the same images do not differ",
            fix="give the share of images on which exactly one of the two is right, e.g. --disagreement 0.08",
        )
    asked = 0.0
    if difference is not None:
        asked = abs(difference)
        _check_difference(plan, asked)
    if plan.own > plan.disagreement - asked**2 + 1e-12:
        raise FerBenchError(
            f"--own-disagreement {plan.own:g} leaves too little of --disagreement {plan.disagreement:g} to the methods",
            fix="two seeds of one method disagree less than runs of two methods that differ: give a smaller share",
        )


def _check_units(plan: Plan) -> None:
    for what, share, lowest, example in (
        ("--disagreement", plan.disagreement, 0.0, "8 % is written 0.08"),
        ("--own-disagreement", plan.own, 0.0, "8 % is written 0.08"),
        ("--power", plan.power, 0.5, "80 % is written 0.8"),
        ("--level", plan.level, 0.5, "95 % is written 0.95"),
    ):
        if not lowest <= share <= 1 or (lowest and share == 1):
            raise FerBenchError(f"{what} {share:g}: expected a share from {lowest:g} to 1", fix=f"a share: {example}")
    if not 0 <= plan.seed_sd < 0.5:
        raise FerBenchError(
            f"--seed-sd {100 * plan.seed_sd:g}: expected points, 0 to 50", fix="half a point is written --seed-sd 0.5"
        )


def _check_difference(plan: Plan, asked: float) -> None:
    if asked == 0:
        raise FerBenchError(
            "--difference 0: no number of images or seeds finds it",
            fix="ask for the smallest difference that would matter, e.g. --difference 0.5 (half a point)",
        )
    if 100 * asked < _LEAST_POINTS - 1e-12:
        raise FerBenchError(
            f"--difference {100 * asked:g}: expected points, at least {_LEAST_POINTS:g}",
            fix=f"if a fraction was meant, {100 * asked:g} is {1e4 * asked:g} points: --difference {1e4 * asked:g}",
        )
    if asked > plan.disagreement:
        raise FerBenchError(
            f"a difference of {100 * asked:g} points is impossible where exactly one of the two is right on "
            f"{100 * plan.disagreement:g} % of the images: it is never larger than that",
            fix="give points to --difference (1.0 is one point) and a share to --disagreement (8 % is 0.08)",
        )


def from_accuracy(accuracy: float, difference: float) -> float:
    """Return the disagreement of two methods whose errors have nothing in common.

    Args:
        accuracy: Of the better one.
        difference: To the other.

    Raises:
        FerBenchError: If it is no share.

    Examples:
        >>> round(from_accuracy(0.9, 0.0), 2)
        0.18
    """
    if not 0 < accuracy < 1:
        raise FerBenchError(
            f"--accuracy {accuracy:g}: expected a share between 0 and 1", fix="90 % is written --accuracy 0.9"
        )
    other = max(0.0, accuracy - abs(difference))
    return accuracy * (1 - other) + other * (1 - accuracy)


def most_disagreement(accuracy: float, difference: float) -> float:
    """Return the largest disagreement that two methods of known accuracy can have.

    Examples:
        >>> round(most_disagreement(0.9, 0.02), 2)
        0.22
    """
    other = accuracy - abs(difference)
    return min(2 - accuracy - other, accuracy + other)


def power(plan: Plan, difference: float) -> float:
    """Compute the probability that a difference is found (two-sided test).

    Args:
        plan: What is assumed.
        difference: The true difference, as a fraction.

    Examples:
        >>> round(power(Plan(n=3068, seeds=1, disagreement=0.08), 0.0143), 2)
        0.8
    """
    error, freedom = _error(plan)
    alpha = 1 - plan.strict_level
    return _found(difference / error, freedom, alpha=alpha)


def detectable(plan: Plan) -> float:
    """Compute the smallest difference that is found with the plan's power.

    With one seed this is :func:`fer_bench.stats.mcnemar.detectable`.

    Examples:
        >>> [round(100 * detectable(Plan(n=3068, seeds=1, disagreement=d)), 2) for d in (0.04, 0.06, 0.08, 0.10)]
        [1.01, 1.24, 1.43, 1.6]
    """
    error, freedom = _error(plan)
    return mcnemar.quantiles(plan.strict_level, plan.power, freedom) * error


def floor(plan: Plan) -> float:
    """Compute the smallest difference that is found with any number of seeds: what the images alone leave.

    Examples:
        >>> round(100 * floor(Plan(n=3068, seeds=3, disagreement=0.08, own=0.05)), 2)
        0.88
    """
    return mcnemar.quantiles(plan.strict_level, plan.power) * math.sqrt((plan.disagreement - plan.own) / plan.n)


def images_needed(plan: Plan, difference: float) -> int | None:
    """Return how many images find a difference with the plan's seeds; None if no number does."""

    def enough(n: int) -> bool:
        return detectable(replace(plan, n=n)) <= abs(difference)

    return _least(enough, 2, MOST_IMAGES)


def seeds_needed(plan: Plan, difference: float) -> int | None:
    """Return how many seeds of each method, at least 2, find a difference on the plan's images; None: no number."""

    def enough(n_seeds: int) -> bool:
        return detectable(replace(plan, seeds=n_seeds)) <= abs(difference)

    return _least(enough, 2, MOST_SEEDS)


def answer(plan: Plan, difference: float | None) -> Answer:
    """Answer everything that a plan can be asked.

    Args:
        plan: What is assumed.
        difference: The difference that should be found, as a fraction; None: only what can be found is asked.

    Raises:
        FerBenchError: As :func:`check`.
    """
    check(plan, difference)
    found, least = detectable(plan), floor(plan)
    if difference is None:
        return Answer(detectable=found, floor=least, images=None, seeds=None, power=None)
    return Answer(
        detectable=found,
        floor=least,
        images=images_needed(plan, difference),
        seeds=seeds_needed(plan, difference),
        power=power(plan, abs(difference)),
    )


def measured(y_true: np.ndarray, y_pred: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Estimate from stored predictions of two methods what a plan assumes.

    Args:
        y_true: (n,) true labels.
        y_pred: Two methods to (s, n) predicted labels.

    Returns:
        ``disagreement``, ``own``, ``seed_sd`` and ``difference`` of accuracy, first less second. With one seed of a
        method its own disagreement and seed effect are not known and taken as 0; with two of either, its mean is that
        of the methods that have several.
    """
    right = {name: predicted == y_true for name, predicted in y_pred.items()}
    first, second = (values.mean(axis=0) for values in right.values())
    several = [values for values in right.values() if len(values) > 1]
    own = [
        float(np.mean([(one != other).mean() for one, other in itertools.combinations(values, 2)]))
        for values in several
    ]
    parts = [two_way.components(values.astype(float), values.mean(axis=1)) for values in several]
    variances = [part.seed_variance * part.n_seeds for part in parts]
    return {
        "disagreement": float((first * (1 - second) + second * (1 - first)).mean()),
        "own": float(np.mean(own)) if own else 0.0,
        "seed_sd": math.sqrt(float(np.mean(variances))) if variances else 0.0,
        "difference": float(first.mean() - second.mean()),
    }


def sentences(plan: Plan, found: Answer, difference: float | None) -> list[str]:
    """Say what a plan answers.

    Examples:
        >>> plan = Plan(n=3068, seeds=5, disagreement=0.08)
        >>> print(sentences(plan, answer(plan, 0.01), 0.01)[2])
        To find 1 point is impossible on 3,068 images at 8 % disagreement: 1.43 points is the floor, whatever the ...
    """
    runs = "1 seed" if plan.seeds == 1 else f"{plan.seeds} seeds"
    share = f"{100 * plan.power:g} %"
    smallest = _points(found.detectable)
    said = [f"{plan.n:,} images and {runs} of each method find a difference of {smallest} points with {share} power."]
    if difference is not None:
        said += _about_difference(plan, found, abs(difference), runs)
    return [*said, *_assumed(plan)]


def _about_difference(plan: Plan, found: Answer, difference: float, runs: str) -> list[str]:
    asked = f"{100 * difference:g} {'point' if difference == 0.01 else 'points'}"
    said = [f"Power to find {asked} so: {100 * (found.power or 0):.0f} %."]
    if found.seeds is not None:
        said.append(f"To find {asked} on {plan.n:,} images: {found.seeds} seeds of each method.")
    elif difference < found.floor:
        said.append(
            f"To find {asked} is impossible on {plan.n:,} images at {100 * plan.disagreement:.3g} % disagreement: "
            f"{_points(found.floor)} points is the floor, whatever the number of seeds."
        )
    else:
        said.append(f"To find {asked} on {plan.n:,} images: more than {MOST_SEEDS:,} seeds of each method.")
    if found.images is not None:
        said.append(f"To find {asked} with {runs} of each method: {found.images:,} images.")
    else:
        said.append(f"To find {asked} with {runs} of each method: no number of images; the seeds alone vary too much.")
    return said


def _assumed(plan: Plan) -> list[str]:
    said = []
    if plan.seeds == 1:
        said.append(
            "One seed each: McNemar's test, conditional on the two checkpoints; it says nothing of other seeds."
        )
    if plan.own == 0:
        said.append(
            "All disagreement is taken as one between methods (--own-disagreement 0), the careful case: as far as two "
            "seeds of one method disagree too, more seeds lower the floor."
        )
    if plan.seeds > 1 and plan.seed_sd == 0:
        said.append("No effect of the seed was assumed (--seed-sd 0).")
    if plan.methods > 2:
        said.append(
            f"{plan.methods} methods, all pairs: level {100 * plan.strict_level:.4g} % for each, as Holm's first step "
            "asks; the careful case."
        )
    return said


def _points(share: float) -> str:
    return f"{100 * share:.2f}"


def _error(plan: Plan) -> tuple[float, float]:
    """Return the standard error of the difference and its degrees of freedom, as expected by the model."""
    n, n_seeds = plan.n, plan.seeds
    if n_seeds == 1:
        return math.sqrt(plan.disagreement / n), math.inf
    of_images = (plan.disagreement - plan.own) / n + plan.own / (n_seeds * n)
    of_seeds = plan.seed_sd**2 / n_seeds
    variance = of_images + 2 * of_seeds
    if of_seeds == 0:
        return math.sqrt(variance), math.inf
    residual = plan.own / 2 / (n_seeds * n)  # of each method: half of what two of its seeds disagree on
    spread = of_images**2 / max(n - 1, 1)
    spread += 2 * ((of_seeds + residual) ** 2 / (n_seeds - 1) + residual**2 / ((n_seeds - 1) * max(n - 1, 1)))
    return math.sqrt(variance), variance**2 / spread


def _found(standardised: float, freedom: float, *, alpha: float) -> float:
    """Return the power for a difference of so many standard errors, two-sided; the wrong sign is no finding."""
    if math.isinf(freedom):
        return float(stats.norm.sf(stats.norm.ppf(1 - alpha / 2) - standardised))
    return float(stats.nct.sf(stats.t.ppf(1 - alpha / 2, freedom), freedom, standardised))


def _least(enough: Callable[[int], bool], low: int, most: int) -> int | None:
    """Return the smallest number from ``low`` to ``most`` that is enough, by bisection; None if none is."""
    if enough(low):
        return low
    high = low
    while not enough(high):
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
