"""What the verbs share: options spelled once, tables to stdout, everything else to stderr."""

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:  # pandas takes 0.4 s to import, and this module is imported for every --help
    import pandas as pd

    from fer_bench.params import Params
    from fer_bench.tables.digests import Checked

ParamsFile: TypeAlias = Annotated[Path, typer.Option("--params", help="The grid's file.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the table as JSON.")]
Format: TypeAlias = Annotated[str, typer.Option("--format", help="text, md, latex, csv or json.")]
Output: TypeAlias = Annotated[
    Path | None, typer.Option("--output", "-o", help="Also write it here: .txt, .md, .tex, .csv or .json.")
]
# what files of predictions may leave open
Columns: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="ROLE=NAME", help="The column of id, true or pred; may be repeated."),
]
Scores: TypeAlias = Annotated[
    str | None, typer.Option("--scores", help="What columns such as 'happy' hold: probabilities or logits.")
]
LabelOrder: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--label-order",
        metavar="[FILE=]ORDER",
        help="Which number is which: ours, rafdb, fer2013, affectnet, … or happy,sad,…; FILE=ORDER for one file.",
    ),
]
Rows: TypeAlias = Annotated[
    bool, typer.Option("--rows", help="Files without ids: the place of a row says which sample it is.")
]
Classes: TypeAlias = Annotated[
    int | None, typer.Option("--classes", help="Expressions scored: 7 (contempt left out) or 8.")
]


def say(text: str) -> None:
    """Print a line to stderr."""
    print(text, file=sys.stderr, flush=True)


def tell(checked: "Checked") -> None:
    """Say which files are read without digests that they could be held to."""
    for line in checked.in_words():
        say(line)


def wrote(path: Path, *, then: str) -> None:
    """Say what was written and which command comes next."""
    say(f"wrote {path}; next: {then}")


def show(table: "pd.DataFrame", *, as_json: bool) -> None:
    """Print a table to stdout: aligned for people, or as a JSON list of records."""
    if as_json:
        print(json.dumps(json.loads(table.to_json(orient="records")), indent=1))
        return
    rows = table.astype(object).where(table.notna(), "").to_numpy().tolist()
    print_aligned(list(table.columns), rows)


def print_aligned(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table to stdout, aligned; columns of prose are wrapped where it is wider than the terminal."""
    from tabulate import tabulate

    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = _widths(headers, cells, width())
    wrapped = [
        [cell if most is None else _fill(cell, most) for cell, most in zip(row, widths, strict=True)] for row in cells
    ]
    print(tabulate(wrapped, headers=headers, tablefmt="simple", disable_numparse=True))


def _fill(text: str, most: int) -> str:
    return textwrap.fill(text, most, break_long_words=False, break_on_hyphens=False)


def paragraph(text: str, *, indent: str = "", hanging: str = "") -> None:
    """Print sentences to stdout in the terminal's width; ``hanging`` sets all lines but the first in further."""
    first, further = indent, f"{indent}{hanging}"
    print(
        textwrap.fill(
            text,
            width(),
            initial_indent=first,
            subsequent_indent=further,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def width() -> int:
    """Return the width to print in: the terminal's, or 120 characters where there is none."""
    return shutil.get_terminal_size(fallback=(120, 24)).columns


def _widths(headers: Sequence[str], cells: Sequence[Sequence[str]], most: int) -> list[int | None]:
    """Return the width to which each column is wrapped; None: as wide as it is."""
    longest = [
        max(len(header) + 2, *(len(line) for cell in column for line in cell.split("\n")))
        for header, column in zip(headers, zip(*cells, strict=True), strict=False)
    ]
    # tabulate puts two spaces between columns and two behind a heading; what is short is a name or a number
    prose = [length > 30 and any(" " in row[column] for row in cells) for column, length in enumerate(longest)]
    over = sum(longest) + 2 * (len(longest) - 1) - most
    room = sum(length for length, wrapped in zip(longest, prose, strict=True) if wrapped)
    if over <= 0 or not room:
        return [None for _ in longest]
    return [
        max(30, length - -(-over * length // room)) if wrapped else None
        for length, wrapped in zip(longest, prose, strict=True)
    ]


def set_environment(params: "Params") -> None:
    """Set what libraries read when they are imported: threads, the device, and what determinism asks of CUDA."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(params.run.threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if params.run.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
