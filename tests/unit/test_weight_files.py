"""Files of weights: in whatever table they lie, without running code, and named where they are none."""

import argparse
import collections
import contextlib
import os
import pickle
import sys
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch

from fer_bench.errors import FerBenchError
from fer_bench.training import weight_files

STATE = {"conv.weight": torch.arange(6.0).reshape(2, 3), "conv.bias": torch.ones(2)}


class Recorder:
    """What a training script keeps beside its weights; POSTER++'s does."""

    def __init__(self):
        self.losses, self.best = np.zeros((3, 2)), np.float64(0.9)


class Call:
    """Runs a command when it is unpickled."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


class Print:
    """Prints when it is unpickled."""

    def __reduce__(self):
        return print, ("this was run",)


def read(path):
    return weight_files.tensors(weight_files.read(path), source=str(path))


def refused(path):
    with pytest.raises(FerBenchError) as raised:
        read(path)
    assert str(path) in raised.value.problem
    return raised.value


def same(found):
    return found.keys() == STATE.keys() and all(torch.equal(found[name], value) for name, value in STATE.items())


def beside(state):
    """What people save with their weights."""
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(2))]).state_dict()
    args = argparse.Namespace(lr=0.1)
    return {
        "epoch": 3, "best_acc": torch.tensor(91.0), "optimizer": optimizer, "recorder": Recorder(), "args": args,
        **state, "acc": np.float64(88.1), "matrix": np.eye(7), "names": ["a"], "f": Print(),
    }  # fmt: skip


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
@pytest.mark.parametrize("key", [*weight_files.WRAPPERS, "student", None])
def test_weights_are_found_in_whatever_table_they_lie(tmp_path, capfd, key, prefix, legacy):
    state = {f"{prefix}{name}": value for name, value in STATE.items()}
    checkpoint = state if key is None else beside({key: state})
    torch.save(checkpoint, tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    assert same(read(tmp_path / "w.pth"))
    assert "this was run" not in capfd.readouterr().out


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "weights"])
def test_safetensors_are_known_by_what_they_hold(tmp_path, name):
    safetensors.torch.save_file(STATE, tmp_path / name)
    assert same(read(tmp_path / name))


def test_what_lies_among_the_weights_and_is_none_is_passed_over():
    assert same(weight_files.tensors({"state_dict": {**STATE, "epoch": 3, "config": weight_files.Skipped()}}))
    assert same(weight_files.tensors({**STATE, "epoch": 3}))


def test_the_first_of_several_known_names_is_taken_and_unknown_ones_are_asked_about():
    other = {"head.weight": torch.ones(3)}
    assert same(weight_files.tensors({"state_dict_softmax_fc": other, "state_dict_backbone": STATE}))
    with pytest.raises(FerBenchError, match="several tables of weights: teacher, student") as raised:
        weight_files.tensors({"teacher": STATE, "student": STATE})
    assert "['teacher']" in raised.value.fix


class Settings(dict):
    """A table of a kind of its own, with attributes."""


@pytest.mark.parametrize("legacy", [False, True])
def test_tables_of_kinds_of_their_own_are_read_as_plain_ones(tmp_path, legacy):
    settings = Settings(lr=0.1)
    settings.path = "here"
    lists = collections.defaultdict(list, {"loss": [1.0]})
    for state in (STATE, Settings(STATE)):
        torch.save(
            {"state_dict": state, "settings": settings, "lists": lists, "acc": np.float64(1)}, tmp_path / "w.pth",
            _use_new_zipfile_serialization=not legacy,
        )  # fmt: skip
        assert same(read(tmp_path / "w.pth"))


def test_what_cannot_be_passed_over_is_named_without_advice_to_run_it(tmp_path):
    class List(list):
        """Of a kind of its own."""

    List.__qualname__, List.__module__ = "Names", __name__
    sys.modules[__name__].Names = List
    torch.save({"state_dict": STATE, "names": List(["a"])}, tmp_path / "w.pth")
    error = refused(tmp_path / "w.pth")
    assert f"would run its code: {__name__}.Names" in error.problem
    assert "weights_only" not in str(error)
    torch.save(STATE, tmp_path / "w.pth", pickle_protocol=4)
    assert "Unsupported operand" in refused(tmp_path / "w.pth").problem


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_of_arrays_is_named_with_how_to_turn_it_into_weights(tmp_path, protocol):
    with (tmp_path / "w.pkl").open("wb") as file:
        pickle.dump({"conv.bias": np.ones(2)}, file, protocol=protocol)
    error = refused(tmp_path / "w.pkl")
    assert "pickle that PyTorch did not write" in error.problem
    assert "torch.from_numpy" in error.fix


def test_nothing_in_a_file_is_run(tmp_path, capfd):
    mark = tmp_path / "run"
    for legacy in (False, True):
        torch.save(
            {"state_dict": STATE, "x": Call(f"touch {mark}")}, tmp_path / "w.pth",
            _use_new_zipfile_serialization=not legacy,
        )  # fmt: skip
        error = refused(tmp_path / "w.pth")
        assert "would run its code" in error.problem
        assert "torch.save(model.state_dict()" in error.fix
    with (tmp_path / "p.pth").open("wb") as file:
        pickle.dump({"a": Print()}, file, protocol=2)
    refused(tmp_path / "p.pth")
    assert not mark.exists()
    assert "this was run" not in capfd.readouterr().out


def test_what_stands_for_objects_is_forgotten_after_reading(tmp_path):
    torch.save(beside({"state_dict": STATE}), tmp_path / "w.pth")
    before = set(torch.serialization.get_safe_globals())
    read(tmp_path / "w.pth")
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize("key", [None, "net"])
def test_a_module_pickled_whole_is_named(tmp_path, key):
    whole = torch.nn.Linear(2, 2)
    torch.save(whole if key is None else {key: whole, "epoch": 3}, tmp_path / "w.pth")
    error = refused(tmp_path / "w.pth")
    assert "pickled whole (torch.nn.modules.linear.Linear)" in error.problem
    assert "state_dict()" in error.fix


@pytest.mark.parametrize("wrapped", [True, False])
def test_the_state_of_an_optimiser_is_recognised(tmp_path, wrapped):
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(2))]).state_dict()
    torch.save({"model_state_dict": optimizer} if wrapped else optimizer, tmp_path / "w.pth")
    error = refused(tmp_path / "w.pth")
    assert "state of an optimiser" in error.problem
    assert "last epoch" in error.fix


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"epoch": 3, "accuracy": 0.9}, "it has epoch, accuracy"),
        ({}, "it is empty"),
        ({0: torch.ones(2), 1: torch.ones(2)}, "it has 0, 1"),
        ([torch.ones(2)], "holds a list"),
        (torch.ones(2), "holds one tensor"),
        (3, "holds a int"),
        (None, "holds a NoneType"),
    ],
)
def test_tables_without_weights_say_what_they_have(tmp_path, content, problem):
    torch.save(content, tmp_path / "w.pth")
    assert problem in refused(tmp_path / "w.pth").problem


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:62fc\nsize 122022895\n"


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "w.npz"])
@pytest.mark.parametrize(
    ("content", "problem", "fix"),
    [
        (LFS, "pointer that Git LFS keeps in place of a file of 122022895 bytes", "git lfs pull"),
        (b"\n<!DOCTYPE html><html><title>Virus scan warning</title>", "web page", "confirm the download"),
        (b"<html>\n", "web page", "confirm the download"),
        ("Hello, café: no weights".encode(), "is text that starts with 'Hello, café", "download"),
        ("é".encode() * 600, "is text", "download"),
        (b"", "has 0 bytes", "download"),
        (b"\x80", "has 1 bytes", "download"),
        (b"\x80\x02.\n", "has 4 bytes", "download"),
        (b"\x80\x02K\x01.", "pickle that PyTorch did not write", "torch.from_numpy"),
        (b"PK\x03\x04" + bytes(100), "unreadable", "download"),
        (bytes(1000), "unreadable", "download"),
    ],
)
def test_what_is_no_file_of_weights_is_named(tmp_path, name, content, problem, fix):
    (tmp_path / name).write_bytes(content)
    error = refused(tmp_path / name)
    assert problem in error.problem
    assert fix in error.fix
    (tmp_path / "link.pth").symlink_to(tmp_path / name)
    assert problem in refused(tmp_path / "link.pth").problem


def test_folders_and_what_is_not_there_are_named(tmp_path):
    assert "is a folder" in refused(tmp_path).problem
    assert "is not there" in refused(tmp_path / "absent.pth").problem
    os.mkfifo(tmp_path / "pipe.pth")
    assert "no regular file" in refused(tmp_path / "pipe.pth").problem
    (tmp_path / "loop.pth").symlink_to(tmp_path / "loop.pth")
    refused(tmp_path / "loop.pth")
    refused(tmp_path / ("n" * 300))


def test_archives_of_something_else_are_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("ir50.pth", b"x")
    assert "archive of ir50.pth" in refused(tmp_path / "w.pth").problem
    with zipfile.ZipFile(tmp_path / "jit.pt", "w") as archive:  # as torch.jit.save has it
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            archive.writestr(f"jit/{name}", b"")
    error = refused(tmp_path / "jit.pt")
    assert "TorchScript" in error.problem
    assert "torch.jit.load" in error.fix


def test_files_cut_anywhere_or_with_a_changed_byte_end_in_an_error_of_ours_or_are_read(tmp_path, rng):
    path = tmp_path / "w.pth"
    for legacy in (False, True):
        torch.save(beside({"state_dict": STATE}), path, _use_new_zipfile_serialization=not legacy)
        whole = path.read_bytes()
        for n in range(0, len(whole), max(1, len(whole) // 40)):
            path.write_bytes(whole[:n])
            refused(path)
        for _ in range(60):
            changed = bytearray(whole)
            changed[rng.integers(len(whole))] ^= 1 << rng.integers(8)
            path.write_bytes(changed)
            with contextlib.suppress(FerBenchError):
                read(path)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (torch.eye(3).to_sparse(), "sparse"),
        (torch.ones(2, dtype=torch.complex64), "complex"),
        (torch.ones(2, device="meta"), "without values"),
        (torch.tensor([1.0, torch.nan]), "not a number"),
        (torch.tensor([1.0, torch.nan], dtype=torch.float16), "not a number"),
    ],
)
def test_weights_that_are_no_plain_numbers_are_named(tmp_path, value, kind):
    torch.save({"state_dict": {**STATE, "odd": value}}, tmp_path / "w.pth")
    error = refused(tmp_path / "w.pth")
    assert f"1 of 3 weights are no plain numbers: odd: {kind}" in error.problem
