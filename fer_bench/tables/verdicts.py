"""``verdicts.csv``: published numbers beside ours."""

from fer_bench.tables._schema import Schema

verdicts = Schema(
    name="verdicts table",
    columns={
        "method": "str",
        "dataset": "str",
        "metric": "str",
        "claim": "float",
        "where": "str",
        "paper": "str",
        "claimed_selection": "str",
        "verdict": "str",  # reproduced, below, above, inconclusive, not comparable, not run
        "reason": "str",
        "selection": "str",
        "estimate": "float",
        "low": "float",
        "high": "float",
        "level": "float",
        "n_samples": "int",
        "n_seeds": "int",
        "recipe": "str",
        "weights": "str",
    },
    key=("method", "dataset", "metric", "where"),
    optional=frozenset({"selection", "estimate", "low", "high", "level", "n_samples", "n_seeds", "recipe", "weights"}),
    remake="fer-bench verdict",
)
