"""``annotators.csv``: what the annotators' votes say about scores: label noise, one annotator's score, agreement."""

from fer_bench.tables._schema import Schema

OF_DATASET = ("agreement", "agreement_reported", "annotator", "annotator_band", "annotator_reported", "annotator_all")
"""Parts about the annotators alone; ``method`` and ``selection`` are empty."""

OF_METHOD = ("score", "score_votes", "same_pictures", "rest", "difference")
"""Parts about a method."""

KAPPA = "fleiss_kappa"
"""The metric of the agreement parts."""

annotators = Schema(
    name="annotators table",
    columns={
        "dataset": "str",
        "part": "str",  # one of OF_DATASET or OF_METHOD; docs/annotators.md says what each is
        "method": "str",
        "selection": "str",
        "metric": "str",
        "estimate": "float",  # of a method: mean over seeds; empty where it is not defined
        "low": "float",
        "high": "float",
        "level": "float",
        "interval_method": "str",
        "resampled": "str",
        "held_fixed": "str",
        "n_samples": "int",  # pictures that count
        "n_resamples": "int",
        "label_rule": "str",
        "seeds": "str",  # "0;1;2"
        "n_seeds": "int",
        "sd_votes": "float",  # of score_votes: the parts of the estimate's standard deviation
        "sd_pictures": "float",
        "sd_seeds": "float",
        "shift": "float",  # of score_votes: mean score under redrawn votes less the score
        "share_changed": "float",  # of score_votes: labels that become another one when votes are redrawn
        "share_dropped": "float",  # of score_votes: labels that the rule drops when votes are redrawn
        "margin": "float",  # of difference
        "verdict": "str",  # of difference: above, within, below
    },
    key=("dataset", "part", "method", "selection", "metric"),
    optional=frozenset(
        {
            "method", "selection", "estimate", "low", "high", "interval_method", "resampled", "held_fixed", "seeds",
            "n_seeds", "sd_votes", "sd_pictures", "sd_seeds", "shift", "share_changed", "share_dropped", "margin",
            "verdict",
        }
    ),
    remake="fer-bench annotators",
)  # fmt: skip
