"""A method's card ``baselines/<name>.yaml``: paper, code read, and the numbers that were published.

A card without a ``.py`` beside it is a claim that nobody has reproduced yet; it is shown as such.
"""

from typing import Annotated, Literal

import msgspec

from fer_bench import given, params, registry
from fer_bench.errors import FerBenchError
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
        selection: The rule that picked the checkpoint, as in the released code.
        n_test: Size of the test set.
        seeds: Number of runs behind the number; with several, the number is taken for their mean.
        notes: Anything else that bears on it.
    """

    n_classes: int
    label_rule: str = "unknown"
    selection: Literal["last", "best_on_val", "best_on_test", "unknown"] = "unknown"
    n_test: params.Count | None = None
    seeds: int | None = None
    notes: str = ""


class Claim(Section, frozen=True, kw_only=True):
    """One published number.

    Attributes:
        dataset: A name in ``fer_bench/datasets``, or one that is not there yet.
        metric: A name in ``fer_bench/metrics``; of one with a value per expression that of one, as ``recall_fear``.
        value: As a fraction.
        where: Table or page; of another paper where it is read there, "as cited in …".
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
        method: The card of the method that the row is about; absent: the method of this card.
        recipes: The method's recipes that are this row; of another method, any is.
        published: Data set to the published number, as a fraction; without one where none was published or read.
        also: Further metric to the numbers in it, likewise.
    """

    cells: list[str]
    method: params.Name | None = None
    recipes: list[str] = msgspec.field(default_factory=list)
    published: dict[str, Fraction] = msgspec.field(default_factory=dict)
    also: dict[str, dict[str, Fraction]] = msgspec.field(default_factory=dict)


class PublishedTable(Section, frozen=True, kw_only=True):
    """A published table, printed in its own layout with our numbers beside.

    Its rows are recipes of the method, or other methods where it is the paper's comparison with them.

    Attributes:
        name: Stem of the file that it becomes.
        where: What the paper calls it.
        about: What it shows, a clause.
        metric: A name in ``fer_bench/metrics``.
        also: Further metrics in which ours are printed, and rows may have published numbers.
        columns: Heads of the columns of words.
        rows: In the paper's order.
        notes: What else has to be known to read it.
    """

    name: params.Name
    where: str
    about: str
    metric: str
    also: list[str] = msgspec.field(default_factory=list)
    columns: list[str]
    rows: list[PublishedRow]
    notes: str = ""

    def numbers(self, row: PublishedRow) -> dict[tuple[str, str], float]:
        """Return all published numbers of a row, by data set and metric."""
        of_metric = {self.metric: row.published, **row.also}
        return {(dataset, name): value for name, found in of_metric.items() for dataset, value in found.items()}


class KnownFile(Section, frozen=True, kw_only=True):
    """A file of weights that people bring, as somebody had it; another one is no error.

    Attributes:
        name: Its name, by which it is found among the files of a run.
        sha256: Of its bytes.
        what: Where these bytes are from, and how sure it is that they are the authors', a clause.
    """

    name: str
    sha256: params.Sha256
    what: str


class Note(Section, frozen=True, kw_only=True):
    """Something on record about a method: what, and where it can be read."""

    what: str
    link: str


class Defect(Note, frozen=True, kw_only=True):
    """A known defect of the released code or of the published numbers.

    Attributes:
        voids: Data sets on which it leaves the card's claims without the meaning that they are read with; a claim that
            it voids is not judged by its size.
    """

    voids: list[str] = msgspec.field(default_factory=list)


APPROXIMATION = "approximation"
"""The word that stands behind the name of a method that is one, wherever it is printed."""


class Network(Section, frozen=True, kw_only=True):
    """The size of our network; recomputed by a test.

    Attributes:
        recipe: The recipe that it is of.
        n_classes: Expressions told apart.
        parameters: All of them; those of the released code that nothing uses are left out.
        macs: Multiply-accumulates of predicting one picture (``fer_bench/training/cost.py``).
        verified: What of it was held to the released code's own modules; absent: nothing could be.
        in_part: Whether that is less than what the card's claims rest on.
        note: What else has to be known to read these figures, a clause.
    """

    recipe: str
    n_classes: int
    parameters: int
    macs: int
    verified: str | None = None
    in_part: bool = False
    note: str | None = None


class Card(Section, frozen=True, kw_only=True):
    """Everything on record about a method; one that nobody had to publish, such as a floor, has no paper.

    Attributes:
        approximation: What our code lacks of a method that is not public as a whole, a clause; its numbers are never
            judged as the method's. The title says that it is one.
    """

    title: str
    paper: Paper | None = None
    code: Code | None = None
    pretraining: str
    approximation: str | None = None
    network: Network | None = None
    claims: list[Claim] = msgspec.field(default_factory=list)
    tables: list[PublishedTable] = msgspec.field(default_factory=list)
    files: list[KnownFile] = msgspec.field(default_factory=list)
    known_defects: list[Defect] = msgspec.field(default_factory=list)
    reports: list[Note] = msgspec.field(default_factory=list)

    def said_of(self, name: str, digest: str, *, digits: int = 64) -> str:
        """Say in a clause what is on record about a file.

        Args:
            name: The file's name.
            digest: Its SHA-256.
            digits: How many of a digest's digits are printed.
        """
        known = next((file for file in self.files if file.name == name), None)
        shown = f"SHA-256 {shortened(digest, digits)}"
        if known is None:
            return f"{shown}; none is on record"
        if digest == known.sha256:
            return f"{shown}, the one on record ({known.what})"
        return f"{shown}, another than the one on record, {shortened(known.sha256, digits)} ({known.what})"

    def elsewhere(self, recipe: str, claim: Claim) -> PublishedTable | None:
        """Return the published table of which a recipe is another row than the one that the claim is about.

        A row that has no number of the claim's kind is the claim's where another of its numbers is one of the claims.

        Returns:
            None where the recipe is the row of the claim, or none of any table.
        """
        claimed = {((one.dataset, one.metric), one.value) for one in self.claims}
        for table in self.tables:
            for row in (row for row in table.rows if recipe in row.recipes):
                numbers = table.numbers(row)
                own = numbers.get((claim.dataset, claim.metric))
                same = own == claim.value if own is not None else bool(numbers.items() & claimed)
                return None if same else table
        return None


def shortened(digest: str, digits: int) -> str:
    """Return a digest's first digits.

    Examples:
        >>> shortened("62fcfa833776", 4), shortened("62fc", 4)
        ('62fc…', '62fc')
    """
    return digest if len(digest) <= digits else f"{digest[:digits]}…"


def read(name: str) -> Card:
    """Read a method's card.

    Raises:
        FerBenchError: If there is no such card, or it does not fit the form: a share written in percent, or a defect
            that voids claims on a data set of which the card has none, or a row with numbers in a metric that its table
            does not name, or a title that does not say that the method is an approximation.
    """
    path = registry.path_of("cards", name)
    text = given.text(path, missing=f"no file {path}", fix="a card is a YAML file in baselines/")
    return parse(text, where=f"baselines/{path.name}")


def approximations(grid: params.Params) -> dict[str, str]:
    """Return the grid's entries that are approximations, each with what it lacks."""
    files = {entry: grid.method_of(entry) for entry in grid.methods}
    known = set(registry.names("cards"))
    found = {entry: read(file).approximation for entry, file in files.items() if file in known}
    return {entry: lacks for entry, lacks in found.items() if lacks is not None}


