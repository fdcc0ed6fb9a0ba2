"""LaTeX: what the printer of a paper refuses, and fragments in the columns of papers."""

import re
import shutil
import zlib

import pytest

from fer_bench.report import latex_text
from fer_bench.report.latex import run_pdflatex
from fer_bench.report.latex_text import escape

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
