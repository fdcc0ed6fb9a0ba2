"""``scores.csv``: a metric's value on one run under one selection."""

from fer_bench.tables._columns import DATASET, METHOD, METRIC, N_SAMPLES, SEED, SELECTION
from fer_bench.tables._schema import Schema, number

scores = Schema(
    name="scores table",
    columns={
        "dataset": DATASET,
        "method": METHOD,
        "seed": SEED,
        "selection": SELECTION,
        "metric": METRIC,
        "value": number("the metric's value on the run; a fraction where the metric is a share"),
        "n_samples": N_SAMPLES,
    },
    key=("dataset", "method", "seed", "selection", "metric"),
    remake="fer-bench score",
)
