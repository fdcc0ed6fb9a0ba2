"""From the runs of a grid to its tables: runs, scores, intervals, confusions, histories, predicted expressions.

Nothing here needs pictures: a run's predictions carry the true labels, and ``audits/<dataset>_reported.csv`` persons
and votes where they are known. Everything is read and checked before anything is written, so that an error leaves
earlier results as they were. Where the runs themselves are not here, :func:`stored` scores what their tables hold.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from fer_bench import metrics, registry, seeds
from fer_bench.errors import FerBenchError
from fer_bench.metrics import Answers, Metric
from fer_bench.metrics._named import named
from fer_bench.params import BROUGHT, MethodChoice, Params, Score
from fer_bench.stats import calibrating, estimating, measuring, signature, two_way
from fer_bench.stats.confusion import count_seeds
from fer_bench.stats.interval import Interval
from fer_bench.stats.signature import Signature
from fer_bench.stats.stored import runs_of
from fer_bench.tables import predicted, predictions, reported, runs
from fer_bench.tables.calibration import calibration as calibration_schema
from fer_bench.tables.confusions import confusions as confusions_schema
from fer_bench.tables.history import history as history_schema
from fer_bench.tables.intervals import intervals as intervals_schema
from fer_bench.tables.scores import scores as scores_schema

Logits = dict[str, np.ndarray]
"""By column of the table of predicted expressions: (n, k)."""


class Scored(NamedTuple):
    """A grid's tables.

    Attributes:
        runs: One row per cell, failed ones too.
        scores: A metric on one run under one selection.
        intervals: Per run, and over a method's seeds.
        confusions: Counts, zeros left out.
        history: Epochs of all runs.
        predicted: By data set, also of those without a run that ended well.
        calibration: Bins of confidence of every run under the headline selection; needs the runs.
        from_runs: Whether runs, history, predicted and calibration come from the runs; else they are those stored, and
            stay so.
        unsealed: Runs whose record has no digests: those of older versions.
    """

    runs: pd.DataFrame
    scores: pd.DataFrame
    intervals: pd.DataFrame
    confusions: pd.DataFrame
    history: pd.DataFrame
    predicted: dict[str, pd.DataFrame]
    calibration: pd.DataFrame
    from_runs: bool = True
    unsealed: int = 0


class Known(NamedTuple):
    """What is known of a data set's reported samples, in the order of its predictions.

    Attributes:
        sample_ids: (n,) ids.
        y_true: (n,) true labels.
        votes: (n, v) annotators' votes; None where they are not known, or no metric asks for them.
        subjects: (n,) persons, as indices; None where drawing persons is drawing samples, or they are not known.
    """

    sample_ids: list[str]
    y_true: np.ndarray
    votes: np.ndarray | None
    subjects: np.ndarray | None


class _Told(NamedTuple):
    """What the runs table, or a run's record, says of a method's runs on a data set."""

    n_classes: int
    label_rule: str
    protocol: str
    recipe: str


_Rows = dict[str, list[dict[str, object]]]  # by table


def score(params: Params) -> Scored:
    """Read every run of a grid and score it.

    Args:
        params: The grid.

    Raises:
        FerBenchError: If cells are missing (all are listed), stale, or disagree about ids or true labels; a table does
            not fit; or a metric is measured against votes that are not known.
    """
    records = _records(params)
    unsealed = sum(not _check_unchanged(params.cell(*cell)) for cell in records)
    rows: _Rows = {"scores": [], "intervals": [], "confusions": [], "calibration": []}
    by_dataset = {}
    for dataset in params.prepare:
        ended = {key: record for key, record in records.items() if key[0] == dataset and record.status == "ok"}
        table, logits = _gather(params, dataset, ended, rows)
        by_dataset[dataset] = table
        told = {
            method: _Told(record.n_classes, record.label_rule, record.protocol, record.recipe)
            for (_, method, _), record in ended.items()
        }
        _score_dataset(params, dataset, table, rows, told=told, logits=logits)
    return Scored(
        runs.runs.frame([runs.row(record) for record in records.values()]),
        scores_schema.frame(rows["scores"]),
        intervals_schema.frame(rows["intervals"]),
        confusions_schema.frame(rows["confusions"]),
        _histories(params, list(records)),
        by_dataset,
        calibration_schema.frame(rows["calibration"]),
        unsealed=unsealed,
    )


def _check_unchanged(folder: Path) -> bool:
    history = ["history.csv"] * (folder / "history.csv").exists()
    return runs.check_unchanged(folder / "run.json", "predictions.csv", *history)


def stored(params: Params) -> Scored:
    """Score a grid anew from its committed tables, where the runs themselves are not here.

    Scores, intervals and confusions are those that :func:`score` makes of the same runs.

    Args:
        params: The grid.

    Raises:
        FerBenchError: If a table is missing, is not of this grid, or a metric needs probabilities, which the tables do
            not hold.
    """
    table_of_runs = runs_of(
        params, fix="name the parameters that the tables were made with, or carry the runs out: dvc repro"
    )
    rows: _Rows = {"scores": [], "intervals": [], "confusions": []}
    by_dataset = {}
    for dataset in params.prepare:
        ended = table_of_runs[(table_of_runs["dataset"] == dataset) & (table_of_runs["status"] == "ok")]
        path = params.results / "predicted" / f"{dataset}.csv"
        by_dataset[dataset] = table = predicted.read(path)
        _same_runs(table, ended, path)
        told = {
            str(method): _Told(int(own["n_classes"].iloc[0]), *(str(own[key].iloc[0]) for key in _Told._fields[1:]))
            for method, own in ended.groupby("method")
        }
        _score_dataset(params, dataset, table, rows, told=told, logits=None)
    history = params.results / "history.csv"
    return Scored(
        table_of_runs,
        scores_schema.frame(rows["scores"]),
        intervals_schema.frame(rows["intervals"]),
        confusions_schema.frame(rows["confusions"]),
        history_schema.read(history) if history.exists() else history_schema.frame([]),
        by_dataset,
        calibration_schema.frame([]),
        from_runs=False,
    )


def write(scored: Scored, folder: Path) -> None:
    """Write a grid's tables into its folder of results; those that were read from it stay as they are."""
    scores_schema.write(scored.scores, folder / "scores.csv")
    intervals_schema.write(scored.intervals, folder / "intervals.csv")
    confusions_schema.write(scored.confusions, folder / "confusions.csv")
    if not scored.from_runs:
        return
    runs.runs.write(scored.runs, folder / "runs.csv")
    history_schema.write(scored.history, folder / "history.csv")
    calibration_schema.write(scored.calibration, folder / "calibration.csv")
    for dataset, table in scored.predicted.items():
        predicted.write(table, folder / "predicted" / f"{dataset}.csv")


