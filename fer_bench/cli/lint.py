"""``fer-bench lint``: a manuscript against the results."""

from pathlib import Path
from typing import Annotated

import typer

from fer_bench.cli._common import AsJson, say, show
from fer_bench.errors import FerBenchError


def lint(
    manuscript: Annotated[Path, typer.Argument(help="A .tex file; what it inputs is read too.")],
    *,
    results: Annotated[
        list[Path] | None, typer.Option(help="A grid's folder of results; may be repeated; default: all in results/.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hold the numbers of a manuscript to the results.

    Finds numbers that no longer match, bold marks without a test, and "significantly" without a p-value.

    A decimal in percent or points, or in a table, is looked up among the printed values of the methods, the metric and
    the data set that its sentence or row names: levels in percent, differences in points, ends of intervals in brackets
    behind either. Exit with 1 if anything is found. Numbers written with the macros of tables/numbers.tex cannot go
    stale.

    \b
    Examples:
      fer-bench lint paper.tex
      fer-bench lint paper.tex --results results/ferplus_cpu
    """  # noqa: D301 - click's mark for lines that stay as they are
    import pandas as pd

    from fer_bench import params as params_file
    from fer_bench.report import grid, lint
    from fer_bench.tables import digests

    folders = results or sorted(path.parent for path in Path("results").glob("*/params.yaml"))
    if not folders:
        raise FerBenchError("no results here", fix="name a grid's folder with --results, or make one: fer-bench report")
    grids = []
    for folder in folders:
        asked = params_file.read(folder / "params.yaml")
        digests.check_folder(folder)
        grids.append(grid.read(asked, folder=folder))
    found = lint.lint(manuscript, grids)
    rows = [{**one._asdict(), "file": str(one.file)} for one in found]
    show(pd.DataFrame(rows, columns=list(lint.Remark._fields)), as_json=as_json)
    said = f"{len(found)} remarks on {manuscript}, against {', '.join(str(folder) for folder in folders)}"
    say(said)
    if found:
        say(r"  fix: \input results/GRID/tables/numbers.tex and write \fer{DATASET}{METHOD}{METRIC}")
        raise typer.Exit(1)
