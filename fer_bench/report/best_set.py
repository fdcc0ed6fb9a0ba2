"""Which methods cannot be told from the best: by the comparisons table, never by looking at intervals that overlap."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from fer_bench.report.grid import Grid


@dataclass(frozen=True, kw_only=True)
class BestSet:
    """The best method of a data set under one metric, and those not told from it.

    Attributes:
        best: The method with the best estimate.
        others: Methods whose comparison with it does not tell them apart, best first.
        uncompared: Methods that were never compared with it, so that nothing can be said of them.
    """

    best: str
    others: tuple[str, ...]
    uncompared: tuple[str, ...]

    @property
    def bold(self) -> frozenset[str]:
        """What is set in bold: the whole set; nothing while a method is uncompared, the set being unknown then."""
        return frozenset() if self.uncompared else frozenset({self.best, *self.others})


def told_apart(row: "pd.Series[Any]") -> bool:
    """Return whether a comparison tells its two methods apart; ``equivalent`` and ``undecided`` do not."""
    return row["verdict"] in {"better", "worse"}


def best_set(grid: Grid, dataset: str, metric: str) -> BestSet | None:
    """Find the best method under the headline selection and those not told from it; None without any score."""
    rows = grid.headline_rows(dataset, metric)
    ascending = not grid.metrics[metric].higher_is_better
    names = [str(name) for name in rows.sort_values("estimate", ascending=ascending, kind="stable")["method"]]
    if not names:
        return None
    best, rest = names[0], names[1:]
    compared = {name: _comparison(grid, dataset, metric, best, name) for name in rest}
    return BestSet(
        best=best,
        others=tuple(name for name, row in compared.items() if row is not None and not told_apart(row)),
        uncompared=tuple(name for name, row in compared.items() if row is None),
    )


def _comparison(grid: Grid, dataset: str, metric: str, one: str, other: str) -> "pd.Series[Any] | None":
    table = grid.tables["comparisons"]
    pair = {one, other}
    found = table[
        (table["dataset"] == dataset)
        & (table["metric"] == metric)
        & table["selection"].isin([grid.headline, "last"])
        & table["method_a"].isin(pair)
        & table["method_b"].isin(pair)
    ]
    found = found.assign(_other=found["selection"] != grid.headline).sort_values("_other", kind="stable")
    return None if found.empty else found.iloc[0]
