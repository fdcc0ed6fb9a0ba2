"""``fer-bench compare``: which method is better than which, on the same samples."""

from pathlib import Path
from typing import Annotated

import typer

from fer_bench import params as params_file
from fer_bench.cli._common import AsJson, ParamsFile, say, show, wrote


def compare(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Predictions tables of single runs; without any, the grid is compared.")
    ] = None,
    *,
    params: ParamsFile = params_file.PARAMS,
    baseline: Annotated[str | None, typer.Option(help="Compare every method with this one, not all pairs.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Of the grid, only this data set.")] = None,
    metric: Annotated[list[str] | None, typer.Option(help="Only this metric; may be repeated.")] = None,
    selection: Annotated[str | None, typer.Option(help="Of the files, the selection that is compared.")] = None,
    as_json: AsJson = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the table here.")] = None,
) -> None:
    """Compare methods on the same samples: difference, interval, p-value, verdict.

    Without files: all methods of the grid, seeds taken as random; writes results/GRID/comparisons.csv. With two or
    more predictions tables: those runs; nothing is written unless --output is given.

    \b
    Examples:
      fer-bench compare --baseline majority_class --metric accuracy
      fer-bench compare mine.csv theirs.csv --metric macro_f1
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench.stats import comparing, wording
    from fer_bench.tables import audits
    from fer_bench.tables.comparisons import comparisons

    marks: list[str] = []
    if files:
        table = comparing.compare_files(
            files,
            settings=comparing.settings_of_file(params, say=say),
            metrics=metric,
            baseline=baseline,
            selection=selection,
            say=say,
        )
        target = output
    else:
        grid = params_file.read(params)
        table = comparing.compare_grid(grid, metrics=metric, baseline=baseline, dataset=dataset, say=say)
        marks = list(audits.marks(grid.prepare, audits.read_all(grid.prepare, grid.results)).values())
        whole = not (metric or baseline or dataset)  # a part of the grid must not overwrite the whole
        target = output or (grid.results / "comparisons.csv" if whole else None)
    show(table if as_json else wording.printable(table), as_json=as_json)
    if not as_json:
        print(f"\n{wording.in_words(table)}")
    for mark in marks:
        (say if as_json else print)(f"Data: {mark}.")
    if target is not None:
        comparisons.write(table, target)
        wrote(target, then="fer-bench verdict")
