"""Folders that stand whole or not at all."""

import shutil
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
    """A function that stops the process before the n-th rename, replacement or removal from now on."""

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
        for act in ("rename", "replace", "unlink"):
            patch.setattr(Path, act, counted(getattr(Path, act)))
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


def table_of(folder):
    """Every file of a folder, with its text."""
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def put_together(folder, text, names):
    with whole.together(folder, "tables", entire=("drawn",)) as new:
        (new / "inner").mkdir()
        (new / "drawn").mkdir()
        for name in names:
            (new / name).write_text(text)


FIRST = ("a.csv", "b.csv", "inner/c.csv", "drawn/d", "drawn/e")
SECOND = ("a.csv", "b.csv", "inner/c.csv", "drawn/d", "drawn/f")


@pytest.fixture
def tables(tmp_path):
    """A folder with what is written together, and something else."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "other").write_text("kept")
    put_together(tmp_path, "first", FIRST)
    return tmp_path


def test_files_take_their_places_together_and_others_stay(tables):
    put_together(tables, "second", SECOND)
    assert table_of(tables) == dict.fromkeys(SECOND, "second") | {"inner/other": "kept"}


def test_an_error_leaves_all_of_the_earlier_files(tables):
    before = table_of(tables)
    with pytest.raises(FileNotFoundError):
        put_together(tables, "second", [*SECOND, "nowhere/a.csv"])
    assert table_of(tables) == before


@pytest.mark.parametrize("name", ["a.csv", "drawn"])
def test_what_is_in_the_way_is_found_before_anything_is_replaced(tables, name):
    spared = table_of(tables) | {name: "in the way"} if name == "drawn" else table_of(tables)
    if name == "drawn":
        shutil.rmtree(tables / name)
        (tables / name).write_text("in the way")
        spared = {path: text for path, text in spared.items() if not path.startswith("drawn/")}
    else:
        (tables / name).unlink()
        (tables / name).mkdir()
        del spared[name]
    with pytest.raises(FerBenchError, match=f"{name} is a") as caught:
        put_together(tables, "second", SECOND)
    assert "move" in caught.value.fix
    assert table_of(tables) == spared


@pytest.mark.parametrize("step", range(1, 13))
def test_stopped_before_any_step_all_files_are_there_or_none(tables, killed_at, step):
    before = table_of(tables)
    patch = killed_at(step)
    try:
        put_together(tables, "second", SECOND)
        done = True
    except Killed:
        done = False
    finally:
        patch.undo()
    whole.finish(tables)
    after = dict.fromkeys(SECOND, "second") | {"inner/other": "kept"}
    found = {name: text for name, text in table_of(tables).items() if ".fer-bench-" not in name}
    assert found in ([after] if done else [before, after])
    put_together(tables, "second", SECOND)
    assert table_of(tables) == after


def test_a_file_is_written_whole_or_not_at_all(tmp_path, killed_at):
    whole.write(tmp_path / "a", b"first")
    patch = killed_at(1)
    with pytest.raises(Killed):
        whole.write(tmp_path / "a", b"second")
    patch.undo()
    assert (tmp_path / "a").read_bytes() == b"first"
    (tmp_path / "b").mkdir()
    with pytest.raises(FerBenchError, match="is a folder; a file is to be written there"):
        whole.write(tmp_path / "b", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("inner", ["", "deep/"])
@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_a_file_where_a_folder_is_needed_is_named(tmp_path, kind, inner):
    place = tmp_path / "taken"
    place.symlink_to("nowhere") if kind == "dangling link" else place.write_text("")
    with pytest.raises(FerBenchError, match=r"taken is no folder, and .* is to be one") as caught:
        whole.write(place / f"{inner}file", b"")
    assert f"move {place} away" in caught.value.fix


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
