"""A grid's scores beside its annotators: label noise, one annotator's score, each method against it; from tables alone.

Everything rests on the votes of the reported samples (``audits/<dataset>_reported.csv``), the label rule on record and
the stored predictions under the headline selection. Data sets without votes are left out.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fer_bench import params as params_file
from fer_bench import registry, seeds
from fer_bench.errors import FerBenchError
from fer_bench.metrics import Metric, SoftMetric
from fer_bench.metrics._named import named
from fer_bench.params import Params
from fer_bench.stats import annotators
from fer_bench.stats.confusion import count_seeds
from fer_bench.stats.interval import Interval
from fer_bench.stats.scoring import groups
from fer_bench.stats.stored import runs_of
from fer_bench.tables import predicted, reported
from fer_bench.tables.annotators import KAPPA
from fer_bench.tables.annotators import annotators as schema
from fer_bench.tables.intervals import intervals

Say = Callable[[str], None]
MOST_DRAWS = 2000
"""Draws of votes at most: the standard deviation due to votes is then known to 2 %."""


class _Judged(NamedTuple):
    """A data set's pictures as its annotators judged them.

    Attributes:
        dataset: Its name.
        label_rule: As on record.
        n_classes: Expressions told apart.
        y_true: (n,) true labels.
        votes: (n, v) counts of the reported pictures.
        all_votes: Those of all pictures of the split, also of those that the rule drops.
        rule: From votes to labels.
    """

    dataset: str
    label_rule: str
    n_classes: int
    y_true: np.ndarray
    votes: np.ndarray
    all_votes: np.ndarray
    rule: annotators.Rule


class _Human(NamedTuple):
    """One annotator on the pictures whose label does not hang on the vote left out."""

    rest: annotators.Rest
    added: np.ndarray


def annotate(params: Params, *, say: Say) -> pd.DataFrame:
    """Set a grid's scores beside its annotators.

    Args:
        params: The grid.
        say: Where data sets, metrics and runs that are left out are reported.

    Returns:
        The annotators table; without rows where no data set has votes.

    Raises:
        FerBenchError: If the grid was not scored since it changed, or the votes are missing or do not give the labels
            that were scored.
    """
    runs = runs_of(params)
    rows: list[dict[str, object]] = []
    for dataset in params.prepare:
        ended = runs[(runs["dataset"] == dataset) & (runs["status"] == "ok")]
        why = _without(params, dataset, ended)
        if why:
            say(f"{dataset}: {why}; left out")
            continue
        table = predicted.read(params.results / "predicted" / f"{dataset}.csv")
        judged = _judged(params, dataset, table, ended)
        metrics = _metrics(params, judged.n_classes, say)
        rest = annotators.leave_one_out(judged.votes, judged.rule, settled=True)
        human = _Human(rest, annotators.of_annotator(rest, n_classes=judged.n_classes))
        rows += _of_dataset(params, judged, metrics, human)
        rows += _of_methods(params, judged, metrics=metrics, human=human, table=table, ended=ended, say=say)
    return schema.frame(rows)


def printable(table: pd.DataFrame) -> pd.DataFrame:
    """Return what people read of the methods, in percent and points: one row per method and metric.

    Args:
        table: The annotators table.
    """
    rows = []
    of_methods = table.dropna(subset=["method"])
    for (dataset, metric, method), own in of_methods.groupby(["dataset", "metric", "method"], sort=False):
        parts = _by_part(own)
        compared = "difference" in parts
        rows.append(
            {
                "data set": dataset,
                "metric": metric,
                "method": method,
                "score, %": _printed(parts["score"]),
                "votes drawn too, %": _ends(parts["score_votes"]),
                "sd: votes, pictures, seeds": _sds(parts["score_votes"]),
                "same pictures, %": _ends(parts["same_pictures"]),
                "against the others, %": _printed(parts["rest"]) if compared else "",
                "less one annotator": _printed(parts["difference"], "+.1f") if compared else "",
                "verdict": parts["difference"]["verdict"] if compared else "",
            }
        )
    return pd.DataFrame(rows)


def sentences(table: pd.DataFrame) -> list[str]:
    """Say of each data set how far its annotators agree and what one of them scores.

    Args:
        table: The annotators table.
    """
    said = []
    for dataset, of_dataset in table[table["method"].isna()].groupby("dataset", sort=False):
        for metric, own in of_dataset.groupby("metric", sort=False):
            parts = _by_part(own)
            said.append(f"{dataset}, {_agreement(parts) if metric == KAPPA else _one_annotator(str(metric), parts)}")
    return said


def _agreement(parts: "Mapping[str, pd.Series[Any]]") -> str:
    whole, kept = parts["agreement"], parts["agreement_reported"]
    if pd.isna(whole["estimate"]):
        return "Fleiss' kappa: not defined, for want of two votes of a picture or of two categories."
    return (
        f"Fleiss' kappa: {_plain(whole)} on all {int(whole['n_samples']):,} pictures of the test split, "
        f"{_plain(kept)} on the {int(kept['n_samples']):,} reported."
    )


def _one_annotator(metric: str, parts: "Mapping[str, pd.Series[Any]]") -> str:
    one = parts["annotator"]
    if pd.isna(one["estimate"]):
        return f"{metric}: no picture keeps a label whatever one of its votes is, so that no annotator has a score."
    return (
        f"{metric}: one annotator against the others {_printed(one)} % on the {int(one['n_samples']):,} pictures that "
        "keep a label whatever that vote is; annotators who judge all of them lie within "
        f"{_ends(parts['annotator_band'])} by chance alone. For comparison only: "
        f"{_printed(parts['annotator_reported'])} on all reported pictures, some of which are reported because of that "
        f"very vote; {_printed(parts['annotator_all'])} on all that the other votes label, reported or not."
    )


def _by_part(own: pd.DataFrame) -> "dict[str, pd.Series[Any]]":
    return {str(row["part"]): row for _, row in own.iterrows()}


def _without(params: Params, dataset: str, ended: pd.DataFrame) -> str:
    """Say why a data set has nothing to compute; nothing if it has.

    Raises:
        FerBenchError: If it may have votes, but its audit did not pass them on.
    """
    if not len(ended):
        return "no run ended well"
    reader = registry.load("datasets", params.prepare[dataset].reader or dataset)
    if reader.labels_under is None:
        return "no votes, as far as its reader knows"
    path = reported.path_of(params.results, dataset)
    if not path.exists():
        raise FerBenchError(f"{dataset}: no votes at {path}", fix=f"make it: fer-bench data audit {dataset}")
    table = reported.read(path)
    return "" if any(name.startswith("votes_") for name in table.columns) else "no votes"


def _judged(params: Params, dataset: str, table: pd.DataFrame, ended: pd.DataFrame) -> _Judged:
    path = reported.path_of(params.results, dataset)
    whole = reported.read(path)
    votes = reported.votes(whole, list(table["sample_id"]))
    audit_anew = f"audit the data as the runs saw them: fer-bench data audit {dataset}, or carry the runs out again"
    if votes is None:
        lacking = sorted(set(table["sample_id"]) - set(whole["sample_id"]))
        raise FerBenchError(
            f"{path} lacks {len(lacking)} of {len(table)} samples that were predicted; first: {lacking[0]}",
            fix=audit_anew,
        )
    label_rule = str(ended["label_rule"].iloc[0])
    y_true = table["y_true"].to_numpy(dtype=np.int64)
    columns = [name for name in whole.columns if name.startswith("votes_")]
    rules = _rules(params, dataset, columns)
    recorded = label_rule.partition(" on ")[0]  # "majority on label_csv"
    known = list(rules(votes[:1]))
    # a rule for training samples alone is not among them; test samples are then labelled by one that fits
    differs = 0
    for name in [recorded] if recorded in known else known:

        def rule(distinct: np.ndarray, name: str = name) -> np.ndarray:
            return rules(distinct)[name]

        differs = int((annotators.apply(votes, rule) != y_true).sum())
        if not differs:
            all_votes = whole[columns].to_numpy(dtype=np.int64)
            return _Judged(dataset, label_rule, int(ended["n_classes"].iloc[0]), y_true, votes, all_votes, rule)
    raise FerBenchError(
        f"{path}: under {label_rule}, {differs} of {len(y_true)} predicted samples have votes for another label than "
        f"predicted/{dataset}.csv",
        fix=audit_anew,
    )


def _rules(params: Params, dataset: str, columns: list[str]) -> Callable[[np.ndarray], Mapping[str, np.ndarray]]:
    """Return what the data set's rules make of votes (u, v): by name, labels (u,)."""
    choice = params.prepare[dataset]
    reader = registry.load("datasets", choice.reader or dataset)
    options = params_file.convert(choice.options, reader.options, where=f"prepare.{dataset}.options")

    def rules(votes: np.ndarray) -> Mapping[str, np.ndarray]:
        samples = pd.DataFrame(votes, columns=columns)
        samples = samples.assign(sample_id=[f"drawn_{place}_votes" for place in range(len(votes))], split="test")
        found: Mapping[str, np.ndarray] = reader.labels_under(samples, options)
        return found

    return rules


