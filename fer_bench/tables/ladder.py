"""``ladder.csv``: a method's numbers step by step, from the honest one to those that other procedures give."""

from fer_bench.tables._schema import Schema

HONEST, LAST, ORACLE, SHUFFLED, LISTED, SORTED, RULE = (
    "honest", "last", "best_on_test", "shuffled", "listed", "class_sorted", "label_rule",
)  # fmt: skip
"""``honest``: chosen on validation, predicted one picture at a time. ``last``, ``best_on_test``: another checkpoint of
the same runs. ``shuffled``, ``listed``, ``class_sorted``: that of ``best_on_test``, pictures predicted in batches in
this order. ``label_rule``: as ``honest``, with the true labels of another rule."""

ladder = Schema(
    name="ladder",
    columns={
        "dataset": "str",
        "method": "str",
        "metric": "str",
        "position": "int",  # from the top
        "step": "str",
        "selection": "str",
        "order": "str",  # single, shuffled, listed, class_sorted
        "batch_size": "int",  # 1: one picture at a time
        "batch_size_why": "str",
        "label_rule": "str",
        "estimate": "float",  # mean over seeds, and over the three shuffles
        "low": "float",
        "high": "float",
        "difference": "float",  # less the honest number over the same seeds
        "difference_low": "float",
        "difference_high": "float",
        "added": "float",  # less the step above
        "added_low": "float",
        "added_high": "float",
        "level": "float",
        "interval_method": "str",  # of the estimate
        "difference_method": "str",  # of both differences
        "resampled": "str",
        "held_fixed": "str",
        "seeds": "str",  # "0;1;2"
        "n_seeds": "int",
        "n_samples": "int",
        "n_resamples": "int",
    },
    key=("dataset", "method", "metric", "position"),
    optional=frozenset(
        {
            "batch_size_why", "difference", "difference_low", "difference_high", "added", "added_low", "added_high",
            "difference_method",
        }
    ),
    remake="fer-bench ladder",
)  # fmt: skip
