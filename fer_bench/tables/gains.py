"""``gains.csv``: what choosing the checkpoint on the reported samples adds to a method's own numbers."""

from fer_bench.tables._columns import DATASET, LEVEL, METHOD, METRIC, N_RESAMPLES, N_SAMPLES, N_SEEDS, SEEDS
from fer_bench.tables._schema import Schema, integer, number, text

OVER = ("best_on_val", "last")
"""The selections that ``best_on_test`` is set beside."""

_NO_INTERVAL = "where there is no interval"

gains = Schema(
    name="gains table",
    columns={
        "dataset": DATASET,
        "method": METHOD,
        "metric": METRIC,
        "over": text("best_on_val or last: what best_on_test is set beside, in the same runs"),
        "difference": number("best_on_test less that one, mean over seeds; a fraction where the metric is a share"),
        "low": number("lower end of the interval of the difference", empty=_NO_INTERVAL),
        "high": number("upper end of it", empty=_NO_INTERVAL),
        "level": LEVEL,
        "interval_method": text("how the interval is made, or why there is none"),
        "resampled": text("what the interval covers", empty=_NO_INTERVAL),
        "held_fixed": text("what the interval does not cover", empty=_NO_INTERVAL),
        "seeds": SEEDS,
        "n_seeds": N_SEEDS,
        "n_same": integer("seeds whose two checkpoints predict the same on every sample"),
        "n_samples": N_SAMPLES,
        "n_resamples": N_RESAMPLES,
    },
    key=("dataset", "method", "metric", "over"),
    remake="fer-bench ladder",
)