def _metrics(params: Params, n_classes: int, say: Say) -> dict[str, Metric]:
    """Return the compared metrics that need labels alone."""
    found = named(params.compare.metrics, n_classes=n_classes)
    soft = [name for name, metric in found.items() if isinstance(metric, SoftMetric)]
    if soft:
        say(f"{', '.join(soft)}: of probabilities, which no annotator gave; left out")
    return {name: metric for name, metric in found.items() if not isinstance(metric, SoftMetric)}


def _of_dataset(
    params: Params, judged: _Judged, metrics: Mapping[str, Metric], human: _Human
) -> Iterator[dict[str, object]]:
    """Return rows about the annotators alone."""
    level, n_resamples = params.score.level, params.score.n_resamples
    shared = {"dataset": judged.dataset, "label_rule": judged.label_rule, "level": level}

    def rng(*names: str) -> np.random.Generator:
        return seeds.generator(params.score.seed, "annotators", judged.dataset, *names)

    for part, votes in (("agreement", judged.all_votes), ("agreement_reported", judged.votes)):
        kappa = annotators.fleiss_kappa(votes)
        interval = annotators.kappa_interval(votes, level=level, n_resamples=n_resamples, rng=rng(part))
        n_judged = int((votes.sum(axis=1) > 1).sum())
        row = {**shared, "part": part, "metric": KAPPA, "n_samples": n_judged}
        yield {**row, **_cells(None if math.isnan(kappa) else kappa, interval)}
    unsettled = {
        "annotator_reported": judged.votes,
        "annotator_all": judged.all_votes,
    }
    parts = {"annotator": (judged.votes, human)}
    for part, votes in unsettled.items():
        rest = annotators.leave_one_out(votes, judged.rule, settled=False)
        parts[part] = (votes, _Human(rest, annotators.of_annotator(rest, n_classes=judged.n_classes)))
    for name, metric in metrics.items():
        for part, (votes, one) in parts.items():
            counted = _counted(one)
            row = {**shared, "part": part, "metric": name, "n_samples": int(counted.sum())}
            if not counted.any():
                yield {**row, "n_resamples": 0}
                continue
            interval = annotators.annotator(
                votes, one.added, metric, level=level, n_resamples=n_resamples, rng=rng(part)
            )
            yield {**row, **_cells(annotators.score_of(one.added, metric), interval)}
        row = {**shared, "part": "annotator_band", "metric": name, "n_samples": int(_counted(human).sum())}
        if not _counted(human).any():
            yield {**row, "n_resamples": 0}
            continue
        band = annotators.single_annotators(
            human.rest,
            metric,
            n_classes=judged.n_classes,
            level=level,
            n_resamples=min(n_resamples, MOST_DRAWS),
            rng=rng("band"),
        )
        yield {**row, **_cells(annotators.score_of(human.added, metric), band)}


