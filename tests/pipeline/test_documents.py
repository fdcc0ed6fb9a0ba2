"""The commands in the documents: those of a block are run as they stand, those in a sentence are understood."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from fer_bench.cli.main import app
from fer_bench.provenance import ROOT

DOCUMENTS = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
MARK = re.compile(r"<!-- (not run by a test: .+|run by a test with FERPlus only) -->")
COMMAND = typer.main.get_command(app)


def blocks(document):
    """Yield each block of commands with its line and what the comment before it says of it."""
    lines = (ROOT / document).read_text().splitlines()
    for start, line in enumerate(lines):
        if line.strip() == "```sh":
            end = lines.index("```", start)
            mark = MARK.fullmatch(lines[start - 1])
            assert mark or not lines[start - 1].startswith("<!-- "), f"{document}:{start}: {lines[start - 1]}"
            yield start + 1, mark[1] if mark else "", "\n".join(lines[start + 1 : end])


def marked(mark):
    for document in DOCUMENTS:
        own = "\n".join(commands for _, found, commands in blocks(document) if found == mark)
        if own:
            yield pytest.param(own, id=document)


def inline():
    """Yield every command that stands in a sentence."""
    for document in DOCUMENTS:
        text = re.sub(r"^```.*?^```", "", (ROOT / document).read_text(), flags=re.MULTILINE | re.DOTALL)
        for command in dict.fromkeys(re.findall(r"`((?:fer-bench|make) [^`…]+)`", text)):
            yield pytest.param(" ".join(command.split()), id=f"{document}: {' '.join(command.split())}")


def run(folder, commands, *, timeout=600):
    """Run commands in a shell that knows nothing of the environment but what the commands say."""
    environment = {name: value for name, value in os.environ.items() if name not in {"DISPLAY", "BROWSER"}}
    own = Path(sys.prefix) / "bin"
    environment["PATH"] = os.pathsep.join(p for p in environment["PATH"].split(os.pathsep) if Path(p) != own)
    environment |= {
        "PYTHON": sys.executable,
        "PYTHONPATH": str(folder),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "MPLBACKEND": "Agg",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=timeout,
    )  # fmt: skip
    assert done.returncode == 0, f"{commands}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


@pytest.fixture(scope="module")
def carried_out(tmp_path_factory, written_out_text):
    """A copy of the project with an environment, and with a small grid carried out in place of the demo's."""
    folder = tmp_path_factory.mktemp("documents")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in names:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    environment = folder / ".venv"
    environment.mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (environment / part).symlink_to(Path(sys.prefix) / part)
    (environment / f".installed-{sys.version_info[0]}.{sys.version_info[1]}").touch()  # as `make install` leaves it
    (folder / "params.yaml").write_text(written_out_text.replace("grid: tiny", "grid: demo"))
    run(folder, "source .venv/bin/activate; python -m fer_bench demo .")
    return folder


@pytest.fixture
def project(carried_out, tmp_path):
    """A copy of it for one document."""
    return shutil.copytree(carried_out, tmp_path / "project", symlinks=True)


@pytest.mark.slow
@pytest.mark.parametrize("commands", [*marked("")])
def test_commands_of_a_document_run_as_they_stand(project, commands):
    activate = "source .venv/bin/activate\n"
    run(project, commands if activate in f"{commands}\n" else activate + commands)


@pytest.mark.data
@pytest.mark.parametrize("commands", [*marked("run by a test with FERPlus only")])
def test_commands_that_need_ferplus_run_as_they_stand(project, ferplus_folder, commands):
    (project / "data" / "raw").mkdir(parents=True)
    (project / "data" / "raw" / "ferplus").symlink_to(ferplus_folder)
    run(project, f"source .venv/bin/activate\n{commands}", timeout=1800)


def test_most_commands_are_run():
    found = [mark for document in DOCUMENTS for _, mark, _ in blocks(document)]
    assert found.count("") >= 8
    assert found.count("") > len(found) / 2


@pytest.mark.parametrize("command", [*inline()])
def test_a_command_in_a_sentence_is_understood(command):
    program, *words = shlex.split(re.sub(r"--seed [A-Z]+", "--seed 0", command))
    if program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return
    verb = COMMAND
    while words and hasattr(verb, "commands"):
        verb = verb.commands[words.pop(0)]
    if words:  # else the sentence is about the verb
        verb.make_context("fer-bench", words)
