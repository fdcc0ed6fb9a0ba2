"""Verdicts: every published number on a card beside where one run of ours would land, under the claim's own protocol.

A published number is mostly one run. It is therefore set beside a prediction interval for one run
(:mod:`fer_bench.stats.prediction`), not beside the interval of our mean. Where a grid holds a method several times, a
claim is judged for each of its entries that has runs on the claim's data set; the table names the entry.

Verdicts, in the order in which they are given:

1. ``not run``: the grid has no run that ended well, or does not score the metric. A defect that would void the claim is
   named with it.
2. ``void``: a known defect leaves the claim without the meaning that it is read with (the card's ``voids``); the reason
   gives the defect, its link, and where our interval lies.
3. ``not comparable``: our runs answer another question; the reason names each field.
4. ``undecided``: one seed; or the interval holds the claim and reaches further than ``verdict.tolerance`` either way.
5. ``reproduced``: the interval under honest selection holds the claim.
6. ``consistent only under best-on-test``: only the interval under the oracle does, and the claim was selected on the
   test set, or nobody knows how.
7. ``lower``, ``higher``: ours is lower, higher than claimed.

A defect comes before a difference because it is one of the claim and not of our runs: more runs of ours would not
lift it. What was not run comes first, because such a row has no number of ours at all.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from fer_bench import card, registry
from fer_bench.card import Card, Claim, Defect
from fer_bench.metrics import Metric
from fer_bench.metrics._named import of_labels
from fer_bench.params import Params
from fer_bench.stats import prediction, scoring, two_way
from fer_bench.stats.confusion import count_seeds
from fer_bench.stats.interval import Interval, clipped
from fer_bench.stats.jackknife import pseudo_values
from fer_bench.tables import audits, intervals, predicted, runs
from fer_bench.tables.audits import Audited
from fer_bench.tables.verdicts import verdicts

ORACLE = "best_on_test"
ROUNDED = 0.00005
"""Half a unit of the second decimal of a percent: what is printed as 92.05 % may be anything within this."""


class Ours(NamedTuple):
    """Our number under one selection.

    Attributes:
        row: Of the intervals table, over the most seeds.
        spread: What one more run's distance from it is made of; None with one seed.
        one_run: Where one more run would land; None with one seed.
        same_samples: Whether the claim is known to be one on the very same samples.
    """

    row: pd.Series
    spread: prediction.Spread | None
    one_run: Interval | None
    same_samples: bool

    def holds(self, claim: Claim) -> bool:
        """Say whether the interval holds the claim, as far as it is printed."""
        if self.one_run is None:
            return False
        return self.one_run.low - ROUNDED <= claim.value <= self.one_run.high + ROUNDED

    @property
    def half(self) -> float:
        """Half the width of the interval before it was cut at the ends of the range."""
        if self.spread is None:
            return float("nan")
        level = float(self.row["level"])
        whole = prediction.predict(self.spread, level=level, same_samples=self.same_samples)
        return (whole.high - whole.low) / 2


class Held(NamedTuple):
    """What a grid holds, as far as claims are judged by it."""

    params: Params
    intervals: pd.DataFrame
    runs: pd.DataFrame
    predicted: dict[str, pd.DataFrame]
    audited: dict[str, Audited]


def judge(params: Params) -> pd.DataFrame:
    """Judge every claim of every card by a grid's runs.

    Args:
        params: The grid.

    Returns:
        The verdicts table; one row per claim and entry of its method, one also for methods without a run.

    Raises:
        FerBenchError: If the grid was not scored, or a card does not fit.
    """
    ours = intervals.intervals.read(params.results / "intervals.csv")
    scored = [name for name in params.prepare if (ours["dataset"] == name).any()]
    held = Held(
        params=params,
        intervals=ours,
        runs=runs.runs.read(params.results / "runs.csv"),
        predicted={name: predicted.read(params.results / "predicted" / f"{name}.csv") for name in scored},
        audited=audits.read_all(params.prepare, params.results),
    )
    rows = []
    for method in registry.names("cards"):
        found = card.read(method)
        for claim in found.claims:
            here = held.runs[held.runs["dataset"] == claim.dataset]
            ran = [entry for entry in params.entries_of(method) if (here["method"] == entry).any()]
            rows += [{**_claim_row(entry, found, claim), **_judge(held, found, claim, entry)} for entry in ran]
            if not ran:
                rows.append({**_claim_row(method, found, claim), **_not_run(params, method, found, claim)})
    return verdicts.frame(rows)


def _claim_row(method: str, found: Card, claim: Claim) -> dict[str, object]:
    return {
        "method": method,
        "dataset": claim.dataset,
        "metric": claim.metric,
        "claim": claim.value,
        "where": claim.where,
        "paper": f"{found.paper.title} ({found.paper.year})" if found.paper else found.title,
        "claimed_selection": claim.protocol.selection,
        "link": found.paper.link if found.paper else None,
    }


def _not_run(params: Params, method: str, found: Card, claim: Claim, *, n_failed: int = 0) -> dict[str, object]:
    if method in params.methods and params.methods[method].predictions is not None:
        why = f"predictions called {method} were brought; how they were trained and selected is not known."
    elif n_failed:
        why = f"all {n_failed} runs of this grid failed."
    elif method not in registry.names("methods"):
        why = "the method has a card but no code here yet."
    elif claim.dataset not in registry.names("datasets"):
        why = f"the data set {claim.dataset} is not in fer-bench yet."
    else:
        why = f"this grid has no run of {method} on {claim.dataset}."
    defect = _voiding(found, claim)
    if defect is None:
        return {"verdict": "not run", "reason": why}
    said = f"{_what(defect)} ({defect.link})"
    return {"verdict": "not run", "reason": f"{why} With runs it would be void: {said}.", "link": defect.link}


def _judge(held: Held, found: Card, claim: Claim, method: str) -> dict[str, object]:
    of_entry = held.runs[(held.runs["dataset"] == claim.dataset) & (held.runs["method"] == method)]
    ended = of_entry[of_entry["status"] == "ok"]
    if not len(ended):
        return _not_run(held.params, method, found, claim, n_failed=len(of_entry))
    run = ended.iloc[0]
    kept = {"recipe": str(run["recipe"]), "weights": str(run["weights"])}
    ours = _ours(held, claim, method)
    if not ours:
        return {**kept, "verdict": "not run", "reason": f"this grid does not score {claim.metric}."}
    honest = ours[_honest(claim, set(ours), held.params)]
    oracle = ours.get(ORACLE) if claim.protocol.selection in {ORACLE, "unknown"} else None
    own = oracle if oracle and claim.protocol.selection == ORACLE else honest
    differing = list(_differences(claim, found, run, train_share=held.params.run.train_share))
    defect = _voiding(found, claim)
    if defect is not None:
        differs = f" Our runs also differ from the claim: {'; '.join(differing)}." if differing else ""
        reason = f"{_what(defect)} ({defect.link}). {_lies(own)}.{differs}"
        return {**kept, **_numbers(own), "verdict": "void", "reason": reason, "link": defect.link}
    if differing:
        return {**kept, **_numbers(own), "verdict": "not comparable", "reason": f"{'; '.join(differing)}."}
    tolerance = held.params.verdict.tolerance
    return {**kept, **_against(claim, honest, oracle, own, tolerance=tolerance)}


def _voiding(found: Card, claim: Claim) -> Defect | None:
    return next((defect for defect in found.known_defects if claim.dataset in defect.voids), None)


def _what(defect: Defect) -> str:
    """Return a defect's first clause; the card has all of it."""
    return re.split(r"[.:;] ", " ".join(defect.what.split()), maxsplit=1)[0]


