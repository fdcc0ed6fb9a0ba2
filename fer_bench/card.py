"""A method's card ``baselines/<name>.yaml``: paper, code read, and the numbers that were published.

A card without a ``.py`` beside it is a claim that nobody has reproduced yet; it is shown as such.
"""

from typing import Annotated, Literal

import msgspec

from fer_bench import params, registry
from fer_bench.params import Section

Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Paper(Section, frozen=True, kw_only=True):
    """Where the method was published."""

    title: str
    authors: str
    year: int
    venue: str
    link: str


class Code(Section, frozen=True, kw_only=True):
    """The released code that was read.

    Attributes:
        repository: Where it is.
        commit: The commit that was read.
        licence: Its licence.
        evaluates_in_batches_of: Size of the batches in which it evaluates, where answers depend on them.
    """

    repository: str
    commit: str
    licence: str
    evaluates_in_batches_of: int | None = None


class PublishedProtocol(Section, frozen=True, kw_only=True):
    """How the published number was obtained, as far as paper and code say; ``unknown`` where they do not.

    Attributes:
        n_classes: Expressions told apart.
        label_rule: How votes became labels, for data sets with votes.
        selection: The rule that picked the checkpoint.
        n_test: Size of the test set.
        seeds: Number of runs behind the number.
        notes: Anything else that bears on it.
    """

    n_classes: int
    label_rule: str = "unknown"
    selection: Literal["last", "best_on_val", "best_on_test", "unknown"] = "unknown"
    n_test: int | None = None
    seeds: int | None = None
    notes: str = ""


class Claim(Section, frozen=True, kw_only=True):
    """One published number.

    Attributes:
        dataset: A name in ``fer_bench/datasets``, or one that is not there yet.
        metric: A name in ``fer_bench/metrics``.
        value: As a fraction.
        where: Table or page.
        protocol: As published.
    """

    dataset: str
    metric: str
    value: Fraction
    where: str
    protocol: PublishedProtocol


class PublishedRow(Section, frozen=True, kw_only=True):
    """One row of a published table.

    Attributes:
        cells: What stands in the table's columns of words.
        recipes: The method's recipes that are this row.
        published: Data set to the published number, as a fraction; without one where none was published or read.
    """

    cells: list[str]
    recipes: list[str]
    published: dict[str, Fraction] = msgspec.field(default_factory=dict)


class PublishedTable(Section, frozen=True, kw_only=True):
    """A published table whose rows are recipes of the method, printed in its own layout with our numbers beside.

    Attributes:
        name: Stem of the file that it becomes.
        where: What the paper calls it.
        about: What it shows, a clause.
        metric: A name in ``fer_bench/metrics``.
        columns: Heads of the columns of words.
        rows: In the paper's order.
        notes: What else has to be known to read it.
    """

    name: params.Name
    where: str
    about: str
    metric: str
    columns: list[str]
    rows: list[PublishedRow]
    notes: str = ""


class Note(Section, frozen=True, kw_only=True):
    """Something on record about a method: what, and where it can be read."""

    what: str
    link: str


class Card(Section, frozen=True, kw_only=True):
    """Everything on record about a method; one that nobody had to publish, such as a floor, has no paper."""

    title: str
    paper: Paper | None = None
    code: Code | None = None
    pretraining: str
    claims: list[Claim] = msgspec.field(default_factory=list)
    tables: list[PublishedTable] = msgspec.field(default_factory=list)
    known_defects: list[Note] = msgspec.field(default_factory=list)
    reports: list[Note] = msgspec.field(default_factory=list)

    def row_of(self, recipe: str) -> tuple[PublishedTable, PublishedRow] | None:
        """Return the published table and row that a recipe is; None where it is none of them."""
        for table in self.tables:
            for row in table.rows:
                if recipe in row.recipes:
                    return table, row
        return None


def read(name: str) -> Card:
    """Read a method's card.

    Raises:
        FerBenchError: If there is no such card, or it does not fit the form.
    """
    path = registry.path_of("cards", name)
    card: Card = params.from_yaml(path.read_text(encoding="utf-8"), Card, where=f"baselines/{path.name}")
    return card
