"""``report.json``: everything the report shows, for programs. Its form is published as ``docs/report.schema.json``.

``tables`` holds the grid's tables with typed cells (fractions, not percent); ``sections`` what people read: captions,
printed cells, alternative texts. Equal reports give equal bytes.
"""

import inspect
from typing import Any, Literal, TypeAlias

import msgspec
import pandas as pd

from fer_bench import __version__, params
from fer_bench.report.blocks import Block, Box, Code, Figure, Listing, Section, Table, Text
from fer_bench.report.grid import Grid
from fer_bench.tables._schema import ColumnType, Schema
from fer_bench.tables.annotators import annotators
from fer_bench.tables.calibration import calibration
from fer_bench.tables.comparisons import comparisons
from fer_bench.tables.confusions import confusions
from fer_bench.tables.contamination import contamination
from fer_bench.tables.gains import gains
from fer_bench.tables.history import history
from fer_bench.tables.intervals import intervals
from fer_bench.tables.ladder import ladder
from fer_bench.tables.published import published
from fer_bench.tables.ranks import ranks
from fer_bench.tables.runs import runs
from fer_bench.tables.scores import scores
from fer_bench.tables.told_apart import told_apart
from fer_bench.tables.verdicts import verdicts

SCHEMAS = {
    "annotators": annotators, "calibration": calibration, "comparisons": comparisons, "confusions": confusions,
    "contamination": contamination, "gains": gains, "history": history, "intervals": intervals, "ladder": ladder,
    "published": published, "ranks": ranks, "runs": runs, "scores": scores, "told_apart": told_apart,
    "verdicts": verdicts,
}  # fmt: skip
"""The tables that the file holds."""

_TYPES: dict[ColumnType, str] = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}

Cell: TypeAlias = str | int | float | bool | None


class Printed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A block of the report.

    Attributes:
        kind: What it is.
        name: Stem of the file that it also is: ``tables/<name>.tex`` or ``figures/<name>.png``.
        caption: What it shows; the sentence that leads to a listing.
        text: Of text, of a box, of a listing, of commands: the lines; of a figure: what can be read off it.
        columns: Heads of a table.
        rows: Printed cells of a table.
        note: What else has to be known to read a table.
    """

    kind: Literal["text", "box", "listing", "code", "table", "figure"]
    name: str = ""
    caption: str = ""
    text: list[str] = []
    columns: list[str] = []
    rows: list[list[str]] = []
    note: str = ""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A section of the report."""

    title: str
    blocks: list[Printed]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A grid's report.

    Attributes:
        form: Version of this form.
        version: Of fer-bench.
        grid: The grid's name.
        title: The report's.
        level: Coverage that intervals aim at.
        headline: The selection of the main numbers.
        params: What was asked for, every default filled in.
        signatures: What each headline number is a number of, by ``dataset/method/metric``; absent in tables that were
            made before there were signatures.
        tables: Name of a CSV file without its ending to its rows; missing cells are null.
        sections: What people read.
    """

    form: Literal["fer-bench-report-1"] = "fer-bench-report-1"
    version: str
    grid: str
    title: str
    level: float
    headline: str
    params: dict[str, Any]
    signatures: dict[str, str]
    tables: dict[str, list[dict[str, Cell]]]
    sections: list[Part]


def render(grid: Grid, sections: tuple[Section, ...]) -> bytes:
    """Return the file's bytes."""
    held = {name: grid.tables[name] if name in grid.tables else getattr(grid, name) for name in SCHEMAS}
    report = Report(
        version=__version__,
        grid=grid.params.grid,
        title=grid.params.report.title,
        level=grid.level,
        headline=grid.headline,
        params=msgspec.to_builtins(grid.params),
        signatures=_signatures(grid),
        tables={name: _records(table) for name, table in sorted(held.items())},
        sections=[Part(title=one.title, blocks=[_printed(block) for block in one.blocks]) for one in sections],
    )
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"


def schema() -> bytes:
    """Return the JSON schema of the file; it says of every column what it holds."""
    form = msgspec.json.schema(Report)
    for described in (form["$defs"], *(one.get("properties", {}) for one in form["$defs"].values())):
        for one in described.values():
            if "description" in one:  # a docstring, which Python 3.13 sets in by less
                one["description"] = inspect.cleandoc(one["description"])
    form["$defs"]["Report"]["properties"]["tables"]["properties"] = {name: _rows(one) for name, one in SCHEMAS.items()}
    return msgspec.json.format(msgspec.json.encode(form), indent=1) + b"\n"


def _rows(table: Schema) -> dict[str, Any]:
    columns = {
        name: {
            "description": f"{column.about}{'' if column.empty is None else f'; null {column.empty}'}",
            "type": _TYPES[column.kind] if column.empty is None else [_TYPES[column.kind], "null"],
        }
        for name, column in table.columns.items()
    }
    return {"type": "array", "items": {"type": "object", "properties": columns, "required": list(columns)}}


def read(data: bytes, *, where: str) -> Report:
    """Read a file.

    Raises:
        FerBenchError: If it does not have the form.
    """
    report: Report = params.convert(msgspec.json.decode(data), Report, where=where)
    return report


def _signatures(grid: Grid) -> dict[str, str]:
    found = {}
    for dataset in grid.datasets:
        for metric in grid.metrics:
            for row in grid.headline_rows(dataset, metric).to_dict("records"):
                if not pd.isna(row["signature"]):
                    found[f"{dataset}/{row['method']}/{metric}"] = str(row["signature"])
    return found


def _records(table: pd.DataFrame) -> list[dict[str, Cell]]:
    cells = table.astype(object).where(table.notna(), None)
    return [{str(name): _plain(value) for name, value in row.items()} for row in cells.to_dict("records")]


def _plain(value: object) -> Cell:
    if isinstance(value, float):
        return float(f"{value:.9g}")  # as in the CSV
    return value if isinstance(value, str | int | bool) or value is None else str(value)


def _printed(block: Block) -> Printed:
    match block:
        case Text(text):
            return Printed(kind="text", text=[text])
        case Box(sentences):
            return Printed(kind="box", text=list(sentences))
        case Listing(lead, items):
            return Printed(kind="listing", caption=lead, text=list(items))
        case Code(lines):
            return Printed(kind="code", text=list(lines))
        case Figure():
            return Printed(kind="figure", name=block.name, caption=block.caption, text=[block.alt])
        case Table():
            cells = block.cells.astype(str)
            return Printed(
                kind="table",
                name=block.name,
                caption=block.caption,
                columns=[str(name) for name in cells.columns],
                rows=cells.to_numpy().tolist(),
                note=block.note,
            )
