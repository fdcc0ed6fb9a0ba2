"""``fer-bench compare``: which method is better than which, on the same samples."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fer_bench import params as params_file
from fer_bench import whole
from fer_bench.cli._common import (
    AsJson,
    Classes,
    Columns,
    Format,
    LabelOrder,
    Output,
    ParamsFile,
    Rows,
    Scores,
    say,
    tell,
    wrote,
)
from fer_bench.errors import FerBenchError

if TYPE_CHECKING:  # pandas takes 0.4 s to import, and this module is imported for every --help
    import pandas as pd


def compare(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Predictions: files, or folders with a file per seed. Without any, the grid is compared."),
    ] = None,
    *,
    beside: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="RESULTS[:METHOD]", help="Committed results to set the files beside."),
    ] = None,
    params: ParamsFile = params_file.PARAMS,
    baseline: Annotated[str | None, typer.Option(help="Compare every method with this one, not all pairs.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Only this data set; with files, the one that has the true labels.")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="Only this metric (accuracy, recall_fear, …); may be repeated.")
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(help="Differences within ± this fraction count as equivalent; 0.005 is half a point."),
    ] = None,
    selection: Annotated[str | None, typer.Option(help="Of the files, the selection that is compared.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Compare files although their signatures differ in what they mean.")
    ] = False,
    column: Columns = None,
    scores: Scores = None,
    label_order: LabelOrder = None,
    classes: Classes = None,
    rows: Rows = False,
    form: Format = "text",
    as_json: AsJson = False,
    output: Output = None,
) -> None:
    """Compare methods on the same samples.

    Prints difference, interval, p-value and verdict.

    Without files: all methods of the grid, seeds taken as random; writes comparisons.csv and ranks.csv in results/GRID.
    With two or more files of predictions, from whatever framework (docs/predictions.md), or folders of them: those runs
    or methods; nothing is written unless --output is given. With --with: beside methods of committed results, on the
    samples and by the true labels that stand there.

    \b
    Examples:
      fer-bench compare --baseline majority_class --metric accuracy
      fer-bench compare mine.csv theirs.csv --metric macro_f1 --format md
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench import card
    from fer_bench.stats import comparing, printed, ranks, wording
    from fer_bench.tables import audits, digests, reading
    from fer_bench.tables.comparisons import comparisons
    from fer_bench.tables.ranks import ranks as ranks_table

    look = printed.form_of("json" if as_json else form)
    ending = None if output is None else printed.of_ending(output)
    if beside and not files:
        raise FerBenchError(
            "--with is of files, and none is named", fix=f"fer-bench compare mine.csv --with {beside[0]}"
        )
    grid = None if files else params_file.read(params)
    checked = None if grid is None else digests.check(grid, "compare", file=params)
    if grid is None or checked is None:
        settings = comparing.settings_of_file(params, say=say)
        table, ranked, notes = comparing.compare_files(
            files or [],
            beside=beside or [],
            settings=settings if margin is None else settings._replace(margin=_margin(margin)),
            metrics=metric,
            baseline=baseline,
            selection=selection,
            reading=reading.said(
                column, scores=scores, label_order=label_order, n_classes=classes, rows=rows, files=files or []
            ),
            dataset=dataset,
            force=force,
            say=say,
        )
    else:
        tell(checked)
        table, ranked = comparing.compare_and_rank(
            grid if margin is None else _with_margin(grid, _margin(margin)),
            metrics=metric,
            baseline=baseline,
            dataset=dataset,
            say=say,
        )
        marks = audits.marks(grid.prepare, audits.read_all(grid.prepare, grid.results)).values()
        notes = (*ranks.in_words(ranked), *(f"Data: {mark}." for mark in marks), *card.in_words(grid))
    said = [wording.in_words(table), *wording.signatures(table)]
    head = [wording.heading(table)]
    parts: list[pd.DataFrame | list[str]] = [head, wording.standing(ranked), wording.printable(table), [*notes], said]
    print(printed.whole(table, parts, look), end="")
    for line in notes if look in {"csv", "json"} else ():
        say(line)
    if output is not None and ending is not None:
        whole.write(output, printed.whole(table, parts, ending).encode())
        say(f"wrote {output}")
    elif grid is not None and checked is not None and not (metric or baseline or dataset or margin is not None):
        target = grid.results / "comparisons.csv"  # a part of the grid must not overwrite the whole
        with whole.together(grid.results, "compare") as new:
            comparisons.write(table, new / target.name)
            ranks_table.write(ranked, new / "ranks.csv")
            checked.write(new)
        wrote(target, then="fer-bench verdict")


def _margin(value: float) -> float:
    if not 0 <= value <= 0.2:
        raise FerBenchError(f"--margin {value:g}: expected a fraction from 0 to 0.2", fix="half a point is 0.005")
    return value


def _with_margin(grid: params_file.Params, value: float) -> params_file.Params:
    import msgspec

    return msgspec.structs.replace(grid, compare=msgspec.structs.replace(grid.compare, margin=value))