def _honest(claim: Claim, kept: set[str], params: Params) -> str:
    """Return the selection that is looked at first: the claim's own, or the headline, but for the oracle."""
    headline = str(registry.load("protocols", params.run.protocol).headline)
    wanted = [claim.protocol.selection, headline, "best_on_val", "last"]
    return next((name for name in wanted if name in kept and name != ORACLE), ORACLE)


def _ours(held: Held, claim: Claim, method: str) -> dict[str, Ours]:
    """Return our number over the most seeds, by selection; none where the grid does not score the metric."""
    table = held.intervals
    table = table[(table["dataset"] == claim.dataset) & (table["method"] == method) & (table["metric"] == claim.metric)]
    found = {}
    for selection, rows in table.sort_values("n_seeds").groupby("selection"):
        row = rows.iloc[-1]
        same = _same_samples(held, claim, n_samples=int(row["n_samples"]))
        spread = _spread(held, claim, method, str(selection)) if int(row["n_seeds"]) > 1 else None
        one_run = None
        if spread is not None:
            low, high = _metric(claim).range
            whole = prediction.predict(spread, level=float(row["level"]), same_samples=same)
            one_run = clipped(whole, low=low, high=high)
        found[str(selection)] = Ours(row, spread, one_run, same)
    return found


def _spread(held: Held, claim: Claim, method: str, selection: str) -> prediction.Spread:
    table = held.predicted[claim.dataset]
    of_run = held.runs[(held.runs["dataset"] == claim.dataset) & (held.runs["method"] == method)]
    n_classes = int(of_run["n_classes"].max())
    _, y_pred = scoring.groups(table)[method, selection]
    y_true = table["y_true"].to_numpy(dtype=int)
    metric = _metric(claim)
    matrices = count_seeds(y_true, y_pred, n_classes=n_classes)
    values = pseudo_values(matrices, y_true, y_pred, metric.of_confusion)
    return prediction.spread(two_way.components(values, metric.of_confusion(matrices).astype(float)))


