"""Scores of what checkpoints predict when pictures come in other batches, from a table of orders.

What is resampled and held fixed: as for any answer of the same runs (:func:`fer_bench.stats.within.value`); a row of
the order ``single`` is the row of ``fer-bench score``, but for rounding.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from fer_bench import seeds
from fer_bench.metrics import Metric
from fer_bench.params import Score
from fer_bench.stats import within
from fer_bench.stats.within import Answer, Way
from fer_bench.tables import orders


def scores(
    table: pd.DataFrame, metrics: Mapping[str, Metric], *, dataset: str, method: str, n_classes: int, score: Score
) -> Iterator[dict[str, object]]:
    """Yield a row of ``orders.csv`` per selection, order and metric.

    Args:
        table: A table of orders; samples without a label do not count.
        metrics: By name, those that look at labels only.
        dataset: The data set.
        method: The method's entry.
        n_classes: Expressions told apart.
        score: How intervals are computed.
    """
    counted = table[table["y_true"] >= 0]
    y_true = counted["y_true"].to_numpy(dtype=np.int64)
    way = Way(n_classes, score.level, score.n_resamples)
    held = orders.columns(table)
    for selection in dict.fromkeys(column.selection for column in held):
        own = sorted({column.seed for column in held if column.selection == selection})
        known: dict[tuple[str, bytes], dict[str, object]] = {}  # most orders of most methods predict the same
        for order in orders.ORDERS:
            y_pred = np.stack([orders.labels_in(counted, seed, selection, order) for seed in own])
            for name, metric in metrics.items():
                key = (name, y_pred.tobytes())
                if key not in known:
                    rng = seeds.generator(score.seed, "interval", dataset, method, selection, own[0])  # as score's
                    estimate, interval = within.value(Answer(y_true, y_pred[None]), metric, way, rng=rng)
                    known[key] = {
                        "estimate": estimate,
                        "low": interval.low,
                        "high": interval.high,
                        "level": score.level,
                        "interval_method": interval.method,
                        "resampled": interval.resampled,
                        "held_fixed": interval.held_fixed,
                        "seeds": ";".join(map(str, own)),
                        "n_seeds": len(own),
                        "n_samples": len(y_true),
                        "n_resamples": interval.n_resamples,
                    }
                place = {"dataset": dataset, "method": method, "selection": selection, "order": order, "metric": name}
                yield {**place, **known[key]}
