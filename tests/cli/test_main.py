"""The program as people meet it: help, listings, errors, exit codes."""

import dataclasses
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from fer_bench import registry, yaml12
from fer_bench.cli.main import app, main
from fer_bench.provenance import ROOT

COMMAND = typer.main.get_command(app)
runner = CliRunner()


def verbs(group=COMMAND, before=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from verbs(command, (*before, name))
        else:
            yield (*before, name), command


VERBS = dict(verbs())


def program(*arguments, cwd=None):
    command = [sys.executable, "-m", "fer_bench", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_the_verbs_are_those_of_the_pipeline_and_those_around_it():
    stages = yaml12.load((ROOT / "dvc.yaml").read_text(), where="dvc.yaml")["stages"]
    commands = [stage.get("do", stage)["cmd"].removeprefix("fer-bench ") for stage in stages.values()]
    around = {
        "data diff",
        "data fingerprint",
        "demo",
        "describe",
        "doctor",
        "lint",
        "list",
        "plan",
        "predict",
        "selftest stats",
    }
    of_the_pipeline = {" ".join(name) for name in VERBS} - around
    assert of_the_pipeline == {
        "data prepare", "data audit", "sources", "run", "audit batch", "explain", "score", "annotators", "adjust",
        "ladder", "compare", "verdict", "report",
    }  # fmt: skip
    for command in commands:
        assert any(f"{command} ".startswith(f"{verb} ") for verb in of_the_pipeline), command
    assert len(commands) == len(of_the_pipeline)


@pytest.mark.parametrize("name", VERBS, ids=" ".join)
def test_help_ends_in_two_examples_that_the_program_understands(name):
    text = f"{VERBS[name].help}\n{VERBS[name].epilog or ''}"
    examples = re.findall(r"^\s*(?:torchrun .* -m fer_bench|fer-bench) (.*)$", text.split("Examples:")[1], re.MULTILINE)
    assert len(examples) == 2
    for example in examples:
        words = shlex.split(example)
        assert tuple(words[: len(name)]) == name
        VERBS[name].make_context("fer-bench", words[len(name) :], resilient_parsing=False)


@pytest.mark.parametrize("name", VERBS, ids=" ".join)
def test_examples_stand_on_lines_of_their_own_in_help(name):
    lines = runner.invoke(app, [*name, "--help"]).stdout.splitlines()
    start = lines.index("  Examples:")
    assert [line.split()[0] in {"fer-bench", "torchrun"} for line in lines[start + 1 : start + 3]] == [True, True]


@pytest.mark.parametrize("group", [[], ["data"], ["audit"], ["selftest"]], ids=" ".join)
def test_a_listing_of_verbs_gives_whole_sentences(group):
    shown = runner.invoke(app, [*group, "--help"], env={"COLUMNS": "80"}).stdout.split("Commands:")[1].splitlines()
    assert len([line for line in shown if line]) >= 1
    assert not [line for line in shown if line and not re.fullmatch(r"  \w+ +[A-Z].*[^.]\.", line)]


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["list", "methods"], ["list", "datasets"], ["run", "--help"], ["describe", "metric", "accuracy"]],
)
def test_listing_verbs_import_neither_torch_nor_the_numbers(arguments):
    code = (
        "import sys; sys.argv = ['fer-bench', *sys.argv[1:]]\n"
        "from fer_bench.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'timm', 'mmengine', 'scipy', 'matplotlib', 'pandas', 'sklearn'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize("kind", ["methods", "datasets", "metrics", "protocols", "audits", "grids"])
def test_a_listing_names_everything_of_its_kind(kind):
    found = runner.invoke(app, ["list", kind, "--json"])
    assert found.exit_code == 0
    rows = json.loads(found.stdout)
    names = {row[kind.removesuffix("s")] for row in rows}
    if kind != "grids":
        assert set(registry.names(kind)) <= names


def test_a_grid_is_listed_with_its_first_sentence_whole():
    rows = json.loads(runner.invoke(app, ["list", "grids", "--json"]).stdout)
    assert not [row["grid"] for row in rows if not row["about"].endswith(".")]
    assert {row["grid"]: row["about"] for row in rows}["paper"].endswith("or released code; for a GPU.")


def test_an_approximation_is_listed_as_one():
    rows = json.loads(runner.invoke(app, ["list", "methods", "--json"]).stdout)
    assert {row["method"] for row in rows if row["code"] == "approximation"} == {"clef", "vtff"}


def test_methods_are_listed_with_their_size_and_whether_they_were_verified():
    rows = {row["method"]: row for row in json.loads(runner.invoke(app, ["list", "methods", "--json"]).stdout)}
    assert rows["poster"]["verified"].endswith("tests/golden_methods/poster.json")
    assert rows["vtff"]["verified"] is None
    printed = runner.invoke(app, ["list", "methods"]).stdout.splitlines()
    (line,) = [line for line in printed if line.startswith("poster ")]
    assert line.split()[-5:] == ["M", "7.86", "G", "code", "yes"]
    assert max(map(len, printed)) <= 160


@pytest.fixture
def newcomer(tmp_path, monkeypatch):
    """The folder of methods, with room for another."""
    folder = shutil.copytree(registry.folder("methods"), tmp_path / "baselines")
    monkeypatch.setattr(registry, "folder", lambda *_: folder)
    return folder


@pytest.mark.parametrize(
    ("card", "code", "note"),
    [(None, "no card", "write baselines/newcomer.yaml"), ("title: 1\n", "card unreadable", "title: Expected `str`")],
    ids=["no card", "a wrong card"],
)
def test_a_method_without_a_card_is_listed_among_the_others(newcomer, card, code, note):
    (newcomer / "newcomer.py").write_text('"""Newcomer: not yet published."""\n')
    if card is not None:
        (newcomer / "newcomer.yaml").write_text(card)
    done = runner.invoke(app, ["list", "methods", "--json"])
    assert done.exit_code == 0, done.output
    rows = {row["method"]: row for row in json.loads(done.stdout)}
    assert rows["newcomer"]["code"] == code
    assert note in rows["newcomer"]["note"]
    assert rows["conv_cut"]["year"] == 2025
    printed = runner.invoke(app, ["list", "methods"])
    assert f"newcomer: {rows['newcomer']['note']}." in " ".join(printed.stdout.split())


def test_a_method_without_a_card_is_described(monkeypatch):
    names = registry.names
    monkeypatch.setattr(registry, "names", lambda kind: [] if kind == "cards" else names(kind))
    done = runner.invoke(app, ["describe", "method", "majority_class"])
    assert done.exit_code == 0, done.output
    assert "Card: none." in done.stdout
    assert "Recipe toy:" in done.stdout


def test_a_recipe_is_described_in_full_and_without_python():
    done = runner.invoke(app, ["describe", "method", "conv_cut", "--recipe", "code"])
    assert done.exit_code == 0, done.output
    recipe = registry.load("methods", "conv_cut").recipes["code"]
    assert done.stdout.count("departs: ") == len(recipe.departures)
    _, settings = re.split(r"^(?=weights: )", done.stdout, maxsplit=1, flags=re.MULTILINE)
    read = yaml12.load(settings, where="what is printed")
    assert read["weights"] == recipe.weights
    assert read["training"]["phases"][0]["schedule"] == {
        "type": "Plateau", **dataclasses.asdict(recipe.training.phases[0].schedule)
    }  # fmt: skip


def test_a_recipe_that_is_not_there_is_answered_with_those_that_are():
    done = program("describe", "method", "majority_class", "--recipe", "papr")
    assert done.returncode == 2
    assert "--recipe, one of: toy, default" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "--difference", "1", "--n", "3068", "--disagreement", "0.08"],
        ["verdict", "--published"],
        ["list", "methods"],
        ["list", "datasets"],
    ],
    ids=" ".join,
)
def test_sentences_and_tables_keep_to_a_page(arguments):
    found = runner.invoke(app, arguments, env={"COLUMNS": "140"})
    assert found.exit_code == 0, found.output
    assert max(map(len, found.stdout.splitlines())) <= 140


