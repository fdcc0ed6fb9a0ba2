"""`fer-bench data`: preparing and auditing as people and the pipeline do it."""

import json

import pytest
from typer.testing import CliRunner

from fer_bench import params
from fer_bench.audits import Audit, Finding, exact_duplicates
from fer_bench.cli.main import app
from fer_bench.datasets import ferplus
from fer_bench.errors import FerBenchError
from fer_bench.training import cell as cells

runner = CliRunner()


@pytest.fixture
def toy_grid(grid_folder, no_fingerprint):
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


def test_what_audit_prints_fits_a_page(toy_grid):
    fer_bench("prepare", "ferplus")
    printed = fer_bench("audit", "ferplus").stdout.splitlines()
    assert len(printed) > 10
    assert max(map(len, printed)) <= 120


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


RED = Audit(title="red", run=lambda _: Finding(status="red", why="planted", numbers={}))


def accepting(folder):
    path = folder / "params.yaml"
    path.write_text(path.read_text().replace("source: release,", "source: release, accept: contaminated,"))


def test_red_ends_the_program_with_1_and_stops_training(toy_grid, monkeypatch):
    monkeypatch.setattr(exact_duplicates, "audit", RED)
    fer_bench("prepare", "ferplus")
    found = fer_bench("audit", "ferplus")
    assert found.exit_code == 1
    assert "accept: contaminated" in found.output
    assert (toy_grid / "results" / "tiny" / "audits" / "ferplus.json").exists()
    with pytest.raises(FerBenchError, match="exact_duplicates red") as caught:
        cells.resolve(params.read(), dataset="ferplus", method="majority_class", seed=0)
    assert "prepare.ferplus.accept: contaminated" in caught.value.fix


def test_red_that_the_grid_accepts_is_trained_on(toy_grid, monkeypatch):
    accepting(toy_grid)
    monkeypatch.setattr(exact_duplicates, "audit", RED)
    fer_bench("prepare", "ferplus")
    found = fer_bench("audit", "ferplus")
    assert found.exit_code == 0
    assert "every table says so" in found.output
    assert cells.resolve(params.read(), dataset="ferplus", method="majority_class", seed=0).n_classes == 8


def test_amber_ends_with_0(toy_grid):
    fer_bench("prepare", "ferplus")
    assert fer_bench("audit", "ferplus").exit_code == 0


def test_nothing_is_trained_before_an_audit(toy_grid):
    fer_bench("prepare", "ferplus")
    with pytest.raises(FerBenchError, match="was not audited") as caught:
        cells.resolve(params.read(), dataset="ferplus", method="majority_class", seed=0)
    assert caught.value.fix == "fer-bench data audit ferplus"


def test_an_audit_of_other_data_does_not_count(toy_grid):
    fer_bench("prepare", "ferplus")
    fer_bench("audit", "ferplus")
    path = toy_grid / "params.yaml"
    path.write_text(path.read_text().replace("allow_part: true", "allow_part: true, rule: argmax8"))
    fer_bench("prepare", "ferplus")
    with pytest.raises(FerBenchError, match="other data were audited"):
        cells.resolve(params.read(), dataset="ferplus", method="majority_class", seed=0)


def test_the_gate_is_the_same_whatever_an_audit_says_in_words(toy_grid, monkeypatch):
    fer_bench("prepare", "ferplus")
    fer_bench("audit", "ferplus")
    gate = toy_grid / "results" / "tiny" / "audits" / "ferplus_gate.json"
    before = gate.read_bytes()
    other = Audit(title="other", run=lambda _: Finding(status="green", why="other words", numbers={"n": 1}))
    monkeypatch.setattr(exact_duplicates, "audit", other)
    fer_bench("audit", "ferplus")
    assert gate.read_bytes() == before


def test_a_fingerprint_of_the_same_data_shows_no_difference(toy_grid):
    fer_bench("prepare", "ferplus")
    assert fer_bench("fingerprint", "ferplus", "-o", "one.csv").exit_code == 0
    found = fer_bench("diff", "one.csv", "ferplus", "--json")
    assert found.exit_code == 0
    assert {row["change"]: row["n"] for row in json.loads(found.stdout)}["same"] == 111


def test_a_changed_copy_is_named_and_ends_with_1(toy_grid):
    fer_bench("prepare", "ferplus")
    fer_bench("fingerprint", "ferplus", "-o", "one.csv.xz")
    labels = toy_grid / "release" / "data" / "FER2013Test" / "label.csv"
    text = labels.read_text().splitlines()
    name, box, _ = text[3].split('"')
    text[3] = f'{name}"{box}",0,0,0,0,0,0,9,1,0,0'  # fear instead of sadness
    labels.write_text("\n".join([*text, ""]))
    fer_bench("prepare", "ferplus")
    found = fer_bench("diff", "one.csv.xz", "ferplus", "-o", "differences.csv", "--json")
    assert found.exit_code == 1
    rows = {row["change"]: row for row in json.loads(found.stdout)}
    assert (rows["same"]["n"], rows["relabelled"]["n"]) == (111, 1)
    written = (toy_grid / "differences.csv").read_text().splitlines()
    assert sum("True" in line for line in written) == 1


def test_a_file_that_is_no_fingerprint_is_refused(toy_grid):
    (toy_grid / "other.csv").write_text("a,b\n1,2\n")
    found = fer_bench("diff", "other.csv", "other.csv")
    assert isinstance(found.exception, FerBenchError)
    assert "fer-bench data fingerprint" in found.exception.fix
