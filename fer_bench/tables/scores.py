"""``scores.csv``: a metric's value on one run under one selection."""

from fer_bench.tables._schema import Schema

scores = Schema(
    name="scores table",
    columns={
        "dataset": "str",
        "method": "str",
        "seed": "int",
        "selection": "str",
        "metric": "str",
        "value": "float",
        "n_samples": "int",
    },
    key=("dataset", "method", "seed", "selection", "metric"),
    remake="fer-bench score",
)