@pytest.mark.parametrize("name", registry.names("methods"))
def test_a_description_keeps_to_the_terminals_width(name):
    found = runner.invoke(app, ["describe", "method", name], env={"COLUMNS": "100"})
    written = inspect.getdoc(sys.modules[f"baselines.{name}"]).splitlines()
    printed = [line for line in found.stdout.splitlines() if line not in written]
    assert "(" not in "".join(re.findall(r"[A-Z]\w+\((?=\w+=)", found.stdout))
    assert not [line for line in printed if len(line) > 100 and "https://" not in line]


@pytest.mark.parametrize("name", registry.names("methods"))
def test_a_method_is_described_with_its_paper_and_recipes(name):
    found = runner.invoke(app, ["describe", "method", name])
    assert found.exit_code == 0, found.output
    assert "Recipe toy:" in found.stdout


def test_a_file_on_record_is_described_with_its_digest():
    found = runner.invoke(app, ["describe", "method", "posterv2"])
    printed = " ".join(found.stdout.split())
    assert "File on record: ir50.pth, SHA-256 62fcfa83" in printed
    assert "is not confirmed" in printed


def test_a_users_error_is_two_lines_and_exit_code_2(grid_folder):
    done = program("run", "conv_cat", "--dataset", "synthetic", "--seed", "0", cwd=grid_folder)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("error: unknown method 'conv_cat'")
    assert "did you mean conv_cut?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistake_in_the_call_has_exit_code_2():
    assert program("run", "conv_cut").returncode == 2


