"""What the runs were made on and with, and which of them differ: a number may depend on it where its code does not.

What ``runs.csv`` does not hold is called not on record. Which machine it was is not said, and stands in no table.
"""

from collections.abc import Iterator, Mapping

import pandas as pd

from fer_bench import __version__
from fer_bench.report import words
from fer_bench.report.blocks import Section, Table
from fer_bench.report.grid import Grid
from fer_bench.stats import signature
from fer_bench.tables.runs import parsed

_UNKNOWN = "not on record"
_ABSENT = "not installed"
_NAMES = 6  # names of runs that a cell lists; of more it says how many
_OWN_ROWS = ("python", "fer-bench")  # versions that do not stand among those of the packages


def section(grid: Grid) -> Section:
    """Return the table of what the runs were made on and with."""
    return Section(title="Environment", blocks=(environment(grid),))


def environment(grid: Grid) -> Table:
    """Make the table: one row per fact and value, with the runs of which it is true."""
    rows = [
        {"what": what, "is": value, "runs": _which(grid, cells == value)}
        for what, cells in _facts(grid.own)
        for value in cells.dropna().value_counts(sort=True).index
    ]
    return Table(
        name="environment",
        cells=pd.DataFrame(rows, columns=["what", "is", "runs"]),
        caption="What the runs were made on and with, failed ones too. Where runs differ, each value stands with its "
        "runs. commit: of the code that trained.",
        wrapped=frozenset({"what", "is", "runs"}),
        shared=frozenset({"runs"}),
        note=f"{_computed_with(grid)} This report was made with fer-bench {__version__}.",
        empty="No run is on record.",
    )


def _facts(runs: pd.DataFrame) -> Iterator[tuple[str, "pd.Series[str]"]]:
    """Yield each fact with its value for every run; a value is missing where another row speaks of that run."""
    machine = [parsed(text) for text in runs["machine"].astype(object)]
    versions = [parsed(text) for text in runs["versions"].astype(object)]

    def cells(values: list[str | None]) -> "pd.Series[str]":
        return pd.Series(values, index=runs.index, dtype=object)

    yield "device", runs["device"].map(words.text)
    yield "processor", cells([_said(one, "processor") for one in machine])
    yield "system", cells([_said(one, "system", "architecture") for one in machine])
    yield "CPU threads", runs["threads"].map(str)
    yield "precision", runs["precision"].fillna(_UNKNOWN)
    yield "Python", cells([_said(one, "python") for one in versions])
    yield "fer-bench", cells([_said(one, "fer-bench") for one in versions])
    yield from ((what, cells(values)) for what, values in _packages(versions))
    commits = zip(runs["commit"], runs["dirty"], strict=True)
    yield "commit", cells([_commit(commit, dirty=dirty) for commit, dirty in commits])


def _said(found: Mapping[str, str], *names: str) -> str:
    return ", ".join(words.text(found[name]) for name in names if name in found) or _UNKNOWN


def _packages(versions: list[dict[str, str]]) -> Iterator[tuple[str, list[str | None]]]:
    """Yield the versions that all runs share, and those in which they differ, where they do."""
    known = [one for one in versions if one]
    names = sorted({name for one in known for name in one if name not in _OWN_ROWS})
    shared = [name for name in names if len({one.get(name) for one in known}) == 1]
    others = [name for name in names if name not in shared]
    if shared or not known:
        yield "packages", [_named_versions(one, shared) if one else _UNKNOWN for one in versions]
    if others:
        without = None if shared else _UNKNOWN  # said in the row above
        yield "packages that differ", [_named_versions(one, others) if one else without for one in versions]


def _named_versions(found: Mapping[str, str], names: list[str]) -> str:
    return ", ".join(f"{name} {found.get(name, _ABSENT)}" for name in names)


def _commit(commit: object, *, dirty: object) -> str:
    if pd.isna(commit):  # type: ignore[call-overload]
        return f"{_UNKNOWN}: outside a repository"
    return f"{str(commit)[:7]}{', with uncommitted changes' if dirty else ''}"


def _which(grid: Grid, held: "pd.Series[bool]") -> str:
    """Say how many runs these are, and which: those that are left out where they are fewer to name."""
    n, total = int(held.sum()), len(held)
    if n == total:
        return f"all {total}" if total > 1 else "the only one"
    named, others = _named(grid, held), _named(grid, ~held)
    said = f"all but {_listed(others)}" if len(others) < len(named) else _listed(named)
    return f"{n} of {total}: {said}"


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMES
    return words.listed(names if more < 2 else [*names[:_NAMES], f"{more} more"])


def _named(grid: Grid, held: "pd.Series[bool]") -> list[str]:
    """Name runs by their data set where all of it is meant, else by their method, else by method and seeds."""
    runs, found = grid.own, []
    whole = held.groupby(runs["dataset"]).transform("all") if grid.several else held & False
    found += [f"all on {dataset}" for dataset in runs.loc[whole, "dataset"].unique()]
    left = held & ~whole
    for method in runs.loc[left, "method"].unique():
        own = runs[runs["method"] == method]
        chosen = own[left[own.index]].groupby("dataset", sort=False)["seed"].agg(tuple)
        everywhere = len(chosen) == own["dataset"].nunique() and len(set(chosen)) == 1
        for dataset, seeds in (chosen.iloc[:1] if everywhere else chosen).items():
            place = "" if everywhere else f" on {dataset}"
            few = len(seeds) < (own["dataset"] == dataset).sum()
            of = f" (seed{'s' * (len(seeds) > 1)} {words.listed([str(seed) for seed in seeds])})" if few else ""
            found.append(f"{grid.entry(str(method))}{place}{of}")
    return found


def _computed_with(grid: Grid) -> str:
    texts = pd.concat([grid.tables[name]["signature"] for name in ("intervals", "comparisons")]).dropna()
    versions = sorted({signature.parse(str(text)).v for text in texts})
    if not versions:
        return f"The version of fer-bench that computed intervals and comparisons is {_UNKNOWN}."
    return f"Intervals and comparisons were computed with fer-bench {words.listed(versions)}, as their signatures say."
