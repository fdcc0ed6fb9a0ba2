"""``contamination.csv``: scores on all reported samples, on those without a twin in training, and on the twins."""

from fer_bench.tables._columns import DATASET, LEVEL, METHOD, METRIC, N_RESAMPLES, N_SEEDS, SEEDS, SELECTION
from fer_bench.tables._schema import Schema, integer, number, text

PARTS = ("all", "clean", "twins", "gap")
"""All reported samples; those without a twin in training; those with one; and all less clean."""

_NO_SAMPLES = "where the part has no samples"
_NO_INTERVAL = "where there is no interval"

contamination = Schema(
    name="contamination table",
    columns={
        "dataset": DATASET,
        "method": METHOD,
        "selection": SELECTION,
        "metric": METRIC,
        "part": text(
            "all reported samples; clean: those without a twin in training; twins: those with one; gap: all less clean"
        ),
        "estimate": number("of the part, mean over seeds; a fraction where the metric is a share", empty=_NO_SAMPLES),
        "low": number("lower end of the interval of the estimate", empty=_NO_INTERVAL),
        "high": number("upper end of it", empty=_NO_INTERVAL),
        "level": LEVEL,
        "interval_method": text("how the interval is made", empty=_NO_INTERVAL),
        "resampled": text("what the interval covers", empty=_NO_INTERVAL),
        "held_fixed": text("what the interval does not cover", empty=_NO_INTERVAL),
        "seeds": SEEDS,
        "n_seeds": N_SEEDS,
        "n_resamples": N_RESAMPLES,
        "n_samples": integer("samples of the part; of a gap, of all"),
        "n_twins": integer("reported samples with a twin in training: the same photograph, labelled there"),
        "n_exact": integer("of these, with a twin that is equal pixel for pixel"),
        "trains_on": text('splits in which twins count, "train" or "train;val"'),
        "without_clean": text(
            'expressions whose reported samples are all twins, "disgust;fear"', empty="where there is none"
        ),
    },
    key=("dataset", "method", "selection", "metric", "part"),
    remake="fer-bench adjust",
)
