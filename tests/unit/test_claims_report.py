"""Claims in the report: verdicts with where one more run would land, Table 1, and numbers on their own."""

import dataclasses
import importlib.util
import sys
from pathlib import Path

import pytest

from fer_bench.card import Card, PublishedRow, PublishedTable
from fer_bench.report import claims, from_n_alone, latex, markdown
from fer_bench.report import published as published_tables
from fer_bench.stats import published

_SPEC = importlib.util.spec_from_file_location("fake_grid", Path(__file__).parent.parent / "golden" / "fake_grid.py")
fake_grid = importlib.util.module_from_spec(_SPEC)
sys.modules["fake_grid"] = fake_grid
_SPEC.loader.exec_module(fake_grid)

VOID = fake_grid.claim(
    "a", verdict="void", reason="labels leak (https://example.org/x). Our interval goes on.",
    link="https://example.org/x", predicted_low=0.8, predicted_high=0.9,
)  # fmt: skip
TABLE = PublishedTable(
    name="table1", where="Table 1", about="methods side by side", metric="accuracy", columns=["method"],
    rows=[
        PublishedRow(cells=["A"], recipes=["toy"], published={"synthetic": 0.95}),
        PublishedRow(cells=["B"], method="b", published={"synthetic": 0.9}),
        PublishedRow(cells=["C"], method="c", published={"synthetic": 0.8}),
    ],
)  # fmt: skip
FAKE = fake_grid.Fake(
    methods={"a": 0.9, "b": 0.89}, datasets={"synthetic": (300, 7)}, claims=(VOID,),
    cards={"a": Card(title="A", pretraining="none", tables=[TABLE])},
)  # fmt: skip


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("claims")
    fake_grid.write(FAKE, folder)
    return fake_grid.read(FAKE, folder)


def test_a_claim_stands_beside_where_one_more_run_would_land_and_its_link_stays_out_of_the_cell(grid):
    (row,) = claims.claims(grid).cells.to_dict("records")
    assert row["one more run"] == "80.0 to 90.0"
    assert row["why"] == "labels leak. Our interval goes on."


def test_a_claim_of_a_table_made_by_0_1_has_a_dash(grid, tmp_path):
    fake = dataclasses.replace(FAKE, claims=(fake_grid.claim("a"),))
    fake_grid.write(fake, tmp_path)
    (row,) = claims.claims(fake_grid.read(fake, tmp_path)).cells.to_dict("records")
    assert row["one more run"] == "–"


def test_a_row_about_another_method_has_the_numbers_of_that_methods_entries(grid):
    (table,) = published_tables.section(grid).blocks
    rows = table.cells.set_index("method")
    assert list(rows.index) == ["A", "B", "C"]
    assert rows.loc["C", "synthetic, ours"] == "not run"
    assert rows.loc["B", "synthetic, ours"] != rows.loc["A", "synthetic, ours"]
    assert "[" in rows.loc["B", "synthetic, ours"]


def test_a_table_with_two_published_metrics_has_both_beside_ours(grid):
    one, two = ({"synthetic": 0.9286}, {"synthetic": 0.8684}), ({"synthetic": 0.9733}, {"synthetic": 0.9469})
    table = PublishedTable(
        name="table3", where="Table 3", about="layers", metric="accuracy", also=["macro_f1"], columns=["layers"],
        rows=[
            PublishedRow(cells=[cell], recipes=[recipe], published=accuracy, also={"macro_f1": f1})
            for cell, recipe, (accuracy, f1) in (("1", "other", one), ("2", "toy", two))
        ],
    )  # fmt: skip
    known = {"a": Card(title="A", pretraining="none", tables=[table])}
    (shown,) = published_tables.section(dataclasses.replace(grid, known=known)).blocks
    heads = [f"synthetic, {whose}, {metric}" for metric in ("accuracy", "macro-F1") for whose in ("claimed", "ours")]
    assert list(shown.cells.columns)[1:5] == heads
    first, second = shown.cells.to_dict("records")
    assert [first[head] for head in heads] == ["92.86", "not run", "86.84", "not run"]
    assert (second[heads[0]], second[heads[2]]) == ("97.33", "94.69")
    assert "[" in second[heads[1]]
    assert second[heads[1]] != second[heads[3]]
    assert "Accuracy and Macro-F1, in %" in shown.caption


@pytest.fixture(scope="module")
def alone(grid):
    cards = published.cards()
    return from_n_alone.section(grid, published.from_n_alone(cards, level=0.95), published.pairs(cards, level=0.95))


def test_published_numbers_on_their_own_are_two_tables_and_two_sentences(alone):
    numbers, pairs = alone.blocks[2:]
    row = numbers.cells[numbers.cells["published"] == "92.05 %"].iloc[0]
    assert (row["nearest count"], row["interval"], row["whole count"]) == ("2,824 of 3,068", "91.0 to 93.0 %", "yes")
    row = pairs.cells[(pairs.cells["method"] == "POSTER") & (pairs.cells["data set"] == "rafdb")].iloc[0]
    assert row["cannot be told from"] == "APViT"
    assert row["only if few answers differ"].startswith("MGR3Net (7.6 %)")


def test_published_numbers_on_their_own_are_rendered(alone):
    text = markdown.render("Title", (alone,))
    assert "84.24 % (Conv-cut, rafdb)" in text
    for table in alone.blocks[2:]:
        assert latex.fragments(table, head="")


def test_without_cards_both_tables_say_that_they_are_empty(grid):
    section = from_n_alone.section(grid, published.from_n_alone({}, level=0.95), published.pairs({}, level=0.95))
    text = markdown.render("Title", (section,))
    assert "No published accuracy is on record." in text
    assert "No published table sets methods side by side." in text
