"""The pipeline as a whole: what runs, what does not run again, and what a change sets off."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fer_bench import yaml12
from fer_bench.provenance import ROOT

pytestmark = pytest.mark.slow

GRID = ROOT / "params.yaml"
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "DVC_NO_ANALYTICS": "1",
    "OMP_NUM_THREADS": "1",
}


def call(folder, *command):
    # the copy's own packages are run, not those that are installed
    environment = {**ENVIRONMENT, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def would_run(folder):
    """Return the stages that the next `dvc repro` would carry out."""
    return set(re.findall(r"Running stage '([^']+)'", call(folder, "dvc", "repro", "--dry")))


def would_train(folder):
    """Return the runs that the next `dvc repro` would carry out, once it knows what the methods are made of."""
    call(folder, "dvc", "repro", "sources")
    said = call(folder, "dvc", "repro", "--dry", "run")
    return {stage for stage in re.findall(r"Running stage '([^']+)'", said) if stage.startswith("run@")}


def project(folder, text):
    """Copy the project's tracked and new files, with a small grid."""
    files = call(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    for name in files:
        if name.startswith(("tests/", "docs/", "results/")) or not (ROOT / name).is_file():
            continue
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    (folder / "dvc.lock").unlink(missing_ok=True)
    (folder / "params.yaml").write_text(text)
    call(folder, "git", "init", "--quiet")
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory, written_out_text):
    folder = project(tmp_path_factory.mktemp("project"), written_out_text)
    call(folder, "dvc", "repro")
    return folder


@pytest.fixture
def restored(done):
    """The finished project; what a test changes in it is put back, and what DVC knows of it."""

    def held():
        paths = [path for path in done.rglob("*") if path.is_file()]
        return [path for path in paths if path.suffix in {".py", ".yaml", ".lock"} or path.parent.name == "sources"]

    kept = {path: path.read_bytes() for path in held()}
    yield done
    for path in held():
        if path not in kept:
            path.unlink()
    for path, content in kept.items():
        path.write_bytes(content)


def declared(folder):
    """Return what the stages say that they write."""
    stages = yaml12.load((folder / "dvc.lock").read_text(), where="dvc.lock")["stages"]
    return {out["path"] for stage in stages.values() for out in stage["outs"]}


def test_every_stage_leaves_what_it_declares(done):
    written = declared(done)
    assert written >= {
        f"results/tiny/{name}"
        for name in (
            "annotators.csv",
            "audits/synthetic_reported.csv",
            "calibration.csv",
            "features/synthetic_conv_cut.npz",
            "metrics.json",
            "orders/synthetic_lbp_svm.json",
            "orders.csv",
            "published.csv",
            "ranks.csv",
            "report.html",
            "report.json",
            "runs/synthetic/conv_cut/seed1",
            "told_apart.csv",
            "verdicts.csv",
        )
    }
    for path in written:
        found = done / path
        assert any(found.iterdir()) if found.is_dir() else found.stat().st_size > 0, path
    assert (done / "results/tiny/runs/synthetic/conv_cut/seed1/predictions.csv").is_file()


def test_a_second_repro_does_nothing(done):
    assert "Running stage" not in call(done, "dvc", "repro", "--dry")


def test_nothing_that_a_grid_leaves_is_undeclared(done):
    written = declared(done)
    found = [path.relative_to(done).as_posix() for path in (done / "results" / "tiny").rglob("*") if path.is_file()]
    assert not [path for path in found if not any(path == out or path.startswith(f"{out}/") for out in written)]


def test_dvc_shows_the_headline_numbers(done):
    written = json.loads((done / "results" / "tiny" / "metrics.json").read_text())
    shown = json.loads(call(done, "dvc", "metrics", "show", "--json"))
    assert shown[""]["data"]["results/tiny/metrics.json"]["data"] == written
    assert "synthetic.conv_cut.accuracy.estimate" in call(done, "dvc", "metrics", "show", "--md")


def test_git_sees_nothing_that_a_grid_leaves_but_its_report(done):
    left = call(done, "git", "ls-files", "--others", "--exclude-standard").splitlines()
    assert (done / "dvc.lock").is_file()
    assert "results/tiny/metrics.json" in left
    assert not [name for name in left if "/runs/" in name]
    assert not [name for name in left if not name.startswith("results/") and not (ROOT / name).is_file()]


