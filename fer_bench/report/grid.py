"""Everything the report is made from: a grid's tables, read once and checked."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fer_bench import card, registry
from fer_bench.card import APPROXIMATION, Card
from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.metrics import needs
from fer_bench.params import BROUGHT, Params
from fer_bench.report import words
from fer_bench.tables import audits as audit_files
from fer_bench.tables import predicted
from fer_bench.tables._schema import Schema
from fer_bench.tables.annotators import annotators
from fer_bench.tables.calibration import calibration
from fer_bench.tables.certificate import certificate
from fer_bench.tables.comparisons import comparisons
from fer_bench.tables.confusions import confusions
from fer_bench.tables.contamination import contamination
from fer_bench.tables.gains import gains
from fer_bench.tables.history import history
from fer_bench.tables.intervals import intervals
from fer_bench.tables.ladder import ladder
from fer_bench.tables.published import published
from fer_bench.tables.ranks import ranks
from fer_bench.tables.runs import UNKNOWN, runs
from fer_bench.tables.scores import scores
from fer_bench.tables.told_apart import told_apart
from fer_bench.tables.verdicts import verdicts

_SCHEMAS = {schema.name.removesuffix(" table"): schema for schema in
            (runs, scores, intervals, confusions, history, comparisons, verdicts)}  # fmt: skip

_MAYBE = {"contamination": contamination, "ladder": ladder, "gains": gains, "ranks": ranks, "calibration": calibration,
          "annotators": annotators, "published": published, "told_apart": told_apart}  # fmt: skip
"""Tables that older grids lack."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """How a metric is printed.

    Attributes:
        title: Its name in tables.
        share: Whether it is a fraction in [0, 1], printed in percent.
        higher_is_better: Its direction.
        soft: Whether it is one of probabilities, so that labels alone do not give it.
    """

    title: str
    share: bool = True
    higher_is_better: bool = True
    soft: bool = False


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A grid's tables and what is needed to print them.

    Attributes:
        params: What was asked for.
        folder: ``results/<grid>``.
        headline: The selection whose number is the protocol's own.
        titles: Method to printed title; every method of ``params`` and of the tables has one.
        metrics: Metric to how it is printed, in the order of ``params.score.metrics``; those with a value for every
            expression are left out, see the table of expressions.
        audits: Data set to audit name to what it found; a data set that was not audited is absent.
        marks: Data set to what every table has to say of it; absent in the ordinary case.
        contamination: Scores with and without twins; without rows where ``fer-bench adjust`` was not run, as on a grid
            that was not audited.
        ladder: Each method's numbers step by step, and
        gains: what choosing on the test set adds; without rows where ``fer-bench ladder`` was not run.
        ranks, calibration, annotators, published, told_apart: The tables of these names; without rows where their verb
            was not run.
        certificate: Of the statistics, ``results/certificate.csv``; without rows where there is none.
        cards: Entry to its method's card; an entry without one is absent.
        known: Every card there is, by its method; those of methods outside the grid too.
        tables: The seven tables, by name, as :mod:`fer_bench.tables` describes them.
        predicted: Data set to the table of predicted expressions; a data set all of whose runs failed is absent.
    """

    params: Params
    folder: Path
    headline: str
    titles: dict[str, str]
    metrics: dict[str, Shown]
    audits: dict[str, dict[str, Any]] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    contamination: pd.DataFrame
    ladder: pd.DataFrame
    gains: pd.DataFrame
    ranks: pd.DataFrame
    calibration: pd.DataFrame
    annotators: pd.DataFrame
    published: pd.DataFrame
    told_apart: pd.DataFrame
    certificate: pd.DataFrame
    cards: dict[str, Card] = field(default_factory=dict)
    known: dict[str, Card] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame]
    predicted: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def runs(self) -> pd.DataFrame:
        """One row per cell of the grid."""
        return self.tables["runs"]

    @property
    def compared(self) -> list[str]:
        """Metrics that are compared and printed."""
        return [name for name in self.params.compare.metrics if name in self.metrics]

    @property
    def compared_labels(self) -> list[str]:
        """Those of them that labels alone give."""
        return [name for name in self.compared if not self.metrics[name].soft]

    @property
    def datasets(self) -> list[str]:
        """Data sets in the order of ``params.yaml``."""
        return list(self.params.prepare)

    @property
    def several(self) -> bool:
        """Whether tables need a column for the data set."""
        return len(self.datasets) > 1

    @property
    def level(self) -> float:
        """Coverage that intervals aim at."""
        return self.params.score.level

    def methods(self, dataset: str) -> list[str]:
        """Methods of a data set, best primary metric first; those without any score last, in the order of params."""
        primary = next(iter(self.metrics))
        rows = self.headline_rows(dataset, primary)
        ascending = not self.metrics[primary].higher_is_better
        ranked = [str(name) for name in rows.sort_values("estimate", ascending=ascending, kind="stable")["method"]]
        extra = sorted(set(self.runs.loc[self.runs["dataset"] == dataset, "method"]) - set(self.params.methods))
        return ranked + [name for name in [*self.params.methods, *extra] if name not in ranked]

    def headline_rows(self, dataset: str, metric: str) -> pd.DataFrame:
        """Return each method's interval over all its seeds, under the headline selection.

        A method that keeps no such checkpoint (fitted in one go) is shown with ``last``; never with the oracle
        instead.
        """
        rows = self.over_seeds(dataset, metric)
        wanted = rows[rows["selection"] == self.headline]
        other = rows[(rows["selection"] == "last") & ~rows["method"].isin(wanted["method"])]
        return pd.concat([wanted, other], ignore_index=True)

    def over_seeds(self, dataset: str, metric: str) -> pd.DataFrame:
        """Return, per method and selection, the interval over the most seeds."""
        table = self.tables["intervals"]
        rows = table[(table["dataset"] == dataset) & (table["metric"] == metric)]
        rows = rows.sort_values(["method", "selection", "n_seeds"], kind="stable")
        return rows.drop_duplicates(["method", "selection"], keep="last")

    def pairs(self, dataset: str, metric: str) -> pd.DataFrame:
        """Return every compared pair once: under the headline selection or, where it was not under that, ``last``."""
        table = self.tables["comparisons"]
        rows = table[(table["dataset"] == dataset) & (table["metric"] == metric)]
        rows = rows[rows["selection"].isin([self.headline, "last"])]
        rows = rows.assign(_other=rows["selection"] != self.headline).sort_values("_other", kind="stable")
        return rows.drop_duplicates(["method_a", "method_b"]).drop(columns="_other").sort_index()

    def steps(self, dataset: str, method: str, metric: str) -> pd.DataFrame:
        """Return a method's ladder on a data set, from the top; without rows where there is none."""
        table = self.ladder
        chosen = (table["dataset"] == dataset) & (table["method"] == method) & (table["metric"] == metric)
        return table[chosen].sort_values("position", ignore_index=True)

    def n_classes(self, dataset: str) -> int:
        """Return how many expressions a data set's runs tell apart, as recorded; else as far as seen."""
        recorded = self.runs.loc[self.runs["dataset"] == dataset, "n_classes"].dropna()
        if len(recorded):
            return int(recorded.max())
        seen = self.tables["confusions"]
        seen = seen.loc[seen["dataset"] == dataset, ["y_true", "y_pred"]]
        return max(2, int(seen.to_numpy(dtype=int).max()) + 1) if len(seen) else 2

    def expressions(self, dataset: str) -> tuple[str, ...]:
        """Return the names of a data set's expressions."""
        return expressions(self.n_classes(dataset))

    def selection_of(self, dataset: str, method: str) -> str:
        """Return the selection under which a method is shown in the main table."""
        table = self.tables["confusions"]
        kept = set(table.loc[(table["dataset"] == dataset) & (table["method"] == method), "selection"])
        return self.headline if self.headline in kept else "last"

    def title(self, method: str) -> str:
        """Return a method's printed title; of a method outside the grid, its card's."""
        if method in self.titles:
            return self.titles[method]
        outside = method in self.known and method not in self.params.methods
        return self.known[method].title if outside else self.entry(method)

    def entry(self, method: str) -> str:
        """Return the name of an entry, with the word where it is an approximation or was brought."""
        word = APPROXIMATION if self.approximates(method) else BROUGHT if self.brought(method) else ""
        return f"{method} ({word})" if word else method

    def brought(self, method: str) -> bool:
        """Return whether an entry's predictions were made elsewhere."""
        return method in self.params.methods and self.params.methods[method].predictions is not None

    @property
    def own(self) -> pd.DataFrame:
        """Runs that were carried out by the grid, not brought."""
        return self.runs[~self.runs["method"].map(self.brought).astype(bool)]

    def selected(self, method: str, selection: str) -> str:
        """Print the selection of a method's numbers; of predictions that were brought it is not known."""
        return UNKNOWN if self.brought(method) else words.selection(selection)

    def selections(self, rows: pd.DataFrame) -> list[str]:
        """Print the selections that the rows of a table are under, of a method each or of two."""
        names = [rows[name] for name in ("method", "method_a", "method_b") if name in rows]
        pairs = {pair for column in names for pair in zip(column, rows["selection"], strict=True)}
        return sorted({self.selected(str(method), str(selection)) for method, selection in pairs})

    def under(self, rows: pd.DataFrame) -> str:
        """Say which selections these are, where no word before says that they are selections."""
        names = self.selections(rows)
        return f"{'selection ' * (UNKNOWN in names)}{words.listed(names)}"

    def approximates(self, method: str) -> bool:
        """Return whether an entry is an approximation of its method."""
        return method in self.cards and self.cards[method].approximation is not None