def _counted(human: _Human) -> np.ndarray:
    return np.asarray(human.rest.weights.sum(axis=1) > 0)


def _of_methods(
    params: Params,
    judged: _Judged,
    *,
    metrics: Mapping[str, Metric],
    human: _Human,
    table: pd.DataFrame,
    ended: pd.DataFrame,
    say: Say,
) -> Iterator[dict[str, object]]:
    """Return rows about each method under the headline selection."""
    headline = str(registry.load("protocols", params.run.protocol).headline)
    usual = intervals.read(params.results / "intervals.csv")
    n_draws = min(params.score.n_resamples, MOST_DRAWS)
    rng = seeds.generator(params.score.seed, "annotators", judged.dataset, "votes")
    drawn = annotators.draw_labels(judged.votes, judged.rule, n_resamples=n_draws, rng=rng)
    shares = {
        "share_changed": float(((drawn >= 0) & (drawn != judged.y_true)).mean()),
        "share_dropped": float((drawn < 0).mean()),
    }
    held = groups(table)
    for method in params.methods:
        run_seeds = sorted(ended.loc[ended["method"] == method, "seed"].astype(int))
        if len(run_seeds) < len(params.run.seeds):
            failed = len(params.run.seeds) - len(run_seeds)
            say(f"{judged.dataset}: {failed} of {len(params.run.seeds)} runs of {method} failed and are left out")
        if not run_seeds:
            continue
        found_seeds, y_pred = held.get((method, headline), ([], np.empty(0)))
        if found_seeds != run_seeds:
            raise FerBenchError(
                f"predicted/{judged.dataset}.csv lacks runs of {method} under {headline}",
                fix="score the grid as it is now: fer-bench score",
            )
        shared = {
            "dataset": judged.dataset,
            "method": method,
            "selection": headline,
            "label_rule": judged.label_rule,
            "level": params.score.level,
            "seeds": ";".join(map(str, run_seeds)),
            "n_seeds": len(run_seeds),
        }
        for name, metric in metrics.items():
            scored = _scored(usual, shared, name)
            by_seed = metric.of_confusion(count_seeds(judged.y_true, y_pred, n_classes=judged.n_classes))
            if abs(float(np.mean(by_seed)) - scored[0]) > 1e-6:
                raise FerBenchError(
                    f"intervals.csv and predicted/{judged.dataset}.csv differ in {name} of {method}",
                    fix="score the grid as it is now: fer-bench score",
                )
            for row in (
                *_noise_rows(params, judged, y_pred, metric, drawn=drawn, scored=scored, shares=shares),
                *_human_rows(params, judged, y_pred, metric, human=human, place=(method, headline)),
            ):
                yield {**shared, "metric": name, "n_samples": len(judged.y_true), **row}


