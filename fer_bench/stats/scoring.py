"""From the runs of a grid to its tables: runs, scores, intervals, confusions, histories, predicted expressions.

Nothing here needs pictures: a run's predictions carry the true labels. Everything is read and checked before anything
is written, so that an error leaves earlier results as they were.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from fer_bench import registry, seeds
from fer_bench.errors import FerBenchError
from fer_bench.metrics import Answers, Metric
from fer_bench.params import MethodChoice, Params, Score
from fer_bench.stats import bootstrap, measuring, two_way
from fer_bench.stats.confusion import count_seeds, pessimistic
from fer_bench.stats.interval import Interval, clipped
from fer_bench.tables import predicted, predictions, runs
from fer_bench.tables.confusions import confusions as confusions_schema
from fer_bench.tables.history import history as history_schema
from fer_bench.tables.intervals import intervals as intervals_schema
from fer_bench.tables.scores import scores as scores_schema


class Scored(NamedTuple):
    """A grid's tables.

    Attributes:
        runs: One row per cell, failed ones too.
        scores: A metric on one run under one selection.
        intervals: Per run, and over a method's seeds.
        confusions: Counts, zeros left out.
        history: Epochs of all runs.
        predicted: By data set, also of those without a run that ended well.
    """

    runs: pd.DataFrame
    scores: pd.DataFrame
    intervals: pd.DataFrame
    confusions: pd.DataFrame
    history: pd.DataFrame
    predicted: dict[str, pd.DataFrame]


class Run(NamedTuple):
    """One run that ended well, as far as scoring needs it.

    Attributes:
        n_classes: Expressions told apart.
        y_pred: By selection, in the order of the data set's ids.
    """

    n_classes: int
    y_pred: dict[str, np.ndarray]


def score(params: Params) -> Scored:
    """Read every run of a grid and score it.

    Args:
        params: The grid.

    Raises:
        FerBenchError: If cells are missing (all are listed), stale, or disagree about ids or true labels; or a table
            does not fit.
    """
    records = _records(params)
    metrics = {name: registry.load("metrics", name) for name in params.score.metrics}
    rows: dict[str, list[dict[str, object]]] = {"scores": [], "intervals": [], "confusions": []}
    by_dataset = {}
    for dataset in params.prepare:
        ended = {key: record for key, record in records.items() if key[0] == dataset and record.status == "ok"}
        table = _gather(params, dataset, ended)
        by_dataset[dataset] = table
        for (method, selection), (run_seeds, y_pred) in groups(table).items():
            n_classes = records[dataset, method, run_seeds[0]].n_classes
            place = {"dataset": dataset, "method": method, "selection": selection}
            found = _score_group(
                table["y_true"].to_numpy(), y_pred, run_seeds, metrics, params.score, place=place, n_classes=n_classes
            )
            for name, new in found.items():
                rows[name] += new
    return Scored(
        runs.runs.frame([runs.row(record) for record in records.values()]),
        scores_schema.frame(rows["scores"]),
        intervals_schema.frame(rows["intervals"]),
        confusions_schema.frame(rows["confusions"]),
        _histories(params, list(records)),
        by_dataset,
    )


def write(scored: Scored, folder: Path) -> None:
    """Write a grid's tables into its folder of results."""
    runs.runs.write(scored.runs, folder / "runs.csv")
    scores_schema.write(scored.scores, folder / "scores.csv")
    intervals_schema.write(scored.intervals, folder / "intervals.csv")
    confusions_schema.write(scored.confusions, folder / "confusions.csv")
    history_schema.write(scored.history, folder / "history.csv")
    for dataset, table in scored.predicted.items():
        predicted.write(table, folder / "predicted" / f"{dataset}.csv")


def over_seeds(y_true: np.ndarray, y_pred: np.ndarray, metric: Metric, *, n_classes: int, level: float) -> Interval:
    """Compute the interval of a metric's mean over seeds and samples.

    What is resampled: nothing; the variance over seeds and samples is estimated (:mod:`fer_bench.stats.two_way`) from
    pseudo-values (:mod:`fer_bench.stats.jackknife`). What is held fixed: training data and recipe. When it misleads:
    with two seeds it is very wide; where the metric is the same whatever is drawn it has no width; where no seed made
    an error its lower end is :func:`fer_bench.stats.confusion.pessimistic`.

    Args:
        y_true: (n,) true labels.
        y_pred: (s, n) predicted labels of at least two seeds.
        metric: The metric.
        n_classes: Expressions.
        level: Coverage, e.g. 0.95.
    """
    matrices = count_seeds(y_true, y_pred, n_classes=n_classes)
    interval = two_way.one(two_way_parts(y_true, y_pred, metric, n_classes=n_classes), level=level)
    if (y_pred == y_true).all():
        low = pessimistic(matrices[0], metric.of_confusion, level=level)
        interval = interval._replace(low=low, method="no errors: Wilson's bound per expression")
    return clipped(interval, low=metric.range[0], high=metric.range[1])


