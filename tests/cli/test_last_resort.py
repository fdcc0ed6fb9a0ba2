"""What nobody foresaw: one line, the place of a full report, exit code 1."""

import errno
import re
import sys
import tempfile
from pathlib import Path

import pytest

from fer_bench.cli import main as program


@pytest.fixture
def ended(monkeypatch, capsys, tmp_path):
    """What the program says, and its exit code, where a verb raises an error."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def run(error, cause=None):
        def verb():
            raise error from cause

        monkeypatch.setattr(program, "app", verb)
        monkeypatch.setattr(sys, "argv", ["fer-bench", "run", "a method"])
        with pytest.raises(SystemExit) as caught:
            program.main()
        return capsys.readouterr().err, caught.value.code

    return run


@pytest.mark.parametrize(
    "error",
    [ValueError("a message\nof two lines"), RecursionError(), MemoryError(), OSError(errno.EIO, "x"), KeyError("k")],
    ids=repr,
)
def test_any_error_is_one_line_with_a_full_report_elsewhere(ended, error):
    said, code = ended(error)
    assert code == 1
    assert said.count("\n") == 1
    assert said.startswith(f"error: {type(error).__name__}: ")
    report = Path(re.search(r"report it with (\S+)", said)[1]).read_text()
    assert "command: fer-bench run 'a method'" in report
    assert "Traceback" in report
    assert f"{type(error).__name__}" in report.splitlines()[-1 - str(error).count("\n")]


def test_a_long_message_is_cut_in_the_line_and_whole_in_the_report(ended):
    said, _ = ended(ValueError(5000 * "x"))
    assert len(said) < 600
    assert 5000 * "x" in Path(re.search(r"report it with (\S+)", said)[1]).read_text()


def test_where_no_report_can_be_written_the_line_says_where_the_error_came_from(ended, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    said, code = ended(ValueError("x"))
    assert (code, said.count("\n")) == (1, 1)
    assert re.search(r"test_last_resort\.py, line \d+", said)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named_with_its_folder_and_what_is_free(ended, tmp_path, number):
    full = OSError(number, "full", str(tmp_path / "results" / "table.csv"))
    for said, code in (ended(full), ended(RuntimeError("writing failed"), cause=full)):
        assert code == 2
        assert re.match(
            rf"error: {re.escape(str(tmp_path))}: the (disk|quota) is .*, [\d,.]+ MB are free\n  fix: ", said
        )


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG])
def test_what_the_system_refuses_is_named_with_its_place_and_a_fix(ended, number):
    said, code = ended(OSError(number, "refused", 500 * "x"))
    assert code == 2
    assert re.fullmatch(r"error: x{200}…: refused\n  fix: .+\n", said)


def test_a_refusal_that_names_no_place_is_not_taken_for_one_of_a_file(ended):
    assert ended(OSError(errno.EACCES, "refused"))[1] == 1
