"""Verdicts: every published number on a card beside our interval, under the selection that it was obtained with.

Where a grid holds a method several times, a claim is judged for each of its entries that has runs on the claim's data
set; the table names the entry.

``reproduced``: the claim lies within our interval. ``below`` and ``above``: our whole interval lies below or above the
claim. ``inconclusive``: it contains the claim and is too wide for that to say anything. ``not comparable``: the runs
answer another question; the reason names which. ``not run``: the grid has no such run. What was not run cannot be
incomparable, and what is not comparable is not judged.
"""

from collections.abc import Iterator

import pandas as pd

from fer_bench import card, registry
from fer_bench.card import Card, Claim
from fer_bench.params import Params
from fer_bench.tables import intervals, runs
from fer_bench.tables.verdicts import verdicts

WIDEST = 0.10
"""An interval wider than this (a fraction) contains nearly any claim, so containing one says nothing."""


def judge(params: Params) -> pd.DataFrame:
    """Judge every claim of every card against a grid's intervals.

    Args:
        params: The grid.

    Returns:
        The verdicts table; one row per claim and entry of its method, one also for methods without a run.

    Raises:
        FerBenchError: If the grid was not scored, or a card does not fit.
    """
    ours = intervals.intervals.read(params.results / "intervals.csv")
    held = runs.runs.read(params.results / "runs.csv")
    rows = []
    for method in registry.names("cards"):
        found = card.read(method)
        for claim in found.claims:
            here = held[held["dataset"] == claim.dataset]
            ran = [entry for entry in params.entries_of(method) if (here["method"] == entry).any()]
            for entry in ran or [method]:
                of_entry = here[here["method"] == entry] if ran else here.iloc[:0]
                rows.append(
                    {
                        **_claim_row(entry, found, claim),
                        **_judge(params, found, claim, method=entry, held=of_entry, ours=ours),
                    }
                )
    return verdicts.frame(rows)


def printable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that people read, in percent."""
    percent = {
        name: ["" if pd.isna(value) else f"{100 * float(value):.2f}" for value in table[name]]
        for name in ("claim", "estimate", "low", "high")
    }
    interval = [f"{low} to {high}" if low else "" for low, high in zip(percent["low"], percent["high"], strict=True)]
    return pd.DataFrame(
        {
            "method": table["method"],
            "data set": table["dataset"],
            "metric": table["metric"],
            "claim, %": percent["claim"],
            "ours, %": percent["estimate"],
            "interval": interval,
            "verdict": table["verdict"],
            "reason": table["reason"],
        }
    )


def _claim_row(method: str, found: Card, claim: Claim) -> dict[str, object]:
    return {
        "method": method,
        "dataset": claim.dataset,
        "metric": claim.metric,
        "claim": claim.value,
        "where": claim.where,
        "paper": f"{found.paper.title} ({found.paper.year})" if found.paper else found.title,
        "claimed_selection": claim.protocol.selection,
    }


def _judge(
    params: Params, found: Card, claim: Claim, *, method: str, held: pd.DataFrame, ours: pd.DataFrame
) -> dict[str, object]:
    ended = held[held["status"] == "ok"]
    if not len(ended):
        return {"verdict": "not run", "reason": _why_not_run(method, claim, held)}
    run = ended.iloc[0]
    chosen = ours[(ours["dataset"] == claim.dataset) & (ours["method"] == method) & (ours["metric"] == claim.metric)]
    selection: str = claim.protocol.selection
    if selection not in set(chosen["selection"]):  # unknown to the paper, or not kept under this grid's protocol
        selection = str(registry.load("protocols", params.run.protocol).headline)
    chosen = chosen[chosen["selection"] == selection].sort_values("n_seeds")
    kept = {"recipe": str(run["recipe"]), "weights": str(run["weights"])}
    if not len(chosen):
        return {**kept, "verdict": "not run", "reason": f"this grid does not score {claim.metric}."}
    row = chosen.iloc[-1]  # over the most seeds
    numbers = {
        **kept,
        "selection": selection,
        **{name: row[name] for name in ("estimate", "low", "high", "level", "n_samples", "n_seeds")},
    }
    differing = list(_differences(claim, found, run, train_share=params.run.train_share))
    if differing:
        return {**numbers, "verdict": "not comparable", "reason": f"{'; '.join(differing)}."}
    return {**numbers, **_against(claim, selection, row)}


def _why_not_run(method: str, claim: Claim, held: pd.DataFrame) -> str:
    if len(held):
        return f"all {len(held)} runs of this grid failed."
    if method not in registry.names("methods"):
        return "the method has a card but no code here yet."
    if claim.dataset not in registry.names("datasets"):
        return f"the data set {claim.dataset} is not in fer-bench yet."
    return f"this grid has no run of {method} on {claim.dataset}."


def _differences(claim: Claim, found: Card, run: pd.Series, *, train_share: float) -> Iterator[str]:
    """Name each field in which our runs answer another question than the claim."""
    published = claim.protocol
    recipe = str(run["recipe"])
    if recipe.startswith("toy"):
        yield f"recipe: ours is {recipe}, which only shows that the code runs"
    elif (part := found.row_of(recipe)) and claim.value != part[1].published.get(claim.dataset):
        yield f"recipe: ours is {recipe}, another row of {part[0].where}"
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


def _against(claim: Claim, selection: str, row: pd.Series) -> dict[str, object]:
    """Set a comparable claim against our interval."""
    low, high = float(row["low"]), float(row["high"])
    seeds = f"{int(row['n_seeds'])} seed{'s' if int(row['n_seeds']) > 1 else ''}"
    level = f"{100 * float(row['level']):g} %"
    ours = f"our {level} interval over {seeds} under {selection}, {100 * low:.1f} to {100 * high:.1f} %,"
    if claim.protocol.selection == "unknown":
        ours = f"the published selection is unknown; {ours}"
    if low > claim.value:
        return {"verdict": "above", "reason": f"{ours} lies above the claim."}
    if high < claim.value:
        return {"verdict": "below", "reason": f"{ours} lies below the claim."}
    if high - low > WIDEST:
        return {"verdict": "inconclusive", "reason": f"{ours} is wider than {100 * WIDEST:.0f} points."}
    return {"verdict": "reproduced", "reason": f"{ours} contains the claim."}
