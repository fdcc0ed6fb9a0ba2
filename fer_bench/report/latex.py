r"""The report as LaTeX: table fragments to ``\input``, a document that holds them all, and its PDF.

Fragments need booktabs and nothing else; each is there for a page's width and for a column of two. The document needs
what Debian's texlive-latex-recommended holds.
"""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd

from fer_bench import whole
from fer_bench.errors import FerBenchError
from fer_bench.report import marked, words
from fer_bench.report.blocks import Block, Box, Code, Figure, Listing, Section, Table, Text, noted
from fer_bench.report.grid import Grid
from fer_bench.report.latex_layout import PAGE_PT, panels, parts
from fer_bench.report.latex_text import comment, escape, escape_cell, width_pt

_HALF, _SHORT_TEXT = 0.48, 420  # of the page; letters of caption and note in half of it
_END = "\\par\\bigskip\n"

_PREAMBLE = r"""\documentclass[10pt]{article}
\usepackage[a4paper,margin=2.1cm]{geometry}
\usepackage[utf8]{inputenc}
\usepackage{booktabs}
\usepackage{graphicx}
\usepackage{caption}
\captionsetup{font=small,labelfont=bf}
\setlength{\parindent}{0pt}
\setlength{\parskip}{0.6em}
\setlength{\emergencystretch}{3em}
\newlength{\pagewidth}\setlength{\pagewidth}{\textwidth}
\raggedbottom
% the text's own bullet is a bitmap (Type 3) where cm-super is missing
\renewcommand{\labelitemi}{\(\bullet\)}
% a list stays with the sentence that leads to it
\makeatletter\@beginparpenalty=10000\makeatother
"""


def provenance(grid: Grid) -> str:
    """Return the comment lines that say what a fragment was made from."""
    commits = sorted({str(commit)[:12] for commit in grid.runs["commit"].dropna()}) or ["unknown"]
    dirty = " with uncommitted changes" if grid.runs["dirty"].any() else ""
    said = marked.sentence(grid.marks)
    made = f"grid {grid.params.grid}; runs made at commit {', '.join(commits)}{dirty}; made by: fer-bench report"
    return comment(made) + (comment(escape(said)) if said else "")


def fragments(block: Table, *, head: str, width: float = PAGE_PT) -> dict[str, str]:
    """Return file stem to text: one table each, on its own complete.

    Args:
        block: The table.
        head: Comment lines that say what it was made from.
        width: Of the line that it is for, in points.
    """
    block, said = narrowed(block)
    head += comment(escape(said)) if said else ""
    found = {}
    for part, (start, stop) in enumerate(parts(block, width)):
        name = block.name if part == 0 else f"{block.name}_{part + 1}"
        found[name] = head + _fragment(block, start, stop, width)
    return found


def narrowed(block: Table) -> tuple[Table, str]:
    """Leave out the shared columns in which all rows agree; return the sentence that says what they held."""
    shared = [str(name) for name in block.cells.columns if name in block.shared and len(block.cells) > 1]
    same = [name for name in shared if (block.cells[name] == block.cells[name].iloc[0]).all()]
    if not same:
        return block, ""
    values = {name: str(block.cells[name].iloc[0]) for name in same}
    said = "; ".join(f"{name} {value}" for name, value in values.items() if value != words.NONE)
    return replace(block, cells=block.cells.drop(columns=same)), f"The same in all rows: {said}." if said else ""


def _fragment(block: Table, start: int, stop: int, width: float) -> str:
    cells, notes = noted(replace(block, cells=block.cells.astype(object)))
    if cells.empty:
        cells = pd.DataFrame([[block.empty, *[""] * (len(cells.columns) - 1)]], columns=cells.columns)
        stop = 1
    found = panels(block, cells, width)[: 1 if block.cells.empty else None]
    shown = cells.iloc[start:stop].reset_index(drop=True)
    bold = frozenset((row - start, column) for row, column in block.bold)
    bodies = [_tabular(replace(block, bold=bold), shown[list(panel.columns)], panel.shares(width)) for panel in found]
    if len(bodies) > 1:
        bodies = _stretched(bodies)
    named = {str(text) for name in block.noted & set(shown.columns) for text in shown[name]}
    under = _paragraphs({number: text for number, text in notes.items() if number in named}, width)
    gap = min(panel.gap for panel in found)
    setting = (
        f"\\scriptsize\\setlength{{\\tabcolsep}}{{{gap / 2:.3g}pt}}\\def\\ragged{{\\rightskip0pt plus 1fil\\relax}}"
    )
    # no space may follow the table: a line that is full has no room for it
    return f"{{{setting}%\n{_stacked(bodies, [*under, *filter(None, [escape(block.mark)])])}}}\n"


