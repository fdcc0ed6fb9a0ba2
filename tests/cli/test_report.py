"""``fer-bench report`` as people call it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fer_bench.cli.main import app
from fer_bench.errors import FerBenchError

PARAMS = Path(__file__).parent.parent.parent / "params.yaml"


def test_help_ends_in_two_examples():
    shown = CliRunner().invoke(app, ["report", "--help"]).output
    assert "--pdf" in shown
    assert shown.count("fer-bench report") >= 2


def test_without_scores_the_error_names_the_command_that_makes_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FerBenchError, match="fer-bench score"):
        CliRunner().invoke(app, ["report", "--params", str(PARAMS)], catch_exceptions=False)
