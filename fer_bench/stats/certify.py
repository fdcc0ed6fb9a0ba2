"""Do intervals cover, and do tests hold their level? Counted on simulated runs, :mod:`fer_bench.stats.simulate`.

The functions that are called are those that score and compare; only the runs are made up. Every rate carries the error
of counting it. What is promised has a range that the rate must lie in. What is not, is there for contrast: what
customary practice gives under the same models.

What is resampled: whole worlds, with their samples, seeds and errors. What is held fixed: the model. When it misleads:
where real runs depart from the model, for example with several pictures of one person.

References:
    Wilson, JASA 22 (1927), for the rates' intervals; Dietterich, Neural Computation 10 (1998), on single runs;
    Bouthillier et al., "Accounting for variance in machine learning benchmarks", MLSys 2021, on seeds.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from fer_bench import __version__, provenance, seeds
from fer_bench.metrics import Answers, Metric, accuracy, macro_f1, mean_recall, recall
from fer_bench.stats import bootstrap, crossed, estimating, mcnemar, simulate
from fer_bench.stats.confusion import count
from fer_bench.stats.estimating import Way
from fer_bench.stats.interval import Interval
from fer_bench.stats.pairs import Predicted, Settings, compare_methods
from fer_bench.stats.wilson import wilson
from fer_bench.tables.certificate import certificate

LEVEL = 0.95
POINTS = (0.0, 0.2, 0.4, 0.8)
"""Standard deviations of the seed's effect, in points of accuracy."""

ONE_RUN, SEVERAL, ALONE, FAMILY = (0.94, 0.96), (0.93, 0.97), (0.03, 0.07), (0.0, 0.055)
"""Ranges that the rates must lie in."""

CUSTOMARY = "customary: "
"""How the rows begin that promise nothing."""

_SPREAD, _STUDENT = "mean ± standard deviation over seeds", "Student's t over seeds"
_METRICS: dict[str, Metric] = {
    "accuracy": accuracy.metric,
    "macro_f1": macro_f1.metric,
    "mean_recall": mean_recall.metric,
}
_RAREST = replace(
    recall.metric,
    title=f"Recall of an expression with {simulate.COUNTS[-1]} samples",
    of_confusion=lambda confusion: recall.recall(confusion)[..., -1],
    per_class=False,
    proportion=lambda confusion: (confusion[..., -1, -1], confusion[..., -1, :].sum(axis=-1)),
)
_RESAMPLES = 1000  # a percentile interval of 1,000 draws covers 0.2 points less than one of 10,000
_EVERY = 10
"""What is slow and promises nothing is counted on every tenth world."""

_FEW_RESAMPLES = 200  # where each draw is one of all samples; 10 of 200 lie beyond a p-value of 0.05, as 5 % should
Say = Callable[[str], None]


class Counted(NamedTuple):
    """What happened in each trial.

    Attributes:
        metric: Title.
        method: How the interval or the p-value is made.
        hits: (trials,) whether it covered, or rejected.
        allowed: Range of the rate; None: for contrast.
        widths: (trials,) widths of the intervals; empty for tests.
    """

    metric: str
    method: str
    hits: list[bool]
    allowed: tuple[float, float] | None
    widths: list[float]


def certify(*, trials: int, seed: int, say: Say) -> pd.DataFrame:
    """Count coverage and error rates.

    Args:
        trials: Simulated worlds per setting; twice as many for one run and for families, where what is promised is
            nearer to what is true. Below 2,000 a rate may leave its range by chance.
        seed: Seed of the simulation.
        say: Where progress is reported.

    Returns:
        The certificate.
    """
    rows: list[dict[str, object]] = []
    code = digest()
    for what, nominal, setting, counted in _parts(trials, seed):
        found = [
            _row(one, what=what, nominal=nominal, setting=setting, position=len(rows) + offset, code=code)
            for offset, one in enumerate(counted)
        ]
        rows += found
        missed = "; ".join(f"{row['metric']}, {row['method']}" for row in found if row["passed"] is False)
        say(f"{what}, {setting}: {f'outside the range: {missed}' if missed else 'done'}")
    return certificate.frame(rows)


