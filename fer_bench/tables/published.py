"""``published.csv``: every published number on the cards, and what its size alone says."""

from fer_bench.tables._columns import LEVEL, METRIC
from fer_bench.tables._schema import Schema, integer, number, text

_UNKNOWN_SIZE = "where no size of the test set is known"

published = Schema(
    name="table of published numbers",
    columns={
        "dataset": text("the data set that the number is about"),
        "metric": METRIC,
        "method": text("the card that holds the number"),
        "value": number("the number as printed, as a fraction"),
        "where": text("where it stands in the paper"),
        "n": integer("size of the test set that the interval is computed for", empty=_UNKNOWN_SIZE),
        "n_from": text("where n is from: published, official, known (one of several sizes in use), unknown"),
        "count": integer("nearest whole count of n", empty=_UNKNOWN_SIZE),
        "whole_count": text(
            "whether the number is a whole count of n at its decimals: yes, only if cut off, no, or not asked (a mean, "
            "or n is not known)"
        ),
        "fits": text(
            'test sizes in use of which the number is a whole count, "3137;3546"',
            empty="where none fits, or only one is in use",
        ),
        "low": number("lower end of Wilson's interval of count of n", empty=_UNKNOWN_SIZE),
        "high": number("upper end of it", empty=_UNKNOWN_SIZE),
        "level": LEVEL,
        "link": text("where the paper can be read", empty="where the card has no link"),
    },
    key=("dataset", "metric", "method", "value"),
    remake="fer-bench verdict",
)
