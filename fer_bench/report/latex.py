r"""The report as LaTeX: table fragments to ``\input``, a document that holds them all, and its PDF.

Fragments need booktabs and nothing else. Columns of words break their lines; their widths are shares of
``\linewidth``, so that a fragment fits a column or a page. The document needs what Debian's
texlive-latex-recommended holds.
"""

import itertools
import math
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
from fer_bench.report.latex_text import comment, escape, escape_cell, pieces, width_pt

LINES = 64
"""Lines of one fragment: what fits a page at this size; longer tables go on in ``<name>_2.tex``."""

_HALF_PAGE = 34
"""Lines of each part of a longer table: two stand on a page, and the first fits under what is there already."""

_PAGE_PT = 478.0  # the text width of report.tex: A4 less two margins of 2.1 cm, in TeX's points
_HEIGHT_PT = 650.0  # of a page, less a heading, rules and skips
_GAP_PT, _LEAST_GAP_PT = 6.0, 2.5  # between two columns, 2 \tabcolsep; the smaller one where a table is too wide
_SENTENCE_PT = 72.0  # what is kept for a column of sentences before short words get theirs
_BOLD = 1.15  # how much wider bold letters are, about
_SHORT_PT = 72.0  # a column of words that needs no more than this gets it before longer ones share the rest

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


def fragments(block: Table, *, head: str) -> dict[str, str]:
    """Return file stem to text: one tabular each, on its own complete."""
    block, said = narrowed(block)
    head += comment(escape(said)) if said else ""
    found = {}
    for part, (start, stop) in enumerate(_parts(block)):
        name = block.name if part == 0 else f"{block.name}_{part + 1}"
        found[name] = head + _tabular(block, start, stop)
    return found


