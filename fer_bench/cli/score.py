"""``fer-bench score``: from the runs' predictions to scores with intervals."""

from fer_bench import params as params_file
from fer_bench.cli._common import ParamsFile, say, wrote


def score(*, params: ParamsFile = params_file.PARAMS) -> None:
    """Score every run of the grid and put an interval around each number.

    Reads results/GRID/runs; writes runs, scores, intervals, confusions, history (.csv) and predicted/ in results/GRID.
    Needs neither torch nor pictures.

    \b
    Examples:
      fer-bench score
      fer-bench score --params grids/ferplus_cpu.yaml
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench.stats import scoring

    grid = params_file.read(params)
    scored = scoring.score(grid)
    scoring.write(scored, grid.results)
    failed = int((scored.runs["status"] == "failed").sum())
    say(f"{len(scored.runs)} runs, {failed} of them failed; {len(scored.scores)} scores")
    wrote(grid.results / "scores.csv", then="fer-bench adjust")