def missed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a certificate whose rate lies outside the range that is promised."""
    return table[(table["passed"] == False).fillna(value=False)]  # noqa: E712 - an empty cell promises nothing


def printable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that people read, in percent."""

    def percent(value: object) -> str:
        return "" if pd.isna(value) else f"{100 * float(value):.1f}"  # type: ignore[call-overload,arg-type]

    def span(low: str, high: str) -> list[str]:
        ends = zip(table[low], table[high], strict=True)
        return ["" if pd.isna(a) else f"{percent(a)} to {percent(b)}" for a, b in ends]

    outcome = {True: "yes", False: "NO"}
    return pd.DataFrame(
        {
            "what": table["what"],
            "metric": table["metric"],
            "method": table["method"],
            "setting": table["setting"],
            "%": [percent(value) for value in table["rate"]],
            "error of counting": span("rate_low", "rate_high"),
            "promised": span("allowed_low", "allowed_high"),
            "kept": ["" if pd.isna(value) else outcome[bool(value)] for value in table["passed"]],
            "width, points": [percent(value) for value in table["width"]],
        }
    )


def in_words(table: pd.DataFrame) -> str:
    """Return two sentences on a certificate that need no statistics to be read."""
    promised = table[table["passed"].notna()]
    covered = table[table["what"] == "coverage"].astype({"rate": float}).groupby("method")["rate"].min()
    spread, student = (f"{100 * covered[CUSTOMARY + name]:.0f} %" for name in (_SPREAD, _STUDENT))
    return (
        f"{int(promised['passed'].sum())} of {len(promised)} promised rates lie in their ranges, counted on "
        f"{int(promised['trials'].min()):,} or more simulated worlds each. What papers print holds the true value less "
        f"often: {_SPREAD} in as few as {spread} of the same worlds, and {_STUDENT}, which claims 95 %, in as few as "
        f"{student}."
    )


def certified_files() -> dict[str, str]:
    """Return the files that a certificate is about, each with its SHA-256: the statistics and metrics that it runs."""
    held = provenance.sources(__name__)
    return {path: sha for path, sha in held.items() if path.split("/")[1] in {"stats", "metrics"}}


def digest() -> str:
    """Return a digest of the code that a certificate is about."""
    lines = [f"{path} {sha}\n" for path, sha in certified_files().items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:12]


def _row(one: Counted, *, what: str, nominal: float, setting: str, position: int, code: str) -> dict[str, object]:
    hits, trials = sum(one.hits), len(one.hits)
    low, high = wilson(hits, trials, level=0.95)
    allowed_low, allowed_high = one.allowed or (None, None)
    return {
        "position": position,
        "what": what,
        "metric": one.metric,
        "method": one.method,
        "setting": setting,
        "trials": trials,
        "rate": hits / trials,
        "rate_low": low,
        "rate_high": high,
        "nominal": nominal,
        "allowed_low": allowed_low,
        "allowed_high": allowed_high,
        "passed": None if one.allowed is None else one.allowed[0] <= hits / trials <= one.allowed[1],
        "width": float(np.mean(one.widths)) if one.widths else None,
        "version": __version__,
        "code": code,
    }