def _parts(block: Table) -> list[tuple[int, int]]:
    """Part the rows so that each part has about the same number of lines, at most about ``LINES``."""
    if block.cells.empty:
        return [(0, 0)]
    cells, notes = noted(block)
    widths, _ = _widths(block, cells)
    lines = [
        max([1, *(_lines(str(row[name]), _PAGE_PT * share) for name, share in widths.items())])
        for row in cells.to_dict("records")
    ]
    under = sum(_lines(text, _PAGE_PT) for text in [*notes.values(), block.mark])
    words_pt = 14 * _lines(block.caption, _PAGE_PT) + 12 * _lines(block.note, _PAGE_PT)  # rather too much
    if sum(lines) + under <= LINES and 8 * (sum(lines) + under) + words_pt <= _HEIGHT_PT:
        return [(0, len(lines))]
    n_parts = max(2, -(-sum(lines) // _HALF_PAGE))
    part_of = [before * n_parts // sum(lines) for before in itertools.accumulate([0, *lines[:-1]])]
    starts = [row for row, part in enumerate(part_of) if row == 0 or part != part_of[row - 1]]
    return list(itertools.pairwise([*starts, len(lines)]))


def _lines(text: str, width: float) -> int:
    return math.ceil(width_pt(text) / width)


def narrowed(block: Table) -> tuple[Table, str]:
    """Leave out the shared columns in which all rows agree; return the sentence that says what they held."""
    shared = [str(name) for name in block.cells.columns if name in block.shared and len(block.cells) > 1]
    same = [name for name in shared if (block.cells[name] == block.cells[name].iloc[0]).all()]
    if not same:
        return block, ""
    values = {name: str(block.cells[name].iloc[0]) for name in same}
    said = "; ".join(f"{name} {value}" for name, value in values.items() if value != words.NONE)
    return replace(block, cells=block.cells.drop(columns=same)), f"The same in all rows: {said}." if said else ""


def _tabular(block: Table, start: int, stop: int) -> str:
    cells, notes = noted(replace(block, cells=block.cells.astype(object)))
    if cells.empty:
        cells = pd.DataFrame([[block.empty, *[""] * (len(cells.columns) - 1)]], columns=cells.columns)
        stop = 1
    widths, gap = _widths(block, cells)
    shown = cells.iloc[start:stop].reset_index(drop=True)
    bold = {(row - start, column) for row, column in block.bold if start <= row < stop}
    style = shown.style.format(escape_cell).hide(axis="index")
    style = style.format_index(escape_cell, axis="columns")
    style = style.apply(
        lambda column: [
            f"textbf:--rwrap;{_RAGGED if column.name in widths else ''}"
            if (row, column.name) in bold
            else _RAGGED
            if column.name in widths
            else ""
            for row in range(len(column))
        ]
    )
    style = style.apply_index(
        lambda labels: [
            f"{'textbf:--rwrap;' if name in block.bold_headers else ''}{_RAGGED if name in widths else ''}"
            for name in labels
        ],
        axis="columns",
    )
    line, part = "\\linewidth", 1.0
    if len(widths) == len(shown.columns) > 1:  # of a half page too the gaps leave less than of a page
        line = f"\\dimexpr\\linewidth-{2 * len(widths) - 2}\\tabcolsep\\relax"
        part = _PAGE_PT / (_PAGE_PT - gap * (len(widths) - 1))
    form = "".join(
        f"p{{{part * widths[name]:.3f}{line}}}" if name in widths else ("r" if name in block.right else "l")
        for name in shown.columns
    )
    body = style.to_latex(hrules=True, column_format=f"@{{}}{form}@{{}}")
    setting = (
        f"\\scriptsize\\setlength{{\\tabcolsep}}{{{gap / 2:.3g}pt}}\\def\\ragged{{\\rightskip0pt plus 1fil\\relax}}"
    )
    named = {str(text) for name in block.noted & set(shown.columns) for text in shown[name]}
    under = _paragraphs({number: text for number, text in notes.items() if number in named})
    return f"{{{setting}%\n{_with_under(body, [*under, *filter(None, [escape(block.mark)])])}}}\n"


def _paragraphs(notes: dict[str, str]) -> list[str]:
    """Print notes, each on its lines; in one paragraph where none is long."""
    printed = [f"\\textbf{{{number}}}~{escape(text)}" for number, text in notes.items()]
    if all(width_pt(text) < _PAGE_PT for text in notes.values()):
        return ["\\quad\n".join(printed)] if printed else []
    return [f"\\hangindent1em {text}" for text in printed]


def _with_under(body: str, paragraphs: list[str]) -> str:
    """Put notes and the mark under a table, as wide as it: a fragment carries them alone, and in any mode of TeX."""
    if not paragraphs:
        return body
    text = "\\rule{0pt}{2.6ex}" + "\\par\n".join(f"{paragraph}\\strut" for paragraph in paragraphs)
    return (
        f"\\sbox0{{%\n{body.rstrip()}}}%\n\\begin{{tabular}}{{@{{}}l@{{}}}}\n\\usebox0\\\\[2pt]\n"
        f"\\parbox{{\\wd0}}{{\\ragged {text}}}\n\\end{{tabular}}\n"
    )


_RAGGED = "ragged:;"  # lines of words are left-aligned; \\raggedright would redefine the end of the row


def _widths(block: Table, cells: pd.DataFrame) -> tuple[dict[str, float], float]:
    """Share the page that columns of numbers leave among the columns of words, as their text needs it.

    Returns:
        Column of words to its share of the line; and the gap between two columns, in points.
    """
    columns = [str(name) for name in cells.columns]
    wordy = [name for name in columns if name in block.wrapped]
    need = {name: _needed(block, cells, name) for name in columns}
    least = {
        name: max(width_pt(piece) for text in [name, *map(str, cells[name])] for piece in pieces(text)) + 2
        for name in wordy
    }
    given = {name: min(need[name], least[name]) for name in wordy}
    free = _PAGE_PT - sum(need[name] for name in columns if name not in wordy)
    n_gaps = max(len(columns) - 1, 1)
    gap = max(_LEAST_GAP_PT, min(_GAP_PT, (free - sum(given.values())) / n_gaps))
    left = free - gap * (len(columns) - 1)
    spare = left - sum(given.values())
    kept = _SENTENCE_PT if max(need.values()) > 4 * _SENTENCE_PT else 0.0  # sentences must not become a ribbon
    for name in sorted(wordy, key=lambda name: need[name]):  # short words first: a name should not be parted in two
        if need[name] <= _SHORT_PT and need[name] - given[name] <= spare - kept:
            spare -= need[name] - given[name]
            given[name] = need[name]
    wanted = {name: need[name] - given[name] for name in wordy}
    total = sum(wanted.values())
    share = min(1.0, max(0.0, spare) / total) if total else 0.0
    return {name: (given[name] + share * wanted[name]) / _PAGE_PT for name in wordy}, gap


def _needed(block: Table, cells: pd.DataFrame, name: str) -> float:
    """Return the points that a column takes with no line broken."""
    bold = _BOLD if name in {column for _, column in block.bold} else 1.0
    head = width_pt(name) * (_BOLD if name in block.bold_headers else 1.0)
    spare = 1.03 if name in block.wrapped else 1.0  # words hardly wider than estimated would take two lines
    return spare * max([head, *(bold * width_pt(text) for text in map(str, cells[name]))]) + 2


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
    widths, gap = _widths(block, block.cells)
    kept = [str(name) for name in block.cells.columns if name not in widths]
    whole = sum(_needed(block, block.cells, name) for name in kept) + _PAGE_PT * sum(widths.values())
    return whole + gap * (len(block.cells.columns) - 1) <= _HALF * _PAGE_PT and len(_parts(block)) == 1


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
