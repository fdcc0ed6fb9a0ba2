"""A grid's scores with and without the reported samples that have a twin in training, from its tables alone.

A reported sample counts as a twin where the audit found the same photograph, exact or near, in a split that the
protocol trains on, with a label; a picture that the label rule drops never trains. Where the protocol sets part of a
split aside, or ``run.train_share`` uses only a share of it, its twins count all the same.

Metrics of probabilities are left out: the tables hold predicted labels. Samples count as independent here, also where
persons are known.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fer_bench import registry, seeds
from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.metrics import Metric
from fer_bench.metrics._named import labels_only
from fer_bench.params import Params, Score
from fer_bench.protocols import Protocol
from fer_bench.stats import bootstrap
from fer_bench.stats.confusion import count
from fer_bench.stats.gap import gap
from fer_bench.stats.interval import Interval
from fer_bench.stats.scoring import groups, over_seeds
from fer_bench.stats.stored import runs_of
from fer_bench.tables import predicted
from fer_bench.tables.contamination import contamination
from fer_bench.tables.twins import twins as twins_schema

Say = Callable[[str], None]
ONE_SAMPLE = "one sample: no interval over seeds"


class Twins(NamedTuple):
    """Which reported samples have a twin in training; (n,) each, in the order of the predictions.

    Attributes:
        any: Exact or near.
        exact: Equal pixel for pixel.
    """

    any: np.ndarray
    exact: np.ndarray


def adjust(params: Params, *, say: Say) -> pd.DataFrame:
    """Score every method of a grid with and without the reported samples that have a twin in training.

    Args:
        params: The grid.
        say: Where data sets without any run that ended well are reported.

    Returns:
        The contamination table: four rows per data set, method, selection and metric.

    Raises:
        FerBenchError: If the grid was not scored since it changed, a data set has no table of twins, or that table is
            about other samples than the predictions.
    """
    protocol = registry.load("protocols", params.run.protocol)
    held = runs_of(params)
    rows = []
    for dataset in params.prepare:
        ended = held[(held["dataset"] == dataset) & (held["status"] == "ok")]
        if not len(ended):
            say(f"{dataset}: no run ended well, so that there is nothing to adjust")
            continue
        table = predicted.read(params.results / "predicted" / f"{dataset}.csv")
        _complete(table, ended, dataset=dataset, headline=protocol.headline)
        twins = twins_of(table, params.results / "audits" / f"{dataset}_twins.csv", dataset, protocol)
        n_classes = int(ended["n_classes"].iloc[0])
        metrics = labels_only(params.score.metrics, n_classes=n_classes)
        for (method, selection), (run_seeds, y_pred) in groups(table).items():
            rows += _rows(
                table["y_true"].to_numpy(),
                y_pred,
                twins,
                metrics,
                params.score,
                place={"dataset": dataset, "method": method, "selection": selection},
                run_seeds=run_seeds,
                n_classes=n_classes,
                trains_on=protocol.trains_on,
            )
    return contamination.frame(rows)


def twins_of(table: pd.DataFrame, path: Path, dataset: str, protocol: Protocol) -> Twins:
    """Find the reported samples that have a twin in training.

    Args:
        table: The data set's predicted expressions.
        path: Its table of twins.
        dataset: Its name, for errors.
        protocol: Says which splits train and which are reported.

    Raises:
        FerBenchError: If the table of twins is missing, does not fit, lists a labelled sample of the reported splits
            that was not predicted, or disagrees about the split or the label of one that was.
    """
    if not path.exists():
        raise FerBenchError(
            f"{dataset}: no table of twins at {path}, so that nobody knows which samples are clean",
            fix=f"make it: fer-bench data audit {dataset}",
        )
    pairs = twins_schema.read(path)
    ids, y_true = table["sample_id"].to_numpy(dtype=str), table["y_true"].to_numpy()
    truth = dict(zip(ids, y_true, strict=True))
    reported = pairs[pairs["split"].isin(protocol.reports_on) & (pairs["label"] >= 0)]
    elsewhere = pairs[~pairs.index.isin(reported.index) & pairs["sample_id"].isin(ids)]
    unlike = [
        str(row.sample_id)
        for row in reported.itertuples()
        if row.sample_id not in truth or truth[row.sample_id] != row.label
    ]
    strange = sorted({*unlike, *map(str, elsewhere["sample_id"])})
    if strange:
        raise FerBenchError(
            f"{path} and predicted/{dataset}.csv differ in split, label or presence of {len(strange)} samples; "
            f"first: {strange[0]}",
            fix=f"audit the data as the runs saw them: fer-bench data audit {dataset}, or carry the runs out again",
        )
    trained = reported[reported["twin_split"].isin(protocol.trains_on) & (reported["twin_label"] >= 0)]
    exact = trained.loc[trained["kind"] == "exact", "sample_id"]
    return Twins(np.isin(ids, trained["sample_id"].to_numpy(dtype=str)), np.isin(ids, exact.to_numpy(dtype=str)))


def printable(table: pd.DataFrame, *, headline: str) -> pd.DataFrame:
    """Return what people read: the headline selection, one row per method and metric, in percent and points.

    Args:
        table: The contamination table.
        headline: The protocol's own selection; ``last`` where a method has no such checkpoint.
    """
    kept = table.groupby(["dataset", "method"])["selection"].transform(lambda held: headline in set(held))
    shown = table[table["selection"] == kept.map({True: headline, False: "last"})]
    rows: dict[tuple[str, str, str], dict[str, object]] = {}
    for found in shown.to_dict("records"):
        key = (str(found["dataset"]), str(found["method"]), str(found["metric"]))
        row = rows.setdefault(key, dict(zip(("data set", "method", "metric"), key, strict=True)))
        part = str(found["part"])
        if part in {"clean", "twins"}:
            row[f"n {part}"] = found["n_samples"]
        ends = [found[name] for name in ("estimate", "low", "high")]
        row["gap, points" if part == "gap" else f"{part}, %"] = _printed(*ends, form="+.1f" if part == "gap" else ".1f")
    columns = ["data set", "method", "metric", "n clean", "n twins", "all, %", "clean, %", "twins, %", "gap, points"]
    return pd.DataFrame(list(rows.values()), columns=columns)


def _printed(estimate: Any, low: Any, high: Any, *, form: str) -> str:  # noqa: ANN401 - cells of a table
    if pd.isna(estimate):
        return ""
    interval = "" if pd.isna(low) else f" ({100 * low:{form}} to {100 * high:{form}})"
    return f"{100 * estimate:{form}}{interval}"


def _complete(table: pd.DataFrame, ended: pd.DataFrame, *, dataset: str, headline: str) -> None:
    """Check that every run that ended well has its headline predictions in the table."""
    for method, seed in zip(ended["method"], ended["seed"].astype(int), strict=True):
        column = str(predicted.Column(method, seed, headline))
        if column not in table.columns:
            raise FerBenchError(
                f"predicted/{dataset}.csv has no column {column}", fix="score the grid as it is now: fer-bench score"
            )


def _rows(
    y_true: np.ndarray,
    y_pred: np.ndarray,
    twins: Twins,
    metrics: Mapping[str, Metric],
    settings: Score,
    *,
    place: dict[str, str],
    run_seeds: list[int],
    n_classes: int,
    trains_on: tuple[str, ...],
) -> list[dict[str, object]]:
    """Return four rows per metric: all, clean, twins, gap."""
    clean = ~twins.any
    shared = {
        **place,
        "level": settings.level,
        "seeds": ";".join(map(str, run_seeds)),
        "n_seeds": len(run_seeds),
        "n_twins": int(twins.any.sum()),
        "n_exact": int(twins.exact.sum()),
        "trains_on": ";".join(trains_on),
        "without_clean": ";".join(
            name
            for index, name in enumerate(expressions(n_classes))
            if (y_true == index).any() and not (y_true[clean] == index).any()
        )
        or None,
    }
    rows: list[dict[str, object]] = []
    for name, metric in metrics.items():
        parts = {"all": np.full(len(y_true), fill_value=True), "clean": clean, "twins": twins.any}
        for part, mask in parts.items():
            # the draws of `score` for all samples, so that this row repeats that of intervals.csv
            purpose = ("interval",) if part == "all" else ("adjust", part)
            rng = seeds.generator(settings.seed, *purpose, *place.values(), run_seeds[0])
            found = _scored(y_true[mask], y_pred[:, mask], metric, settings, n_classes=n_classes, rng=rng)
            rows.append({**shared, "metric": name, "part": part, "n_samples": int(mask.sum()), **found})
        difference: dict[str, object] = {"n_resamples": 0}
        if clean.any():
            estimate, interval = gap(
                y_true,
                y_pred,
                twins.any,
                metric,
                n_classes=n_classes,
                level=settings.level,
                n_resamples=settings.n_resamples,
                rng=seeds.generator(settings.seed, "adjust", "gap", *place.values(), run_seeds[0]),
            )
            difference = _cells(estimate, interval)
        rows.append({**shared, "metric": name, "part": "gap", "n_samples": len(y_true), **difference})
    return rows


def _scored(
    y_true: np.ndarray,
    y_pred: np.ndarray,
    metric: Metric,
    settings: Score,
    *,
    n_classes: int,
    rng: np.random.Generator,
) -> dict[str, object]:
    """Return estimate and interval of a part of the samples, as :mod:`fer_bench.stats.scoring` makes them."""
    if not len(y_true):
        return {"n_resamples": 0}
    matrices = [count(y_true, row, n_classes=n_classes) for row in y_pred]
    estimate = float(np.mean([float(metric.of_confusion(matrix)) for matrix in matrices]))
    if len(matrices) == 1:
        resamples = settings.n_resamples
        interval = bootstrap.one_run(
            matrices[0], metric, level=settings.level, n_resamples=resamples, rng=rng, how=settings.one_run
        )
    elif len(y_true) > 1:
        interval = over_seeds(y_true, y_pred, metric, n_classes=n_classes, level=settings.level)
    else:
        return {"estimate": estimate, "interval_method": ONE_SAMPLE, "n_resamples": 0}
    return _cells(estimate, interval)


def _cells(estimate: float, interval: Interval) -> dict[str, object]:
    return {
        "estimate": estimate,
        "low": interval.low,
        "high": interval.high,
        "interval_method": interval.method,
        "resampled": interval.resampled,
        "held_fixed": interval.held_fixed,
        "n_resamples": interval.n_resamples,
    }