def _tabular(block: Table, shown: pd.DataFrame, shares: dict[str, float]) -> str:
    style = shown.style.format(escape_cell).hide(axis="index")
    style = style.format_index(escape_cell, axis="columns")
    style = style.apply(
        lambda column: [
            f"{_BOLD if (row, column.name) in block.bold else ''}{_RAGGED if column.name in shares else ''}"
            for row in range(len(column))
        ]
    )
    style = style.apply_index(
        lambda labels: [
            f"{_BOLD if name in block.bold_headers else ''}{_RAGGED if name in shares else ''}" for name in labels
        ],
        axis="columns",
    )
    form = "".join(
        f"p{{{shares[name]:.3f}\\linewidth}}" if name in shares else ("r" if name in block.right else "l")
        for name in shown.columns
    )
    return style.to_latex(hrules=True, column_format=f"@{{}}{form}@{{}}").rstrip()


def _stretched(bodies: list[str]) -> list[str]:
    """Make panels as wide as the line, so that their rules end at one place, with a thin rule between two."""
    whole_line = "{tabular*}{\\linewidth}{@{\\extracolsep{\\fill}}"
    made = [
        body.replace("{tabular}{@{}", whole_line, 1).replace("\\end{tabular}", "\\end{tabular*}") for body in bodies
    ]
    upper = [body.replace("\\bottomrule\n", "") for body in made[:-1]]
    first, *others = [*upper, made[-1]]
    return [first, *(body.replace("\\toprule", "\\midrule", 1) for body in others)]


def _paragraphs(notes: dict[str, str], width: float) -> list[str]:
    """Print notes, each on its lines; in one paragraph where none is long."""
    printed = [f"\\textbf{{{number}}}~{escape(text)}" for number, text in notes.items()]
    if all(width_pt(text) < width for text in notes.values()):
        return ["\\quad\n".join(printed)] if printed else []
    return [f"\\hangindent1em {text}" for text in printed]


def _stacked(bodies: list[str], paragraphs: list[str]) -> str:
    """Put panels below each other and notes and the mark under them, as wide as they are.

    So a fragment carries them alone, and in any mode of TeX.
    """
    first, *others = bodies
    if not others and not paragraphs:
        return f"{first}%\n"
    rows = ["\\usebox0", *others]
    if paragraphs:
        text = "\\rule{0pt}{2.6ex}" + "\\par\n".join(f"{paragraph}\\strut" for paragraph in paragraphs)
        rows.append(f"\\parbox{{\\wd0}}{{\\ragged {text}}}")
    below = "\\\\[2pt]\n".join(rows)
    return f"\\sbox0{{%\n{first}}}%\n\\begin{{tabular}}{{@{{}}l@{{}}}}\n{below}\n\\end{{tabular}}%\n"


_BOLD = "textbf:--rwrap;"
_RAGGED = "ragged:;"  # lines of words are left-aligned; \\raggedright would redefine the end of the row


def document(title: str, sections: tuple[Section, ...], *, head: str, said_once: str = "") -> str:
    """Return ``report.tex``, which inputs every fragment and figure.

    Args:
        title: Of the report.
        sections: In their order.
        head: Comment lines that say what it was made from.
        said_once: What notes end with; the document says it in its first section only.
    """
    parts = [
        head + _PREAMBLE,
        "\\begin{document}\n",
        f"{{\\LARGE\\bfseries {escape(title)}\\par}}\n",
    ]
    for section in sections:
        parts.append(f"\\section*{{{escape(section.title)}}}\n")
        figures = [block for block in section.blocks if isinstance(block, Figure)]
        parts += _blocks([_shorter(block, said_once) for block in section.blocks if not isinstance(block, Figure)])
        parts += _figures(figures)
    return "\n".join([*parts, "\\end{document}\n"])


def _shorter(block: Block, said_once: str) -> Block:
    if isinstance(block, Table) and said_once:
        return replace(block, note=block.note.removesuffix(said_once).strip())
    return block


def _blocks(blocks: list[Block]) -> list[str]:
    """Print blocks in their order, two tables beside each other where both are narrow."""
    made, left = [], list(blocks)
    while left:
        block, *left = left
        pair = [one for one in [block, *left[:1]] if isinstance(one, Table) and _narrow(one)]
        if len(pair) == 2:
            left = left[1:]
            halves = [_table(one, width="[t]{0.485\\linewidth}").removesuffix(_END) for one in pair]
            made.append("\\noindent" + "\\hfill\n".join(halves) + _END)
        else:
            made.append(_block(block))
    return made


def _narrow(block: Table) -> bool:
    """Return whether a table leaves half of the page empty, and has no text that needs the whole."""
    block, said = narrowed(block)
    if block.cells.empty or block.noted or block.mark or len(block.caption + said + block.note) > _SHORT_TEXT:
        return False
    found = panels(block, block.cells, PAGE_PT)
    taken = max(panel.taken(block, block.cells) for panel in found)
    return taken <= _HALF * PAGE_PT and len(parts(block, PAGE_PT)) == 1


