"""A grid's ladders and gains: one method's runs under other checkpoints, orders of the pictures and label rules.

A ladder goes from the honest number (checkpoint chosen on validation, one picture at a time) over the last checkpoint
and the one chosen on the reported samples to the same checkpoint with pictures predicted in batches: shuffled, as the
release lists them, sorted by class. Each step changes one thing and keeps what the steps above changed. Label rules
stand apart: they change the true labels of the honest answer. Everything comes from predicted expressions; the orders
are those that ``fer-bench audit batch`` asked for.

Metrics of probabilities are left out: the tables hold predicted labels. Samples count as independent here, also where
persons are known.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fer_bench import card, registry, seeds
from fer_bench.errors import FerBenchError
from fer_bench.metrics import Metric
from fer_bench.metrics._named import labels_only
from fer_bench.params import Params
from fer_bench.stats import by_order, within
from fer_bench.stats.interval import Interval
from fer_bench.stats.scoring import groups
from fer_bench.stats.stored import runs_of
from fer_bench.stats.within import Answer, Way
from fer_bench.tables import ladder as steps
from fer_bench.tables import orders, predicted
from fer_bench.tables.by_order import by_order as scores_by_order
from fer_bench.tables.gains import OVER, gains
from fer_bench.tables.ladder import ladder

Say = Callable[[str], None]
DEFAULT_BATCH = 32
"""Keras' ``evaluate`` and ``predict`` take batches of 32 unless told otherwise."""
_TIES = 0.002
"""Share of samples in which an audit's single answers may differ from the scored ones: ties within rounding."""


class Step(NamedTuple):
    """One step of a ladder.

    Attributes:
        name: As :mod:`fer_bench.tables.ladder` lists them.
        selection: Whose checkpoint.
        order: In which pictures were predicted.
        batch_size: 1: one picture at a time.
        why: Of the batch size.
        rule: Whose labels count as true.
        answer: What the runs answer.
        before: The step that this one is one change away from; None for the first.
    """

    name: str
    selection: str
    order: str
    batch_size: int
    why: str | None
    rule: str
    answer: Answer
    before: str | None


class Held(NamedTuple):
    """What is known of one method on one data set.

    Attributes:
        dataset: The data set.
        method: The method's entry.
        answers: By selection, the seeds and what they predicted (s, n).
        table: Its table of orders; None where there is none, or it asked nothing.
        sample_ids: (n,) of the scored samples.
        y_true: (n,) their labels.
        n_classes: Expressions told apart.
        rule: The label rule.
        batch_size: Of training; None where the method has none, or it is not on record.
        released_batch_size: In which the released code evaluates, as the card says; None where it does not say.
        one_model: Whether the method is fitted in one go.
        independent: Whether logits do not depend on batch mates, as the audit of batches confirmed.
    """

    dataset: str
    method: str
    answers: Mapping[str, tuple[list[int], np.ndarray]]
    table: pd.DataFrame | None
    sample_ids: np.ndarray
    y_true: np.ndarray
    n_classes: int
    rule: str
    batch_size: int | None
    released_batch_size: int | None
    one_model: bool
    independent: bool

    @property
    def honest(self) -> str:
        """The selection that no reported sample had a part in."""
        return "best_on_val" if "best_on_val" in self.answers else "last"


