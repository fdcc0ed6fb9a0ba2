"""The report's section on annotators, from the committed FERPlus grids."""

from pathlib import Path

import pytest

from fer_bench import params
from fer_bench.report import annotators
from fer_bench.report import grid as grids
from fer_bench.report.blocks import Table
from fer_bench.stats import annotating
from fer_bench.tables.annotators import annotators as schema

ROOT = Path(__file__).parents[2]


@pytest.fixture
def in_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def committed(name):
    grid = grids.read(params.read(Path(f"results/{name}/params.yaml")))
    return grid, schema.read(Path(f"results/{name}/annotators.csv"))


@pytest.mark.parametrize("name", ["ferplus_cpu", "ferplus_pattlite"])
def test_the_section_says_what_the_table_holds(in_root, name):
    grid, table = committed(name)
    section = annotators.section(grid, table)
    said = " ".join(block.text for block in section.blocks if not isinstance(block, Table))
    assert "one annotator, judged by the others, has accuracy 79.6 % [78.9, 80.3] on the 2,958 test pictures" in said
    assert "Fleiss' kappa of the annotators is 0.52 [0.50, 0.53] on all 3,589 test pictures" in said
    shown = section.blocks[-1]
    assert len(shown.cells) == len(grid.params.methods) * len(grid.params.compare.metrics)
    row = shown.cells[(shown.cells["method"] == grid.title("patt_lite")) & (shown.cells["metric"] == "Accuracy")].iloc[
        0
    ]
    found = table.query("method == 'patt_lite' and metric == 'accuracy' and part == 'difference'").iloc[0]
    assert row["verdict"] == found["verdict"] == "within"
    assert row["less one annotator"].lstrip("−").startswith(f"{abs(100 * found['estimate']):.1f}")
    assert "9.3 % none" in shown.note


def test_without_votes_there_is_no_section(in_root):
    grid, table = committed("ferplus_cpu")
    assert annotators.section(grid, table.iloc[:0]) is None


def test_where_nobody_can_be_left_out_there_is_a_score_and_no_comparison(in_root):
    grid, table = committed("ferplus_cpu")
    bare = table[~table["part"].isin(["rest", "difference"])].copy()
    bare.loc[bare["method"].isna(), ["estimate", "low", "high"]] = None
    section = annotators.section(grid, bare)
    assert set(section.blocks[0].cells["verdict"]) == {"–"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ferplus_cpu", "ferplus_pattlite"])
def test_the_committed_tables_are_those_that_the_votes_give(in_root, name, tmp_path):
    table = annotating.annotate(params.read(Path(f"results/{name}/params.yaml")), say=pytest.fail)
    schema.write(table, tmp_path / "annotators.csv")
    assert (tmp_path / "annotators.csv").read_bytes() == Path(f"results/{name}/annotators.csv").read_bytes()