def test_dvc_draws_the_training_curves_and_the_confusions(done):
    drawn = json.loads(call(done, "dvc", "plots", "show", "--json"))["data"]
    for table, columns in (
        ("history.csv", {"dataset", "method", "seed", "epoch", "val_loss"}),
        ("confusions.csv", {"dataset", "method", "selection", "y_true", "y_pred", "count"}),
    ):
        (plot,) = drawn[f"results/tiny/{table}"]
        assert plot["type"] == "vega"
        assert "<DVC_METRIC" not in json.dumps(plot["content"])
        assert set(plot["content"]["data"]["values"][0]) >= columns
    page = Path(call(done, "dvc", "plots", "show").strip().removeprefix("file://"))
    assert "Confusions over all seeds" in page.read_text()
    shutil.rmtree(page.parent)


def test_a_changed_method_runs_that_methods_cells_only(restored):
    file = restored / "baselines" / "lbp_svm.py"
    file.write_text(file.read_text() + "# changed\n")
    assert would_train(restored) == {"run@synthetic-lbp_svm-0", "run@synthetic-lbp_svm-1"}


def test_a_changed_block_runs_the_methods_that_have_it_only(restored):
    file = restored / "baselines" / "_blocks" / "convnext.py"
    file.write_text(file.read_text() + "# changed\n")
    assert would_train(restored) == {"run@synthetic-conv_cut-0", "run@synthetic-conv_cut-1"}


def test_an_entry_of_another_name_runs_its_own_cells_only(restored):
    file = restored / "params.yaml"
    entry = "methods:\n  floor: {method: majority_class, recipe: toy}\n"
    file.write_text(file.read_text().replace("methods:\n", entry))
    assert would_train(restored) == {"run@synthetic-floor-0", "run@synthetic-floor-1"}


def test_a_changed_recipe_runs_that_methods_cells_only(restored):
    file = restored / "params.yaml"
    file.write_text(file.read_text().replace("majority_class: {recipe: toy}", "majority_class: {recipe: default}"))
    assert would_train(restored) == {"run@synthetic-majority_class-0", "run@synthetic-majority_class-1"}


def test_a_new_seed_runs_that_seed_only(restored):
    file = restored / "params.yaml"
    file.write_text(file.read_text().replace("seeds: [0, 1]", "seeds: [0, 1, 2]"))
    expected = {f"run@synthetic-{method}-2" for method in ("majority_class", "lbp_svm", "conv_cut")}
    assert would_train(restored) == expected


SUMMARISE = {"score", "annotators", "adjust", "ladder", "compare", "verdict", "report"}


def test_a_new_metric_runs_scoring_and_what_follows_and_asks_no_network(restored):
    (restored / "fer_bench" / "metrics" / "kappa.py").write_text('"""Another metric."""\n')
    assert would_run(restored) == SUMMARISE


def test_another_level_runs_scoring_and_what_follows_and_asks_no_network(restored):
    file = restored / "params.yaml"
    file.write_text(file.read_text().replace("n_resamples: 200", "n_resamples: 200, level: 0.9"))
    assert would_run(restored) == SUMMARISE


def test_a_new_data_set_runs_no_cell_of_the_others(restored):
    (restored / "fer_bench" / "datasets" / "another.py").write_text('"""Another data set."""\n')
    assert not would_train(restored)


def test_another_grid_leaves_this_ones_report_alone(restored):
    before = (restored / "results" / "tiny" / "report.md").read_bytes()
    file = restored / "params.yaml"
    only_one = file.read_text().replace("grid: tiny", "grid: other").replace("  conv_cut: {recipe: toy}\n", "")
    file.write_text(only_one)
    call(restored, "dvc", "repro")
    assert (restored / "results" / "other" / "report.md").read_bytes() != before
    assert (restored / "results" / "tiny" / "report.md").read_bytes() == before


def test_the_same_grid_elsewhere_gives_the_same_bytes(done, tmp_path, written_out_text):
    folder = project(tmp_path, written_out_text)
    call(folder, "dvc", "repro", "score", "batch")
    names = [
        "scores.csv",
        "intervals.csv",
        "confusions.csv",
        "predicted/synthetic.csv",
        "orders/synthetic_conv_cut.csv",
        "orders/synthetic_conv_cut.json",
        "runs/synthetic/conv_cut/seed0/predictions.csv",
        "runs/synthetic/conv_cut/seed0/sealed.csv",
    ]
    for name in names:
        assert (folder / "results/tiny" / name).read_bytes() == (done / "results/tiny" / name).read_bytes(), name


