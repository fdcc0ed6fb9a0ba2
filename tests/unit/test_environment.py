"""What runs were made on and with: in the runs table, and in the report."""

import dataclasses
import importlib.util
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from fer_bench.report import environment, latex
from fer_bench.report.latex_layout import COLUMN_PT, PAGE_PT
from fer_bench.tables import runs

_SPEC = importlib.util.spec_from_file_location("fake_grid", Path(__file__).parent.parent / "golden" / "fake_grid.py")
fake_grid = importlib.util.module_from_spec(_SPEC)
sys.modules["fake_grid"] = fake_grid
_SPEC.loader.exec_module(fake_grid)

GPU = {
    "device": "An accelerator 80GB", "threads": 8, "precision": "amp", "dirty": True,
    "machine": runs.joined({**fake_grid.MACHINE, "processor": "Another processor"}),
    "versions": runs.joined({**fake_grid.VERSIONS, "torch": "2.13.0+cu126", "timm": ""}),
}  # fmt: skip
SMALL = fake_grid.Fake(
    methods={"a": 0.9, "b": 0.8, "c": 0.5}, datasets={"synthetic": (60, 7)}, compared=False, audited=False
)
TWO = dataclasses.replace(SMALL, made_with={**{("a", seed): GPU for seed in SMALL.seeds}, ("b", 1): GPU})


def table_of(fake, folder):
    fake_grid.write(fake, folder)
    return environment.environment(fake_grid.read(fake, folder))


def rows_of(table):
    return [tuple(row) for row in table.cells.itertuples(index=False)]


def record(**changes):
    return runs.RunRecord(**{
        "dataset": "synthetic", "method": "a", "seed": 0, "protocol": "honest", "recipe": "toy", "settings": {},
        "n_classes": 7, "label_rule": "released", "weights": "none", "n_train": 1, "n_select": 1, "n_report": 1,
        "device": "cpu", "threads": 1, "dirty": False, "digests": {}, "versions": {}, "machine": {}, **changes,
    })  # fmt: skip


def test_where_all_runs_agree_each_fact_is_one_row_and_the_runs_are_named_once(tmp_path):
    table = table_of(SMALL, tmp_path)
    assert list(table.cells["what"]) == [
        "device", "processor", "system", "CPU threads", "precision", "Python", "fer-bench", "packages", "commit",
    ]  # fmt: skip
    assert ("system", "Linux, x86_64", "all 9") in rows_of(table)
    assert "numpy 2.4.1, pandas 3.0.2" in table.cells.set_index("what").loc["packages", "is"]
    narrowed, said = latex.narrowed(table)
    assert list(narrowed.cells.columns) == ["what", "is"]
    assert said == "The same in all rows: runs all 9."


def test_where_runs_differ_each_value_stands_with_its_runs(tmp_path):
    rows = rows_of(table_of(TWO, tmp_path))
    most, few = "5 of 9: b (seeds 0 and 2) and c", "4 of 9: a and b (seed 1)"
    for row in (
        ("device", "cpu", most),
        ("device", "An accelerator 80GB", few),
        ("processor", "Another processor", few),
        ("CPU threads", "8", few),
        ("precision", "amp", few),
        ("system", "Linux, x86_64", "all 9"),
        ("packages that differ", "timm 1.0.22, torch 2.13.0+cpu", most),
        ("packages that differ", "timm not installed, torch 2.13.0+cu126", few),
        ("commit", "0123456", most),
        ("commit", "0123456, with uncommitted changes", few),
    ):
        assert row in rows
    (packages,) = [value for what, value, _ in rows if what == "packages"]
    assert "torch " not in packages
    assert "torchvision 0.28.0+cpu" in packages


def test_runs_are_named_by_what_is_shorter_and_by_their_data_set_where_it_is_all_of_it(tmp_path):
    fake = dataclasses.replace(SMALL, datasets={"one": (60, 7), "two": (60, 7)}, made_with={("b", 1): GPU})
    fake_grid.write(fake, tmp_path)
    path = tmp_path / "runs.csv"
    table = runs.runs.read(path)
    table.loc[table["dataset"] == "two", "threads"] = 4
    table.loc[(table["dataset"] == "two") & (table["method"] == "c"), "precision"] = "amp"
    table.loc[0, "machine"] = None
    runs.runs.write(table, path)
    rows = rows_of(environment.environment(fake_grid.read(fake, tmp_path)))
    assert ("device", "cpu", "16 of 18: all but b (seed 1)") in rows
    assert ("device", "An accelerator 80GB", "2 of 18: b (seed 1)") in rows
    assert ("CPU threads", "4", "9 of 18: all on two") in rows
    assert ("precision", "amp", "5 of 18: b (seed 1) and c on two") in rows
    assert ("system", "not on record", "1 of 18: a on one (seed 0)") in rows


