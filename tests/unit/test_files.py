"""Files that people bring: digested, recorded, and held to what `params.yaml` and the cards say of them."""

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fer_bench import card, params, registry
from fer_bench.card import KnownFile
from fer_bench.cli.main import app
from fer_bench.errors import FerBenchError
from fer_bench.tables import runs
from fer_bench.training import cell as cells
from fer_bench.training import gradient
from fer_bench.training.carry_out import carry_out

TRUNK, SECOND = b"\x80\x02of the trunk", b"\x80\x02beside it"  # stand-ins, which begin as pickles do
ANOTHER = b"\x80\x02another"
OPTIONS = "{streams: {landmark_weights: brought/landmarks.pth}}"


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def grid(prepared_folder):
    """Write two files, and an entry that reads both; returns a function that resolves it with further keys."""
    (prepared_folder / "brought").mkdir()
    (prepared_folder / "brought/face.pth").write_bytes(TRUNK)
    (prepared_folder / "brought/landmarks.pth").write_bytes(SECOND)
    file = prepared_folder / "params.yaml"
    text = file.read_text()

    def write(more="", *, method="poster", options=OPTIONS):
        entry = f"conv_cut: {{method: {method}, weights: brought/face.pth, options: {options}, {more}recipe: toy"
        file.write_text(text.replace("conv_cut: {recipe: toy", entry))
        return params.read()

    return write


def resolve(grid):
    return cells.resolve(grid, dataset="synthetic", method="conv_cut", seed=0)


@pytest.mark.parametrize(
    ("method", "options"),
    [("poster", OPTIONS), ("posterv2", OPTIONS), ("apvit", "{transformer: brought/landmarks.pth}")],
)
def test_every_file_that_a_run_loads_is_digested_the_trunks_first(grid, method, options):
    found = resolve(grid(method=method, options=options)).files
    assert list(found.items()) == [("face.pth", sha256(TRUNK)), ("landmarks.pth", sha256(SECOND))]


@pytest.mark.parametrize("method", ["poster", "posterv2", "apvit"])
def test_a_file_that_is_not_read_is_not_digested(grid, method):
    options = "{transformer: null}" if method == "apvit" else "{streams: {landmark_weights: null}}"
    assert list(resolve(grid(method=method, options=options)).files) == ["face.pth"]


@pytest.mark.parametrize("name", ["landmarks.pth", "brought/landmarks.pth", "./brought/landmarks.pth"])
def test_a_file_with_the_digest_that_is_asked_for_is_taken_by_name_or_path(grid, name):
    assert resolve(grid(f"digests: {{{name}: {sha256(SECOND)}}}, ")).files["landmarks.pth"] == sha256(SECOND)


def test_another_file_than_the_one_asked_for_stops_the_run_before_it_trains(grid):
    asked = grid(f"digests: {{face.pth: {sha256(TRUNK)}, landmarks.pth: {sha256(ANOTHER)}}}, ")
    with pytest.raises(FerBenchError) as error:
        carry_out(asked, dataset="synthetic", method="conv_cut", seed=0)
    assert error.value.problem == (
        f"brought/landmarks.pth: its SHA-256 is {sha256(SECOND)}, methods.conv_cut.digests expects {sha256(ANOTHER)}"
    )
    assert "bring the file that was meant" in error.value.fix
    assert not (asked.results / "runs").exists()


def test_a_digest_of_a_file_that_the_run_does_not_load_is_refused_with_those_that_it_does(grid):
    with pytest.raises(FerBenchError, match=r"names teacher\.pth, which this run does not load") as error:
        resolve(grid(f"digests: {{teacher.pth: {sha256(SECOND)}}}, "))
    assert error.value.fix == "name one that it loads: face.pth, landmarks.pth"


def test_what_is_no_digest_is_refused_when_the_grid_is_read(grid):
    with pytest.raises(FerBenchError, match=r"methods.*digests"):
        grid("digests: {face.pth: 62fc}, ")


def test_a_second_file_that_is_missing_is_named(grid, prepared_folder):
    (prepared_folder / "brought/landmarks.pth").unlink()
    with pytest.raises(FerBenchError, match=r"no file brought/landmarks\.pth, which POSTER reads") as error:
        _ = resolve(grid()).files
    assert "methods.<method>.options" in error.value.fix


def test_two_files_of_one_name_are_refused_since_records_name_files(grid, prepared_folder):
    (prepared_folder / "face.pth").write_bytes(SECOND)
    with pytest.raises(FerBenchError, match=r"two files of weights are called face\.pth"):
        _ = resolve(grid(options="{streams: {landmark_weights: face.pth}}")).files