def audited(done, folder):
    """Take over the grid, its data and what its audits said."""
    for name in ("data", "results/tiny/audits"):
        shutil.copytree(done / name, folder / name)
    shutil.copy(done / "params.yaml", folder)


def test_a_run_that_was_killed_goes_on_to_the_same_bytes(done, tmp_path):
    import signal
    import time

    folder = tmp_path
    audited(done, folder)
    command = ["fer-bench", "run", "conv_cut", "--dataset", "synthetic", "--seed", "0"]
    started = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(folder.glob(".fer-bench/work/**/epoch_0002.pth")):
        assert started.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    started.send_signal(signal.SIGKILL)
    started.wait()
    cell = folder / "results" / "tiny" / "runs" / "synthetic" / "conv_cut" / "seed0"
    assert not cell.exists()
    again = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert "goes on after epoch" in again.stderr
    expected = done / "results" / "tiny" / "runs" / "synthetic" / "conv_cut" / "seed0"
    for name in ("predictions.csv", "sealed.csv"):
        assert (cell / name).read_bytes() == (expected / name).read_bytes()
    assert not [path for path in folder.glob(".fer-bench/work/**/*") if path.is_file()]


def test_running_scoring_and_comparing_need_no_dvc(done, tmp_path):
    """A package that must not be imported is hidden; the verbs still work."""
    shutil.copytree(done / "data", tmp_path / "data")
    shutil.copytree(done / "results", tmp_path / "results")
    shutil.copy(done / "params.yaml", tmp_path)
    (tmp_path / "hidden" / "dvc").mkdir(parents=True)
    (tmp_path / "hidden" / "dvc" / "__init__.py").write_text("raise ImportError('dvc is hidden')\n")
    environment = {**ENVIRONMENT, "PYTHONPATH": str(tmp_path / "hidden")}
    for arguments in (
        ["run", "majority_class", "--dataset", "synthetic", "--seed", "0"],
        ["score"],
        ["adjust"],
        ["compare"],
    ):
        command = [sys.executable, "-m", "fer_bench", *arguments]
        done_call = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done_call.returncode == 0, done_call.stderr


def test_two_processes_train_one_run(done, tmp_path):
    audited(done, tmp_path)
    command = ["torchrun", "--nproc-per-node", "2", "-m", "fer_bench", "run", "conv_cut"]
    call(tmp_path, *command, "--dataset", "synthetic", "--seed", "0", "--launcher", "pytorch")
    cell = tmp_path / "results" / "tiny" / "runs" / "synthetic" / "conv_cut" / "seed0"
    alone = done / "results" / "tiny" / "runs" / "synthetic" / "conv_cut" / "seed0"
    record = json.loads((cell / "run.json").read_text())
    assert record["settings"]["processes"] == 2
    lines = [len((folder / "predictions.csv").read_text().splitlines()) for folder in (cell, alone)]
    assert lines[0] == lines[1] == 1 + 3 * 60


def test_brought_predictions_are_checked_before_a_run_and_read_again_when_they_change(tmp_path):
    folder = project(tmp_path, (ROOT / "grids" / "brought_demo.yaml").read_text())
    file = folder / "predictions" / "example" / "seed1.csv"
    whole = file.read_text()
    file.write_text(whole.rpartition("\ntest/")[0] + "\n")
    failed = subprocess.run(
        ["dvc", "repro", "run"], cwd=folder, env={**ENVIRONMENT, "PYTHONPATH": str(folder)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert failed.returncode != 0
    assert "predictions/example/seed1.csv: 59 of 60 samples of synthetic test" in failed.stderr.replace("\n", " ")
    assert not (folder / "results" / "brought_demo" / "runs").exists()
    file.write_text(whole)
    call(folder, "dvc", "repro", "run")
    assert would_train(folder) == set()
    brought = {f"run@synthetic-theirs-{seed}" for seed in (0, 1, 2)}
    reader = folder / "fer_bench" / "tables" / "_labels.py"
    for path, old, new in ((file, ",0.", ",00."), (reader, '"""', '""" ')):
        before = path.read_text()
        path.write_text(before.replace(old, new, 1))
        assert would_train(folder) == brought
        path.write_text(before)
