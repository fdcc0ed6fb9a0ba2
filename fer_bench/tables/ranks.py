"""``ranks.csv``: where each method may stand among the others of its data set."""

from collections.abc import Iterable

from fer_bench.tables._columns import (
    DATASET,
    ESTIMATE,
    LEVEL,
    METHOD,
    METRIC,
    N_RESAMPLES,
    N_SAMPLES,
    N_SEEDS,
    RESAMPLED,
    SELECTION,
)
from fer_bench.tables._schema import Schema, number, text

ranks = Schema(
    name="ranks table",
    columns={
        "dataset": DATASET,
        "metric": METRIC,
        "selection": SELECTION,
        "method": METHOD,
        "estimate": ESTIMATE,
        "rank": number("of the estimate, 1 is best; methods that tie share the mean of their places"),
        "rank_low": number("lower end of the interval of ranks"),
        "rank_high": number("upper end of it"),
        "p_best": number("share of resamples in which the method is first, ties shared; fraction"),
        "p_ranks": text(
            'shares of resamples in which its rank is 1, 2, …, one share for each method of the data set, "0.7;0.3"; '
            "methods that tie share their places evenly; fractions",
            empty="in tables of before they were kept",
            added=True,
        ),
        "level": LEVEL,
        "n_samples": N_SAMPLES,
        "n_seeds": N_SEEDS,
        "n_resamples": N_RESAMPLES,
        "resampled": RESAMPLED,
    },
    key=("dataset", "metric", "selection", "method"),
    remake="fer-bench compare",
)


def joined(shares: Iterable[float]) -> str:
    """Write a method's distribution over ranks as one cell, with the digits that other numbers have.

    Examples:
        >>> joined([2 / 3, 1 / 3, 0.0])
        '0.666666667;0.333333333;0'
    """
    return ";".join(f"{share:.9g}" for share in shares)


def parted(cell: str) -> list[float]:
    """Read such a cell.

    Examples:
        >>> parted("0.7;0.3")
        [0.7, 0.3]
    """
    return [float(share) for share in cell.split(";")]
