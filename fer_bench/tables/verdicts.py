"""``verdicts.csv``: published numbers beside ours."""

from fer_bench.tables._columns import METRIC
from fer_bench.tables._schema import Schema, integer, number, text

VERDICTS = (
    "reproduced",
    "consistent only under best-on-test",
    "lower",
    "higher",
    "undecided",
    "not comparable",
    "void",
    "not run",
)
"""The words, in the order in which people read them; :mod:`fer_bench.stats.judging` says when each is given."""

_NEW = frozenset({"predicted_low", "predicted_high", "difference", "z", "seeds_needed", "link"})

_NOT_RUN = "where there is no run, or it does not score the metric"
_ONE_SEED = "with one seed"
_NO_Z = "where there is no difference, or one seed"

verdicts = Schema(
    name="verdicts table",
    columns={
        "method": text("the method, or the entry of params.yaml that is one of its rows"),
        "dataset": text("the data set that the claim is about"),
        "metric": METRIC,
        "claim": number("the published number, as a fraction"),
        "where": text("where it stands in the paper"),
        "paper": text("title and year"),
        "claimed_selection": text("rule that chose the claim's checkpoint, as described; or unknown"),
        "verdict": text(f"one of: {', '.join(VERDICTS)}"),
        "reason": text("why, in a sentence"),
        "selection": text("rule that chose our checkpoint, of which all that follows is", empty=_NOT_RUN),
        "estimate": number("our number, mean over seeds", empty=_NOT_RUN),
        "low": number("lower end of the interval of our mean", empty=_NOT_RUN),
        "high": number("upper end of it", empty=_NOT_RUN),
        "predicted_low": number("lower end of where one more run of ours would land", empty=_ONE_SEED, added=True),
        "predicted_high": number("upper end of it", empty=_ONE_SEED, added=True),
        "difference": number("ours less the claim", empty="where the two answer different questions", added=True),
        "z": number("the difference in standard deviations of one run less our mean", empty=_NO_Z, added=True),
        "seeds_needed": integer(
            "seeds that would settle it", empty="unless undecided and a number of them would", added=True
        ),
        "level": number("coverage that both intervals aim at, fraction", empty=_NOT_RUN),
        "n_samples": integer("how many samples are scored", empty=_NOT_RUN),
        "n_seeds": integer("how many seeds", empty=_NOT_RUN),
        "recipe": text("our recipe", empty=_NOT_RUN),
        "weights": text("our initial weights", empty=_NOT_RUN),
        "link": text(
            "where the claim, or the defect that voids it, can be read", empty="where the card has no link", added=True
        ),
    },
    key=("method", "dataset", "metric", "where"),
    remake="fer-bench verdict",
)
