"""``fer-bench report``: from a grid's tables to what people read."""

import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from fer_bench import params as params_file
from fer_bench.cli._common import ParamsFile, say, tell, wrote

KEPT = Path(".fer-bench/drawn")
"""Drawings of earlier reports: a figure whose numbers did not change is taken from here."""


def report(
    *,
    params: ParamsFile = params_file.PARAMS,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also compile report.pdf with pdflatex.")] = False,
    open_page: Annotated[bool, typer.Option("--open", help="Show report.html in the browser when done.")] = False,
) -> None:
    """Write the grid's report.

    It is one HTML page, Markdown, LaTeX with a fragment per table, JSON, and figures.

    Reads the tables in results/GRID; writes report.html, report.md, report.tex, tables/*.tex (as wide as a page;
    tables/column/*.tex fit a column of two), figures/*.pdf and *.png and a copy of the params file there. Needs
    neither torch nor pictures.

    \b
    Examples:
      fer-bench report --open
      fer-bench report --params params.yaml --pdf
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench.report import grid, write
    from fer_bench.tables import digests

    asked = params_file.read(params)
    checked = digests.check(asked, "report", file=params)
    tell(checked)
    loaded = grid.read(asked)
    write.write(loaded, asked=params.read_text(encoding="utf-8"), kept=KEPT, checked=checked)
    page = loaded.folder / "report.html"
    wrote(page, then=f"open it in a browser; \\input the fragments in {loaded.folder / 'tables'}, or add --pdf")
    if pdf:
        from fer_bench.report import latex

        wrote(latex.compile_pdf(loaded.folder), then="read it")
    if open_page:
        show_page(page)


def show_page(page: Path) -> None:
    """Open a page in the browser; where there is none, print its path."""
    if has_screen() and webbrowser.open(page.resolve().as_uri()):
        return
    say("no browser to open it in; the page:")
    print(page)


def has_screen() -> bool:
    """Return whether a browser could show a window: on Linux only under a display server, unless BROWSER names one."""
    if sys.platform in {"darwin", "win32"}:
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
