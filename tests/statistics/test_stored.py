"""`fer-bench score` of a grid, from its runs and from its stored tables."""

import shutil

from typer.testing import CliRunner

from fer_bench.cli.main import app


def test_a_grid_is_scored_anew_from_its_tables_where_the_runs_are_not(fake_runs):
    grid = fake_runs()
    results = grid.folder / "results/tiny"
    assert CliRunner().invoke(app, ["score"], catch_exceptions=False).exit_code == 0
    names = ("scores.csv", "intervals.csv", "confusions.csv", "runs.csv", "predicted/synthetic.csv")
    before = {name: (results / name).read_bytes() for name in names}
    shutil.rmtree(results / "runs")
    (results / "scores.csv").unlink()
    (results / "intervals.csv").unlink()
    assert CliRunner().invoke(app, ["score", "--stored"], catch_exceptions=False).exit_code == 0
    assert {name: (results / name).read_bytes() for name in names} == before


def test_our_own_run_scored_as_a_file_has_the_numbers_of_the_grid(fake_runs):
    grid = fake_runs(seeds=(0,))
    CliRunner().invoke(app, ["score"], catch_exceptions=False)
    path = grid.cell("conv_cut", 0) / "predictions.csv"
    asked = ["--metric", "accuracy", "--metric", "macro_f1", "--format", "csv"]
    rows = CliRunner().invoke(app, ["score", str(path), *asked], catch_exceptions=False).stdout.splitlines()[1:]
    written = (grid.folder / "results/tiny/intervals.csv").read_text().splitlines()
    assert rows
    assert set(rows) <= set(written)