def read(params: Params, *, folder: Path | None = None) -> Grid:
    """Read a grid's tables with the titles that cards, metrics and protocol give.

    Args:
        params: What was asked for.
        folder: Where the tables are; None: the grid's folder of results.

    Raises:
        FerBenchError: If a table is missing or does not fit; the fix names the command that makes it.
    """
    metrics = {name: shown for name in params.score.metrics if (shown := _shown(name)) is not None}
    if not any(name in metrics and not metrics[name].soft for name in params.compare.metrics):
        raise FerBenchError(
            "compare.metrics has no metric with one value that labels alone give: methods have no order",
            fix="add accuracy or macro_f1 to score.metrics and compare.metrics",
        )
    known = {name: card.read(name) for name in registry.names("cards")}
    cards = {entry: known[params.method_of(entry)] for entry in params.methods if params.method_of(entry) in known}
    return load(
        params,
        folder=folder or params.results,
        headline=registry.load("protocols", params.run.protocol).headline,
        titles={entry: title_of(params, entry, found.title) for entry, found in cards.items()},
        metrics=metrics,
        cards=cards,
        known=known,
    )


def title_of(params: Params, entry: str, title: str) -> str:
    """Return a method's title; with the entry's recipe where the grid holds the method several times."""
    several = len(params.entries_of(params.method_of(entry))) > 1
    return f"{title}, {params.methods[entry].recipe}" if several else title