def climb(params: Params, *, say: Say) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute the ladders and the gains of a grid, under the metrics that it compares.

    Args:
        params: The grid.
        say: Where methods without a table of orders are reported.

    Returns:
        The ladder and the gains table.

    Raises:
        FerBenchError: If the grid was not scored since it changed, or a table of orders is about other samples,
            labels, seeds or weights than the predictions.
    """
    ladders: list[dict[str, object]] = []
    gained: list[dict[str, object]] = []
    for held in _held(params):
        if held.table is None and not held.one_model:
            say(
                f"{held.dataset}, {held.method}: no orders, so that its ladder has no batches; make them: "
                f"fer-bench audit batch {held.method} --dataset {held.dataset}"
            )
        way = Way(held.n_classes, params.score.level, params.score.n_resamples)
        place: dict[str, object] = {"dataset": held.dataset, "method": held.method, "level": way.level}
        for name, metric in labels_only(params.compare.metrics, n_classes=held.n_classes).items():
            gained += [{**place, "metric": name, **row} for row in _gains(held, metric, way, params.score.seed)]
            ladders += [{**place, "metric": name, **row} for row in _ladder(held, metric, way, params.score.seed)]
    return ladder.frame(ladders), gains.frame(gained)


def score_orders(params: Params) -> pd.DataFrame:
    """Compute the scores of every order that the grid's methods were asked in, under the metrics that it compares.

    Returns:
        The table of scores by order.

    Raises:
        FerBenchError: As :func:`climb`.
    """
    rows: list[dict[str, object]] = []
    for held in _held(params):
        if held.table is None:
            continue
        for selection in dict.fromkeys(column.selection for column in orders.columns(held.table)):
            if selection in held.answers:
                _asked(held, held.table, selection, orders.SINGLE)  # of the weights that were scored
        rows += by_order.scores(
            held.table,
            labels_only(params.compare.metrics, n_classes=held.n_classes),
            dataset=held.dataset,
            method=held.method,
            n_classes=held.n_classes,
            score=params.score,
        )
    return scores_by_order.frame(rows)


def printable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of a ladder that people read, in percent and points."""
    rows = [
        {
            "data set": row["dataset"],
            "method": row["method"],
            "metric": row["metric"],
            "step": row["step"] if row["step"] != steps.RULE else f"labels by {row['label_rule']}",
            "batch": row["batch_size"],
            "%": _printed(row["estimate"], row["low"], row["high"], form=".1f"),
            "from honest, points": _printed(
                row["difference"], row["difference_low"], row["difference_high"], form="+.1f"
            ),
            "n": row["n_samples"],
            "seeds": row["n_seeds"],
        }
        for row in table.to_dict("records")
    ]
    columns = ["data set", "method", "metric", "step", "batch", "%", "from honest, points", "n", "seeds"]
    return pd.DataFrame(rows, columns=columns)


def _printed(estimate: Any, low: Any, high: Any, *, form: str) -> str:  # noqa: ANN401 - cells of a table
    if pd.isna(estimate):
        return ""
    interval = "same predictions" if pd.isna(low) else f"{100 * low:{form}} to {100 * high:{form}}"
    return f"{100 * estimate:{form}} ({interval})"


def _held(params: Params) -> Iterator[Held]:
    runs = runs_of(params)
    for dataset in params.prepare:
        ended = runs[(runs["dataset"] == dataset) & (runs["status"] == "ok")]
        if not len(ended):
            continue
        table = predicted.read(params.results / "predicted" / f"{dataset}.csv")
        found = groups(table)
        for method in params.methods:
            own = ended[ended["method"] == method]
            if not len(own) or params.methods[method].predictions is not None:  # nobody knows how they were selected
                continue
            run = own.iloc[0]
            y_true, sample_ids = table["y_true"].to_numpy(dtype=np.int64), table["sample_id"].to_numpy(dtype=str)
            yield Held(
                dataset=dataset,
                method=method,
                answers={selection: answer for (name, selection), answer in found.items() if name == method},
                table=_orders(params.results / "orders" / f"{dataset}_{method}.csv", sample_ids, y_true),
                sample_ids=sample_ids,
                y_true=y_true,
                n_classes=int(run["n_classes"]),
                rule=str(run["label_rule"]).partition(" on ")[0],  # "majority on released votes"
                batch_size=None if pd.isna(run["batch_size"]) else int(run["batch_size"]),
                released_batch_size=_released_batch_size(params.method_of(method)),
                one_model=bool(own["epochs"].isna().all()),
                independent=str(run["batch_mates"]) == "independent",
            )


def _released_batch_size(method: str) -> int | None:
    code = card.read(method).code if method in registry.names("cards") else None
    return None if code is None else code.evaluates_in_batches_of


def _orders(path: Path, sample_ids: np.ndarray, y_true: np.ndarray) -> pd.DataFrame | None:
    """Read a table of orders and check that it is about the samples and labels that were scored."""
    if not path.exists():
        return None
    table = orders.read(path)
    if not orders.columns(table):
        return None
    counted = table[table["y_true"] >= 0]
    same_ids = np.array_equal(counted["sample_id"].to_numpy(dtype=str), sample_ids)
    if not same_ids or not np.array_equal(counted["y_true"].to_numpy(dtype=np.int64), y_true):
        raise FerBenchError(
            f"{path} and predicted/*.csv are about other samples or labels",
            fix="ask the runs as they are now: fer-bench audit batch METHOD --dataset DATASET, then fer-bench score",
        )
    return table


