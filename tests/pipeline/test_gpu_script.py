"""What is measured on a GPU runs through at toy size where there is none."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fer_bench.provenance import ROOT


@pytest.mark.slow
def test_the_script_for_a_gpu_runs_through_without_one(tmp_path, grid_text):
    for name in ("benchmarks", "baselines", "fer_bench", "tests", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    others = "  majority_class: {recipe: toy}\n  lbp_svm: {recipe: toy}\n"
    assert others in grid_text
    (tmp_path / "grid.yaml").write_text(grid_text.replace(others, ""))
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(tmp_path), "STEPS": "2",
        "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = ["bash", str(tmp_path / "benchmarks" / "gpu.sh"), "grid.yaml", "finetune:toy", "conv_cut:toy"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    results = tmp_path / "results" / "tiny"
    with (results / "machine" / "throughput.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["method"], row["recipe"], row["device"]) for row in rows] == [
        ("finetune", "toy", "cpu"), ("conv_cut", "toy", "cpu"),
    ]  # fmt: skip
    assert all(float(row[name]) > 0 for row in rows for name in row if name.endswith(("_s", "_plain", "_ratio")))
    assert "1 skipped" in (results / "machine" / "tests.txt").read_text()
    assert "training samples" in (results / "machine" / "synthetic-conv_cut-seed1.txt").read_text()
    assert (results / "report.md").is_file()