def _shown(name: str) -> Shown | None:
    file, expression = registry.metric_of(name)
    metric = registry.load("metrics", file)
    if getattr(metric, "per_class", False) and expression is None:
        return None
    return Shown(
        title=metric.title if expression is None else f"{metric.title}, {expression}",
        share=metric.range == (0, 1) and (needs(metric) == "labels" or metric.binary),
        higher_is_better=metric.higher_is_better,
        soft=needs(metric) != "labels",
    )


def load(
    params: Params,
    *,
    folder: Path,
    headline: str,
    titles: dict[str, str],
    metrics: dict[str, Shown],
    cards: dict[str, Card],
    known: dict[str, Card],
) -> Grid:
    """Read a grid's tables from a folder.

    Args:
        params: What was asked for.
        folder: Holds ``runs.csv`` and the others.
        headline: The protocol's own selection.
        titles: Method to title; a method without one is printed by its name, as are those that share a title.
        metrics: Metric to how it is printed, the primary one first.
        cards: Entry to its method's card.
        known: Every card there is, by its method.

    Raises:
        FerBenchError: If a table is missing or does not fit.
    """
    tables = {name: schema.read(folder / f"{name}.csv") for name, schema in _SCHEMAS.items()}
    audited = audit_files.read_all(params.prepare, folder)
    shared = {title for title in titles.values() if list(titles.values()).count(title) > 1}
    titles = {name: title for name, title in titles.items() if title not in shared}
    scored = set(tables["scores"]["dataset"])
    return Grid(
        params=params,
        folder=folder,
        headline=headline,
        titles=titles,
        metrics=metrics,
        audits={name: one.audits for name, one in audited.items()},
        marks=audit_files.marks(params.prepare, audited),
        certificate=_where_there(certificate, folder.parent / "certificate.csv"),
        **{name: _where_there(schema, folder / f"{name}.csv") for name, schema in _MAYBE.items()},
        cards=cards,
        known=known,
        tables=tables,
        predicted={
            name: predicted.read(folder / "predicted" / f"{name}.csv") for name in params.prepare if name in scored
        },
    )


def _where_there(schema: Schema, path: Path) -> pd.DataFrame:
    return schema.read(path) if path.exists() else schema.frame([])
