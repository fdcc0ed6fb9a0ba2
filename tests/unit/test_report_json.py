"""report.json and its published form."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from fer_bench.errors import FerBenchError
from fer_bench.provenance import ROOT
from fer_bench.report import as_json, write

_SPEC = importlib.util.spec_from_file_location("fake_grid", Path(__file__).parent.parent / "golden" / "fake_grid.py")
fake_grid = importlib.util.module_from_spec(_SPEC)
sys.modules["fake_grid"] = fake_grid
_SPEC.loader.exec_module(fake_grid)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grid")
    fake_grid.write(fake_grid.GOLDEN, folder)
    grid = fake_grid.read(fake_grid.GOLDEN, folder)
    (folder / "drawn").mkdir()
    return grid, as_json.render(grid, write.sections(grid, folder / "drawn"))


def test_it_reads_back_and_holds_the_tables_with_typed_cells(made):
    grid, data = made
    report = as_json.read(data, where="report.json")
    rows = grid.tables["intervals"]
    assert len(report.tables["intervals"]) == len(rows)
    assert report.tables["intervals"][0]["estimate"] == pytest.approx(float(rows.iloc[0]["estimate"]), abs=1e-9)
    assert isinstance(report.tables["runs"][0]["dirty"], bool)
    ended = [row for row in report.tables["runs"] if row["status"] == "ok"]
    assert ended[0]["error"] is None


def test_every_block_that_people_read_is_in_it(made):
    _, data = made
    report = as_json.read(data, where="report.json")
    kinds = {block.kind for part in report.sections for block in part.blocks}
    assert kinds >= {"box", "table", "figure", "text"}
    assert all(block.text[0] for part in report.sections for block in part.blocks if block.kind == "figure")


def test_the_published_form_is_the_one_that_is_written():
    published = ROOT / "docs" / "report.schema.json"
    assert published.read_bytes() == as_json.schema(), "renew it: make docs"


def test_every_cell_is_of_the_published_type(made):
    _, data = made
    held = json.loads(data)["tables"]
    form = json.loads(as_json.schema())["$defs"]["Report"]["properties"]["tables"]["properties"]
    types = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
    assert set(held) == set(form)
    for name, rows in held.items():
        columns = form[name]["items"]["properties"]
        for row in rows:
            assert list(row) == form[name]["items"]["required"]
            for column, cell in row.items():
                allowed = columns[column]["type"]
                expected = [types[one] for one in ([allowed] if isinstance(allowed, str) else allowed)]
                assert any(isinstance(cell, one) for one in expected), f"{name}.{column}: {cell!r} is not {allowed}"


def test_a_file_of_another_form_is_refused(made):
    _, data = made
    with pytest.raises(FerBenchError, match="form"):
        as_json.read(data.replace(b"fer-bench-report-1", b"fer-bench-report-0"), where="report.json")
