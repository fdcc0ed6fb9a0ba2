"""``orders.csv``: scores of what checkpoints predict when pictures come in other batches, by metric."""

from fer_bench.tables._columns import (
    DATASET,
    ESTIMATE,
    HELD_FIXED,
    HIGH,
    INTERVAL_METHOD,
    LEVEL,
    LOW,
    METHOD,
    METRIC,
    N_RESAMPLES,
    N_SAMPLES,
    N_SEEDS,
    RESAMPLED,
    SEEDS,
    SELECTION,
)
from fer_bench.tables._schema import Schema, text

by_order = Schema(
    name="scores by order",
    columns={
        "dataset": DATASET,
        "method": METHOD,
        "selection": SELECTION,
        "order": text("in which pictures are predicted, and in what batches: single, copies, class_sorted_b32, …"),
        "metric": METRIC,
        "estimate": ESTIMATE,
        "low": LOW,
        "high": HIGH,
        "level": LEVEL,
        "interval_method": INTERVAL_METHOD,
        "resampled": RESAMPLED,
        "held_fixed": HELD_FIXED,
        "seeds": SEEDS,
        "n_seeds": N_SEEDS,
        "n_samples": N_SAMPLES,
        "n_resamples": N_RESAMPLES,
    },
    key=("dataset", "method", "selection", "order", "metric"),
    remake="fer-bench ladder",
)
