"""LaTeX: what the printer of a paper refuses, and fragments in the columns of papers."""

import re
import shutil
import zlib
from pathlib import Path

import pandas as pd
import pytest

from fer_bench.report import latex, latex_text
from fer_bench.report.blocks import Table
from fer_bench.report.latex import run_pdflatex
from fer_bench.report.latex_layout import COLUMN_PT, PAGE_PT, panels
from fer_bench.report.latex_text import escape

GOLDEN = Path(__file__).parents[1] / "golden" / "expected" / "tables"
COLUMNS = (237, 241, 252)  # of CVPR, ACM and IEEE, in points

needs_pdflatex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="no pdflatex: install texlive-latex-recommended"
)


def kinds_of_fonts(pdf):
    """The kinds of a PDF's fonts, read from its objects, which may lie in compressed streams."""
    parts = [pdf]
    for start in re.finditer(rb"stream\r?\n", pdf):
        try:
            parts.append(zlib.decompressobj().decompress(pdf[start.end() :]))
        except zlib.error:  # "endstream" of an object before it
            continue
    found = {kind for part in parts for kind in re.findall(rb"/Subtype\s*/(Type[013]|TrueType|CIDFontType\d)\b", part)}
    return {kind.decode() for kind in found}


def compiled(folder, body, preamble=""):
    """Compile a document in a folder; return the log and the kinds of its fonts."""
    text = f"\\documentclass{{article}}\n{preamble}\\begin{{document}}\n{body}\n\\end{{document}}\n"
    (folder / "paper.tex").write_text(text, encoding="utf-8")
    log = run_pdflatex(folder, "paper.tex")
    return log, kinds_of_fonts((folder / "paper.pdf").read_bytes())


@pytest.mark.latex
@needs_pdflatex
def test_a_font_that_is_a_bitmap_is_seen(tmp_path):
    assert compiled(tmp_path, "a")[1] == {"Type1"}
    # without a map from names to outlines pdflatex draws the letters itself
    assert compiled(tmp_path, "a", "\\pdfmapfile{}\n")[1] == {"Type3"}


@pytest.mark.latex
@needs_pdflatex
def test_every_letter_is_printed_and_none_as_a_bitmap(tmp_path):
    letters = [*latex_text._ESCAPES, *map(chr, range(0x21, 0x250))]
    text = "\n\n".join(f"{escape(letter)} \\textbf{{{escape(letter)}}}" for letter in letters)
    _, kinds = compiled(tmp_path, f"{text}\n\n{{\\scriptsize\n{text}}}")
    assert kinds == {"Type1"}


def test_no_committed_report_has_a_font_of_bitmaps(committed_files):
    reports = [path for path in committed_files if path.name == "report.pdf"]
    assert reports
    for path in reports:
        kinds = kinds_of_fonts(path.read_bytes())
        assert "Type1" in kinds
        assert "Type3" not in kinds, path


@pytest.mark.latex
@needs_pdflatex
def test_text_that_sticks_out_is_seen(sticking_out):
    assert not sticking_out([GOLDEN / "main.tex"], PAGE_PT)
    assert sticking_out([GOLDEN / "main.tex"], 241)


@pytest.mark.latex
@needs_pdflatex
@pytest.mark.parametrize("width", COLUMNS)
def test_every_table_fits_a_column_of_a_paper(width, sticking_out):
    fragments = sorted((GOLDEN / "column").glob("*.tex"))
    assert {re.sub(r"_\d$", "", path.stem) for path in fragments} | {"numbers"} == {
        path.stem for path in GOLDEN.glob("*.tex")
    }
    assert not sticking_out(fragments, width)


@pytest.mark.slow
@pytest.mark.latex
@needs_pdflatex
def test_every_committed_table_fits_a_column(committed_grid, committed_files, sticking_out):
    fragments = [path for path in committed_files if path.parts[-4:-1] == (committed_grid, "tables", "column")]
    assert not sticking_out(fragments, 241)


def any_word(rng):
    return "".join(rng.choice(list("etaoinshrdlu_"), rng.integers(1, 15)))


def any_table(name, rng):
    """A table of any number of columns, of words and numbers of any length."""
    n_rows, n_wordy, n_numbers = rng.integers(1, 12), rng.integers(0, 6), rng.integers(1, 20)
    cells = {}
    for place in range(n_wordy):
        cells[f"{any_word(rng)} {place}"] = [
            " ".join(any_word(rng) for _ in range(length)) for length in rng.integers(0, 8, n_rows)
        ]
    words = list(cells)
    for place in range(n_numbers):
        shown = [f"{value:.1f} % [{value:.1f}, 100.0]" for value in rng.uniform(0, 100, n_rows)]
        cells[f"{any_word(rng)}{place}"] = [text[: rng.integers(3, 24)] for text in shown]
    numbers = [key for key in cells if key not in words]
    return Table(
        name=name,
        cells=pd.DataFrame(cells)[list(rng.permutation(list(cells)))],
        caption="Any.",
        wrapped=frozenset(words),
        right=frozenset(numbers),
        bold=frozenset({(0, numbers[0])}),
        bold_headers=frozenset(numbers[:1]),
        noted=frozenset(words[:1]),
        mark="marked " * int(rng.integers(30)),
    )


@pytest.mark.latex
@needs_pdflatex
@pytest.mark.parametrize(("planned", "width"), [(COLUMN_PT, 237), (PAGE_PT, 478)])
def test_any_table_fits(planned, width, rng, sticking_out, tmp_path):
    fragments = {}
    for number in range(20):
        fragments |= latex.fragments(any_table(f"t{number}", rng), head="", width=planned)
    for name, text in fragments.items():
        (tmp_path / f"{name}.tex").write_text(text, encoding="utf-8")
    found = sticking_out([tmp_path / f"{name}.tex" for name in fragments], width)
    assert not [said for said in found if "vbox" not in said]  # a row of so many columns may be higher than a page


def test_panels_hold_every_column_once_and_repeat_what_tells_rows_apart():
    cells = pd.DataFrame(
        {
            "method": ["a", "a", "b"],
            "metric": ["x", "y", "x"],
            **{f"n{i}": ["86.3 % [80.0, 90.0]"] * 3 for i in range(7)},
        }
    )
    table = Table(name="t", cells=cells, caption="", wrapped=frozenset({"method", "metric"}))
    (whole,) = panels(table, cells, 1000)
    assert whole.columns == tuple(cells.columns)
    found = panels(table, cells, COLUMN_PT)
    assert all(panel.columns[:2] == ("method", "metric") for panel in found)
    assert [name for panel in found for name in panel.columns[2:]] == [f"n{i}" for i in range(7)]
    assert all(panel.taken(table, cells) <= COLUMN_PT for panel in found)
    assert [len(panel.columns) for panel in found] == [4, 4, 4, 3]
