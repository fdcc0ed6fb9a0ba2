"""``confusions.csv``: how often each expression was predicted as each, per run and selection; zeros are left out."""

from fer_bench.tables._schema import Schema

confusions = Schema(
    name="confusions table",
    columns={
        "dataset": "str",
        "method": "str",
        "seed": "int",
        "selection": "str",
        "y_true": "int",
        "y_pred": "int",
        "count": "int",
    },
    key=("dataset", "method", "seed", "selection", "y_true", "y_pred"),
    remake="fer-bench score",
)