def test_the_version_is_printed(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fer-bench", "--version"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 0
    assert re.fullmatch(r"fer-bench \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize("name", [".dvc/tmp/rwlock", "dvc.lock"])
def test_doctor_names_what_a_killed_dvc_left_and_following_it_lets_dvc_run(grid_folder, name):
    def repro():
        environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
        return subprocess.run(
            [sys.executable, "-m", "dvc", "repro"], capture_output=True, env=environment, check=False
        ).returncode

    (grid_folder / "dvc.yaml").write_text("stages:\n  a:\n    cmd: echo a > out\n    outs: [out]\n")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], check=True)
    assert repro() == 0
    (grid_folder / name).write_bytes(b"")
    assert repro() != 0
    rows = {row["what"]: row for row in json.loads(runner.invoke(app, ["doctor", "--json"]).stdout)}
    command, _, _ = rows[name]["fix"].partition(",")
    subprocess.run(command.split(), check=True)
    assert repro() == 0
    rows = {row["what"]: row for row in json.loads(runner.invoke(app, ["doctor", "--json"]).stdout)}
    assert name not in rows


def doctor(expected):
    found = runner.invoke(app, ["doctor", "--json"])
    assert found.exit_code == expected, found.output
    rows = json.loads(found.stdout)
    assert any(row["missing"] for row in rows) == bool(expected)
    return {row["what"]: row for row in rows}, " ".join(found.stderr.split())


@pytest.fixture
def doctors_grid(grid_folder, grid_text):
    """A working folder; call it with what is replaced in the grid, whose source is there."""

    def write(*changes):
        text = grid_text.replace("source: ", f"source: {ROOT}/")
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        (grid_folder / "params.yaml").write_text(text)
        return grid_folder

    return write


def test_doctor_finds_nothing_missing_before_the_data_are_prepared(doctors_grid):
    doctors_grid()
    rows, said = doctor(0)
    assert rows["synthetic prepared"]["found"] == "no"
    assert "fer-bench data prepare synthetic" in rows["synthetic prepared"]["fix"]
    assert not said


