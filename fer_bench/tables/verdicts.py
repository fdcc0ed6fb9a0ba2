"""``verdicts.csv``: published numbers beside ours."""

from fer_bench.tables._schema import Schema

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

verdicts = Schema(
    name="verdicts table",
    columns={
        "method": "str",
        "dataset": "str",
        "metric": "str",
        "claim": "float",
        "where": "str",
        "paper": "str",
        "claimed_selection": "str",
        "verdict": "str",  # one of VERDICTS
        "reason": "str",
        "selection": "str",  # of ours, of which all that follows is
        "estimate": "float",
        "low": "float",  # interval of the mean over seeds
        "high": "float",
        "predicted_low": "float",  # where one more run would land
        "predicted_high": "float",
        "difference": "float",  # ours less the claim; only where the two answer one question
        "z": "float",  # the difference in standard deviations of one run less our mean
        "seeds_needed": "int",  # where undecided and a number of seeds would settle it
        "level": "float",
        "n_samples": "int",
        "n_seeds": "int",
        "recipe": "str",
        "weights": "str",
        "link": "str",  # where the claim, or the defect that voids it, can be read
    },
    key=("method", "dataset", "metric", "where"),
    optional=frozenset({"selection", "estimate", "low", "high", "level", "n_samples", "n_seeds", "recipe", "weights"})
    | _NEW,
    added=_NEW,
    remake="fer-bench verdict",
)
