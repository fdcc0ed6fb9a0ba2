"""Tables as text, Markdown, LaTeX, CSV or JSON: for a terminal, a pull request, a paper, a program."""

import json
import re
import textwrap
from pathlib import Path
from typing import Literal, get_args

import pandas as pd
from tabulate import tabulate

from fer_bench.errors import FerBenchError

Format = Literal["text", "md", "latex", "csv", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)
_ENDINGS: dict[str, Format] = {".txt": "text", ".md": "md", ".tex": "latex", ".csv": "csv", ".json": "json"}
_WIDTH = 118
_NUMBER = r"[+-]?[\d,]+(\.\d+)?( %)?|< 0\.001|.* \[.*\]|[+-]?[\d.]+ to [+-]?[\d.]+|"
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"$\mathdollar$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "|": r"\textbar{}",
    "−": "$-$", "–": "--", "×": r"$\times$", "…": r"\ldots{}", '"': "''",
}  # fmt: skip


def of_ending(path: Path) -> Format:
    """Return the format that a file's ending asks for.

    Raises:
        FerBenchError: If it asks for none.

    Examples:
        >>> of_ending(Path("out/table.tex"))
        'latex'
    """
    if path.suffix.lower() not in _ENDINGS:
        raise FerBenchError(f"--output {path}: unknown ending", fix=f"one of: {', '.join(_ENDINGS)}")
    return _ENDINGS[path.suffix.lower()]


def form_of(name: str) -> Format:
    """Return a format by its name.

    Raises:
        FerBenchError: If there is none.
    """
    found = next((form for form in FORMATS if form == name), None)
    if found is None:
        raise FerBenchError(f"--format {name}: unknown format", fix=f"one of: {', '.join(FORMATS)}")
    return found


def raw(table: pd.DataFrame, form: Literal["csv", "json"]) -> str:
    """Return a table's own columns and full precision, for programs."""
    if form == "csv":
        return table.to_csv(index=False, float_format="%.9g", lineterminator="\n")
    return json.dumps(json.loads(table.to_json(orient="records", double_precision=15)), indent=1) + "\n"


def table(shown: pd.DataFrame, form: Literal["text", "md", "latex"]) -> str:
    """Return a table of text as it is printed; columns of numbers to the right.

    Args:
        shown: Cells as people read them.
        form: How.
    """
    cells = shown.astype("string").fillna("")
    right = [bool(cells[name].str.fullmatch(_NUMBER).all()) and len(cells) > 0 for name in cells.columns]
    if form == "latex":
        return _latex(cells, right)
    align = ["right" if numbers else "left" for numbers in right]
    rows = cells.to_numpy(dtype=object).tolist()
    if form == "md":
        rows = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    look = "simple" if form == "text" else "pipe"
    return tabulate(rows, headers=list(cells.columns), tablefmt=look, disable_numparse=True, colalign=align)


def lines(said: list[str], form: Literal["text", "md", "latex"]) -> str:
    """Return lines that stand beside a table: comments in LaTeX, paragraphs in Markdown; no word is broken."""
    if form == "text":
        return "\n".join(map(_wrapped, said))
    held = [line for line in said if line]
    return "\n".join(f"% {line}" for line in held) if form == "latex" else "\n\n".join(map(_paragraph, held))


def _wrapped(line: str) -> str:
    """Break a line between words, not within "95 %" or "p = 0.01"."""
    held = re.sub(r"(?<=\d) (?=%)|(?<=\bp) (?=[<=])|(?<=[<=]) (?=\d)", "\N{NO-BREAK SPACE}", line)
    broken = textwrap.fill(held, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return broken.replace("\N{NO-BREAK SPACE}", " ")


def _paragraph(line: str) -> str:
    return f"`{line}`" if line.startswith("fer|") else line.replace("|", r"\|").replace("_", r"\_")


def whole(rows: pd.DataFrame, parts: list[pd.DataFrame | list[str]], form: Format) -> str:
    """Return tables and the lines beside them; for programs one table alone.

    Args:
        rows: The table for programs.
        parts: Tables as people read them, and lines, in their order.
        form: How.
    """
    if form == "csv" or form == "json":  # noqa: PLR1714 - a type checker narrows this form only
        return raw(rows, form)
    done = [lines(part, form) if isinstance(part, list) else table(part, form) for part in parts]
    return "\n\n".join(part for part in done if part) + "\n"


def _latex(cells: pd.DataFrame, right: list[bool]) -> str:
    """Return a ``tabular`` of booktabs."""
    spec = "".join("r" if numbers else "l" for numbers in right)
    head = " & ".join(_escaped(str(name)) for name in cells.columns)
    body = [" & ".join(_escaped(cell) for cell in row) + r" \\" for row in cells.to_numpy(dtype=object).tolist()]
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{spec}}}",
            r"\toprule",
            rf"{head} \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def _escaped(text: str) -> str:
    letters = (_LATEX.get(letter, letter if letter.isprintable() and ord(letter) < 0x180 else "?") for letter in text)
    joined = "".join(letters)
    return f"{{}}{joined}" if joined.startswith("[") else joined  # not an argument of the line's end before it