class _Tally:
    """Counts by metric and method, in the order in which they first come."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], Counted] = {}

    def add(
        self, metric: str, method: str, *, hit: bool, allowed: tuple[float, float] | None, width: float | None = None
    ) -> None:
        one = self._held.setdefault((metric, method), Counted(metric, method, [], allowed, []))
        one.hits.append(hit)
        if width is not None:
            one.widths.append(width)

    def covers(
        self, metric: str, method: str, ends: tuple[float, float], true: float, allowed: tuple[float, float] | None
    ) -> None:
        low, high = ends
        self.add(metric, method, hit=bool(low <= true <= high), allowed=allowed, width=high - low)

    def counted(self) -> list[Counted]:
        return list(self._held.values())


def _parts(trials: int, seed: int) -> Iterator[tuple[str, float, str, list[Counted]]]:
    """Yield what is counted, its nominal rate, the setting and the counts."""

    def rng(*names: object) -> np.random.Generator:
        return seeds.generator(seed, "certify", *names)

    yield "coverage", LEVEL, "1 run", _one_run(2 * trials, rng("one run"))
    for n_seeds in (3, 5):
        for points in POINTS:
            setting = f"{n_seeds} seeds, effect {points:g} points"
            yield "coverage", LEVEL, setting, _over_seeds(trials, n_seeds, points, rng("seeds", n_seeds, points))
    for n_seeds in (1, 3, 5):
        for points in (0.0, 0.8):
            what_seeds = "1 seed, two equally good runs" if n_seeds == 1 else f"2 equal methods, {n_seeds} seeds"
            setting = f"{what_seeds}, effect {points:g} points"
            yield "false alarms", 1 - LEVEL, setting, _pairs(trials, n_seeds, points, rng("pairs", n_seeds, points))
    for n_seeds, points in ((3, 0.0), (3, 0.8), (5, 0.0), (5, 0.8)):
        setting = f"6 equal methods, 15 pairs, {n_seeds} seeds, effect {points:g} points"
        counted = _families(2 * trials, n_seeds, points, rng("families", n_seeds, points))
        yield "false alarms in a family", 1 - LEVEL, setting, counted


def _way(n_resamples: int, over_seeds: Literal["two_way", "crossed"] = "two_way") -> Way:
    return Way(simulate.K, LEVEL, n_resamples, over_seeds=over_seeds)


def _ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def _one_run(trials: int, rng: np.random.Generator) -> list[Counted]:
    metrics = {**_METRICS, "rarest": _RAREST}
    expected = {name: simulate.truth(metric, points=0.0) for name, metric in metrics.items()}
    tally = _Tally()
    for trial in range(trials):
        world = simulate.World(rng)
        answers = Answers(world.y_true, world.predict(1, points=0.0)[0])
        found = estimating.of_runs(metrics, [answers], _way(_RESAMPLES), rngs=[lambda: rng], common=lambda: rng)
        for name, (interval,) in found.items():
            tally.covers(metrics[name].title, interval.method, _ends(interval), expected[name], ONE_RUN)
        if trial % _EVERY == 0:
            confusion = count(*answers[:2], n_classes=simulate.K)
            drawn = bootstrap.resample(confusion, _RAREST.of_confusion, n_resamples=_RESAMPLES, rng=rng)
            ends = crossed.percentile(drawn, level=LEVEL)
            tally.covers(_RAREST.title, "bootstrap, percentile", ends, expected["rarest"], None)
    return tally.counted()


def _over_seeds(trials: int, n_seeds: int, points: float, rng: np.random.Generator) -> list[Counted]:
    expected = {name: simulate.truth(metric, points=points) for name, metric in _METRICS.items()}
    tally = _Tally()
    for trial in range(trials):
        world = simulate.World(rng)
        y_pred = world.predict(n_seeds, points=points)
        answers = [Answers(world.y_true, row) for row in y_pred]
        for name, metric in _METRICS.items():
            interval = estimating.two_way_interval(metric, answers, _way(_RESAMPLES))
            tally.covers(metric.title, interval.method, _ends(interval), expected[name], SEVERAL)
        if trial % _EVERY == 0:
            way = _way(2 * _FEW_RESAMPLES, "crossed")
            found = estimating.over_seeds(_METRICS, answers, way, common=lambda: rng, of_seeds=lambda: rng)
            for name, interval in found.items():
                tally.covers(_METRICS[name].title, interval.method, _ends(interval), expected[name], None)
        for method, ends in _customary((y_pred == world.y_true).mean(axis=1)):
            tally.covers("Accuracy", method, ends, expected["accuracy"], None)
    return tally.counted()


def _customary(scores: np.ndarray) -> list[tuple[str, tuple[float, float]]]:
    """Return intervals of the mean accuracy as papers print them."""
    mean, sd = float(scores.mean()), float(scores.std(ddof=1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(scores) - 1)) * sd / np.sqrt(len(scores))
    first = wilson(round(float(scores[0]) * simulate.N), simulate.N, level=LEVEL)
    return [
        (CUSTOMARY + _SPREAD, (mean - sd, mean + sd)),
        (CUSTOMARY + _STUDENT, (mean - half, mean + half)),
        (CUSTOMARY + "Wilson of one seed, read as one of the method", first),
    ]


_SETTINGS = Settings(("accuracy", "macro_f1"), LEVEL, 0.005, _FEW_RESAMPLES, 0, None)


def _compared(y_true: np.ndarray, runs: list[np.ndarray], seed: int) -> list[dict[str, object]]:
    y_pred = {f"m{index}": dict(enumerate(run)) for index, run in enumerate(runs)}
    found = Predicted("simulated", "last", simulate.K, y_true, y_pred)
    return compare_methods(found, _SETTINGS._replace(seed=seed))


def _below(p: object) -> bool:
    return float(p) <= 1 - LEVEL + 1e-12  # type: ignore[arg-type]  # 1 - 0.95 is 0.05000000000000004


def _pairs(trials: int, n_seeds: int, points: float, rng: np.random.Generator) -> list[Counted]:
    tally = _Tally()
    alone = n_seeds == 1
    for trial in range(trials):
        world = simulate.World(rng)
        runs = [world.predict(n_seeds, points=points, common=alone) for _ in range(2)]
        for row in _compared(world.y_true, runs, trial):
            title = _METRICS[str(row["metric"])].title
            tally.add(title, str(row["test"]), hit=_below(row["p"]), allowed=ALONE)
        if alone:
            a, b = (world.predict(1, points=points)[0] == world.y_true for _ in range(2))
            read = CUSTOMARY + "McNemar of one run each, read as one of the methods"
            tally.add("Accuracy", read, hit=_below(mcnemar.mcnemar(a, b)), allowed=None)
        else:
            first, second = ((y_pred == world.y_true).mean(axis=1) for y_pred in runs)
            hit = _below(_welch(first, second))
            tally.add("Accuracy", CUSTOMARY + "Welch's t over seeds", hit=hit, allowed=None)
    return tally.counted()


def _welch(first: np.ndarray, second: np.ndarray) -> float:
    """Return Welch's p-value; 1 where the seeds of each method coincide and so do their means, and 0 where not."""
    parts = [float(scores.var(ddof=1)) / len(scores) for scores in (first, second)]
    gap, variance = abs(float(first.mean() - second.mean())), sum(parts)
    if variance < 1e-24:
        return 1.0 if gap < 1e-12 else 0.0
    freedom = variance**2 / sum(part**2 / (len(first) - 1) for part in parts)
    return 2 * float(stats.t.sf(gap / np.sqrt(variance), freedom))


def _families(trials: int, n_seeds: int, points: float, rng: np.random.Generator) -> list[Counted]:
    tally = _Tally()
    for trial in range(trials):
        world = simulate.World(rng)
        rows = _compared(world.y_true, [world.predict(n_seeds, points=points) for _ in range(6)], trial)
        for name in _SETTINGS.metrics:
            own = [row for row in rows if row["metric"] == name]
            title, test = _METRICS[name].title, str(own[0]["test"])
            tally.add(title, f"{test}, Holm", hit=any(_below(row["p_holm"]) for row in own), allowed=FAMILY)
            read = f"{CUSTOMARY}{test}, not corrected"
            tally.add(title, read, hit=any(_below(row["p"]) for row in own), allowed=None)
    return tally.counted()
