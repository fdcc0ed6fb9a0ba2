"""Write anew what documents take from the code: ``make docs``.

``results/README.md`` gets, between its marks, what every file in a grid's folder holds: which verb makes it, what a row
is, and what each column says, as the tables' schemas have it. ``docs/report.schema.json`` gets the form of report.json,
``docs/bad-input.md`` the bad inputs that a test tries.
"""

import inspect
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_bench import yaml12
from fer_bench.expressions import EXPRESSIONS
from fer_bench.report import as_json
from fer_bench.tables import digests, features, gate, history, orders, pictures, predicted, predictions, reported, runs
from fer_bench.tables._schema import Column, ColumnType, Schema
from fer_bench.tables.annotators import annotators
from fer_bench.tables.by_order import by_order
from fer_bench.tables.calibration import calibration
from fer_bench.tables.certificate import certificate
from fer_bench.tables.comparisons import comparisons
from fer_bench.tables.confusions import confusions
from fer_bench.tables.contamination import contamination
from fer_bench.tables.gains import gains
from fer_bench.tables.intervals import intervals
from fer_bench.tables.ladder import ladder
from fer_bench.tables.published import published
from fer_bench.tables.ranks import ranks
from fer_bench.tables.scores import scores
from fer_bench.tables.told_apart import told_apart
from fer_bench.tables.twins import twins
from fer_bench.tables.verdicts import verdicts

ROOT = Path(__file__).parents[1]
README = ROOT / "results" / "README.md"
FORM = ROOT / "docs" / "report.schema.json"
CASES, BAD = ROOT / "tests" / "bad_input" / "cases.yaml", ROOT / "docs" / "bad-input.md"
START, END = "<!-- tables -->", "<!-- /tables -->"

KINDS: dict[ColumnType, str] = {"str": "text", "int": "integer", "float": "number", "bool": "True, False"}
VOTES = ("votes_ANSWER",)
# letters stand for seeds, methods and selections
EVERY_RUN = [predicted.Column("METHOD", "K", "SELECTION")]  # type: ignore[arg-type]
EVERY_ORDER = [orders.Column("K", "SELECTION", order) for order in (orders.SINGLE, "ORDER")]  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class File:
    """A file, or files of one form, in a grid's folder.

    Attributes:
        name: Its path there; DATASET, METHOD and K stand for a data set, a method and a seed.
        verb: The command that makes it.
        holds: What it holds, in a line; of a table, what one row is.
        more: What else has to be known to read it.
        table: Its columns.
        records: Of JSON: classes whose attributes are its fields.
    """

    name: str
    verb: str
    holds: str
    more: str = ""
    table: Schema | None = None
    records: tuple[type, ...] = ()


_AUDIT = "fer-bench data audit DATASET"
_RUN = "fer-bench run METHOD --dataset DATASET --seed K"
_EXPLAIN = features.REMAKE
_REPORT = "fer-bench report"

