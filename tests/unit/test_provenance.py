"""The commit on record is that of fer-bench's own repository, or none."""

import os
import subprocess

import pytest

from fer_bench import provenance

NAMES = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(folder, *arguments):
    environment = {**{name: value for name, value in os.environ.items() if not name.startswith("GIT_")}, **NAMES}
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """A repository at whose top the package is tracked."""
    package = tmp_path / "fer_bench"
    package.mkdir()
    (package / "provenance.py").write_text("")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    return tmp_path


def installed_in(repository):
    """A package installed into an environment inside a repository."""
    root = repository / ".venv" / "lib" / "site-packages"
    (root / "fer_bench").mkdir(parents=True)
    (root / "fer_bench" / "provenance.py").write_text("")
    return root


def test_the_commit_is_that_of_the_repository_and_changes_are_seen(repository):
    head = git(repository, "rev-parse", "HEAD")
    assert provenance.commit_of(repository) == (head, False)
    (repository / "fer_bench" / "provenance.py").write_text("# changed\n")
    assert provenance.commit_of(repository) == (head, True)


def test_an_installed_package_does_not_take_the_commit_of_the_repository_around_it(repository):
    assert provenance.commit_of(installed_in(repository)) == (None, True)


def test_a_repository_at_whose_top_the_package_lies_untracked_is_not_its_own(tmp_path):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "mine.txt").write_text("")
    git(tmp_path, "add", "mine.txt")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    (tmp_path / "fer_bench").mkdir()
    (tmp_path / "fer_bench" / "provenance.py").write_text("")
    assert provenance.commit_of(tmp_path) == (None, True)


def test_a_hook_of_another_repository_does_not_lend_its_commit(repository, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(repository))
    assert provenance.commit_of(tmp_path_factory.mktemp("elsewhere")) == (None, True)


def test_outside_a_repository_there_is_none(tmp_path):
    assert provenance.commit_of(tmp_path) == (None, True)