def _scored(usual: pd.DataFrame, shared: Mapping[str, object], metric: str) -> tuple[float, Interval]:
    """Return a method's score and its interval as they stand in the intervals table."""
    chosen = usual[usual["metric"] == metric]
    for column in ("dataset", "method", "selection", "seeds"):
        chosen = chosen[chosen[column] == shared[column]]
    if len(chosen) != 1:
        raise FerBenchError(
            f"intervals.csv has no {metric} of {shared['method']} over seeds {shared['seeds']}",
            fix="score the grid as it is now: fer-bench score",
        )
    row = chosen.iloc[0]
    return float(row["estimate"]), Interval(
        float(row["low"]),
        float(row["high"]),
        float(row["level"]),
        str(row["interval_method"]),
        str(row["resampled"]),
        str(row["held_fixed"]),
        int(row["n_resamples"]),
        math.nan,
    )


def _noise_rows(
    params: Params,
    judged: _Judged,
    y_pred: np.ndarray,
    metric: Metric,
    *,
    drawn: np.ndarray,
    scored: tuple[float, Interval],
    shares: Mapping[str, float],
) -> Iterator[dict[str, object]]:
    estimate, usual = scored
    noise = annotators.label_noise(judged.y_true, y_pred, drawn, metric, n_classes=judged.n_classes)
    by_seed = np.asarray(metric.of_confusion(count_seeds(judged.y_true, y_pred, n_classes=judged.n_classes)), float)
    yield {"part": "score", **_cells(estimate, usual)}
    yield {
        "part": "score_votes",
        **_cells(estimate, annotators.with_votes(usual, estimate, noise, metric)),
        "n_resamples": len(drawn),
        "sd_votes": math.sqrt(noise.votes),
        "sd_pictures": math.sqrt(noise.pictures),
        "sd_seeds": math.sqrt(noise.seeds) if len(y_pred) > 1 else None,
        "shift": noise.shift,
        **shares,
    }
    same = annotators.same_pictures(by_seed, noise, metric, level=params.score.level, n_resamples=len(drawn))
    yield {"part": "same_pictures", **_cells(estimate, same)}


def _human_rows(
    params: Params,
    judged: _Judged,
    y_pred: np.ndarray,
    metric: Metric,
    *,
    human: _Human,
    place: tuple[str, str],
) -> Iterator[dict[str, object]]:
    counted = _counted(human)
    if not counted.any():
        return
    runs = np.stack([annotators.of_run(human.rest, row, n_classes=judged.n_classes) for row in y_pred])
    for part, other in (("rest", None), ("difference", human.added)):
        rng = seeds.generator(params.score.seed, "annotators", judged.dataset, "against", *place)
        estimate, interval = annotators.difference(
            judged.votes,
            runs,
            other,
            metric,
            level=params.score.level,
            n_resamples=params.score.n_resamples,
            rng=rng,
        )
        row = {"part": part, **_cells(estimate, interval), "n_samples": int(counted.sum())}
        if part == "difference":
            margin = params.compare.margin
            verdict = annotators.stands(interval, margin=margin, higher_is_better=metric.higher_is_better)
            row |= {"margin": margin, "verdict": verdict}
        yield row


def _cells(estimate: float | None, interval: Interval | None) -> dict[str, object]:
    if interval is None:
        return {"estimate": estimate, "n_resamples": 0}
    return {
        "estimate": estimate,
        "low": interval.low,
        "high": interval.high,
        "interval_method": interval.method,
        "resampled": interval.resampled,
        "held_fixed": interval.held_fixed,
        "n_resamples": interval.n_resamples,
    }


def _printed(row: "pd.Series[Any]", form: str = ".1f") -> str:
    if pd.isna(row["estimate"]):
        return ""
    return f"{100 * row['estimate']:{form}} ({_ends(row, form)})"


def _ends(row: "pd.Series[Any]", form: str = ".1f") -> str:
    return "" if pd.isna(row["low"]) else f"{100 * row['low']:{form}} to {100 * row['high']:{form}}"


def _plain(row: "pd.Series[Any]") -> str:
    ends = "" if pd.isna(row["low"]) else f" ({row['low']:.3f} to {row['high']:.3f})"
    return f"{row['estimate']:.3f}{ends}"


def _sds(row: "pd.Series[Any]") -> str:
    parts = [row[f"sd_{name}"] for name in ("votes", "pictures", "seeds")]
    return ", ".join("–" if pd.isna(part) else f"{100 * part:.2f}" for part in parts)
