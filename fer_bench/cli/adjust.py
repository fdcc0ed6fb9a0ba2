"""``fer-bench adjust``: what the scores are without the test pictures that also stand in training."""

from fer_bench import params as params_file
from fer_bench.cli._common import AsJson, ParamsFile, paragraph, say, show, tell, wrote


def adjust(*, params: ParamsFile = params_file.PARAMS, as_json: AsJson = False) -> None:
    """Score the grid without the pictures that training has too.

    On all reported samples, on those without a twin in training, and on the twins.

    A twin is the same photograph, equal or altered, as the audit found it. Reads results/GRID/predicted, runs.csv and
    audits/DATASET_twins.csv; writes results/GRID/contamination.csv. Needs neither torch nor pictures nor the runs.

    \b
    Examples:
      fer-bench adjust
      fer-bench adjust --params grids/ferplus_cpu.yaml
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench import card, registry, whole
    from fer_bench.stats import adjusting
    from fer_bench.tables import digests
    from fer_bench.tables.contamination import contamination

    grid = params_file.read(params)
    checked = digests.check(grid, "adjust", file=params)
    tell(checked)
    table = adjusting.adjust(grid, say=say)
    headline = registry.load("protocols", grid.run.protocol).headline
    show(table if as_json else adjusting.printable(table, headline=headline), as_json=as_json)
    for sentence in [] if as_json else card.in_words(grid):
        paragraph(sentence)
    with whole.together(grid.results, "adjust") as new:
        contamination.write(table, new / "contamination.csv")
        checked.write(new)
    wrote(grid.results / "contamination.csv", then="fer-bench ladder")