FILES = (
    File(name="params.yaml", verb=_REPORT, holds="the grid as it was asked for"),
    File(name="report.html", verb=_REPORT, holds="the report as one page that needs no network",
         more="`fer-bench report --open` shows it."),
    File(name="report.md", verb=_REPORT, holds="the same report for repositories and issues"),
    File(name="report.tex", verb=_REPORT, holds="the same report in LaTeX; `fer-bench report --pdf` also compiles it"),
    File(name="report.json", verb=_REPORT, holds="the same report for programs, with the grid's tables",
         more="Its form is [docs/report.schema.json](../docs/report.schema.json), a JSON schema with every column."),
    File(name="tables/*.tex", verb=_REPORT, holds="one fragment per table, to `\\input` (needs `booktabs`)",
         more="As wide as a page: in a paper of two columns, for `table*`. `tables/column/` has the same tables for "
         "`table` in one of two columns, from 237 pt on (CVPR 237, ACM 241, IEEE 252): the type is as large and "
         "nothing is left out; what does not fit side by side goes on below, under a thin rule, with the columns that "
         "tell the rows apart repeated. A table too long for a page or column goes on in `NAME_2.tex`. "
         "`tables/numbers.tex` has a macro per number, for sentences."),
    File(name="figures/*", verb=_REPORT, holds="one figure per file, as PDF for papers and PNG for the page",
         more="Faces are drawn only where the data set's licence allows it."),
    File(name="metrics.json", verb="fer-bench score",
         holds="the headline numbers as `dvc metrics show` reads them; `git diff` says which moved",
         more="Data set, method, metric, then `estimate`, `low`, `high`; per method `n` (samples) and `seeds`. All are "
         "of the protocol's own selection; a method that keeps no such checkpoint stands with `last`. Fractions."),
    File(name="runs.csv", verb="fer-bench score", holds="one row per run, failed ones too", table=runs.runs),
    File(name="scores.csv", verb="fer-bench score", holds="one row per run, selection and metric", table=scores),
    File(name="intervals.csv", verb="fer-bench score",
         holds="one row per metric and selection, for each run alone and for all seeds of a method", table=intervals),
    File(name="confusions.csv", verb="fer-bench score",
         holds="one row per run, selection and pair of true and predicted expression; zeros are left out",
         table=confusions),
    File(name="history.csv", verb="fer-bench score", holds="one row per run and epoch", table=history.history),
    File(name="calibration.csv", verb="fer-bench score",
         holds="one row per run and bin of confidence, under the headline selection; empty bins are left out",
         table=calibration),
    File(name="predicted/DATASET.csv", verb="fer-bench score",
         holds="one row per reported sample, with every run's answer",
         more="Enough to compute every score and comparison of labels again where the runs are not.",
         table=predicted.schema(EVERY_RUN)),
    File(name="comparisons.csv", verb="fer-bench compare", holds="one row per metric and pair of methods",
         table=comparisons),
    File(name="ranks.csv", verb="fer-bench compare",
         holds="one row per metric and method: where it may stand among the others of its data set", table=ranks),
    File(name="verdicts.csv", verb="fer-bench verdict",
         holds="one row per published claim, beside our number ([docs/claims.md](../docs/claims.md))", table=verdicts),
    File(name="published.csv", verb="fer-bench verdict",
         holds="one row per published number: what its size alone says", table=published),
    File(name="told_apart.csv", verb="fer-bench verdict",
         holds="one row per pair of numbers in one published table: whether they alone tell the two apart",
         table=told_apart),
    File(name="ladder.csv", verb="fer-bench ladder",
         holds="one row per method, metric and step, from the honest number to those that other procedures give",
         table=ladder),
    File(name="gains.csv", verb="fer-bench ladder",
         holds="one row per method and metric: what choosing the checkpoint on the reported samples adds", table=gains),
    File(name="orders.csv", verb="fer-bench ladder",
         holds="one row per method, selection, order and metric: scores where pictures come in other batches",
         table=by_order),
    File(name="contamination.csv", verb="fer-bench adjust",
         holds="one row per method, metric and part of the reported samples: with and without twins in training",
         table=contamination),
    File(name="annotators.csv", verb="fer-bench annotators",
         holds="one row per part: what the annotators' votes say about scores",
         more="Without rows where no data set of the grid has votes. What each part is: "
         "[docs/annotators.md](../docs/annotators.md).", table=annotators),
    File(name="audits/DATASET.json", verb=_AUDIT, holds="what each audit found: `status`, `why` and `numbers`",
         more="`official`: whether it is the complete release or a part of it; `unofficial`: why it is another form."),
    File(name="audits/DATASET_gate.json", verb=_AUDIT, holds="what training asks of the audit", records=(gate.Gate,)),
    File(name="audits/DATASET_twins.csv", verb=_AUDIT,
         holds="one row per sample and sample of another split that shows the same photograph", table=twins),
    File(name="audits/DATASET_near.csv", verb=_AUDIT, holds="one row per pair of near-duplicates, within splits too",
         table=pictures.near),
    File(name="audits/DATASET_duplicates.csv", verb=_AUDIT,
         holds="one row per picture that equals another pixel for pixel", table=pictures.duplicates),
    File(name="audits/DATASET_difference.csv", verb=_AUDIT,
         holds="one row per picture that differs from the official fingerprint",
         more="Without rows where there is no official fingerprint.", table=pictures.difference),
    File(name="audits/DATASET_reported.csv", verb=_AUDIT,
         holds="one row per sample of the test split: the person and the votes, where they are known",
         table=reported.schema(VOTES)),
    File(name="orders/DATASET_METHOD.csv", verb=orders.REMAKE,
         holds="one row per test sample: what each checkpoint predicts when pictures come in other batches",
         more="Orders: `copies` (each picture beside a copy of itself), `shuffled0_b8` (three shuffles, in batches of "
         "8, 16, 32, 64), `listed_b8` (as the release lists them), `class_sorted_b8` (as folders named after "
         "expressions are read). A method without batches has the columns of ids and labels alone.",
         table=orders.schema(["label/RULE"], EVERY_ORDER)),
    File(name="orders/DATASET_METHOD.json", verb=orders.REMAKE,
         holds="how many answers flip in each order, and by how much logits move"),
    File(name="features/DATASET_METHOD.csv", verb=_EXPLAIN,
         holds="one row per picture asked: its place among the features before the classifier",
         more="Neighbours are the ten nearest. The pictures are the same for all methods of a data set.",
         table=features.features),
    File(name="features/DATASET_METHOD.json", verb=_EXPLAIN,
         holds="the run that was asked, its layers, and why something is missing",
         records=(features.Explained, features.Features, features.GradCam)),
    File(name="features/DATASET_METHOD.npz", verb=_EXPLAIN,
         holds="Grad-CAM maps of a few pictures; the pictures only where faces may be shown", records=(features.Maps,)),
    File(name="private/DATASET_METHOD.npz", verb=f"{_EXPLAIN} --faces",
         holds="the same maps with the faces, kept on request; git ignores the folder"),
    File(name="sources/METHOD.json", verb="fer-bench sources METHOD",
         holds="the files that a method of the grid is made of, with SHA-256; its runs depend on it"),
    File(name="digests/*.json", verb="fer-bench VERB",
         holds="what a verb read and wrote, with digests; the next one holds its input to them",
         more="What this proves: [docs/decisions/digests-of-results.md](../docs/decisions/digests-of-results.md). The "
         "fields:", records=(digests.Digests,)),
    File(name="runs/DATASET/METHOD/seedK/predictions.csv", verb=_RUN,
         holds="one row per reported sample and selection; kept by DVC, not by git, as all of a run's files",
         more="Logits, not probabilities. Without rows where the run failed.",
         table=predictions.schema(len(EXPRESSIONS))),
    File(name="runs/DATASET/METHOD/seedK/run.json", verb=_RUN, holds="everything on record about the run",
         records=(runs.RunRecord,)),
    File(name="runs/DATASET/METHOD/seedK/history.csv", verb=_RUN,
         holds="one row per epoch; [history.csv](#historycsv) gathers these over the runs"),
    File(name="runs/DATASET/METHOD/seedK/sealed.csv", verb=_RUN,
         holds="one row per epoch: the same checkpoints on the reported part",
         more="Written after training has ended; no choice reads it.", table=history.sealed),
    File(name="runs/DATASET/METHOD/seedK/weights/*", verb=_RUN, holds="the trained weights of the selected epochs"),
    File(name="../certificate.csv", verb="fer-bench selftest stats",
         holds="one row per promise of the statistics: how often intervals cover and tests reject",
         more="It stands in `results/`, beside the grids.", table=certificate),
)  # fmt: skip