def _metric(claim: Claim) -> Metric:
    return of_labels([claim.metric], n_classes=claim.protocol.n_classes)[claim.metric]


def _same_samples(held: Held, claim: Claim, *, n_samples: int) -> bool:
    """Say whether the claim is known to be one on our very samples: those of the release, and as many."""
    audited = held.audited.get(claim.dataset)
    if audited is None or audited.official != "complete" or claim.protocol.n_test != n_samples:
        return False
    numbers = audited.audits.get("origin", {}).get("numbers", {})
    compared = numbers.get("fingerprint") or {}
    others = sum(count for change, count in compared.items() if change != "same")
    return bool(compared.get("same")) and others == 0 and numbers.get("labels_compared") is True


def _differences(claim: Claim, found: Card, run: pd.Series, *, train_share: float) -> Iterator[str]:
    """Name each field in which our runs answer another question than the claim."""
    published = claim.protocol
    yield from _other_recipe(claim, found, str(run["recipe"]))
    if run["weights"] == "none" and found.pretraining != "none":
        yield "weights: ours start from random numbers, the published ones were pretrained"
    if train_share < 1:
        yield f"train_share: ours trained on {100 * train_share:g} % of the training part"
    if int(run["n_classes"]) != published.n_classes:
        yield f"n_classes: {published.n_classes} as published, {int(run['n_classes'])} here"
    rule = str(run["label_rule"])
    if published.label_rule not in {"unknown", rule, rule.partition(" on ")[0]}:  # "majority on released votes"
        yield f"label_rule: {published.label_rule} as published, {rule} here"
    if published.n_test is not None and published.n_test != int(run["n_report"]):
        yield f"n_test: {published.n_test} as published, {int(run['n_report'])} here"


def _other_recipe(claim: Claim, found: Card, recipe: str) -> Iterator[str]:
    if found.approximation is not None:
        yield f"method: ours is an approximation, without {found.approximation}"
    if recipe.startswith("toy"):
        yield f"recipe: ours is {recipe}, which only shows that the code runs"
    elif (table := found.elsewhere(recipe, claim)) is not None:
        yield f"recipe: ours is {recipe}, another row of {table.where}"


