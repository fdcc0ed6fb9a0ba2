"""What a paper may quote from a grid's results: each printed number, its role, and the words that must go with it."""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

import pandas as pd

from fer_bench.report.grid import Grid

Role = Literal["level", "difference"]

_SELECTIONS = {
    "last": re.compile(r"\blast\b|\bfinal\b", re.IGNORECASE),
    "best_on_val": re.compile(r"validation|best[\s_]on[\s_]val", re.IGNORECASE),
    "best_on_test": re.compile(r"oracle|best[\s_]on[\s_]test|on the test|test set", re.IGNORECASE),
}
_SEED = re.compile(r"\bseed", re.IGNORECASE)
_ORDER = re.compile(r"\border|sort|shuffl|batch|class folder", re.IGNORECASE)
_RULE = re.compile(r"\brule|\bvotes?\b|\blabel", re.IGNORECASE)
_TWINS = re.compile(r"twin|duplicat|clean|contaminat|without", re.IGNORECASE)
_CLAIM = re.compile(r"publish|report|claim|original|\bpaper|\bstate[sd]?\b", re.IGNORECASE)
_CHOSEN = re.compile(r"oracle|chos|choos|select|gain|test set", re.IGNORECASE)
_SEEN = re.compile(r"detect|power|\bfind\b|\bfound\b|\bseen?\b", re.IGNORECASE)


class Quotable(NamedTuple):
    """A printed number of the results.

    Attributes:
        value: In percent or points.
        role: A level, or a difference of two.
        bound: Whether it is an end of the interval around one.
        metric: Of what.
        dataset: On which data set.
        methods: Whose; of a comparison both.
        cues: What its statement must say, because it is not the protocol's own number.
        what: All this in words.
    """

    value: float
    role: Role
    bound: bool
    metric: str
    dataset: str
    methods: frozenset[str]
    cues: tuple[re.Pattern[str], ...]
    what: str


def of_grid(grid: Grid) -> Iterator[Quotable]:
    """Yield every number that a grid's report prints in percent or points."""
    yield from _intervals(grid)
    yield from _comparisons(grid)
    yield from _claims(grid)
    yield from _ladders(grid)
    for row in _rows(grid.gains):
        place = f"{row['metric']} of {row['method']} on {row['dataset']}, best_on_test less {row['over']}"
        yield from _three(row, "difference", place, ("difference", "low", "high"), (_CHOSEN,))
    for row in _rows(grid.contamination):
        own = grid.selection_of(str(row["dataset"]), str(row["method"]))
        part, cues = str(row["part"]), _of_selection(str(row["selection"]), own)
        place = f"{row['metric']} of {row['method']} on {row['dataset']}, {part} samples, {row['selection']}"
        twins = () if part == "all" else (_TWINS,)
        yield from _three(row, "difference" if part == "gap" else "level", place, _ENDS, (*cues, *twins))


_ENDS = ("estimate", "low", "high")


def _rows(table: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _of_selection(selection: str, own: str) -> tuple[re.Pattern[str], ...]:
    return () if selection == own else (_SELECTIONS[selection],)


def _three(
    row: dict[str, object], role: Role, what: str, columns: tuple[str, str, str], cues: tuple[re.Pattern[str], ...]
) -> Iterator[Quotable]:
    """Yield a value and its two bounds."""
    methods = frozenset(str(row[name]) for name in ("method", "method_a", "method_b") if name in row)
    for column in columns:
        value = row[column]
        if not pd.isna(value):  # type: ignore[call-overload]
            bound, metric, dataset = column != columns[0], str(row["metric"]), str(row["dataset"])
            said = f"{column}: {what}"
            yield Quotable(100 * float(str(value)), role, bound, metric, dataset, methods, cues, said)


def _intervals(grid: Grid) -> Iterator[Quotable]:
    table = grid.tables["intervals"]
    most = table.groupby(["dataset", "method", "metric", "selection"])["n_seeds"].transform("max")
    for row, whole in zip(_rows(table), table["n_seeds"] == most, strict=True):
        own = grid.selection_of(str(row["dataset"]), str(row["method"]))
        of_seed = () if whole else (_SEED,)
        place = f"{row['metric']} of {row['method']} on {row['dataset']}, {row['selection']}, seeds {row['seeds']}"
        yield from _three(row, "level", place, _ENDS, (*_of_selection(str(row["selection"]), own), *of_seed))


def _comparisons(grid: Grid) -> Iterator[Quotable]:
    for row in _rows(grid.tables["comparisons"]):
        both = [str(row[name]) for name in ("method_a", "method_b")]
        own = {grid.selection_of(str(row["dataset"]), method) for method in both} | {grid.headline}
        cues = () if row["selection"] in own else _of_selection(str(row["selection"]), grid.headline)
        place = f"{row['metric']} of {both[0]} less {both[1]} on {row['dataset']}, {row['selection']}"
        yield from _three(row, "difference", place, ("difference", "low", "high"), cues)
        seen = list(_three(row, "difference", place, ("detectable", "low", "high"), (*cues, _SEEN)))
        yield from (one for one in seen if not one.bound)


def _claims(grid: Grid) -> Iterator[Quotable]:
    for row in _rows(grid.tables["verdicts"]):
        place = f"{row['method']} on {row['dataset']}, as published"
        found = list(_three({**row, "low": None, "high": None}, "level", place, ("claim", "low", "high"), (_CLAIM,)))
        yield from found


def _ladders(grid: Grid) -> Iterator[Quotable]:
    top: dict[tuple[object, ...], dict[str, object]] = {}
    for row in _rows(grid.ladder.sort_values("position", kind="stable")):
        first = top.setdefault((row["dataset"], row["method"], row["metric"]), row)
        cues = _of_selection(str(row["selection"]), str(first["selection"]))
        cues += (_ORDER,) if row["order"] != first["order"] else ()
        cues += (_RULE,) if row["label_rule"] != first["label_rule"] else ()
        place = f"{row['metric']} of {row['method']} on {row['dataset']}, step {row['step']} of its ladder"
        yield from _three(row, "level", place, _ENDS, cues)
        for step in ("difference", "added"):
            yield from _three(row, "difference", place, (step, f"{step}_low", f"{step}_high"), cues)
