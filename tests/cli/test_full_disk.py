"""No room left: an error that says where and how much is free, nothing half written, earlier results as they were.

A limit on the size of files stands in for a full disk: writing fails at some byte in the same way.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest

from fer_bench.datasets import _store
from fer_bench.errors import FerBenchError
from fer_bench.params import read
from fer_bench.provenance import ROOT


def program(*words, limit=None, cwd):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, "-m", "fer_bench", *words],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
        preexec_fn=None if limit is None else limited,
    )  # fmt: skip


def held(folder):
    """Return what every file holds, but for figures that are kept to be drawn once only."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "drawn"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture
def scored(prepared_folder):
    """A working folder in which the runs of one method are scored and reported."""
    text = (prepared_folder / "params.yaml").read_text()
    others = "  lbp_svm: {recipe: toy}\n  conv_cut: {recipe: toy}\n"
    assert others in text
    (prepared_folder / "params.yaml").write_text(text.replace(others, ""))
    for seed in ("0", "1"):
        done = program("run", "majority_class", "--dataset", "synthetic", "--seed", seed, cwd=prepared_folder)
        assert done.returncode == 0, done.stderr
    for verb in ("score", "compare", "verdict"):
        done = program(verb, cwd=prepared_folder)
        assert done.returncode == 0, done.stderr
    return prepared_folder


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        (("data", "prepare", "synthetic"), 20_000),
        (("run", "majority_class", "--dataset", "synthetic", "--seed", "0"), 1_000),
        (("score",), 500),
        (("score",), 2_000),
        (("compare",), 200),
        (("verdict",), 1_000),
        (("report",), 5_000),
        (("report",), 50_000),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_a_verb_that_has_no_room_says_so_and_leaves_all_as_it_was(scored, words, limit):
    before = held(scored)
    done = program(*words, limit=limit, cwd=scored)
    assert done.returncode == 2, done.stderr
    assert re.search(r"^error: /.*, [\d,.]+ MB are free\n  fix: ", done.stderr, re.MULTILINE), done.stderr
    assert held(scored) == before
    assert not list(scored.rglob(".*.fer-bench-*"))
    done = program(*words, cwd=scored)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_checkpoint_that_has_no_room_is_not_left_half_written_and_training_goes_on(prepared_folder):
    words = ("run", "conv_cut", "--dataset", "synthetic", "--seed", "0")
    done = program(*words, limit=300_000, cwd=prepared_folder)
    assert done.returncode == 2, done.stderr
    assert re.search(r"^error: /.*conv_cut.*: .*, [\d,.]+ MB are free\n  fix: ", done.stderr, re.MULTILINE), done.stderr
    assert not list(prepared_folder.rglob("*.part"))
    assert not list(prepared_folder.rglob("epoch_*"))
    assert program(*words, cwd=prepared_folder).returncode == 0


def test_what_needs_more_room_than_there_is_does_not_begin(prepared_folder, monkeypatch):
    before = held(prepared_folder)
    usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: usage(10_000, 9_000, 1_000))
    with pytest.raises(FerBenchError, match=r"it takes [\d.]+ MB, and 0.0 MB are free there"):
        _store.prepare("synthetic", read().prepare["synthetic"])
    assert held(prepared_folder) == before
