"""``published.csv``: every published number on the cards, and what its size alone says."""

from fer_bench.tables._schema import Schema

published = Schema(
    name="table of published numbers",
    columns={
        "dataset": "str",
        "metric": "str",
        "method": "str",  # of the card that holds it
        "value": "float",
        "where": "str",
        "n": "int",  # size of the test set that the interval is computed for
        "n_from": "str",  # published, official, known (one of several sizes), or unknown
        "count": "int",  # nearest whole count of n
        "whole_count": "str",  # yes, only if cut off, no, or not asked (a mean, or n is not known)
        "fits": "str",  # known test sizes of which the number is a whole count, "3137;3546"
        "low": "float",  # Wilson's interval of count of n
        "high": "float",
        "level": "float",
        "link": "str",
    },
    key=("dataset", "metric", "method", "value"),
    optional=frozenset({"n", "count", "fits", "low", "high", "link"}),
    remake="fer-bench verdict",
)
