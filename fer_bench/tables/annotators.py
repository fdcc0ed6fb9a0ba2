"""``annotators.csv``: what the annotators' votes say about scores: label noise, one annotator's score, agreement."""

from fer_bench.tables._columns import DATASET, LABEL_RULE, LEVEL, N_RESAMPLES
from fer_bench.tables._schema import Schema, integer, number, text

OF_DATASET = ("agreement", "agreement_reported", "annotator", "annotator_band", "annotator_reported", "annotator_all")
"""Parts about the annotators alone; ``method`` and ``selection`` are empty."""

OF_METHOD = ("score", "score_votes", "same_pictures", "rest", "difference")
"""Parts about a method."""

KAPPA = "fleiss_kappa"
"""The metric of the agreement parts."""

_OF_ANNOTATORS = "in parts about the annotators"
_NOT_DEFINED = "where it is not defined"
_BUT_VOTES = "but for score_votes"
_BUT_DIFFERENCE = "but for difference"

annotators = Schema(
    name="annotators table",
    columns={
        "dataset": DATASET,
        "part": text(
            "of the annotators: agreement, agreement_reported, annotator, annotator_band, annotator_reported, "
            "annotator_all; of a method: score, score_votes, same_pictures, rest, difference (docs/annotators.md)"
        ),
        "method": text("the method, as params.yaml names it", empty=_OF_ANNOTATORS),
        "selection": text("rule that chose the checkpoint", empty=_OF_ANNOTATORS),
        "metric": text("the metric's name; of agreement: fleiss_kappa"),
        "estimate": number("of the part; of a method, mean over seeds", empty=_NOT_DEFINED),
        "low": number("lower end of the interval of the estimate", empty=_NOT_DEFINED),
        "high": number("upper end of it", empty=_NOT_DEFINED),
        "level": LEVEL,
        "interval_method": text("how the interval is made", empty=_NOT_DEFINED),
        "resampled": text("what the interval covers", empty=_NOT_DEFINED),
        "held_fixed": text("what the interval does not cover", empty=_NOT_DEFINED),
        "n_samples": integer("pictures that count"),
        "n_resamples": N_RESAMPLES,
        "label_rule": LABEL_RULE,
        "seeds": text('the seeds that the number averages, "0;1;2"', empty=_OF_ANNOTATORS),
        "n_seeds": integer("how many seeds", empty=_OF_ANNOTATORS),
        "sd_votes": number("part of the estimate's standard deviation due to votes", empty=_BUT_VOTES),
        "sd_pictures": number("part of it due to pictures", empty=_BUT_VOTES),
        "sd_seeds": number("part of it due to seeds", empty=f"{_BUT_VOTES}, and with one seed"),
        "shift": number("mean score under redrawn votes less the score", empty=_BUT_VOTES),
        "share_changed": number("labels that become another one when votes are redrawn, fraction", empty=_BUT_VOTES),
        "share_dropped": number("labels that the rule drops when votes are redrawn, fraction", empty=_BUT_VOTES),
        "margin": number("differences up to this count as practically equal", empty=_BUT_DIFFERENCE),
        "verdict": text("of the method against one annotator: above, within, below", empty=_BUT_DIFFERENCE),
    },
    key=("dataset", "part", "method", "selection", "metric"),
    remake="fer-bench annotators",
)