def over_seeds(y_true: np.ndarray, y_pred: np.ndarray, metric: Metric, *, n_classes: int, level: float) -> Interval:
    """Compute the two-way interval of a metric's mean over seeds and samples, from predicted labels.

    What is resampled: nothing; the variance over seeds and samples is estimated (:mod:`fer_bench.stats.two_way`) from
    pseudo-values (:mod:`fer_bench.stats.jackknife`). What is held fixed: training data and recipe. When it misleads:
    with two seeds it is very wide; where nothing varies see :mod:`fer_bench.stats.estimating`.

    Args:
        y_true: (n,) true labels.
        y_pred: (s, n) predicted labels of at least two seeds.
        metric: The metric.
        n_classes: Expressions.
        level: Coverage, e.g. 0.95.
    """
    return estimating.two_way_interval(
        metric, [Answers(y_true, row) for row in y_pred], estimating.Way(n_classes, level, 0)
    )


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
    stale += [
        f"file {name} with SHA-256 {record.loaded.get(Path(name).name)}, not {digest}"
        for name, digest in choice.digests.items()
        if record.loaded.get(Path(name).name) != digest
    ]
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


def _gather(
    params: Params, dataset: str, ended: Mapping[tuple[str, str, int], runs.RunRecord], rows_of: _Rows
) -> tuple[pd.DataFrame, Logits]:
    """Put the predictions of a data set's runs side by side, checked against each other; logits where asked for.

    Bins of confidence are added to ``rows_of`` on the way: the logits of all runs need not be held at once.
    """
    columns: dict[str, np.ndarray] = {}
    logits: Logits = {}
    first: tuple[Path, pd.Series] | None = None
    asked = bool(_soft(params.score.metrics))
    for (_, method, seed), record in ended.items():
        headline = registry.load("protocols", record.protocol).headline
        path = params.cell(dataset, method, seed) / "predictions.csv"
        for selection, rows in _selections(path, record, first):
            truth = rows["y_true"]
            first = first or (path, truth)
            _same_truth(path, truth, *first)
            column = str(predicted.Column(method, seed, selection))
            columns[column] = rows["y_pred"].to_numpy(dtype=int)
            if not predictions.has_logits(rows.columns):
                _labels_do(params, path)
                continue
            found = rows.filter(regex="^logit_").to_numpy(dtype=float)
            if asked:
                logits[column] = found
            if selection == headline:
                place = {"dataset": dataset, "method": method, "seed": seed, "selection": selection}
                by_bin = calibrating.bins(truth.to_numpy(dtype=int), columns[column], special.softmax(found, axis=1))
                rows_of["calibration"] += [{**place, **one} for one in by_bin]
    truth = first[1] if first else pd.Series(dtype="Int64", index=pd.Index([], dtype="string"))
    base = {"sample_id": truth.index.to_numpy(), "y_true": truth.to_numpy(dtype=int)}
    return pd.DataFrame({**base, **columns}), logits