@pytest.mark.parametrize(
    ("change", "what", "problem", "fix"),
    [
        ((f"source: {ROOT}/", "source: nowhere/"), "synthetic source", "(missing)", "set prepare.synthetic.source"),
        (("seed: 0}", "seeed: 0}"), "prepare.synthetic", "seeed", "did you mean seed?"),
        (("conv_cut: {recipe: toy}", "conv_cut: {recipe: toi}"), "methods.conv_cut", "recipe 'toi'", "one of these"),
        (
            ("conv_cut: {recipe: toy}", "conv_cut: {recipe: toy, options: {layrs: 1}}"),
            "methods.conv_cut", "no option 'layrs'", "one of: backbone",
        ),
        (
            ("conv_cut: {recipe: toy}", "conv_cut: {recipe: toy, weights: w.pth}"),
            "methods.conv_cut", "no weights file w.pth", "put it there",
        ),
        (("compare:", "comparre:"), "params.yaml", "comparre", "did you mean compare?"),
    ],
    ids=["source", "data set's option", "recipe", "option", "weights", "section"],
)  # fmt: skip
def test_doctor_ends_with_1_where_the_grid_cannot_be_carried_out(doctors_grid, change, what, problem, fix):
    doctors_grid(change)
    rows, said = doctor(1)
    assert problem in rows[what]["found"]
    assert fix in rows[what]["fix"]
    assert f"missing: {what}: " in said
    assert fix in said


def test_doctor_names_the_keys_that_dvc_would_miss(doctors_grid):
    shutil.copy(ROOT / "dvc.yaml", doctors_grid())
    rows, _ = doctor(1)
    assert rows["params.yaml"]["found"] == (
        "without run.device, run.precision, run.protocol, run.threads, run.train_share, verdict"
    )


def driver_says(folder, text):
    program = folder / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return f"{program.parent}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def no_cuda(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return torch


def test_a_grid_for_a_gpu_is_missing_one_where_there_is_none(doctors_grid, no_cuda):
    doctors_grid(("run: {", "run: {device: cuda, "))
    rows, _ = doctor(1)
    assert rows["device"]["missing"]
    assert rows["device"]["found"] == "cpu"


@pytest.mark.parametrize(
    ("cuda", "visible"), [("12.8", None), (None, None), ("12.8", "")], ids=["old driver", "torch for CPUs", "hidden"]
)
def test_doctor_asks_the_driver_where_torch_sees_no_device(doctors_grid, no_cuda, monkeypatch, cuda, visible):
    folder = doctors_grid(("run: {", "run: {device: cuda, "))
    monkeypatch.setenv("PATH", driver_says(folder, "echo 'NVIDIA A100-SXM4-40GB, 450.51'"))
    monkeypatch.setattr(no_cuda.version, "cuda", cuda)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    rows, _ = doctor(1)
    assert rows["NVIDIA driver"]["found"] == "NVIDIA A100-SXM4-40GB, 450.51"
    assert "cannot use what the driver has" in rows["device"]["found"]
    expected = "make install" if cuda is None else "update the driver" if visible is None else "unset it"
    assert expected in rows["device"]["fix"]


def test_a_driver_that_does_not_answer_is_said_to_be_one(doctors_grid, no_cuda, monkeypatch):
    monkeypatch.setenv("PATH", driver_says(doctors_grid(), "exit 9"))
    rows, _ = doctor(0)  # the grid asks for no device
    assert "does not answer" in rows["NVIDIA driver"]["found"]


def test_a_device_for_which_torch_has_no_code_is_found_by_computing(doctors_grid, no_cuda, monkeypatch):
    doctors_grid()
    monkeypatch.setattr(no_cuda.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(no_cuda.cuda, "get_device_name", lambda _index: "Tesla K80")

    def ones(*_, device):
        raise RuntimeError(f"CUDA error: no kernel image is available for execution on {device}\nmore")

    monkeypatch.setattr(no_cuda, "ones", ones)
    rows, _ = doctor(1)
    assert rows["device 0"]["found"].startswith("Tesla K80: CUDA error: no kernel image is available")
    assert "install a torch that is built for it" in rows["device 0"]["fix"]
