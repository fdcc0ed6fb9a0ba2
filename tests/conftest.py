"""Fixtures that every test may use."""

import os
import re
import shutil
import subprocess
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def rng(request):
    """A generator seeded by the test's own name, so that tests do not share draws."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))


@cache
def committed():
    """Return the files of results/ that git holds; what else lies there was left by a run of somebody's."""
    listed = subprocess.run(["git", "ls-files", "-z", "results"], cwd=ROOT, check=True, capture_output=True, text=True)
    return sorted(ROOT / name for name in listed.stdout.split("\0") if name)


def pytest_generate_tests(metafunc):
    if "committed_grid" in metafunc.fixturenames:
        names = sorted({path.parents[1].name for path in committed() if path.parent.name == "predicted"})
        metafunc.parametrize("committed_grid", names)


@pytest.fixture(scope="session")
def committed_files():
    """The files of results/ that git holds."""
    return committed()


@pytest.fixture(scope="session")
def ferplus_folder():
    """The folder with FERPlus as released; tests that need it are marked `data`."""
    return _brought("ferplus")


@pytest.fixture(scope="session")
def weights_folder():
    """The folder with released weights; tests that need it are marked `data`."""
    return _brought("weights")


def _brought(name):
    folder = Path(os.environ.get("FER_BENCH_DATA", ROOT.parent / "shared" / "data")) / name
    if not folder.is_dir():
        pytest.skip(f"no {name} here; set FER_BENCH_DATA to the folder that holds {name}/")
    return folder


SEEN_PT = 1.0  # what sticks out by less nobody sees


@pytest.fixture
def sticking_out(tmp_path):
    """Compiles fragments in two columns of so many points; returns what sticks out of them or is higher, and where."""
    from fer_bench.report.latex import run_pdflatex

    head = "\\documentclass[10pt,twocolumn]{article}\n\\usepackage{booktabs}\n\\textheight650pt\\columnsep20pt\n"

    def compiled(fragments, width):
        boxes = [f"\\typeout{{In {path.name}}}\\noindent\\input{{{path}}}\\clearpage" for path in fragments]
        text = "\n".join([f"{head}\\textwidth{2 * width + 20}pt\n\\begin{{document}}", *boxes, "\\end{document}\n"])
        (tmp_path / "line.tex").write_text(text, encoding="utf-8")
        _, *logs = re.split(r"^In (?=\S+\.tex$)", run_pdflatex(tmp_path, "line.tex"), flags=re.MULTILINE)
        assert len(logs) == len(fragments) > 0
        found = [(log, *hit) for log in logs for hit in re.findall(r"^(Overfull.*?\(([\d.]+)pt.*)", log, re.MULTILINE)]
        return [f"{log.split()[0]}: {said}" for log, said, points in found if float(points) > SEEN_PT]

    return compiled


GRID = """
grid: tiny
prepare:
  synthetic:
    source: fer_bench/datasets/synthetic.py
    options: {n_train: 140, n_val: 40, n_test: 60, seed: 0}
methods:
  majority_class: {recipe: toy}
  lbp_svm: {recipe: toy}
  conv_cut: {recipe: toy}
run: {seeds: [0, 1]}
score: {metrics: [accuracy, macro_f1, mean_recall], n_resamples: 200}
compare: {metrics: [accuracy, macro_f1]}
report: {title: Tiny grid, scale: For tests.}
"""


@pytest.fixture(scope="session")
def grid_text():
    """A small grid, as the text of params.yaml."""
    return GRID


@pytest.fixture(scope="session")
def written_out_text(grid_text):
    """The small grid with every parameter that dvc.yaml names: DVC does not know defaults."""
    choices = "protocol: honest, train_share: 1.0, device: cpu, precision: fp32, threads: 1"
    return grid_text.replace("run: {", f"run: {{{choices}, ") + "verdict: {tolerance: 0.02}\n"


@pytest.fixture
def grid_folder(tmp_path, monkeypatch):
    """An empty working folder with a small grid's params.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(GRID)
    return tmp_path


@pytest.fixture(scope="session")
def prepared_data(tmp_path_factory):
    """The small grid's data set, prepared once."""
    from fer_bench import params
    from fer_bench.datasets import _store

    folder = tmp_path_factory.mktemp("prepared")
    (folder / "params.yaml").write_text(GRID)
    _store.prepare("synthetic", params.read(folder / "params.yaml").prepare["synthetic"], folder / "data")
    return folder / "data"


@pytest.fixture
def prepared_folder(grid_folder, prepared_data):
    """A working folder with the small grid, its data set, and the gate of an audit that let it pass."""
    from fer_bench import params
    from fer_bench.datasets import _store
    from fer_bench.tables import gate

    shutil.copytree(prepared_data, grid_folder / "data")
    info = _store.open_prepared("synthetic").info
    passed = gate.Gate(
        dataset="synthetic", samples_digest=info.samples_digest, pixels_digest=info.pixels_digest, red=[]
    )
    gate.write(passed, gate.path_of(params.read().results, "synthetic"))
    return grid_folder


@pytest.fixture
def no_fingerprint(tmp_path_factory, monkeypatch):
    """No data set has an official fingerprint: toys are not the release, and need not pass for it."""
    from fer_bench.datasets import _fingerprint

    folder = tmp_path_factory.mktemp("fingerprints")
    monkeypatch.setattr(_fingerprint, "FOLDER", folder)
    return folder
