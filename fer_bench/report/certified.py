"""The certificate: how often intervals covered and tests raised false alarms where the truth is known."""

from typing import Any

import pandas as pd

from fer_bench.report import words
from fer_bench.report.blocks import Section, Table, Text
from fer_bench.report.grid import Grid
from fer_bench.stats import certify

_MAKE = "fer-bench selftest stats"
_NUMBERS = ("settings", "lowest", "highest")


def section(grid: Grid, table: pd.DataFrame) -> Section:
    """Return what the certificate says; and whether it is about the code that made this report.

    Args:
        grid: The grid.
        table: The certificate; without rows where there is none.
    """
    title = "Do the intervals keep their promise?"
    if table.empty:
        return Section(title=title, blocks=(Text(f"There is no certificate here. Make one: {_MAKE}."),))
    return Section(title=title, blocks=(Text(" ".join(_said(grid, table))), _table(grid, table)))


def _said(grid: Grid, table: pd.DataFrame) -> list[str]:
    said = [certify.in_words(table)]
    if set(table["code"]) != {certify.digest()}:
        said.append(f"The certificate was made with other statistics code: {_MAKE}.")
    if abs(grid.level - certify.LEVEL) > 1e-9:
        said.append(
            f"It is about intervals of {words.coverage(certify.LEVEL)}; those of this report have "
            f"{words.coverage(grid.level)}."
        )
    return said


def _table(grid: Grid, table: pd.DataFrame) -> Table:
    keys = ["what", "metric", "method"]
    order = table.groupby(keys, sort=False)["position"].min().sort_values(kind="stable")
    groups = [table[(table[keys] == list(key)).all(axis="columns")] for key in order.index]
    promised = [group for group in groups if group["passed"].notna().all()]
    others = [group for group in groups if not group["passed"].notna().all()]
    trials = sorted({int(value) for value in table["trials"]})
    return Table(
        name="certificate",
        cells=pd.DataFrame(
            [_row(group) for group in [*promised, *others]], columns=[*keys, *_NUMBERS, "promised", "kept"]
        ),
        caption=f"How often intervals of {words.coverage(certify.LEVEL)} held the true value and tests at "
        f"{words.coverage(1 - certify.LEVEL)} raised a false alarm, in percent of {words.count(trials[0])} to "
        f"{words.count(trials[-1])} simulated worlds per setting: the lowest and the highest rate over the settings.",
        wrapped=frozenset(keys),
        right=frozenset({*_NUMBERS, "promised", "kept"}),
        note="Simulated: 3,068 samples with the classes of RAF-DB's test set; settings differ in the number of seeds "
        "and in how much a seed moves the accuracy (0 to 0.8 points). Below the rows with a promise: what is not "
        "promised, and what customary practice gives under the same models. Every setting, with the error of "
        f"counting: results/certificate.csv. {grid.params.report.scale.strip()}",
    )


def _row(group: "pd.DataFrame") -> dict[str, Any]:
    first = group.iloc[0]
    low, high = float(group["rate"].min()), float(group["rate"].max())
    promise = not pd.isna(first["allowed_low"])
    return {
        "what": str(first["what"]),
        "metric": str(first["metric"]),
        "method": str(first["method"]),
        "settings": str(len(group)),
        "lowest": words.percent(low, unit=False),
        "highest": words.percent(high, unit=False),
        "promised": f"{100 * float(first['allowed_low']):g} to {100 * float(first['allowed_high']):g}"
        if promise
        else words.NONE,
        "kept": f"{int(group['passed'].sum())} of {len(group)}" if promise else words.NONE,
    }
