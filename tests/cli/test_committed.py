"""The committed grids: anyone computes them again from what is in git."""

import re
import shutil

import pandas as pd
import pytest
from typer.testing import CliRunner

from fer_bench import params
from fer_bench.cli.main import app
from fer_bench.provenance import ROOT


@pytest.fixture
def committed(committed_grid, committed_files, tmp_path, monkeypatch):
    """A folder with one committed grid."""
    grid = ROOT / "results" / committed_grid
    for path in committed_files:
        if path.is_relative_to(grid) and path.parent.name != "figures" and path.name != "report.pdf":
            copy = tmp_path / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results" / committed_grid


def test_there_is_a_committed_grid(committed_files):
    assert "ferplus_cpu" in {path.parent.name for path in committed_files}


@pytest.mark.parametrize(
    ("verb", "table"),
    [
        ("adjust", "contamination.csv"),
        ("compare", "comparisons.csv"),
        ("ladder", "gains.csv"),
        ("ladder", "ladder.csv"),
        ("ladder", "orders.csv"),
        ("verdict", "verdicts.csv"),
    ],
)
def test_a_committed_table_is_made_again(committed, verb, table):
    """To seven digits: the last of nine may differ between processors."""
    expected = pd.read_csv(committed / table)
    (committed / table).unlink()
    done = CliRunner().invoke(app, [verb, "--params", str(committed / "params.yaml")])
    assert done.exit_code == 0, done.output
    pd.testing.assert_frame_equal(pd.read_csv(committed / table), expected, rtol=1e-7)


def test_a_committed_grid_is_the_one_that_can_be_chosen(committed):
    assert params.read(committed / "params.yaml") == params.read(ROOT / "grids" / f"{committed.name}.yaml")


def test_the_readme_shows_what_the_report_says():
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if re.match(r"\| .*%", line)]
    report = (ROOT / "results" / "ferplus_cpu" / "report.md").read_text().splitlines()
    assert rows
    assert not [row for row in rows if row not in report]
