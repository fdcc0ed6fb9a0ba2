"""``fer-bench ladder``: from the honest number to those that other procedures give."""

from fer_bench import params as params_file
from fer_bench import whole
from fer_bench.cli._common import AsJson, ParamsFile, say, show, tell, wrote


def ladder(*, params: ParamsFile = params_file.PARAMS, as_json: AsJson = False) -> None:
    """Part what procedure adds to each method's numbers.

    Procedure is the choice of the checkpoint, the order of the pictures, and the label rule.

    Reads results/GRID/predicted, runs.csv and orders/DATASET_METHOD.csv. Writes results/GRID/ladder.csv, gains.csv
    (what choosing the checkpoint on the test set adds) and orders.csv (scores in every order that was asked). Needs
    neither torch nor pictures nor the runs.

    \b
    Examples:
      fer-bench ladder
      fer-bench ladder --params grids/ferplus_cpu.yaml
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench.stats import laddering
    from fer_bench.tables import digests
    from fer_bench.tables.by_order import by_order as orders_schema
    from fer_bench.tables.gains import gains as gains_schema
    from fer_bench.tables.ladder import ladder as ladder_schema

    grid = params_file.read(params)
    checked = digests.check(grid, "ladder", file=params)
    tell(checked)
    climbed, gained = laddering.climb(grid, say=say)
    asked = laddering.score_orders(grid)
    show(climbed if as_json else laddering.printable(climbed), as_json=as_json)
    with whole.together(grid.results, "ladder") as new:
        ladder_schema.write(climbed, new / "ladder.csv")
        gains_schema.write(gained, new / "gains.csv")
        orders_schema.write(asked, new / "orders.csv")
        checked.write(new)
    wrote(grid.results / "ladder.csv", then="fer-bench compare")