def readme() -> str:
    """Return results/README.md as it should be."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{_tables()}\n{END}{after}"


def _tables() -> str:
    overview = [(_linked(file), f"`{file.verb}`", file.holds) for file in FILES]
    sections = [_section(file) for file in FILES if _has_section(file)]
    return "\n\n".join([_table(("file", "made by", "holds"), overview), *sections])


def _has_section(file: File) -> bool:
    return bool(file.more or file.table or file.records)


def _linked(file: File) -> str:
    return f"[`{file.name}`](#{anchor(file.name)})" if _has_section(file) else f"`{file.name}`"


def anchor(heading: str) -> str:
    """Return the anchor that renderers of Markdown give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _section(file: File) -> str:
    said = f"Made by `{file.verb}`. {file.holds[0].upper()}{file.holds[1:]}.{' ' if file.more else ''}{file.more}"
    parts = [f"### `{file.name}`", said]
    if file.table is not None:
        key = ", ".join(f"`{name}`" for name in file.table.key)
        parts += [f"Rows are told apart and sorted by {key}.", _columns(file.table)]
    for record in file.records:
        rows = [(f"`{name}`", about) for name, about in attributes(record)]
        head = "field" if record is file.records[0] else f"field of `{record.__name__.lower()}`"
        parts.append(_table((head, "is"), rows))
    return "\n\n".join(parts)


def _columns(table: Schema) -> str:
    rows = []
    for column, group in itertools.groupby(table.columns.items(), key=lambda pair: pair[1]):
        names = [f"`{name}`" for name, _ in group]
        shown = [f"{names[0]} … {names[-1]}"] if len(names) > 2 else names
        rows += [(name, KINDS[column.kind], _empty(column), column.about) for name in shown]
    return _table(("column", "type", "empty", "is"), rows)


def _empty(column: Column) -> str:
    return "never" if column.empty is None else column.empty


def attributes(record: type) -> list[tuple[str, str]]:
    """Return a class's attributes and what its docstring says of each."""
    _, _, listed = (inspect.getdoc(record) or "").partition("Attributes:\n")  # Python 3.13 sets docstrings in by less
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", listed, re.MULTILINE)
    return [(name, " ".join(about.replace("``", "`").split()).rstrip(".")) for name, about in found]


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bad_input() -> str:
    """Return the page of bad inputs that are tried."""
    groups: Any = yaml12.load(CASES.read_text(encoding="utf-8"), where=CASES.name)
    n_cases = sum(len(group["cases"]) for group in groups)
    lines = [f"# Bad input\n\n{_BAD_INPUT.format(n_cases=n_cases)}"]
    for group in groups:
        names = [case["name"] for case in group["cases"]]
        lines.append(f"## {group['about'][0].upper()}{group['about'][1:]} ({len(names)})\n")
        lines += [f"- {name}" for name in names]
        lines.append("")
    return "\n".join(lines)


_BAD_INPUT = """\
{n_cases} inputs that are wrong are given to the program by a test (`tests/bad_input/`, the inputs are data:
`cases.yaml`). Each must end in an error that says what was found where and what to do, with exit code 2, and leave
every file as it was; those that could end the process are tried in one of their own. What nobody foresaw ends in one
line with the place of a full report and exit code 1 (`fer_bench/cli/_last_resort.py`). `make docs` writes this page.
"""


def main() -> None:
    """Write all three."""
    README.write_text(readme(), encoding="utf-8")
    FORM.write_bytes(as_json.schema())
    BAD.write_text(bad_input(), encoding="utf-8")


if __name__ == "__main__":
    main()
