r"""Which rank may a method have? By resampling on one data set; over five data sets or more, by their mean ranks.

On one data set, all methods are resampled together: every draw of samples is common to them, and each method draws its
own seeds (:mod:`fer_bench.stats.crossed`). The rank of a method in a draw is 1 + the number of better ones; methods
that tie share the mean of their places. Over draws that gives an interval of ranks and the probability of each rank, of
the first above all. There methods that tie share their places evenly: of two that tie for the second place, each counts
half as second and half as third, so that every rank is somebody's in every draw.

What is resampled: samples (persons where they are known), and seeds where a method has two or more. What is held fixed:
training data and recipes; with one seed, the checkpoints. When it misleads: the draws are centred on the estimates, so
that among methods that are equally good the one that happens to lead is best in more than its share of them, and the
intervals of ranks of near-equal methods are rather too short (Hall and Miller 2009). "Best in 70 % of the draws" is no
test; which methods can be told apart, the comparisons say.

Over many data sets the critical-difference diagram ranks methods within each and asks whether mean ranks differ
(Friedman's test), then which. It takes data sets for draws from a population of them; with one or two there is no such
population, and below five :func:`critical_difference` says so instead.

References:
    Hall and Miller, "Using the bootstrap to quantify the authority of an empirical ranking", Annals of Statistics 37
    (2009). Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7 (2006). Benavoli, Corani
    and Mangili, "Should we really use post-hoc tests based on mean-ranks?", JMLR 17 (2016). Friedman, JASA 32 (1937).
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from fer_bench import registry, seeds
from fer_bench.metrics import Metric, SoftMetric
from fer_bench.stats import crossed, estimating, measuring
from fer_bench.stats.holm import holm
from fer_bench.stats.pairs import Predicted, Settings, metrics_of
from fer_bench.tables.ranks import joined

FEWEST_DATASETS = 5
_DECIMALS = 12  # two means of the same numbers may differ in the last digits, and are a tie


class Ranking(NamedTuple):
    """The ranks of m methods over resamples.

    Attributes:
        rank: (m,) of the estimates.
        low: (m,) lower end of the interval of ranks.
        high: (m,) upper end.
        p_ranks: (m, m) share of resamples in which a method (row) has a rank (column), ties shared; rows and columns
            sum to 1.
    """

    rank: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_ranks: np.ndarray

    @property
    def p_best(self) -> np.ndarray:
        """(m,) share of resamples in which a method is first, ties shared; sums to 1."""
        return self.p_ranks[:, 0]


def rank_sets(sets: Sequence[Predicted], settings: Settings) -> list[dict[str, object]]:
    """Rank the methods of each data set under every metric; see the module for what the ranks cover.

    Each method counts with all its seeds. A metric that is not known of a data set is left out there, where another
    data set has it.

    Args:
        sets: The predictions, by data set.
        settings: How; the margin and the baseline do not matter.

    Returns:
        Rows of the ranks table.

    Raises:
        FerBenchError: If a metric does not exist, or needs what is not known.
    """
    held = {asked: metrics_of(sets, asked) for asked in settings.metrics}
    return [
        row
        for index, found in enumerate(sets)
        for row in _rank(
            found._replace(subjects=estimating.persons(found.subjects)),
            {name: one for asked in held.values() for name, one in asked[index].items()},
            settings,
        )
    ]


def _rank(found: Predicted, metrics: dict[str, Metric | SoftMetric], settings: Settings) -> list[dict[str, object]]:
    runs = [
        (method, seed)
        for method in sorted(found.y_pred)
        for seed in sorted(found.y_pred[method])[: 1 if method in found.fixed else None]
    ]
    if not runs or not metrics:
        return []
    answers = [found.answers(method, [seed])[0] for method, seed in runs]
    drawn = measuring.resample_common(
        metrics,
        answers,
        n_classes=found.n_classes,
        n_resamples=settings.n_resamples,
        rng=seeds.generator(settings.seed, "ranks", found.dataset, found.selection),
        subjects=found.subjects,
    )
    methods = sorted(found.y_pred)
    own = {method: [index for index, run in enumerate(runs) if run[0] == method] for method in methods}
    of_what = "samples" if found.subjects is None else "persons"
    rows = []
    for name, metric in metrics.items():
        values = measuring.values(metric, answers, n_classes=found.n_classes)
        estimates = np.array([values[own[method]].mean() for method in methods])
        means = np.stack([_over_seeds(found, settings, method, drawn[name][own[method]]) for method in methods])
        ranked = ranking(estimates, means, higher_is_better=metric.higher_is_better, level=settings.level)
        rows += [
            {
                "dataset": found.dataset,
                "metric": name,
                "selection": found.selection,
                "method": method,
                "estimate": float(estimates[index]),
                "rank": float(ranked.rank[index]),
                "rank_low": float(ranked.low[index]),
                "rank_high": float(ranked.high[index]),
                "p_best": float(ranked.p_best[index]),
                "p_ranks": joined(ranked.p_ranks[index]),
                "level": settings.level,
                "n_samples": len(found.y_true),
                "n_seeds": len(own[method]),
                "n_resamples": settings.n_resamples,
                "resampled": of_what if len(own[method]) == 1 else f"seeds and {of_what}",
            }
            for index, method in enumerate(methods)
        ]
    return rows


def _over_seeds(found: Predicted, settings: Settings, method: str, drawn: np.ndarray) -> np.ndarray:
    if len(drawn) == 1:
        return np.asarray(drawn[0])
    return crossed.draw_seeds(
        drawn, rng=seeds.generator(settings.seed, "ranks", found.dataset, found.selection, method)
    )


def ranking(estimates: np.ndarray, drawn: np.ndarray, *, higher_is_better: bool, level: float) -> Ranking:
    """Rank methods by their estimates and in every resample; see the module for what the interval covers.

    Args:
        estimates: (m,) of the methods.
        drawn: (m, b) on common draws.
        higher_is_better: Direction of the metric.
        level: Coverage of the interval of ranks, e.g. 0.95.

    Examples:
        >>> found = ranking(np.array([0.9, 0.8]), np.array([[0.9, 0.7], [0.8, 0.8]]), higher_is_better=True, level=0.95)
        >>> found.rank.tolist(), found.p_best.tolist()
        ([1.0, 2.0], [0.5, 0.5])
    """
    places = _places(drawn, higher_is_better=higher_is_better)
    low, high = np.quantile(places, [(1 - level) / 2, (1 + level) / 2], axis=1, method="inverted_cdf")
    rank = _places(estimates[:, None], higher_is_better=higher_is_better)[:, 0]
    return Ranking(rank, low, high, _shares(places))


def _shares(places: np.ndarray) -> np.ndarray:
    """Return, of (m, b) ranks whose ties share the mean of their places, the (m, m) share of draws with each place."""
    tied = np.stack([(places == own).sum(axis=0) for own in places], axis=1).T  # in memory as rankdata's, for speed
    reach = (tied - 1) / 2  # t methods that tie fill t places around their mean
    held = [np.abs(places - place) <= reach for place in range(1, len(places) + 1)]
    return np.stack([(one / one.sum(axis=0)).mean(axis=1) for one in held], axis=1)


def _places(values: np.ndarray, *, higher_is_better: bool) -> np.ndarray:
    """Rank along the first axis, 1 for the best; those that tie share the mean of their places."""
    toward = -values if higher_is_better else values
    return np.asarray(stats.rankdata(np.round(toward, _DECIMALS), axis=0), dtype=float)


class CriticalDifference(NamedTuple):
    """What a critical-difference diagram shows.

    Attributes:
        methods: Best mean rank first.
        mean_ranks: In their order.
        n_datasets: Data sets.
        p: Friedman's p-value of "no method differs".
        test: How pairs were told apart.
        distance: Nemenyi's critical difference of mean ranks, whatever ``test`` is.
        cliques: Methods that stand side by side and of which no two are told apart; those of one method are left out.
    """

    methods: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    n_datasets: int
    p: float
    test: str
    distance: float
    cliques: tuple[tuple[str, ...], ...]


def critical_difference(
    scores: pd.DataFrame,
    *,
    higher_is_better: bool,
    level: float,
    test: Literal["wilcoxon_holm", "nemenyi"] = "wilcoxon_holm",
) -> CriticalDifference | str:
    """Compare methods over data sets, or say why that cannot be done.

    Methods without a score on every data set are left out. Where Friedman's test finds nothing, no two methods are told
    apart.

    What is resampled: nothing; data sets count as drawn at random. What is held fixed: the scores. When it misleads:
    with few data sets (Wilcoxon's smallest p-value is 2 / 2^N, 0.06 with five, before any correction), with data sets
    that resemble each other; and Nemenyi's answer on two methods depends on which others take part (Benavoli 2016),
    which is why Wilcoxon's signed ranks with Holm's correction are the default.

    Args:
        scores: A row per data set, a column per method.
        higher_is_better: Direction of the metric.
        level: 1 - alpha.
        test: How pairs are told apart.

    Returns:
        A sentence without its full stop where there are too few data sets or methods.
    """
    complete = scores.dropna(axis="columns")
    n_datasets, n_methods = complete.shape
    if n_datasets < FEWEST_DATASETS:
        sets = f"{n_datasets} data set{'' if n_datasets == 1 else 's'}"
        return f"no critical-difference diagram: {sets}, needs {FEWEST_DATASETS} or more"
    if n_methods < 3:
        return f"no critical-difference diagram: {n_methods} methods with a score on every data set, needs 3 or more"
    values = complete.to_numpy(dtype=float)
    places = _places(values.T, higher_is_better=higher_is_better).T
    means = places.mean(axis=0)
    order = np.argsort(means, kind="stable")
    p = friedman(places)
    distance = nemenyi(n_methods, n_datasets, level=level)
    alpha = 1 - level + 1e-12
    if p > alpha:
        apart = np.zeros((n_methods, n_methods), dtype=bool)
    elif test == "nemenyi":
        apart = np.abs(means[:, None] - means) > distance
    else:
        apart = _wilcoxon_holm(values) <= alpha
    return CriticalDifference(
        tuple(str(complete.columns[index]) for index in order),
        tuple(float(means[index]) for index in order),
        n_datasets,
        p,
        "Wilcoxon's signed ranks, Holm" if test == "wilcoxon_holm" else "Nemenyi",
        distance,
        _cliques([str(name) for name in complete.columns], order, lambda i, j: bool(apart[i, j])),
    )


def over_datasets(table: pd.DataFrame) -> dict[str, CriticalDifference | str]:
    """Return, by metric of a ranks table, what a critical-difference diagram shows, or why there is none.

    Args:
        table: The ranks table.
    """
    found: dict[str, CriticalDifference | str] = {}
    for metric in dict.fromkeys(str(name) for name in table["metric"]):
        rows = table[table["metric"] == metric].astype({"estimate": float})
        found[metric] = critical_difference(
            rows.pivot_table(index="dataset", columns="method", values="estimate"),
            higher_is_better=registry.load("metrics", registry.metric_of(metric)[0]).higher_is_better,
            level=float(rows["level"].iloc[0]),
        )
    return found


def in_words(table: pd.DataFrame) -> list[str]:
    """Return lines on what the ranks of several data sets say together, or why they say nothing.

    Args:
        table: The ranks table.
    """
    said = []
    for metric, found in over_datasets(table).items():
        if isinstance(found, str):
            said.append(f"{found[:1].upper()}{found[1:]}.")
            continue
        joined = next((clique for clique in found.cliques if found.methods[0] in clique), found.methods[:1])
        said.append(
            f"{metric}, mean ranks over {found.n_datasets} data sets: {found.methods[0]} leads with "
            f"{found.mean_ranks[0]:.1f} (Friedman's p = {found.p:.2g}); not told apart from it "
            f"({found.test}): {', '.join(joined[1:]) or 'none'}."
        )
    return list(dict.fromkeys(said))


def friedman(places: np.ndarray) -> float:
    r"""Compute Friedman's p-value from ranks within data sets, corrected for ties.

    .. math::
        \chi^2 = \frac{12 N}{k (k + 1)} \sum_j (\bar R_j - \tfrac{k + 1}{2})^2
        \Big/ \Big(1 - \frac{\sum (t^3 - t)}{N k (k^2 - 1)}\Big)

    Args:
        places: (N, k) ranks, a row per data set; t methods that tie share the mean of their places.

    Returns:
        1 where all methods tie everywhere.

    Examples:
        >>> round(friedman(np.array([[1.0, 2.0, 3.0]] * 5)), 4)
        0.0067
    """
    n, k = places.shape
    tied = sum(float((times**3 - times).sum()) for row in places for _, times in [np.unique(row, return_counts=True)])
    left = 1 - tied / (n * k * (k * k - 1))
    if left <= 0:
        return 1.0
    statistic = 12 * n / (k * (k + 1)) * float(((places.mean(axis=0) - (k + 1) / 2) ** 2).sum()) / left
    return float(stats.chi2.sf(statistic, k - 1))


def nemenyi(n_methods: int, n_datasets: int, *, level: float) -> float:
    """Compute by how much two mean ranks must differ.

    Examples:
        >>> round(nemenyi(4, 14, level=0.95), 2)
        1.25
    """
    quantile = float(stats.studentized_range.ppf(level, n_methods, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(n_methods * (n_methods + 1) / (6 * n_datasets))


def _wilcoxon_holm(values: np.ndarray) -> np.ndarray:
    """Return the (k, k) corrected p-values of all pairs of methods; 1 on the diagonal."""
    pairs = list(itertools.combinations(range(values.shape[1]), 2))
    p = holm(np.array([_wilcoxon(values[:, i] - values[:, j]) for i, j in pairs]))
    corrected = np.ones((values.shape[1],) * 2)
    for (i, j), found in zip(pairs, p, strict=True):
        corrected[i, j] = corrected[j, i] = found
    return corrected


def _wilcoxon(differences: np.ndarray) -> float:
    rounded = np.round(differences, _DECIMALS)
    return float(stats.wilcoxon(rounded).pvalue) if rounded.any() else 1.0


def _cliques(names: list[str], order: np.ndarray, apart: Callable[[int, int], bool]) -> tuple[tuple[str, ...], ...]:
    """Return the longest stretches of methods, in the order of their mean ranks, of which no two are told apart."""
    found: list[tuple[int, int]] = []
    for first in range(len(order)):
        last = first
        while last + 1 < len(order) and not any(apart(order[last + 1], order[i]) for i in range(first, last + 1)):
            last += 1
        if last > first and not (found and last <= found[-1][1]):
            found.append((first, last))
    return tuple(tuple(names[index] for index in order[first : last + 1]) for first, last in found)