def two_way_parts(y_true: np.ndarray, y_pred: np.ndarray, metric: Metric, *, n_classes: int) -> two_way.Components:
    """Part a metric of several seeds into variation over seeds and over samples.

    Args:
        y_true: (n,) true labels.
        y_pred: (s, n) predicted labels of at least two seeds.
        metric: The metric.
        n_classes: Expressions.
    """
    return measuring.parts(metric, [Answers(y_true, row) for row in y_pred], n_classes=n_classes)


def _records(params: Params) -> dict[tuple[str, str, int], runs.RunRecord]:
    cells = [(d, m, s) for d in params.prepare for m in params.methods for s in params.run.seeds]
    missing = [cell for cell in cells if not (params.cell(*cell) / "run.json").exists()]
    if missing:
        listed = "".join(f"\n    fer-bench run {m} --dataset {d} --seed {s}" for d, m, s in missing)
        raise FerBenchError(
            f"grid {params.grid}: {len(missing)} of {len(cells)} runs are missing under {params.results / 'runs'}",
            fix=f"carry them out with `dvc repro`, or one by one:{listed}",
        )
    records = {}
    for dataset, method, seed in cells:
        path = params.cell(dataset, method, seed) / "run.json"
        record = runs.read_record(path)
        _check_fresh(record, path, params, expected=(dataset, method, seed))
        records[dataset, method, seed] = record
    return records


def _check_fresh(record: runs.RunRecord, path: Path, params: Params, *, expected: tuple[str, str, int]) -> None:
    choice = params.methods[expected[1]]
    wanted: dict[str, object] = {
        **dict(zip(("dataset", "method", "seed"), expected, strict=True)),
        "protocol": params.run.protocol,
        "recipe": choice.recipe,
    }
    own, file = record.method_file or record.method, params.method_of(expected[1])
    stale = [f"method file {own}, not {file}"] * (own != file)
    stale += [
        f"{key} {getattr(record, key)}, not {value}" for key, value in wanted.items() if getattr(record, key) != value
    ]
    stale += [f"weights {record.weights}, not {choice.weights}"] * (not _weights_fit(record, choice))
    if stale:
        dataset, method, seed = expected
        raise FerBenchError(
            f"{path} was made with other parameters: {'; '.join(stale)}",
            fix=f"carry it out again: fer-bench run {method} --dataset {dataset} --seed {seed}",
        )


def _weights_fit(record: runs.RunRecord, choice: MethodChoice) -> bool:
    if choice.weights is None:  # the recipe's own
        return True
    if choice.weights in {"none", "timm"}:
        return record.weights.partition(":")[0] == choice.weights
    return record.weights == f"file:{Path(choice.weights).name}"


def _gather(params: Params, dataset: str, ended: Mapping[tuple[str, str, int], runs.RunRecord]) -> pd.DataFrame:
    """Put the predictions of a data set's runs side by side, checked against each other."""
    columns: dict[str, np.ndarray] = {}
    first: tuple[Path, pd.Series] | None = None
    for (_, method, seed), record in ended.items():
        path = params.cell(dataset, method, seed) / "predictions.csv"
        for selection, truth, y_pred in _selections(path, record, first):
            first = first or (path, truth)
            _same_truth(path, truth, *first)
            columns[str(predicted.Column(method, seed, selection))] = y_pred
    truth = first[1] if first else pd.Series(dtype="Int64", index=pd.Index([], dtype="string"))
    base = {"sample_id": truth.index.to_numpy(), "y_true": truth.to_numpy(dtype=int)}
    return pd.DataFrame({**base, **columns})