def _block(block: Block) -> str:
    match block:
        case Text():
            return f"{escape(block.text)}\n"
        case Box():
            items = "\n".join(f"\\item {escape(sentence)}" for sentence in block.sentences)
            return (
                "\\begin{center}\\fbox{\\begin{minipage}{0.96\\linewidth}\\vspace{4pt}\n\\begin{itemize}"
                f"\\setlength{{\\itemsep}}{{2pt}}\n{items}\n\\end{{itemize}}\\end{{minipage}}}}\\end{{center}}\n"
            )
        case Listing():
            items = "\n".join(f"\\item {escape(item)}" for item in block.items)
            return f"{escape(block.lead)}\n\\begin{{itemize}}\n{items}\n\\end{{itemize}}\n"
        case Code():
            return "\n".join(["\\begin{verbatim}", *block.lines, "\\end{verbatim}\n"])
        case Table():
            return _table(block)
        case Figure():
            return "\n".join(_figures([block]))


def _table(block: Table, width: str = "{\\linewidth}") -> str:
    names = list(fragments(block, head=""))
    block, said = narrowed(block)
    parts = []
    for number, name in enumerate(names):
        caption = f"{block.caption} {said}".strip() if number == 0 else f"{block.caption.split('.')[0]}, continued."
        note = (
            f"\\par\\smallskip\n{{\\footnotesize\\raggedright {escape(block.note)}\\par}}"
            if number == len(names) - 1
            else ""
        )
        parts.append(
            f"\\begin{{minipage}}{width}\n\\captionof{{table}}{{{escape(caption)}}}\n\\label{{tab:{name}}}\n"
            f"\\centering\n{{\\linewidth\\pagewidth\\input{{tables/{name}}}}}{note}\n\\end{{minipage}}{_END}"
        )
    return "\n".join(parts)


def _figures(figures: list[Figure]) -> list[str]:
    """Place page-wide figures alone and the narrow ones in pairs; a narrow one left over has its caption beside it."""
    narrow = [figure for figure in figures if figure.width == "column"]
    groups = [[figure] for figure in figures if figure.width == "page"]
    groups += [narrow[start : start + 2] for start in range(0, len(narrow), 2)]
    return [_group(group) for group in groups]


def _group(group: list[Figure]) -> str:
    width = "\\linewidth" if group[0].width == "page" else "0.485\\linewidth"
    if len(group) == 1 and group[0].width == "column":
        return _beside(group[0], width)
    boxes = [
        f"\\begin{{minipage}}[t]{{{width}}}\\centering\n\\includegraphics[width=\\linewidth]{{figures/{figure.name}.pdf}}\n"
        f"\\captionof{{figure}}{{{escape(figure.caption)}}}\n\\label{{fig:{figure.name}}}\n\\end{{minipage}}"
        for figure in group
    ]
    return "\\noindent" + "\\hfill\n".join(boxes) + "\\par\\bigskip\n"


def _beside(figure: Figure, width: str) -> str:
    return (
        f"\\noindent\\begin{{minipage}}[c]{{{width}}}\n\\includegraphics[width=\\linewidth]{{figures/{figure.name}.pdf}}\n"
        f"\\end{{minipage}}\\hfill\n\\begin{{minipage}}[c]{{{width}}}\n"
        f"\\captionsetup{{singlelinecheck=off}}\\captionof{{figure}}{{{escape(figure.caption)}}}\n"
        f"\\label{{fig:{figure.name}}}\n\\end{{minipage}}{_END}"
    )


def compile_pdf(folder: Path) -> Path:
    """Compile ``report.tex`` of a results folder, in a temporary folder; return ``report.pdf``.

    Raises:
        FerBenchError: If there is no pdflatex, a package is missing, or the document does not compile.
    """
    if shutil.which("pdflatex") is None:
        raise FerBenchError(
            f"no pdflatex on this machine, so {folder / 'report.tex'} was not compiled",
            fix="install it (Debian: apt-get install --no-install-recommends texlive-latex-recommended)",
        )
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        shutil.copy(folder / "report.tex", here)
        for name in ("tables", "figures"):
            shutil.copytree(folder / name, here / name)
        for _ in range(2):  # the second pass knows the labels
            run_pdflatex(here, "report.tex")
        whole.write(folder / "report.pdf", (here / "report.pdf").read_bytes())
    return folder / "report.pdf"


def run_pdflatex(folder: Path, name: str) -> str:
    """Run pdflatex once on a file in a folder and return its log.

    Raises:
        FerBenchError: If it fails; the first error of the log is named.
    """
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", name]
    # a fixed date makes equal sources give equal bytes
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1", "max_print_line": "1000"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)  # noqa: S603 - fixed words
    log = (folder / name).with_suffix(".log")
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else done.stdout.decode(errors="replace")
    if done.returncode:
        found = re.search(r"^! (.*)$", text, re.MULTILINE)
        missing = re.search(r"File `(.+?)' not found", text)
        raise FerBenchError(
            f"pdflatex stopped at {name}: {found[1] if found else 'see its output'}",
            fix="install texlive-latex-recommended, which has it"
            if missing
            else "look at the place in report.tex; the Markdown report beside it is complete",
        )
    return text
