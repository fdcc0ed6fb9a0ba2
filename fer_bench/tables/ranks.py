"""``ranks.csv``: where each method may stand among the others of its data set."""

from fer_bench.tables._schema import Schema

ranks = Schema(
    name="ranks table",
    columns={
        "dataset": "str",
        "metric": "str",
        "selection": "str",
        "method": "str",
        "estimate": "float",  # mean over seeds
        "rank": "float",  # of the estimate; 1 is best, methods that tie share the mean of their places
        "rank_low": "float",
        "rank_high": "float",
        "p_best": "float",  # share of resamples in which the method is first, ties shared
        "level": "float",
        "n_samples": "int",
        "n_seeds": "int",
        "n_resamples": "int",
        "resampled": "str",  # "samples", "persons", "seeds and samples", …
    },
    key=("dataset", "metric", "selection", "method"),
    remake="fer-bench compare",
)