def _selections(
    path: Path, record: runs.RunRecord, first: tuple[Path, pd.Series] | None
) -> Iterator[tuple[str, pd.Series, np.ndarray]]:
    """Yield a run's selections with true labels by id and predicted labels, both in the order of the ids."""
    ids = None if first is None else set(first[1].index)
    table = predictions.read(path, n_classes=record.n_classes, sample_ids=ids)
    headline = registry.load("protocols", record.protocol).headline
    if headline not in set(table["selection"]):
        raise FerBenchError(
            f"{path}: no predictions under {headline}, which protocol {record.protocol} reports",
            fix=f"carry it out again: fer-bench run {record.method} --dataset {record.dataset} --seed {record.seed}",
        )
    own: set[str] | None = ids
    for selection, rows in table.groupby("selection", sort=True):
        by_id = rows.set_index("sample_id").sort_index()
        own = set(by_id.index) if own is None else own
        if set(by_id.index) != own:
            raise FerBenchError(
                f"{path}: selection {selection} has other samples than the first one",
                fix="predict every reported sample under every selection: carry the run out again",
            )
        if len(by_id) != record.n_report:
            raise FerBenchError(
                f"{path}: {len(by_id)} samples under {selection}, but the run's record says {record.n_report}",
                fix="run.json and predictions.csv are not of one run: carry it out again",
            )
        yield str(selection), by_id["y_true"], by_id["y_pred"].to_numpy(dtype=int)


def _same_truth(path: Path, truth: pd.Series, first_path: Path, first: pd.Series) -> None:
    differs = truth.to_numpy(dtype=int) != first.to_numpy(dtype=int)
    if differs.any():
        raise FerBenchError(
            f"{path} and {first_path} disagree about y_true of {int(differs.sum())} samples; "
            f"first: {truth.index[int(differs.argmax())]}",
            fix="they were made from different preparations of the data: carry the older run out again",
        )


def groups(table: pd.DataFrame) -> dict[tuple[str, str], tuple[list[int], np.ndarray]]:
    """Return by method and selection the seeds, ascending, and their predictions (s, n).

    Args:
        table: Predicted expressions of one data set.
    """
    held: dict[tuple[str, str], list[predicted.Column]] = {}
    for column in sorted(predicted.columns(table)):
        held.setdefault((column.method, column.selection), []).append(column)
    return {
        key: ([column.seed for column in found], np.stack([table[str(column)].to_numpy(dtype=int) for column in found]))
        for key, found in held.items()
    }


def _score_group(
    y_true: np.ndarray,
    y_pred: np.ndarray,
    run_seeds: list[int],
    metrics: Mapping[str, Metric],
    settings: Score,
    *,
    place: dict[str, str],
    n_classes: int,
) -> dict[str, list[dict[str, object]]]:
    matrices = count_seeds(y_true, y_pred, n_classes=n_classes)
    rows: dict[str, list[dict[str, object]]] = {"scores": [], "intervals": [], "confusions": []}
    for seed, matrix in zip(run_seeds, matrices, strict=True):
        for true, guess in np.argwhere(matrix):
            cell = {"y_true": int(true), "y_pred": int(guess), "count": int(matrix[true, guess])}
            rows["confusions"].append({**place, "seed": seed, **cell})
    for name, metric in metrics.items():
        values = np.asarray(metric.of_confusion(matrices), dtype=float)
        for seed, matrix, value in zip(run_seeds, matrices, values, strict=True):
            rng = seeds.generator(settings.seed, "interval", *place.values(), seed)  # the same draws for all metrics
            interval = bootstrap.one_run(
                matrix, metric, level=settings.level, n_resamples=settings.n_resamples, rng=rng
            )
            single = {**place, "metric": name, "n_samples": len(y_true)}
            rows["scores"].append({**single, "seed": seed, "value": float(value)})
            rows["intervals"].append({**single, **_interval_row(float(value), interval, [seed])})
        if len(run_seeds) > 1:
            interval = over_seeds(y_true, y_pred, metric, n_classes=n_classes, level=settings.level)
            estimate = float(values.mean())
            whole = {**place, "metric": name, "n_samples": len(y_true)}
            rows["intervals"].append({**whole, **_interval_row(estimate, interval, run_seeds)})
    return rows


def _interval_row(estimate: float, interval: Interval, run_seeds: list[int]) -> dict[str, object]:
    return {
        "seeds": ";".join(str(seed) for seed in run_seeds),
        "estimate": estimate,
        "low": interval.low,
        "high": interval.high,
        "level": interval.level,
        "interval_method": interval.method,
        "resampled": interval.resampled,
        "held_fixed": interval.held_fixed,
        "n_seeds": len(run_seeds),
        "n_resamples": interval.n_resamples,
    }


def _histories(params: Params, cells: list[tuple[str, str, int]]) -> pd.DataFrame:
    paths = [params.cell(*cell) / "history.csv" for cell in cells]
    tables = [table for path in paths if path.exists() and len(table := history_schema.read(path))]
    return pd.concat(tables, ignore_index=True) if tables else history_schema.frame([])
