"""Several processes share the samples of one run, in every phase, and find what one process finds."""

import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_bench.errors import FerBenchError
from fer_bench.training import processes
from fer_bench.training.processes import Share

SCRIPT = Path(__file__).with_name("run_in_processes.py")


def carried_out(folder: Path, n: int, **more: str) -> list[dict[str, np.ndarray]]:
    """Return what each of n processes saw and found; training goes on in the folder where a call before stopped."""
    command = [sys.executable, str(SCRIPT), str(folder), *[f"{name}={value}" for name, value in more.items()]]
    if n > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n)]
        command = [sys.executable, *launcher, *command[1:]]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [dict(np.load(folder / f"seen{rank}.npz")) for rank in range(n)]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    return folder, carried_out(folder, 2)


def test_shares_are_disjoint_and_cover_the_part_in_every_epoch_of_both_phases(two):
    _, (first, second) = two
    assert first["phase"].tolist() == [0, 0, 1, 1]
    for epoch in range(4):
        a, b = first[f"rows{epoch}"], second[f"rows{epoch}"]
        assert sorted([*a, *b]) == list(range(27))
    assert all((first[f"rows{a}"] != first[f"rows{b}"]).any() for a, b in pairwise(range(4)))


def test_every_picture_is_validated_once_with_the_metrics_of_one_process(two):
    _, (first, second) = two
    # 13 pictures: the last one of the second process is a copy that fills its batch, and is not counted
    assert first["validated"].tolist() == [13] * 4
    for name in ("val_loss", "val_accuracy", "val_macro_f1"):
        np.testing.assert_allclose(first[name], first[f"alone_{name}"], rtol=1e-6)
        assert (first[name] == second[name]).all()


def test_processes_end_with_the_same_weights_and_history(two):
    _, (first, second) = two
    for name in ("weights", "train_loss", "train_accuracy"):
        assert (first[name] == second[name]).all(), name
    assert not set(first["drawn"]) & set(second["drawn"])  # each draws its own dropout


def test_a_run_of_two_processes_goes_on_to_the_same_bytes_in_both_phases(two, tmp_path):
    _, (whole, _) = two
    for epochs in (1, 3):
        folder = tmp_path / str(epochs)
        shutil.copytree(two[0], folder)
        for later in range(epochs + 1, 5):
            (folder / "work" / f"epoch_{later:04d}.pth").unlink()
        (resumed, _) = carried_out(folder, 2)
        assert (resumed["weights"] == whole["weights"]).all()
        assert (resumed["train_loss"] == whole["train_loss"]).all()


def test_a_loss_that_is_not_finite_on_one_process_ends_all(tmp_path):
    found = carried_out(tmp_path, 2, breaks="1")
    assert [str(one["diverged"]) for one in found] == [str(found[0]["diverged"])] * 2
    assert "is nan" in str(found[0]["diverged"])


def shares(n_items: int, batch_size: int, n_processes: int, monkeypatch) -> list[list[int]]:
    dealt = []
    for rank in range(n_processes):
        monkeypatch.setattr(processes, "get_dist_info", lambda rank=rank: (rank, n_processes))
        dealt.append(list(Share(range(n_items), batch_size, seed=3)))  # type: ignore[arg-type]
        assert len(Share(range(n_items), batch_size, seed=3)) == len(dealt[-1])  # type: ignore[arg-type]
    return dealt


@pytest.mark.parametrize("n_processes", [1, 2, 3, 5])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_all_take_the_same_number_of_steps_and_none_has_a_batch_of_one(n_processes, batch_size, monkeypatch):
    for n_items in range(2 * n_processes, 60):
        dealt = shares(n_items, batch_size, n_processes, monkeypatch)
        items = [item for share in dealt for item in share]
        assert len(set(items)) == len(items)
        assert len({-(-len(share) // batch_size) for share in dealt}) == 1
        smallest = n_items // n_processes
        if batch_size > 1:
            assert all(len(share) % batch_size != 1 for share in dealt)
            left_out = n_items - len(items)
            assert left_out == 0 if smallest % batch_size > 1 else left_out < 2 * n_processes


def test_one_process_has_the_order_that_it_always_had(monkeypatch):
    (order,) = shares(17, 8, 1, monkeypatch)
    assert order == torch.randperm(17, generator=torch.Generator().manual_seed(3)).tolist()[:16]


def test_what_processes_found_is_gathered_from_batches_of_unequal_size(two):
    _, found = two
    for one in found:
        assert one["gathered"].tolist() == [*range(6), *range(10, 15)]


def test_a_part_too_small_for_the_processes_is_refused(monkeypatch):
    with pytest.raises(FerBenchError, match="3 for 2 processes, each needs two"):
        shares(3, 8, 2, monkeypatch)
