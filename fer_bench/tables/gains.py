"""``gains.csv``: what choosing the checkpoint on the reported samples adds to a method's own numbers."""

from fer_bench.tables._schema import Schema

OVER = ("best_on_val", "last")
"""The selections that ``best_on_test`` is set beside."""

gains = Schema(
    name="gains table",
    columns={
        "dataset": "str",
        "method": "str",
        "metric": "str",
        "over": "str",  # best_on_val or last: best_on_test less this one
        "difference": "float",  # mean over seeds
        "low": "float",
        "high": "float",
        "level": "float",
        "interval_method": "str",
        "resampled": "str",
        "held_fixed": "str",
        "seeds": "str",  # "0;1;2"
        "n_seeds": "int",
        "n_same": "int",  # seeds whose two checkpoints predict the same on every sample
        "n_samples": "int",
        "n_resamples": "int",
    },
    key=("dataset", "method", "metric", "over"),
    optional=frozenset({"low", "high", "resampled", "held_fixed"}),  # without an interval
    remake="fer-bench ladder",
)
