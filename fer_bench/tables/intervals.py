"""``intervals.csv``: an estimate with its interval, per run and over all seeds of a method."""

from fer_bench.tables._schema import Schema

intervals = Schema(
    name="intervals table",
    columns={
        "dataset": "str",
        "method": "str",
        "seeds": "str",  # "0;1;2": over these seeds; "1": this run alone
        "selection": "str",
        "metric": "str",
        "estimate": "float",
        "low": "float",
        "high": "float",
        "level": "float",
        "interval_method": "str",  # e.g. "multinomial bootstrap, percentile" or "crossed bootstrap, percentile"
        "resampled": "str",  # "samples" or "seeds and samples"
        "held_fixed": "str",  # what the interval does not cover
        "n_samples": "int",
        "n_seeds": "int",
        "n_resamples": "int",
        "signature": "str",  # fer_bench.stats.signature: what this number is a number of
    },
    optional=frozenset({"signature"}),
    added=frozenset({"signature"}),
    key=("dataset", "method", "selection", "metric", "n_seeds", "seeds"),
    remake="fer-bench score",
)