def test_more_runs_than_a_cell_can_name_are_counted(tmp_path):
    methods = {f"m{number:02}": 0.5 for number in range(20)}
    made_with = {(name, 0): GPU for name in list(methods)[:10]}
    rows = rows_of(table_of(dataclasses.replace(SMALL, methods=methods, seeds=(0,), made_with=made_with), tmp_path))
    assert ("precision", "amp", "10 of 20: m00, m01, m02, m03, m04, m05 and 4 more") in rows


def test_a_table_from_before_the_columns_says_not_on_record_and_leaves_no_cell_empty(tmp_path):
    fake_grid.write(SMALL, tmp_path)
    path = tmp_path / "runs.csv"
    pd.read_csv(path).drop(columns=["precision", "machine", "versions", "commit"]).assign(commit=None).to_csv(
        path, index=False
    )
    table = environment.environment(fake_grid.read(SMALL, tmp_path))
    for what in ("processor", "system", "precision", "Python", "fer-bench", "packages"):
        assert (what, "not on record", "all 9") in rows_of(table)
    assert ("commit", "not on record: outside a repository", "all 9") in rows_of(table)
    assert table.cells.notna().to_numpy().all()
    assert (table.cells != "").to_numpy().all()


def test_a_run_that_lacks_its_versions_is_told_from_those_that_have_them(tmp_path):
    made_with = {("a", 0): {"versions": None, "machine": None}}
    rows = rows_of(table_of(dataclasses.replace(SMALL, made_with=made_with), tmp_path))
    assert ("packages", "not on record", "1 of 9: a (seed 0)") in rows
    assert ("processor", "A processor @ 2.90GHz", "8 of 9: all but a (seed 0)") in rows
    assert not any(what == "packages that differ" for what, *_ in rows)


def test_failed_runs_count_too_and_a_grid_without_runs_says_so(tmp_path):
    failed = dataclasses.replace(SMALL, failed=frozenset({("a", 0)}), made_with={("a", 0): GPU})
    assert ("precision", "amp", "1 of 9: a (seed 0)") in rows_of(table_of(failed, tmp_path))
    grid = fake_grid.read(failed, tmp_path)
    grid.tables["runs"] = grid.tables["runs"].iloc[:0]
    assert environment.environment(grid).cells.empty


def test_the_note_says_what_computed_the_tables_and_the_report(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "__version__", "9.9.9")
    fake_grid.write(SMALL, tmp_path)
    grid = fake_grid.read(SMALL, tmp_path)
    assert "is not on record. This report was made with fer-bench 9.9.9." in environment.environment(grid).note
    signed = "fer|ds:synthetic|n:60|ids:?|classes:7|rule:?|protocol:?|selection:?|seeds:0|b:0|v:8.8.8"
    grid.tables["intervals"]["signature"] = signed
    assert "computed with fer-bench 8.8.8, as their signatures say" in environment.environment(grid).note


def test_the_runs_table_takes_from_a_record_nothing_that_names_a_machine_or_its_user():
    row = runs.row(
        record(
            machine={"system": "Linux", "node": "alices-laptop", "processor": "P = 2;\n3", "user": "alice"},
            versions={"torch": "2.13.0+cpu", "own": "/home/alice/own", "b;c": "1", "numpy": "2.4.1"},
            precision="amp",
        )
    )
    assert row["machine"] == "processor=P = 2, 3; system=Linux"
    assert row["versions"] == "numpy=2.4.1; torch=2.13.0+cpu"
    assert row["precision"] == "amp"
    assert runs.parsed(row["machine"]) == {"processor": "P = 2, 3", "system": "Linux"}


def test_a_record_without_machine_or_versions_has_empty_cells():
    row = runs.row(record())
    assert (row["machine"], row["versions"], row["precision"]) == (None, None, "fp32")
    table = runs.runs.frame([{**row, "batch_mates": "independent"}])
    assert runs.parsed(table["versions"].iloc[0]) == {}


@pytest.mark.latex
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: install texlive-latex-recommended")
@pytest.mark.parametrize("width", [COLUMN_PT, PAGE_PT])
def test_the_fragment_fits_a_page_and_a_column(width, tmp_path, sticking_out):
    (text,) = latex.fragments(table_of(TWO, tmp_path), head="", width=width).values()
    (tmp_path / "environment.tex").write_text(text, encoding="utf-8")
    assert not sticking_out([tmp_path / "environment.tex"], width)
