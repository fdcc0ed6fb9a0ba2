"""``fer-bench verdict``: published numbers beside ours."""

from fer_bench import params as params_file
from fer_bench.cli._common import AsJson, ParamsFile, show, wrote


def verdict(*, params: ParamsFile = params_file.PARAMS, as_json: AsJson = False) -> None:
    """Set every claim on a card beside the interval of the grid's runs.

    Reads the cards and results/GRID/intervals.csv and runs.csv; writes results/GRID/verdicts.csv.

    \b
    Examples:
      fer-bench verdict
      fer-bench verdict --json
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench.stats import judging
    from fer_bench.tables.verdicts import verdicts

    grid = params_file.read(params)
    table = judging.judge(grid)
    show(table if as_json else judging.printable(table), as_json=as_json)
    target = grid.results / "verdicts.csv"
    verdicts.write(table, target)
    wrote(target, then="fer-bench report")
