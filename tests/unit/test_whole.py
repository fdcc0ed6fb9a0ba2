"""Folders that stand whole or not at all."""

import subprocess
import sys
from pathlib import Path

import pytest

from fer_bench import whole
from fer_bench.errors import FerBenchError


class Killed(BaseException):
    """What stops a process, in a test."""


def put(folder, text):
    with whole.replacing(folder) as new:
        (new / "inner").mkdir()
        (new / "inner" / "file").write_text(text)


def held(folder):
    return (folder / "inner" / "file").read_text()


@pytest.fixture
def killed_at():
    """A function that stops the process before the n-th rename or removal from now on."""

    def arm(n):
        done = []

        def counted(original):
            def act(*arguments, **options):
                done.append(original)
                if len(done) == n:
                    raise Killed
                return original(*arguments, **options)

            return act

        patch = pytest.MonkeyPatch()
        patch.setattr(Path, "rename", counted(Path.rename))
        patch.setattr(whole.shutil, "rmtree", counted(whole.shutil.rmtree))
        return patch

    return arm


def test_a_folder_takes_the_place_of_an_earlier_one(tmp_path):
    put(tmp_path / "a", "first")
    put(tmp_path / "a", "second")
    assert held(tmp_path / "a") == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_error_leaves_the_earlier_folder(tmp_path):
    put(tmp_path / "a", "first")
    with pytest.raises(ValueError, match="wrong"), whole.replacing(tmp_path / "a"):
        raise ValueError("wrong")
    assert held(tmp_path / "a") == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_stopped_before_any_step_one_of_the_two_folders_is_there_after_the_next_call(tmp_path, killed_at, step):
    """Steps: the old one is put aside, the new one put in its place, the old one removed."""
    put(tmp_path / "a", "first")
    patch = killed_at(step)
    with pytest.raises(Killed):
        put(tmp_path / "a", "second")
    patch.undo()
    whole.settle(tmp_path / "a")
    assert held(tmp_path / "a") == ("first" if step == 1 else "second")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("step", [1, 2])
def test_a_folder_whose_removal_was_stopped_is_there_whole_or_not_at_all(tmp_path, killed_at, step):
    put(tmp_path / "a", "first")
    patch = killed_at(step)
    with pytest.raises(Killed):
        whole.discard(tmp_path / "a")
    patch.undo()
    assert (tmp_path / "a").exists() is (step == 1)
    whole.discard(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


HOLDS = """
import sys
from pathlib import Path
from fer_bench import whole
with whole.alone(Path(sys.argv[1]), doing="testing"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path / "a")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_what_another_process_holds_is_refused_with_its_name(tmp_path, holder):
    with pytest.raises(FerBenchError, match=f"process {holder.pid} on .*, testing since 2"):
        put(tmp_path / "a", "mine")
    assert not (tmp_path / "a").exists()


def test_a_process_that_is_killed_lets_go(tmp_path, holder):
    holder.kill()
    holder.wait()
    put(tmp_path / "a", "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
