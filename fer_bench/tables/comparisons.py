"""``comparisons.csv``: two methods on the same samples."""

from fer_bench.tables._schema import Schema

comparisons = Schema(
    name="comparisons table",
    columns={
        "dataset": "str",
        "metric": "str",
        "selection": "str",
        "method_a": "str",
        "method_b": "str",
        "difference": "float",  # a - b
        "low": "float",
        "high": "float",
        "level": "float",
        "interval_method": "str",
        "p": "float",
        "p_holm": "float",
        "test": "str",  # e.g. "exact McNemar", "crossed paired bootstrap"
        "family": "str",  # what Holm's correction ranges over
        "family_size": "int",
        "margin": "float",
        "verdict": "str",  # better, equivalent, worse, undecided: of a against b
        "detectable": "float",  # smallest difference seen with 80 % power at this disagreement
        "disagreement": "float",  # share of samples on which exactly one of the two is right
        "n_samples": "int",
        "n_seeds": "int",
        "signature": "str",  # of what both numbers have in common
    },
    key=("dataset", "metric", "selection", "method_a", "method_b"),
    optional=frozenset({"p", "p_holm", "detectable", "disagreement", "signature"}),
    added=frozenset({"signature"}),
    remake="fer-bench compare",
)
