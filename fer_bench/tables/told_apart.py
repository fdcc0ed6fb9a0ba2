"""``told_apart.csv``: pairs of a published table, and whether their numbers alone tell them apart."""

from fer_bench.tables._columns import METRIC
from fer_bench.tables._schema import Schema, integer, number, text

WORDS = (
    "cannot be told apart at any disagreement",
    "told apart only if few answers differ",
    "told apart at any possible disagreement",
)
"""Best case, depends, worst case: of the exact McNemar test over all disagreements that the two numbers allow."""

told_apart = Schema(
    name="table of published pairs",
    columns={
        "dataset": text("the data set that both numbers are about"),
        "metric": METRIC,
        "table": text("the published table that holds both"),
        "method_a": text("the method with the higher number"),
        "method_b": text("the other"),
        "value_a": number("A's number as printed, as a fraction"),
        "value_b": number("B's"),
        "n": integer("samples, assumed to be the same for both"),
        "pictures": integer("count of A less count of B"),
        "p_best": number("exact McNemar where the two differ on no more samples than they must"),
        "p_worst": number("exact McNemar where they differ on as many as they can"),
        "most_told_apart": number(
            "largest share of samples answered differently at which they are told apart, fraction",
            empty="where there is no such share",
        ),
        "most_possible": number("largest share answered differently that the two numbers allow, fraction"),
        "p_unpaired": number("test of two proportions on different samples"),
        "p_unpaired_holm": number("that p after Holm's correction within the family"),
        "family": text("the pairs that Holm's correction ranges over"),
        "verdict": text(f"one of: {'; '.join(WORDS)}"),
        "caveat": text("why the two may not be of the same samples", empty="where nothing says so"),
        "level": number("1 less the p at which two numbers count as told apart, fraction"),
    },
    key=("dataset", "metric", "table", "method_a", "method_b"),
    remake="fer-bench verdict",
)
