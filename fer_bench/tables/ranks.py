"""``ranks.csv``: where each method may stand among the others of its data set."""

from fer_bench.tables._columns import (
    DATASET,
    ESTIMATE,
    LEVEL,
    METHOD,
    METRIC,
    N_RESAMPLES,
    N_SAMPLES,
    N_SEEDS,
    RESAMPLED,
    SELECTION,
)
from fer_bench.tables._schema import Schema, number

ranks = Schema(
    name="ranks table",
    columns={
        "dataset": DATASET,
        "metric": METRIC,
        "selection": SELECTION,
        "method": METHOD,
        "estimate": ESTIMATE,
        "rank": number("of the estimate, 1 is best; methods that tie share the mean of their places"),
        "rank_low": number("lower end of the interval of ranks"),
        "rank_high": number("upper end of it"),
        "p_best": number("share of resamples in which the method is first, ties shared; fraction"),
        "level": LEVEL,
        "n_samples": N_SAMPLES,
        "n_seeds": N_SEEDS,
        "n_resamples": N_RESAMPLES,
        "resampled": RESAMPLED,
    },
    key=("dataset", "metric", "selection", "method"),
    remake="fer-bench compare",
)
