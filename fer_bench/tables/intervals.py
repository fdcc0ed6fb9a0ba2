"""``intervals.csv``: an estimate with its interval, per run and over all seeds of a method."""

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
    OLDER,
    RESAMPLED,
    SELECTION,
)
from fer_bench.tables._schema import Schema, text

intervals = Schema(
    name="intervals table",
    columns={
        "dataset": DATASET,
        "method": METHOD,
        "seeds": text('"0;1;2": mean over these seeds; "1": this run alone'),
        "selection": SELECTION,
        "metric": METRIC,
        "estimate": ESTIMATE,
        "low": LOW,
        "high": HIGH,
        "level": LEVEL,
        "interval_method": INTERVAL_METHOD,
        "resampled": RESAMPLED,
        "held_fixed": HELD_FIXED,
        "n_samples": N_SAMPLES,
        "n_seeds": N_SEEDS,
        "n_resamples": N_RESAMPLES,
        "signature": text(
            "what the number is a number of, in one string (docs/statistics.md)", empty=OLDER, added=True
        ),
    },
    key=("dataset", "method", "selection", "metric", "n_seeds", "seeds"),
    remake="fer-bench score",
)
