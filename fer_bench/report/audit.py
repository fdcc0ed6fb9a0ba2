"""What the audits say about the data, and how many samples of each expression a split has."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from fer_bench.expressions import EXPRESSIONS, expressions
from fer_bench.report import words
from fer_bench.report.blocks import Section, Table
from fer_bench.report.grid import Grid

SPLITS = ("train", "val", "test")

_SPLITS_ARE = "Splits as the release parts them; reported: the samples that scores are about."
_NO_COUNTS = "No counts: the data were not audited and no run was scored."


def section(grid: Grid) -> Section:
    """Return the audits and the class counts."""
    return Section(title="Data", blocks=(dataset(grid), audits(grid)))


def audits(grid: Grid) -> Table:
    """Make the table of audits; a data set without any is a row that says so."""
    rows = []
    for name in grid.datasets:
        found = grid.audits.get(name, {})
        rows += [
            {
                "data set": name,
                "audit": words.text(audit),
                "status": words.text(entry.get("status") if isinstance(entry, Mapping) else entry),
                "what was found": _finding(entry),
            }
            for audit, entry in sorted(found.items())
        ]
        if not found:
            rows.append({
                "data set": name,
                "audit": words.NONE,
                "status": "not audited",
                "what was found": f"make it: fer-bench data audit {name}",
            })  # fmt: skip
    return Table(
        name="audits",
        cells=pd.DataFrame(rows, columns=["data set", "audit", "status", "what was found"]),
        caption="Audits of the prepared data.",
        wrapped=frozenset({"data set", "what was found"}),
        note="green: nothing found; amber: found, and known; red: the data are not what they are said to be.",
    )


def _finding(entry: object) -> str:
    if not isinstance(entry, Mapping):
        return words.NONE
    if entry.get("why"):
        return words.text(entry["why"])
    plain = [f"{key} {value}" for key, value in entry.items() if key != "status" and not isinstance(value, list | dict)]
    return "; ".join(plain) or words.NONE


def class_counts(grid: Grid, name: str) -> dict[str, dict[str, int]]:
    """Return split to expression to number of samples.

    As the audit ``counts`` found them; without it, the reported samples as the confusions count them, under the name
    ``reported``.
    """
    counted = _split_counts(
        grid.audits.get(name, {}).get("counts", {}), expressions(max(grid.n_classes(name), len(EXPRESSIONS)))
    )
    if counted:
        return counted
    return {"reported": reported_counts(grid, name)} if reported_counts(grid, name) else {}


def reported_counts(grid: Grid, name: str) -> dict[str, int]:
    """Return how many reported samples each expression has."""
    table = grid.tables["confusions"]
    table = table[table["dataset"] == name]
    if table.empty:
        return {}
    first = table.loc[:, ["method", "seed", "selection"]].iloc[0]
    one = table[(table["method"] == first["method"]) & (table["seed"] == first["seed"])]
    one = one[one["selection"] == first["selection"]]
    totals = one.groupby("y_true")["count"].sum()
    return {word: int(totals.get(index, 0)) for index, word in enumerate(grid.expressions(name))}


def _split_counts(found: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Look for ``{split: {expression: n}}`` among the numbers of an audit."""
    numbers = found.get("numbers", {})
    for value in [numbers, *numbers.values()]:
        if _is_split_counts(value):
            return {
                split: {word: int(value[split].get(word, 0)) for word in names if word in value[split]}
                for split in SPLITS
                if split in value
            }
    return {}


def _is_split_counts(value: object) -> bool:
    if not isinstance(value, Mapping) or not any(split in value for split in SPLITS):
        return False
    inner = [value[split] for split in SPLITS if split in value]
    return all(isinstance(one, Mapping) and any(word in EXPRESSIONS for word in one) for one in inner)


def dataset(grid: Grid) -> Table:
    """Make the table of class counts: a row per split, or, where there are more classes than expressions, per class."""
    most = max((grid.n_classes(name) for name in grid.datasets), default=len(EXPRESSIONS))
    if most > len(EXPRESSIONS):
        return _by_class(grid)
    rows: list[dict[str, str]] = []
    used = EXPRESSIONS[:most]
    for name in grid.datasets:
        for split, counts in class_counts(grid, name).items():
            cells = {word: words.count(counts[word]) if word in counts else words.NONE for word in used}
            rows.append({"data set": name, "split": split, **cells, "all": words.count(sum(counts.values()))})
    return Table(
        name="dataset",
        cells=pd.DataFrame(rows, columns=["data set", "split", *used, "all"]),
        caption="Samples per expression and split.",
        wrapped=frozenset({"data set", "split"}),
        right=frozenset({*used, "all"}),
        note=_SPLITS_ARE,
        empty=_NO_COUNTS,
    )


def _by_class(grid: Grid) -> Table:
    counts = {name: class_counts(grid, name) for name in grid.datasets}
    splits = list(dict.fromkeys(split for by_split in counts.values() for split in by_split))
    rows = [
        {
            "data set": name,
            "expression": word,
            **{split: words.count(by[word]) if word in by else words.NONE for split, by in by_split.items()},
        }
        for name, by_split in counts.items()
        if by_split
        for word in grid.expressions(name)
    ]
    cells = pd.DataFrame(rows, columns=["data set", "expression", *splits]).fillna(words.NONE)
    totals = [
        f"{name}: {words.listed([f'{split} {words.count(sum(by.values()))}' for split, by in by_split.items()])}."
        for name, by_split in counts.items()
        if by_split
    ]
    return Table(
        name="dataset",
        cells=cells,
        caption="Samples per expression and split.",
        wrapped=frozenset({"data set", "expression"}),
        right=frozenset(splits),
        shared=frozenset({"data set"}),
        note=" ".join([*totals, _SPLITS_ARE]),
        empty=_NO_COUNTS,
    )
