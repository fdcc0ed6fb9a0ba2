"""``ladder.csv``: a method's numbers step by step, from the honest one to those that other procedures give."""

from fer_bench.tables._columns import (
    DATASET,
    HELD_FIXED,
    HIGH,
    LABEL_RULE,
    LEVEL,
    LOW,
    METHOD,
    METRIC,
    N_RESAMPLES,
    N_SAMPLES,
    N_SEEDS,
    RESAMPLED,
    SEEDS,
    SELECTION,
)
from fer_bench.tables._schema import Schema, integer, number, text

HONEST, LAST, ORACLE, SHUFFLED, LISTED, SORTED, RULE = (
    "honest", "last", "best_on_test", "shuffled", "listed", "class_sorted", "label_rule",
)  # fmt: skip
"""``honest``: chosen on validation, predicted one picture at a time. ``last``, ``best_on_test``: another checkpoint of
the same runs. ``shuffled``, ``listed``, ``class_sorted``: that of ``best_on_test``, pictures predicted in batches in
this order. ``label_rule``: as ``honest``, with the true labels of another rule."""

_FIRST = "on the first step"
_OR_WITHOUT = f"{_FIRST}, and where there is no interval"

ladder = Schema(
    name="ladder",
    columns={
        "dataset": DATASET,
        "method": METHOD,
        "metric": METRIC,
        "position": integer("place of the step, from the top"),
        "step": text(
            "honest: chosen on validation, one picture at a time; last, best_on_test: another checkpoint of the same "
            "runs; shuffled (mean of three), listed, class_sorted: best_on_test's, in batches in this order; "
            "label_rule: honest, with the true labels of another rule"
        ),
        "selection": SELECTION,
        "order": text("in which pictures are predicted: single, shuffled, listed, class_sorted"),
        "batch_size": integer("pictures per batch; 1: one at a time"),
        "batch_size_why": text("why this size", empty="where pictures are predicted one at a time"),
        "label_rule": LABEL_RULE,
        "estimate": number("mean over seeds, and over the three shuffles; a fraction where the metric is a share"),
        "low": LOW,
        "high": HIGH,
        "difference": number("the estimate less the honest one over the same seeds", empty=_FIRST),
        "difference_low": number("lower end of its interval", empty=_OR_WITHOUT),
        "difference_high": number("upper end of it", empty=_OR_WITHOUT),
        "added": number("the estimate less that of the step above", empty=_FIRST),
        "added_low": number("lower end of its interval", empty=_OR_WITHOUT),
        "added_high": number("upper end of it", empty=_OR_WITHOUT),
        "level": LEVEL,
        "interval_method": text("how the interval of the estimate is made"),
        "difference_method": text("how those of both differences are made", empty=_FIRST),
        "resampled": RESAMPLED,
        "held_fixed": HELD_FIXED,
        "seeds": SEEDS,
        "n_seeds": N_SEEDS,
        "n_samples": N_SAMPLES,
        "n_resamples": N_RESAMPLES,
    },
    key=("dataset", "method", "metric", "position"),
    remake="fer-bench ladder",
)
