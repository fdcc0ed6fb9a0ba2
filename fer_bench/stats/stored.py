"""A data set's runs as a grid's tables hold them, ready to be compared and ranked.

Predicted labels, persons and votes stand in tables that are committed. Probabilities do not: they are read from the
runs, and only where a metric asks for them.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import special

from fer_bench import metrics, registry
from fer_bench.errors import FerBenchError
from fer_bench.params import BROUGHT, Params
from fer_bench.stats import signature
from fer_bench.stats.pairs import Predicted
from fer_bench.stats.signature import Signature
from fer_bench.tables import predicted, predictions, reported, runs

Say = Callable[[str], None]


def runs_of(params: Params, *, fix: str = "score the grid as it is now: fer-bench score") -> pd.DataFrame:
    """Read the runs table of a grid, checked against its parameters.

    Args:
        params: The grid.
        fix: What to do where the two differ.

    Raises:
        FerBenchError: If the grid was not scored since its data sets, methods or seeds changed.
    """
    table = runs.runs.read(params.results / "runs.csv")
    held = set(zip(table["dataset"], table["method"], table["seed"].astype(int), strict=True))
    expected = {(d, m, s) for d in params.prepare for m in params.methods for s in params.run.seeds}
    if held != expected:
        d, m, s = min(held ^ expected)
        raise FerBenchError(
            f"{params.results / 'runs.csv'} and the grid's parameters differ in {len(held ^ expected)} runs; "
            f"first: {m} on {d} with seed {s}",
            fix=fix,
        )
    return table


def soft(names: tuple[str, ...]) -> list[str]:
    """Return those of the metrics that need probabilities."""
    loaded = {name: registry.load("metrics", registry.metric_of(name)[0]) for name in names}
    return [name for name, metric in loaded.items() if metrics.needs(metric) != "labels"]


def read(
    params: Params, table: pd.DataFrame, *, dataset: str, selection: str, asked: tuple[str, ...], say: Say
) -> Predicted | None:
    """Read what a data set's runs predicted under a selection.

    Args:
        params: The grid.
        table: Its runs table.
        dataset: The data set.
        selection: The selection.
        asked: Metrics; probabilities are read where one of them needs them.
        say: Where runs that failed are reported.

    Returns:
        None where no run ended well.

    Raises:
        FerBenchError: If the grid was not scored since it changed, or a metric needs runs that are not here.
    """
    here = table[(table["dataset"] == dataset) & (table["status"] == "ok")]
    wide = predicted.read(params.results / "predicted" / f"{dataset}.csv")
    y_pred: dict[str, dict[int, np.ndarray]] = {}
    for method, seed in zip(here["method"], here["seed"].astype(int), strict=True):
        column = str(predicted.Column(method, seed, selection))
        if column not in wide.columns:
            raise FerBenchError(
                f"predicted/{dataset}.csv has no column {column}", fix="score the grid as it is now: fer-bench score"
            )
        y_pred.setdefault(method, {})[seed] = wide[column].to_numpy()
    for method in params.methods:
        failed = len(params.run.seeds) - len(y_pred.get(method, {}))
        if failed:
            say(f"{dataset}: {failed} of {len(params.run.seeds)} runs of {method} failed and are left out")
    if not len(here):
        return None
    ids, y_true = [str(name) for name in wide["sample_id"]], wide["y_true"].to_numpy()
    known = reported.path_of(params.results, dataset)
    also = reported.read(known) if known.exists() else None
    found = Predicted(
        dataset,
        selection,
        int(here["n_classes"].iloc[0]),
        y_true,
        y_pred,
        votes=None if also is None else reported.votes(also, ids),
        subjects=None if also is None else reported.subjects(also, ids),
        signature=_signature(params, here, dataset=dataset, selection=selection, ids=ids, y_true=y_true),
    )
    wanted = soft(asked)
    return found._replace(probabilities=_probabilities(params, found, ids, metric=wanted[0])) if wanted else found


def _signature(
    params: Params, here: pd.DataFrame, *, dataset: str, selection: str, ids: list[str], y_true: np.ndarray
) -> Signature:
    rules = sorted(set(here["label_rule"].astype(str)))
    brought = (here["recipe"] == BROUGHT).any()  # how these were selected is not known
    return Signature(
        ds=dataset,
        n=str(len(y_true)),
        ids=signature.digest(ids, y_true),
        classes=str(int(here["n_classes"].iloc[0])),
        rule=rules[0] if len(rules) == 1 else signature.UNKNOWN,
        protocol=signature.UNKNOWN if brought else params.run.protocol,
        selection=signature.UNKNOWN if brought else selection,
        seeds=";".join(str(seed) for seed in params.run.seeds),
        b=str(params.score.n_resamples),
    )


def _probabilities(
    params: Params, found: Predicted, ids: list[str], *, metric: str
) -> dict[str, dict[int, np.ndarray]]:
    return {
        method: {seed: _of_run(params, found, ids, (method, seed), metric=metric) for seed in by_seed}
        for method, by_seed in found.y_pred.items()
    }


def _of_run(params: Params, found: Predicted, ids: list[str], run: tuple[str, int], *, metric: str) -> np.ndarray:
    method, seed = run
    path = params.cell(found.dataset, method, seed) / "predictions.csv"
    if not path.exists():
        raise FerBenchError(
            f"{metric} needs probabilities, and the run that predicted them is not here: {path}",
            fix=f"bring the runs here (dvc repro, or fer-bench run {method} --dataset {found.dataset} --seed {seed}); "
            "or compare metrics of labels only, for example --metric accuracy",
        )
    brought = params.methods[method].predictions is not None
    table = predictions.read(path, n_classes=found.n_classes, brought=brought)
    if not predictions.has_logits(table.columns):
        raise FerBenchError(
            f"{metric} needs probabilities, and {path} holds labels alone, as they were brought",
            fix="bring scores, or compare metrics of labels only, for example --metric accuracy",
        )
    own = table[table["selection"] == found.selection].set_index("sample_id").reindex(ids)
    if own["y_pred"].isna().any() or not np.array_equal(own["y_pred"].to_numpy(dtype=int), found.y_pred[method][seed]):
        raise FerBenchError(
            f"{path} and predicted/{found.dataset}.csv differ: the run was carried out again since it was scored",
            fix="score the grid as it is now: fer-bench score",
        )
    logits = own.filter(regex="^logit_").to_numpy(dtype=float)
    return np.asarray(special.softmax(logits, axis=1), dtype=float)
