"""`fer-bench data`: preparing and auditing as people and the pipeline do it."""

import json

import pytest
from typer.testing import CliRunner

from fer_bench.cli.main import app
from fer_bench.datasets import ferplus
from fer_bench.errors import FerBenchError

runner = CliRunner()


@pytest.fixture
def toy_grid(grid_folder):
    """A working folder whose grid has the toy copy of FERPlus."""
    ferplus.write_toy(grid_folder / "release")
    text = (grid_folder / "params.yaml").read_text()
    entry = "prepare:\n  ferplus: {source: release, options: {allow_part: true}}\n"
    (grid_folder / "params.yaml").write_text(text.replace("prepare:\n", entry))
    return grid_folder


def fer_bench(*arguments):
    return runner.invoke(app, ["data", *arguments], catch_exceptions=True)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_prepare_writes_the_store_and_prints_the_counts(toy_grid):
    found = fer_bench("prepare", "ferplus", "--json")
    assert found.exit_code == 0, found.output
    assert sorted(contents(toy_grid / "data" / "ferplus")) == ["images.npy", "info.json", "samples.csv"]
    rows = json.loads(found.stdout)
    assert [(row["split"], row["contempt"], row["dropped"], row["all"]) for row in rows] == [
        ("train", 6, 3, 51), ("val", 3, 2, 26), ("test", 4, 2, 34),
    ]  # fmt: skip
    assert "next: fer-bench data audit ferplus" in found.stderr


def test_prepare_takes_another_source(toy_grid):
    (toy_grid / "release").rename(toy_grid / "elsewhere")
    found = fer_bench("prepare", "ferplus", "--source", "elsewhere")
    assert found.exit_code == 0, found.output


def test_prepare_takes_a_data_set_that_the_grid_lacks_from_a_source(grid_folder):
    ferplus.write_toy(grid_folder / "release")
    found = fer_bench("prepare", "ferplus", "--source", "release")
    assert isinstance(found.exception, FerBenchError)
    assert "111 pictures" in found.exception.problem  # read, with default options, and found short


def test_prepare_without_an_entry_and_without_a_source_says_both_ways(grid_folder):
    found = fer_bench("prepare", "ferplus")
    assert isinstance(found.exception, FerBenchError)
    assert "--source" in found.exception.fix
    assert "--params" in found.exception.fix


@pytest.mark.parametrize("verb", ["prepare", "audit"])
def test_an_unknown_data_set_is_an_error_with_the_nearest(grid_folder, verb):
    found = fer_bench(verb, "ferpls")
    assert isinstance(found.exception, FerBenchError)
    assert "did you mean ferplus?" in found.exception.fix


def test_a_failed_prepare_leaves_the_store_as_it_was(toy_grid):
    fer_bench("prepare", "ferplus")
    before = contents(toy_grid / "data" / "ferplus")
    (toy_grid / "release" / "fer2013.csv").write_text("emotion,pixels,Usage\n0,1 2 3,Training\n")
    assert isinstance(fer_bench("prepare", "ferplus").exception, FerBenchError)
    assert contents(toy_grid / "data" / "ferplus") == before


def test_audit_before_prepare_is_an_error_with_the_command(toy_grid):
    found = fer_bench("audit", "ferplus")
    assert isinstance(found.exception, FerBenchError)
    assert found.exception.fix == "fer-bench data prepare ferplus"


def test_audit_writes_findings_and_ids(toy_grid):
    fer_bench("prepare", "ferplus")
    found = fer_bench("audit", "ferplus", "--json")
    assert found.exit_code == 0, found.output
    folder = toy_grid / "results" / "tiny" / "audits"
    record = json.loads((folder / "ferplus.json").read_text())
    assert record["status"] == "amber"
    assert record["audits"]["exact_duplicates"]["numbers"]["test_with_copy_in_train"]["all"]["n"] == 1
    assert [row["audit"] for row in json.loads(found.stdout)] == sorted(record["audits"])
    lines = (folder / "ferplus_duplicates.csv").read_text().splitlines()
    assert lines[0] == "digest,sample_id,split,label,source"
    assert len(lines) == 3


def test_audit_writes_the_same_bytes_each_time(toy_grid):
    fer_bench("prepare", "ferplus")
    fer_bench("audit", "ferplus")
    first = contents(toy_grid / "results" / "tiny" / "audits")
    fer_bench("audit", "ferplus")
    assert contents(toy_grid / "results" / "tiny" / "audits") == first


@pytest.mark.parametrize(("arguments", "code"), [((), 0), (("--strict",), 1)])
def test_red_ends_the_program_with_1_only_if_asked(toy_grid, monkeypatch, arguments, code):
    from fer_bench.audits import Finding, exact_duplicates

    fer_bench("prepare", "ferplus")
    red = exact_duplicates.Audit(title="red", run=lambda _: Finding(status="red", why="planted", numbers={}))
    monkeypatch.setattr(exact_duplicates, "audit", red)
    found = fer_bench("audit", "ferplus", *arguments)
    assert found.exit_code == code
    assert (toy_grid / "results" / "tiny" / "audits" / "ferplus.json").exists()


def test_strict_lets_amber_pass(toy_grid):
    fer_bench("prepare", "ferplus")
    assert fer_bench("audit", "ferplus", "--strict").exit_code == 0
