"""``fer-bench report``: from a grid's tables to what people read."""

from typing import Annotated

import typer

from fer_bench import params as params_file
from fer_bench.cli._common import ParamsFile, wrote


def report(
    *,
    params: ParamsFile = params_file.PARAMS,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also compile report.pdf with pdflatex.")] = False,
) -> None:
    """Write the grid's report: Markdown, LaTeX tables, figures.

    Reads the tables in results/GRID; writes report.md, report.tex, tables/*.tex, figures/*.pdf and *.png and a copy
    of the params file there. Needs neither torch nor pictures.

    \b
    Examples:
      fer-bench report
      fer-bench report --params params.yaml --pdf
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench.report import grid, write

    loaded = grid.read(params_file.read(params))
    write.write(loaded, asked=params.read_text(encoding="utf-8"))
    wrote(loaded.folder / "report.md", then=f"\\input the fragments in {loaded.folder / 'tables'}, or add --pdf")
    if pdf:
        from fer_bench.report import latex

        wrote(latex.compile_pdf(loaded.folder), then="read it")
