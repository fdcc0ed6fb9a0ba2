"""``contamination.csv``: scores on all reported samples, on those without a twin in training, and on the twins."""

from fer_bench.tables._schema import Schema

PARTS = ("all", "clean", "twins", "gap")
"""All reported samples; those without a twin in training; those with one; and all less clean."""

contamination = Schema(
    name="contamination table",
    columns={
        "dataset": "str",
        "method": "str",
        "selection": "str",
        "metric": "str",
        "part": "str",  # all, clean, twins, or gap: the difference all - clean
        "estimate": "float",  # mean over seeds; empty where the part has no samples
        "low": "float",
        "high": "float",
        "level": "float",
        "interval_method": "str",
        "resampled": "str",
        "held_fixed": "str",
        "seeds": "str",  # "0;1;2"
        "n_seeds": "int",
        "n_resamples": "int",
        "n_samples": "int",  # of the part; of a gap, all
        "n_twins": "int",  # reported samples with a twin in training
        "n_exact": "int",  # of these, with an exact one
        "trains_on": "str",  # the splits in which twins count, e.g. "train" or "train;val"
        "without_clean": "str",  # expressions whose reported samples are all twins, e.g. "disgust;fear"
    },
    key=("dataset", "method", "selection", "metric", "part"),
    optional=frozenset({"estimate", "low", "high", "interval_method", "resampled", "held_fixed", "without_clean"}),
    remake="fer-bench adjust",
)
