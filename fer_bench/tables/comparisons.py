"""``comparisons.csv``: two methods on the same samples."""

from fer_bench.params import NAME
from fer_bench.tables._columns import (
    DATASET,
    HIGH,
    INTERVAL_METHOD,
    LEVEL,
    LOW,
    METRIC,
    N_SAMPLES,
    N_SEEDS,
    OLDER,
    SELECTION,
)
from fer_bench.tables._schema import Schema, integer, number, text

comparisons = Schema(
    name="comparisons table",
    columns={
        "dataset": DATASET,
        "metric": METRIC,
        "selection": SELECTION,
        "method_a": text("method A", form=NAME),
        "method_b": text("method B, on the same samples", form=NAME),
        "difference": number("the metric of A less that of B, mean over seeds; a fraction where the metric is a share"),
        "low": LOW,
        "high": HIGH,
        "level": LEVEL,
        "interval_method": INTERVAL_METHOD,
        "p": number("two-sided, of no difference", empty="where no test was made"),
        "p_holm": number("p after Holm's correction within the family", empty="where p is"),
        "test": text("the test that gave p, e.g. exact McNemar"),
        "family": text("the comparisons that Holm's correction ranges over"),
        "family_size": integer("how many they are"),
        "margin": number("differences up to this count as practically equal, in the unit of the difference"),
        "verdict": text("of A against B: better, equivalent, worse, undecided"),
        "detectable": number(
            "smallest difference seen with 80 % power at this disagreement", empty="where it cannot be told"
        ),
        "disagreement": number(
            "share of samples on which exactly one of the two is right, mean over pairs of seeds; fraction",
            empty="where it is not defined",
        ),
        "n_samples": N_SAMPLES,
        "n_seeds": N_SEEDS,
        "signature": text(
            "what both numbers have in common, in one string (docs/statistics.md)", empty=OLDER, added=True
        ),
    },
    key=("dataset", "metric", "selection", "method_a", "method_b"),
    remake="fer-bench compare",
)