def _against(claim: Claim, honest: Ours, oracle: Ours | None, own: Ours, *, tolerance: float) -> dict[str, object]:
    """Set a comparable claim beside our intervals for one run."""
    if honest.spread is None:
        why = (
            f"one seed, {_percent(float(own.row['estimate']))} under {own.row['selection']}: how far another one would "
            "land is not known. From two seeds on this says how many would settle it."
        )
        return {**_numbers(own), "difference": _difference(own, claim), "verdict": "undecided", "reason": why}
    how = "the published selection is unknown; " if claim.protocol.selection == "unknown" else ""
    for ours, verdict in ((honest, "reproduced"), (oracle, "consistent only under best-on-test")):
        if ours is None or not ours.holds(claim):
            continue
        judged = {**_numbers(ours), "difference": _difference(ours, claim), "z": _z(ours, claim)}
        if ours.half > tolerance:
            return {**judged, **_too_wide(ours, tolerance, how)}
        beside = "" if ours is honest else f"{_lies(honest)} and does not hold the claim. "
        return {**judged, "verdict": verdict, "reason": f"{how}{beside}{_lies(ours)} and holds the claim."}
    difference, z = _difference(own, claim), _z(own, claim)
    away = f"{100 * abs(difference):.1f} points {'lower' if difference < 0 else 'higher'} than claimed"
    measured = f"{away}{'' if z is None else f' (z = {z:.1f})'}"
    also = "" if oracle is None or oracle is honest else f" {_lies(oracle if own is honest else honest)}."
    return {
        **_numbers(own),
        "difference": difference,
        "z": z,
        "verdict": "lower" if difference < 0 else "higher",
        "reason": f"{how}{measured}. {_lies(own)}.{also}",
    }


def _too_wide(ours: Ours, tolerance: float, how: str) -> dict[str, object]:
    level, spread = float(ours.row["level"]), ours.spread
    said = f"{how}{_lies(ours)}, holds the claim, and reaches further than {100 * tolerance:g} points either way"
    if spread is None:  # one seed has no interval that could hold anything
        return {"verdict": "undecided", "reason": f"{said}."}
    needed = prediction.seeds_needed(spread, tolerance, level=level, same_samples=ours.same_samples)
    if needed is not None:
        return {"verdict": "undecided", "reason": f"{said}; {needed} seeds would settle it.", "seeds_needed": needed}
    alone = prediction.floor(spread, level=level, same_samples=ours.same_samples)
    said += f"; no number of seeds would settle it: one run alone spreads by {100 * alone:.1f} points either way."
    return {"verdict": "undecided", "reason": said}


def _numbers(ours: Ours) -> dict[str, object]:
    names = ("selection", "estimate", "low", "high", "level", "n_samples", "n_seeds")
    found = {name: ours.row[name] for name in names}
    if ours.one_run is not None:
        found |= {"predicted_low": ours.one_run.low, "predicted_high": ours.one_run.high}
    return found


def _difference(ours: Ours, claim: Claim) -> float:
    return float(ours.row["estimate"]) - claim.value


def _z(ours: Ours, claim: Claim) -> float | None:
    error = ours.one_run.standard_error if ours.one_run else 0.0
    return _difference(ours, claim) / error if error > 0 else None


def _lies(ours: Ours) -> str:
    """Say where our number lies, as a clause without its full stop."""
    seeds, selection = int(ours.row["n_seeds"]), ours.row["selection"]
    if ours.one_run is None:
        return f"Ours is {_percent(float(ours.row['estimate']))} with 1 seed under {selection}"
    level = f"{100 * float(ours.row['level']):g} %"
    samples = "the same pictures" if ours.same_samples else "other pictures of the kind"
    low, high = 100 * ours.one_run.low, 100 * ours.one_run.high
    return (
        f"Our {level} interval for one more run ({seeds} seeds, {selection}; {samples}) goes from {low:.1f} to "
        f"{high:.1f} %"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