def _gains(held: Held, metric: Metric, way: Way, seed: int) -> Iterator[dict[str, object]]:
    for over in OVER:
        if over not in held.answers or steps.ORACLE not in held.answers:
            continue
        (run_seeds, best), (_, other) = held.answers[steps.ORACLE], held.answers[over]
        first, second = (Answer(held.y_true, y_pred[None]) for y_pred in (best, other))
        rng = seeds.generator(seed, "ladder", "gain", held.dataset, held.method, over)
        estimate, interval = within.difference(first, second, metric, way, one_model=held.one_model, rng=rng)
        yield {
            "over": over,
            "difference": estimate,
            **({"low": None, "high": None} if interval is None else {"low": interval.low, "high": interval.high}),
            **_about(interval, run_seeds),
            "interval_method": within.SAME if interval is None else interval.method,
            "n_same": int((best == other).all(axis=1).sum()),
            "n_samples": len(held.y_true),
        }


def _about(interval: Interval | None, run_seeds: list[int]) -> dict[str, object]:
    return {
        "resampled": None if interval is None else interval.resampled,
        "held_fixed": None if interval is None else interval.held_fixed,
        "seeds": ";".join(map(str, run_seeds)),
        "n_seeds": len(run_seeds),
        "n_resamples": 0 if interval is None else interval.n_resamples,
    }


def _ladder(held: Held, metric: Metric, way: Way, seed: int) -> Iterator[dict[str, object]]:
    run_seeds, _ = held.answers[held.honest]
    climbed: dict[str, Step] = {}
    for position, step in enumerate(_steps(held)):
        # the draws of `score`, so that a step that is a row of intervals.csv repeats it
        rng = seeds.generator(seed, "interval", held.dataset, held.method, step.selection, run_seeds[0])
        estimate, interval = within.value(step.answer, metric, way, rng=rng)
        row: dict[str, object] = {
            "position": position,
            "step": step.name,
            "selection": step.selection,
            "order": step.order,
            "batch_size": step.batch_size,
            "batch_size_why": step.why,
            "label_rule": step.rule,
            "estimate": estimate,
            "low": interval.low,
            "high": interval.high,
            "interval_method": interval.method,
            **_about(interval, run_seeds),
            "n_samples": int((step.answer.y_true >= 0).sum()),
        }
        for name, below in (("difference", steps.HONEST), ("added", step.before)):
            if step.before is None or below is None:
                continue
            first, second = _common(step.answer, climbed[below].answer)
            # a checkpoint whose answers do not depend on the batch gives the same ones in any order
            alike = held.independent and step.selection == climbed[below].selection
            rng = seeds.generator(seed, "ladder", name, held.dataset, held.method, step.name, step.rule)
            found, ends = within.difference(first, second, metric, way, one_model=held.one_model or alike, rng=rng)
            row |= {name: found, "difference_method": within.SAME if ends is None else ends.method}
            row |= {} if ends is None else {f"{name}_low": ends.low, f"{name}_high": ends.high}
        climbed.setdefault(step.name, step)
        yield row


def _common(a: Answer, b: Answer) -> tuple[Answer, Answer]:
    """Return two answers without the samples that count in neither; the shorter one lacks those without a label.

    The answer under another label rule is about all samples, of which the first ones are those of the other answer.
    """
    n = max(len(a.y_true), len(b.y_true))
    first, second = (
        Answer(
            np.pad(one.y_true, (0, n - len(one.y_true)), constant_values=-1),
            np.pad(one.y_pred, ((0, 0), (0, 0), (0, n - len(one.y_true)))),
        )
        for one in (a, b)
    )
    kept = (first.y_true >= 0) | (second.y_true >= 0)
    return Answer(first.y_true[kept], first.y_pred[..., kept]), Answer(second.y_true[kept], second.y_pred[..., kept])


