"""``fer-bench score``: from predictions to scores with intervals, of a grid's runs or of one file."""

from pathlib import Path
from typing import Annotated

import typer

from fer_bench import params as params_file
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


def score(
    file: Annotated[
        Path | None, typer.Argument(help="Predictions of one run; without it, the grid's runs are scored.")
    ] = None,
    *,
    params: ParamsFile = params_file.PARAMS,
    stored: Annotated[
        bool, typer.Option("--stored", help="Of the grid, recompute from predicted/ and runs.csv, without the runs.")
    ] = False,
    dataset: Annotated[
        str | None, typer.Option(help="Of the file, the data set that has the true labels, where it is prepared.")
    ] = None,
    metric: Annotated[list[str] | None, typer.Option(help="Of the file, only this metric; may be repeated.")] = None,
    selection: Annotated[str | None, typer.Option(help="Of the file, the selection that is scored.")] = None,
    column: Columns = None,
    scores: Scores = None,
    label_order: LabelOrder = None,
    classes: Classes = None,
    rows: Rows = False,
    form: Format = "text",
    as_json: AsJson = False,
    output: Output = None,
) -> None:
    """Score runs and put an interval around each number.

    Without a file: every run of the grid; reads results/GRID/runs and writes runs, scores, intervals, confusions,
    history, calibration (.csv), metrics.json and predicted/ in results/GRID. With a file of predictions, from
    whatever framework (docs/predictions.md): prints all metrics that can be computed. Needs neither torch nor
    pictures.

    \b
    Examples:
      fer-bench score --params grids/ferplus_cpu.yaml
      fer-bench score mine.csv --dataset ferplus
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench import registry, whole
    from fer_bench.stats import comparing, files, printed, scoring, scoring_file
    from fer_bench.tables import digests, headline, reading

    if file is None:
        _only_of_files(dataset=dataset, metric=metric, selection=selection, output=output, column=column)
        grid = params_file.read(params)
        checked, kept = digests.check_score(grid, stored=stored, file=params)
        tell(checked)
        scored = scoring.stored(grid) if stored else scoring.score(grid)
        chosen = registry.load("protocols", grid.run.protocol).headline
        with whole.together(grid.results, "score") as new:
            scoring.write(scored, new)
            headline.write(scored.intervals, new / "metrics.json", headline=chosen)
            checked.write(new, kept=kept)
        if scored.unsealed:
            say(f"{scored.unsealed} runs have no digests, for an older version made them: taken as they are")
        failed = int((scored.runs["status"] == "failed").sum())
        say(f"{len(scored.runs)} runs, {failed} of them failed; {len(scored.scores)} scores")
        wrote(grid.results / "scores.csv", then="fer-bench adjust")
        return
    look = printed.form_of("json" if as_json else form)
    ending = None if output is None else printed.of_ending(output)
    settings = comparing.settings_of_file(params, say=say)
    said_of_files = reading.said(
        column, scores=scores, label_order=label_order, n_classes=classes, rows=rows, files=[file]
    )
    opened = files.open_one(file, reading=said_of_files, dataset=dataset, selection=selection, say=say)
    table, notes = scoring_file.score(opened, settings, metric)
    said = [*opened.notes, *notes]
    parts = scoring_file.parts(table, opened, said)
    print(printed.whole(table, parts, look), end="")
    for line in said if look in {"csv", "json"} else ():
        say(line)
    if output is not None and ending is not None:
        whole.write(output, printed.whole(table, parts, ending).encode())
        say(f"wrote {output}")


def _only_of_files(**options: object) -> None:
    given = [name for name, value in options.items() if value]
    if given:
        raise FerBenchError(
            f"--{given[0]} is of one file, and none is named", fix=f"fer-bench score mine.csv --{given[0]} …"
        )