def in_words(grid: params.Params) -> list[str]:
    """Say in a sentence each which entries are approximations or were brought, for tables of names as they are."""
    said = [f"{entry} is an {APPROXIMATION}, without {lacks}." for entry, lacks in approximations(grid).items()]
    brought = [entry for entry, chosen in grid.methods.items() if chosen.predictions is not None]
    unknown = "predictions that were made elsewhere; how they were trained and selected is not known"
    return said + [f"{entry} was brought: {unknown}." for entry in brought]


def parse(text: str, *, where: str) -> Card:
    """Parse a card's text.

    Args:
        text: YAML.
        where: The file's name, for errors.

    Raises:
        FerBenchError: As :func:`read`.
    """
    try:
        card: Card = params.from_yaml(text, Card, where=where)
    except FerBenchError as error:
        if "<= 1.0" in error.problem:
            raise FerBenchError(error.problem, fix="write shares as fractions: 0.9205 for 92.05 %") from None
        raise
    claimed = sorted({claim.dataset for claim in card.claims})
    for defect in card.known_defects:
        unknown = sorted(set(defect.voids) - set(claimed))
        if unknown:
            raise FerBenchError(
                f"{where}: a defect voids the claims on {', '.join(unknown)}, of which the card has none",
                fix=f"name data sets of its claims: {', '.join(claimed) or 'there are none'}",
            )
    for table in card.tables:
        unnamed = sorted({metric for row in table.rows for metric in row.also} - set(table.also))
        if unnamed:
            raise FerBenchError(
                f"{where}: rows of {table.name} have numbers in {', '.join(unnamed)}, which the table does not name",
                fix=f"name it there: also: [{', '.join([*table.also, *unnamed])}]",
            )
    if card.approximation is not None and APPROXIMATION not in card.title:
        raise FerBenchError(
            f"{where}: the method is an approximation, and its title '{card.title}' does not say so",
            fix=f"title: {card.title} ({APPROXIMATION})",
        )
    return card
