"""``told_apart.csv``: pairs of a published table, and whether their numbers alone tell them apart."""

from fer_bench.tables._schema import Schema

WORDS = (
    "cannot be told apart at any disagreement",
    "told apart only if few answers differ",
    "told apart at any possible disagreement",
)
"""Best case, depends, worst case: of the exact McNemar test over all disagreements that the two numbers allow."""

told_apart = Schema(
    name="table of published pairs",
    columns={
        "dataset": "str",
        "metric": "str",
        "table": "str",
        "method_a": "str",  # the higher number
        "method_b": "str",
        "value_a": "float",
        "value_b": "float",
        "n": "int",  # assumed to be the same samples
        "pictures": "int",  # count of A less count of B
        "p_best": "float",  # exact McNemar where the two differ on no more samples than they must
        "p_worst": "float",  # and where they differ on as many as they can
        "most_told_apart": "float",  # largest share of samples answered differently at which they are told apart
        "most_possible": "float",  # largest share that the two numbers allow
        "p_unpaired": "float",  # two proportions on different samples
        "p_unpaired_holm": "float",
        "family": "str",  # that Holm's correction ranges over
        "verdict": "str",  # one of WORDS
        "caveat": "str",  # why the two may not be of the same samples
        "level": "float",
    },
    key=("dataset", "metric", "table", "method_a", "method_b"),
    optional=frozenset({"most_told_apart", "caveat"}),
    remake="fer-bench verdict",
)
