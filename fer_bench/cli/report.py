"""``fer-bench report``: from a grid's tables to what people read."""

from typing import Annotated

import typer

from fer_bench import params
from fer_bench.cli._common import ParamsFile, wrote


def report(
    *,
    params_file: ParamsFile = params.PARAMS,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also compile report.pdf with pdflatex.")] = False,
) -> None:
    """Write the grid's report: Markdown, LaTeX tables, figures.

    Reads the tables in results/<grid>/ and writes report.md, report.tex, tables/*.tex, figures/*.pdf and *.png and
    a copy of params.yaml there. Nothing is computed from pictures or weights.

    Examples:

      fer-bench report

      fer-bench report --params params.yaml --pdf
    """
    from fer_bench.report import grid, write

    loaded = grid.read(params.read(params_file))
    written = write.write(loaded, params_file=params_file)
    if pdf:
        from fer_bench.report import latex

        written = latex.compile_pdf(loaded.folder)
    wrote(written, then=f"read it; the fragments in {loaded.folder / 'tables'} are made to be \\input")