def _steps(held: Held) -> Iterator[Step]:
    """Yield the steps that can be told, from the top."""

    def plain(name: str, selection: str, before: str | None) -> Step:
        answer = Answer(held.y_true, held.answers[selection][1][None])
        return Step(name, selection, orders.SINGLE, 1, None, held.rule, answer, before)

    yield plain(steps.HONEST, held.honest, None)
    before = steps.HONEST
    for name in (steps.LAST, steps.ORACLE):
        if name in held.answers and name != held.honest:
            yield plain(name, name, before)
            before = name
    if held.table is not None and before == steps.ORACLE:
        yield from _batched(held, held.table)
    if held.table is not None:
        yield from _ruled(held, held.table)


def _batched(held: Held, table: pd.DataFrame) -> Iterator[Step]:
    size, why = batch_size(held.batch_size, released=held.released_batch_size)
    counted = (table["y_true"] >= 0).to_numpy(dtype=bool)
    before = steps.ORACLE
    for name in (steps.SHUFFLED, steps.LISTED, steps.SORTED):
        kinds = [f"{name}{draw}" for draw in range(orders.N_SHUFFLES)] if name == steps.SHUFFLED else [name]
        y_pred = np.stack([_asked(held, table, steps.ORACLE, f"{kind}_b{size}")[:, counted] for kind in kinds])
        yield Step(name, steps.ORACLE, name, size, why, held.rule, Answer(held.y_true, y_pred), before)
        before = name


def _ruled(held: Held, table: pd.DataFrame) -> Iterator[Step]:
    """Yield a step for each label rule that labels some reported sample otherwise than the grid's own."""
    own = table["y_true"].to_numpy(dtype=np.int64)
    dropped = own < 0
    for rule in orders.rules(table):
        labels = table[f"label/{rule}"].to_numpy(dtype=np.int64)
        if np.array_equal(labels, own):
            continue
        y_pred = _asked(held, table, held.honest, orders.SINGLE)
        # those with a label of the grid's own first, as they stand in the other answers
        y_true = np.concatenate([labels[~dropped], labels[dropped]])
        y_pred = np.concatenate([y_pred[:, ~dropped], y_pred[:, dropped]], axis=1)
        answer = Answer(y_true, y_pred[None])
        yield Step(steps.RULE, held.honest, orders.SINGLE, 1, None, rule, answer, steps.HONEST)


def _asked(held: Held, table: pd.DataFrame, selection: str, order: str) -> np.ndarray:
    """Return what the seeds predict in an order, (s, n) in the table's order of samples.

    Raises:
        FerBenchError: If the audit did not ask a seed, or asked other weights than those that were scored.
    """
    run_seeds, scored = held.answers[selection]
    counted = (table["y_true"] >= 0).to_numpy(dtype=bool)
    single = np.stack([orders.labels_in(table, seed, selection, orders.SINGLE) for seed in run_seeds])
    differing = float((single[:, counted] != scored).mean())
    if differing > _TIES:
        raise FerBenchError(
            f"orders/{held.dataset}_{held.method}.csv: {100 * differing:.1f} % of the single answers under {selection} "
            "differ from those that were scored, so that other weights were asked",
            fix=f"ask the runs as they are now: fer-bench audit batch {held.method} --dataset {held.dataset}",
        )
    return np.stack([orders.labels_in(table, seed, selection, order) for seed in run_seeds])


def batch_size(own: int | None, *, released: int | None = None) -> tuple[int, str]:
    """Return the batch size of a ladder's batches, and why it is that one.

    Args:
        own: The recipe's; None where it is not on record.
        released: In which the released code evaluates; None where that is not known.

    Examples:
        >>> batch_size(8, released=32)
        (32, "the released code's when it evaluates")
        >>> batch_size(16)
        (16, "the recipe's own")
        >>> batch_size(128)
        (32, "the recipe's own, 128, was not asked; 32 is Keras' default")
    """
    if released in orders.BATCH_SIZES:
        return int(released), "the released code's when it evaluates"
    if own in orders.BATCH_SIZES:
        return int(own), "the recipe's own"
    said = "the recipe's own is not on record" if own is None else f"the recipe's own, {own}, was not asked"
    return DEFAULT_BATCH, f"{said}; {DEFAULT_BATCH} is Keras' default"
