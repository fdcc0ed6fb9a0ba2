"""``fer-bench demo``: one command to a report."""

import pytest
from typer.testing import CliRunner

from fer_bench.cli.main import app


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    done = CliRunner().invoke(app, ["demo", str(tmp_path)])
    assert done.exit_code != 0
    assert "holds something else" in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.slow
def test_it_ends_with_the_paths_of_the_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["demo", "here"], input="")
    assert done.exit_code == 0, done.output
    shown = [line for line in done.output.splitlines() if line.startswith("here/results/demo/")]
    assert "here/results/demo/report.md" in shown
    assert all((tmp_path / line).exists() for line in shown)