@pytest.fixture
def made(grid, prepared_folder):
    """A run's folder with a record of both files; returns its cell too. Nothing is trained."""
    made_of = resolve(grid())
    plain = carry_out(params.read(), dataset="synthetic", method="majority_class", seed=0)
    data = {name: getattr(plain, name) for name in plain.__struct_fields__} | {
        "method": "conv_cut", "method_file": "poster", "recipe": "toy", "settings": made_of.settings,
        "weights": made_of.weights_name, "weights_digest": made_of.weights_digest, "files": made_of.files,
        "wrote": {}, "seal": None,
    }  # fmt: skip
    return made_of, runs.RunRecord(**data), prepared_folder / "run"


@pytest.mark.parametrize("name", ["face.pth", "landmarks.pth"])
def test_a_run_whose_file_changed_was_made_with_other_weights(made, prepared_folder, name):
    cell, record, folder = made
    runs.write_record(record, folder / "run.json")
    assert cells.record_of(cell, folder) == record
    (prepared_folder / "brought" / name).write_bytes(ANOTHER)
    with pytest.raises(FerBenchError, match="another initial weights"):
        cells.record_of(resolve(params.read()), folder)


def test_a_run_that_was_stopped_does_not_go_on_with_another_second_file(made, prepared_folder):
    before = gradient._key(made[0], {})
    (prepared_folder / "brought/landmarks.pth").write_bytes(ANOTHER)
    assert gradient._key(resolve(params.read()), {}) != before


def test_the_runs_table_names_every_file_with_its_digest(made):
    row = runs.row(made[1])
    assert row["weights"] == "file:face.pth, landmarks.pth"
    assert row["weights_digest"] == f"{sha256(TRUNK)}, {sha256(SECOND)}"


def test_a_record_that_knows_the_trunks_file_alone_is_read_and_taken_where_there_is_no_other(made, grid):
    cell, record, folder = made
    data = {name: getattr(record, name) for name in record.__struct_fields__}
    old = runs.RunRecord(**{**data, "files": {}})
    assert old.loaded == {"face.pth": sha256(TRUNK)}
    assert runs.row(old)["weights_digest"] == sha256(TRUNK)
    runs.write_record(old, folder / "run.json")
    with pytest.raises(FerBenchError, match="another initial weights"):  # what else it read is not known
        cells.record_of(cell, folder)
    alone = resolve(grid(options="{streams: {landmark_weights: null}}"))
    runs.write_record(runs.RunRecord(**{**data, "files": {}, "settings": alone.settings}), folder / "run.json")
    assert cells.record_of(alone, folder).loaded == alone.files


@pytest.fixture
def known(monkeypatch):
    """Poster's card knows a digest of the trunk's file."""
    read = card.read

    def know(digest):
        file = KnownFile(name="face.pth", sha256=digest, what="as mirrored")
        monkeypatch.setattr(card, "read", lambda name: _with(read(name), file))

    return know


def _with(found, file):
    return card.Card(**{**{name: getattr(found, name) for name in found.__struct_fields__}, "files": [file]})


@pytest.mark.parametrize(
    ("digest", "said"),
    [(sha256(TRUNK), ", the one on record (as mirrored)"), ("0" * 64, "another than the one on record")],
)
def test_a_file_is_said_to_be_the_one_on_record_or_another_and_both_are_taken(grid, known, digest, said):
    known(digest)
    grid()
    printed = " ".join(CliRunner().invoke(app, ["doctor"]).stdout.split())
    assert said in printed
    assert "none is on record" in printed  # of the other file


def test_a_run_records_its_files_and_says_whether_one_is_the_one_on_record(grid, known, monkeypatch):
    known(sha256(TRUNK))
    failed = cells.Outcome(logits={}, facts={"device": "cpu", "status": "failed", "error": "untrained"})
    monkeypatch.setattr(gradient, "train", lambda _cell, _launcher: failed)
    made = grid()
    said = CliRunner().invoke(app, ["run", "conv_cut", "--dataset", "synthetic", "--seed", "0"]).stderr
    record = runs.read_record(made.cell("synthetic", "conv_cut", 0) / "run.json")
    assert record.files == {"face.pth": sha256(TRUNK), "landmarks.pth": sha256(SECOND)}
    assert f"face.pth: SHA-256 {sha256(TRUNK)}, the one on record (as mirrored)" in said
    assert f"landmarks.pth: SHA-256 {sha256(SECOND)}; none is on record" in said


@pytest.mark.parametrize("method", ["poster", "posterv2"])
def test_the_file_on_record_bears_the_name_that_recipes_ask_for(method):
    names = {Path(recipe.weights).name for recipe in registry.load("methods", method).recipes.values()}
    assert {file.name for file in card.read(method).files} <= names


def test_doctor_says_which_file_is_not_the_one_that_the_grid_asks_for(grid):
    grid(f"digests: {{face.pth: {sha256(TRUNK)}, landmarks.pth: {'a' * 64}}}, ")
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 1
    (row,) = [row for row in json.loads(done.stdout) if row["what"] == "methods.conv_cut"]
    assert row["found"].startswith("brought/landmarks.pth: its SHA-256 is ")
    assert f"expects {'a' * 64}" in row["found"]
    assert "bring the file that was meant" in row["fix"]