def _labels_do(params: Params, path: Path) -> None:
    """Refuse labels alone where a metric needs more."""
    soft = ", ".join(_soft(params.score.metrics))
    if soft:
        raise FerBenchError(
            f"{path} holds labels alone, as they were brought, and {soft} needs probabilities",
            fix=f"bring scores, or leave {soft} out of score.metrics",
        )


def _selections(
    path: Path, record: runs.RunRecord, first: tuple[Path, pd.Series] | None
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield a run's selections with their rows by id, in the order of the ids."""
    ids = None if first is None else set(first[1].index)
    table = predictions.read(path, n_classes=record.n_classes, sample_ids=ids, brought=record.brought)
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
        yield str(selection), by_id


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


def _soft(names: Iterable[str]) -> list[str]:
    """Return those of the metrics that predicted labels do not suffice for."""
    return [name for name in names if metrics.needs(registry.load("metrics", registry.metric_of(name)[0])) != "labels"]


def _same_runs(table: pd.DataFrame, ended: pd.DataFrame, path: Path) -> None:
    """Check that a table of predicted expressions holds the runs that ended well, and no others."""
    expected = set(zip(ended["method"], ended["seed"].astype(int), strict=True))
    held = {(column.method, column.seed) for column in predicted.columns(table)}
    differing = held ^ expected
    if differing:
        method, seed = min(differing)
        raise FerBenchError(
            f"{path} and runs.csv differ in {len(differing)} runs that ended well; first: {method} with seed {seed}",
            fix="both are of one scoring: take them from one commit, or carry the runs out: dvc repro",
        )


def _known(params: Params, dataset: str, table: pd.DataFrame) -> Known:
    """Return what is known of the reported samples.

    Raises:
        FerBenchError: If a metric is measured against votes that are not known.
    """
    ids = [str(name) for name in table["sample_id"]]
    path = reported.path_of(params.results, dataset)
    also = reported.read(path) if path.exists() else None
    votes = None if also is None else reported.votes(also, ids)
    asking = [
        name
        for name in _soft(params.score.metrics)
        if metrics.needs(registry.load("metrics", registry.metric_of(name)[0])) == "votes"
    ]
    if asking and votes is None and ids:
        why = "there is no such file" if also is None else "it has no votes for every reported sample"
        raise FerBenchError(
            f"{dataset}: {', '.join(asking)} is measured against annotators' votes, which {path} keeps; {why}",
            fix=f"make it: fer-bench data audit {dataset}; or leave {', '.join(asking)} out of score.metrics",
        )
    subjects = None if also is None else estimating.persons(reported.subjects(also, ids))
    return Known(ids, table["y_true"].to_numpy(dtype=int), votes if asking else None, subjects)


def _score_dataset(
    params: Params,
    dataset: str,
    table: pd.DataFrame,
    rows: _Rows,
    *,
    told: Mapping[str, _Told],
    logits: Logits | None,
) -> None:
    """Add the rows of a data set's methods; ``logits`` None: they are not kept, and labels must do."""
    soft = _soft(params.score.metrics)
    if logits is None and soft:
        raise FerBenchError(
            f"{', '.join(soft)}: needs probabilities, and stored tables hold predicted labels alone",
            fix="leave it out of score.metrics, or score the runs themselves: fer-bench score",
        )
    known = _known(params, dataset, table)
    for (method, selection), (run_seeds, y_pred) in groups(table).items():
        of_run = told[method]
        answers = []
        for seed, row in zip(run_seeds, y_pred, strict=True):
            scores = None if not logits else logits[str(predicted.Column(method, seed, selection))]
            probabilities = None if scores is None else special.softmax(scores, axis=1)
            answers.append(Answers(known.y_true, row, probabilities, known.votes))
        place = {"dataset": dataset, "method": method, "selection": selection}
        brought = of_run.recipe == BROUGHT
        signed = Signature(
            ds=dataset,
            n=str(len(known.y_true)),
            ids=signature.digest(known.sample_ids, known.y_true),
            classes=str(of_run.n_classes),
            rule=of_run.label_rule,
            protocol=signature.UNKNOWN if brought else of_run.protocol,
            selection=signature.UNKNOWN if brought else selection,
        )
        found = _score_group(
            answers, run_seeds, params.score, place=place, n_classes=of_run.n_classes, known=known, signed=signed
        )
        for name, new in found.items():
            rows[name] += new


def _score_group(
    answers: list[Answers],
    run_seeds: list[int],
    settings: Score,
    *,
    place: dict[str, str],
    n_classes: int,
    known: Known,
    signed: Signature,
) -> _Rows:
    asked = named(settings.metrics, n_classes=n_classes)
    matrices = count_seeds(known.y_true, np.stack([one.y_pred for one in answers]), n_classes=n_classes)
    rows: _Rows = {"scores": [], "intervals": [], "confusions": []}
    for seed, matrix in zip(run_seeds, matrices, strict=True):
        for true, guess in np.argwhere(matrix):
            cell = {"y_true": int(true), "y_pred": int(guess), "count": int(matrix[true, guess])}
            rows["confusions"].append({**place, "seed": seed, **cell})
    way = estimating.Way(
        n_classes, settings.level, settings.n_resamples, settings.one_run, settings.over_seeds, known.subjects
    )

    def stream(name: object) -> Callable[[], np.random.Generator]:  # the same for all metrics
        return partial(seeds.generator, settings.seed, "interval", *place.values(), name)

    singles = estimating.of_runs(
        asked, answers, way, rngs=[stream(seed) for seed in run_seeds], common=stream("common")
    )
    whole = (
        estimating.over_seeds(asked, answers, way, common=stream("common"), of_seeds=stream("seeds"))
        if len(run_seeds) > 1
        else {}
    )
    for name, metric in asked.items():
        values = measuring.values(metric, answers, n_classes=n_classes)
        shared: dict[str, object] = {**place, "metric": name, "n_samples": len(known.y_true)}
        for seed, value, interval in zip(run_seeds, values, singles[name], strict=True):
            rows["scores"].append({**shared, "seed": seed, "value": float(value)})
            rows["intervals"].append({**shared, **_interval_row(float(value), interval, [seed], signed)})
        if name in whole:
            row = _interval_row(float(values.mean()), whole[name], run_seeds, signed)
            rows["intervals"].append({**shared, **row})
    return rows


def _interval_row(estimate: float, interval: Interval, run_seeds: list[int], signed: Signature) -> dict[str, object]:
    said = ";".join(str(seed) for seed in run_seeds)
    return {
        "seeds": said,
        "estimate": estimate,
        "low": interval.low,
        "high": interval.high,
        "level": interval.level,
        "interval_method": interval.method,
        "resampled": interval.resampled,
        "held_fixed": interval.held_fixed,
        "n_seeds": len(run_seeds),
        "n_resamples": interval.n_resamples,
        "signature": str(signed._replace(seeds=said, b=str(interval.n_resamples))),
    }


def _histories(params: Params, cells: list[tuple[str, str, int]]) -> pd.DataFrame:
    paths = [params.cell(*cell) / "history.csv" for cell in cells]
    tables = [table for path in paths if path.exists() and len(table := history_schema.read(path))]
    return pd.concat(tables, ignore_index=True) if tables else history_schema.frame([])
