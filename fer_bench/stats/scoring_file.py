"""All metrics of one run that anyone brings, each with its interval; and what people read of them."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from fer_bench import metrics, registry, seeds
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS, expressions
from fer_bench.metrics import Answers, Metric, SoftMetric
from fer_bench.metrics._named import named
from fer_bench.stats import bootstrap, estimating, measuring, wording
from fer_bench.stats.alongside import Opened
from fer_bench.stats.confusion import count
from fer_bench.stats.estimating import Way
from fer_bench.stats.interval import Interval
from fer_bench.stats.pairs import Settings
from fer_bench.stats.signature import UNKNOWN
from fer_bench.tables.intervals import intervals

NO_SPREAD = "no spread"
_LACKING = {"probabilities": "no probabilities", "votes": "no annotators' votes"}


def score(opened: Opened, settings: Settings, asked: list[str] | None) -> tuple[pd.DataFrame, list[str]]:
    """Score one run.

    What is resampled: samples; persons where the data set knows them. What is held fixed: the checkpoint, and with it
    the seed and the training data. When it misleads: as :mod:`fer_bench.stats.bootstrap`.

    Args:
        opened: The run.
        settings: Level, resamples and seed.
        asked: Metrics; None: all that can be computed.

    Returns:
        An intervals table, and lines on what could not be computed.

    Raises:
        FerBenchError: For an unknown metric, or one asked for that cannot be computed.
    """
    run = opened.brought
    answers = Answers(_true(opened), run.y_pred, run.probabilities, opened.votes)
    found, notes = _computable(asked, answers, run.n_classes)
    made = _intervals(found, answers, opened, settings)
    rows: list[dict[str, object]] = []
    for name, metric in found.items():
        value = float(measuring.values(metric, [answers], n_classes=run.n_classes)[0])
        rows.append({"metric": name, "estimate": value, **_row(made[name], opened)})
    told = opened.signature
    common = {
        "dataset": told.ds,
        "method": _method(opened),
        "seeds": told.seeds,
        "selection": told.selection,
        "n_samples": len(answers.y_true),
        "n_seeds": 1,
    }
    return intervals.frame([common | row for row in rows]), notes


def overall(table: pd.DataFrame) -> pd.DataFrame:
    """Return what people read of the metrics that have one value."""
    names = _in_order(name for name in table["metric"] if _expression(name) is None)
    rows = table.set_index("metric").loc[names].reset_index()
    levels = sorted({f"{100 * level:g} %" for level in rows["level"].astype(float)})
    return pd.DataFrame(
        {
            "metric": [wording.title(name) for name in rows["metric"]],
            "value": [_value(row["metric"], row["estimate"]) for _, row in rows.iterrows()],
            f"{levels[0]} interval" if len(levels) == 1 else "interval": [_ends(row) for _, row in rows.iterrows()],
            "interval made by": [_how(row) for _, row in rows.iterrows()],
        }
    )


def per_class(table: pd.DataFrame, opened: Opened) -> pd.DataFrame:
    """Return what people read of each expression: its samples, and the metrics that have a value for each."""
    matrix = count(_true(opened), opened.brought.y_pred, n_classes=opened.brought.n_classes)
    shown: dict[str, list[object]] = {
        "expression": list(expressions(len(matrix))),
        "true": [f"{n:,}" for n in matrix.sum(axis=1)],
        "predicted": [f"{n:,}" for n in matrix.sum(axis=0)],
    }
    by_name = {row["metric"]: row for _, row in table.iterrows()}
    for file in _in_order(dict.fromkeys(registry.metric_of(name)[0] for name in by_name if _expression(name))):
        title = str(registry.load("metrics", file).title)
        found = [by_name.get(f"{file}_{name}") for name in expressions(len(matrix))]
        shown[title] = [
            "" if row is None else f"{_value(row['metric'], row['estimate'])} [{_ends(row, ', ')}]" for row in found
        ]
    return pd.DataFrame(shown)


def parts(table: pd.DataFrame, opened: Opened, notes: list[str]) -> list[pd.DataFrame | list[str]]:
    """Return the scores as people read them: tables, and lines beside them.

    Args:
        table: The intervals table.
        opened: The run.
        notes: What its reader has to know, line by line.
    """
    told = opened.signature
    what = [f"{opened.brought.path}: {int(told.n):,} samples, {told.classes} expressions"]
    known = {"data set": told.ds, "selection": told.selection}
    what += [f"{word} {value}" for word, value in known.items() if value != UNKNOWN]
    what += ["oracle: the checkpoint was chosen on these pictures"] * (told.selection == "best_on_test")
    of = "persons" if opened.subjects is not None else "pictures of the same kind"
    scope = (
        f"Each interval says how far its number may move with other {of}. Held fixed: {bootstrap.CHECKPOINT}; "
        "training again with another seed may move it further."
    )
    shown = [one for one in (overall(table), per_class(table, opened)) if len(one)]
    if (table["low"] == table["high"]).any():
        notes = [*notes, f"Where there is {NO_SPREAD}, no draw changes the number: that is no certainty."]
    return [[", ".join(what)], *shown, [*notes, scope, *wording.signatures(table)]]


def _computable(
    asked: list[str] | None, answers: Answers, n_classes: int
) -> tuple[dict[str, Metric | SoftMetric], list[str]]:
    names = asked or _in_order(registry.names("metrics"))
    there = {"labels"} | ({"probabilities"} if answers.probabilities is not None else set())
    there |= {"votes"} if answers.votes is not None and answers.probabilities is not None else set()
    lacking: dict[str, list[str]] = {}
    found: dict[str, Metric | SoftMetric] = {}
    for name, metric in named(names, n_classes=n_classes).items():
        wanted = metrics.needs(metric)
        if wanted in there:
            found[name] = metric
        else:
            why = _LACKING["probabilities" if answers.probabilities is None else wanted]
            lacking.setdefault(why, []).append(name)
    if asked and lacking:
        why, left_out = next(iter(lacking.items()))
        raise FerBenchError(
            f"{left_out[0]} cannot be computed: {why}",
            fix="give probabilities or logits"
            if why == _LACKING["probabilities"]
            else "--dataset with votes, prepared",
        )
    return found, [f"Not computed, for there are {why}: {', '.join(left_out)}." for why, left_out in lacking.items()]


def _in_order(names: Iterable[str]) -> list[str]:
    """Return metrics with the usual ones first."""
    usual = ["accuracy", "macro_f1", "mean_recall", "weighted_f1", "precision", "recall"]
    held = list(names)
    return [name for name in usual if name in held] + [name for name in held if name not in usual]


def _intervals(
    found: Mapping[str, Metric | SoftMetric], answers: Answers, opened: Opened, settings: Settings
) -> dict[str, Interval]:
    way = Way(
        opened.brought.n_classes,
        settings.level,
        settings.n_resamples,
        subjects=estimating.persons(opened.subjects),
    )
    told = opened.signature
    names = ("interval", told.ds, _method(opened), told.selection)  # of a grid's run: the draws of `fer-bench score`
    made = estimating.of_runs(
        found,
        [answers],
        way,
        rngs=[lambda: seeds.generator(settings.seed, *names, told.seeds)],
        common=lambda: seeds.generator(settings.seed, *names),
    )
    return {name: interval for name, (interval,) in made.items()}


def _method(opened: Opened) -> str:
    return opened.brought.record.method if opened.brought.record else opened.brought.path.stem


def _row(interval: Interval, opened: Opened) -> dict[str, object]:
    return {
        "low": interval.low,
        "high": interval.high,
        "level": interval.level,
        "interval_method": interval.method,
        "resampled": interval.resampled,
        "held_fixed": interval.held_fixed,
        "n_resamples": interval.n_resamples,
        "signature": str(opened.signature._replace(b=str(interval.n_resamples))),
    }


def _true(opened: Opened) -> np.ndarray:
    if opened.brought.y_true is None:  # files.open_one gives a run true labels
        message = "a run without true labels"
        raise ValueError(message)
    return opened.brought.y_true


def _expression(name: str) -> str | None:
    file, expression = registry.metric_of(name)
    return expression if expression in EXPRESSIONS and file != name else None


def _value(name: str, value: float) -> str:
    return f"{100 * float(value):.1f} %" if wording.in_points(name) else f"{float(value):.3f}"


def _ends(row: pd.Series, between: str = " to ") -> str:
    if row["low"] == row["high"]:
        return NO_SPREAD
    share = wording.in_points(row["metric"])
    return between.join(
        f"{100 * float(end):.1f}" if share else f"{float(end):.3f}" for end in (row["low"], row["high"])
    )


def _how(row: pd.Series) -> str:
    what = f" of {row['resampled']}"
    made = str(row["interval_method"]).replace(what, "")
    return f"{made}, {row['n_resamples']:,} resamples{what}" if row["n_resamples"] else made
