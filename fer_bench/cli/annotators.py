"""``fer-bench annotators``: how far scores hang on who labelled, and how a method stands to one annotator."""

from fer_bench import params as params_file
from fer_bench.cli._common import AsJson, ParamsFile, paragraph, say, show, tell, wrote


def annotators(*, params: ParamsFile = params_file.PARAMS, as_json: AsJson = False) -> None:
    """Set every method beside one annotator.

    The votes are redrawn, and one annotator is judged by the others as methods are.

    Reads results/GRID/predicted, runs.csv, intervals.csv and audits/DATASET_reported.csv; writes
    results/GRID/annotators.csv, without rows where no data set has votes. Needs neither torch nor pictures nor the
    runs.

    \b
    Examples:
      fer-bench annotators
      fer-bench annotators --params grids/ferplus_cpu.yaml
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench import card, whole
    from fer_bench.stats import annotating
    from fer_bench.tables import digests
    from fer_bench.tables.annotators import annotators as schema

    grid = params_file.read(params)
    checked = digests.check(grid, "annotators", file=params)
    tell(checked)
    table = annotating.annotate(grid, say=say)
    if not len(table):
        say(f"no data set of {grid.grid} has votes of annotators and a run that ended well: the table has no rows")
    if as_json or len(table):
        show(table if as_json else annotating.printable(table), as_json=as_json)
    for sentence in [] if as_json else [*annotating.sentences(table), *card.in_words(grid)]:
        paragraph(sentence)
    with whole.together(grid.results, "annotators") as new:
        schema.write(table, new / "annotators.csv")
        checked.write(new)
    wrote(grid.results / "annotators.csv", then="fer-bench compare")
