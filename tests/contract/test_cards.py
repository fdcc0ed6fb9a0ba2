"""Laws that every card keeps."""

import re

import pytest

from fer_bench import card, registry
from fer_bench.card import Claim, PublishedProtocol, PublishedRow, PublishedTable
from fer_bench.errors import FerBenchError
from fer_bench.metrics._named import named
from fer_bench.report.published import CHOSEN_ON_TEST
from fer_bench.stats.published import whole_count

NAMES = registry.names("cards")
CARDS = {name: card.read(name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_says_where_it_stands_and_with_how_many_expressions(name):
    for claim in CARDS[name].claims:
        assert claim.where
        assert 2 <= claim.protocol.n_classes <= 8
        assert claim.value > 1 / claim.protocol.n_classes


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_is_in_a_known_metric_and_one_value_of_it(name):
    for claim in CARDS[name].claims:
        assert list(named([claim.metric], n_classes=claim.protocol.n_classes)) == [claim.metric]


@pytest.mark.parametrize("name", NAMES)
def test_a_claimed_accuracy_is_a_whole_count_of_its_test_set_or_its_notes_say_that_it_is_none(name):
    for claim in CARDS[name].claims:
        n_test = claim.protocol.n_test
        if n_test is not None and claim.metric == "accuracy":
            said = "no whole count" in claim.protocol.notes
            assert (whole_count(claim.value, n_test) == "yes") != said, (claim.dataset, claim.value, n_test)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_note_counts_is_the_claim(name):
    for claim in CARDS[name].claims:
        found = re.search(r"(\d+) of (3068|74)\b", claim.protocol.notes)
        if found:
            assert round(int(found[1]) / int(found[2]), 4) == claim.value


@pytest.mark.parametrize("name", NAMES)
def test_no_claim_stands_twice(name):
    keys = [(claim.dataset, claim.metric, claim.where) for claim in CARDS[name].claims]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("name", NAMES)
def test_everything_on_record_has_a_link(name):
    for note in (*CARDS[name].known_defects, *CARDS[name].reports):
        assert note.link.startswith("https://")
        assert note.what


def test_the_published_numbers_are_those_of_the_papers():
    published = {(name, claim.dataset, claim.value) for name, found in CARDS.items() for claim in found.claims}
    assert published >= {
        ("conv_cut", "rafdb", 0.9733),
        ("conv_cut", "ferplus", 0.9569),
        ("patt_lite", "rafdb", 0.9505),
        ("patt_lite", "ferplus", 0.9555),
        ("patt_lite", "ferplus", 0.9372),
        ("conv_cut", "rafdb", 0.9469),  # F1 of Table 3
        ("conv_cut", "rafdb", 0.7973),  # recall of fear in Figure 3
        ("convnext_full", "rafdb", 0.7562),
        ("convnext_full", "ferplus", 0.7571),
        ("vtff", "ferplus", 0.8881),  # in its abstract; not in Table 1 of Conv-cut
        ("lnsu", "rafdb", 0.9286),
    }


TABLES = {  # of arXiv 2504.09077, as printed, in percent: words of the row, RAF-DB, FERPlus; of the third accuracy, F1
    "table1": """
        DMUE        2021  88.76  –
        VTFF        2021  88.14  –
        EAC         2022  90.35  90.05
        POSTER      2023  92.05  91.62
        CLEF        2023  90.09  89.74
        APViT       2023  91.98  –
        PAtt-Lite_† 2023  95.05  93.72
        LNSU-Net    2024  89.77  88.81
        MGR³Net     2024  91.05  –
        CEPrompt    2024  92.43  –
        Conv-cut    –     97.33  95.69
    """,
    "table2": """
        no   no   75.62  75.71
        yes  no   78.65  78.31
        no   yes  84.24  82.46
        yes  yes  97.33  95.69
    """,
    "table3": """
        one    92.86  86.84
        three  95.24  90.91
        two    97.33  94.69
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_of_the_conv_cut_paper_are_as_it_prints_them(name):
    (table,) = (table for table in CARDS["conv_cut"].tables if table.name == name)
    printed = [line.split() for line in TABLES[name].strip().splitlines()]
    words = [[word.replace("_", " ") for word in row[:-2]] for row in printed]
    kept = [row for row in table.rows if row.published]  # the others are said to be ours
    assert [row.cells[-len(words[0]) :] for row in kept] == words
    second = ("rafdb", "macro_f1") if table.also else ("ferplus", "accuracy")
    found = [table.numbers(row) for row in kept]
    assert {key for one in found for key in one} == {("rafdb", "accuracy"), second}
    shown = [[one.get(key) for key in (("rafdb", "accuracy"), second)] for one in found]
    assert [["–" if value is None else f"{100 * value:.2f}" for value in row] for row in shown] == [
        row[-2:] for row in printed
    ]
    assert all("not in the paper" in " ".join(row.cells) for row in table.rows if not row.published)


@pytest.mark.parametrize("name", NAMES)
def test_no_published_table_uses_the_reports_own_sign(name):
    printed = [text for table in CARDS[name].tables for row in table.rows for text in [*row.cells, table.notes]]
    assert CHOSEN_ON_TEST not in "".join(printed)


def test_the_daggers_of_table_1_are_explained_as_the_paper_does():
    (table,) = (table for table in CARDS["conv_cut"].tables if table.name == "table1")
    assert [row.method for row in table.rows if "†" in row.cells[0]] == ["patt_lite"]
    assert '†: "results based on local reproduction"' in table.notes
    cited = [claim for claim in CARDS["patt_lite"].claims if "Conv-cut paper" in claim.where]
    assert {claim.dataset for claim in cited} == {"rafdb", "ferplus"}
    assert all('"local reproduction"' in claim.where for claim in cited)


def test_both_sides_of_the_ferplus_rule_are_on_the_card():
    for name in ("conv_cut", "convnext_full"):
        (claim,) = (claim for claim in CARDS[name].claims if claim.dataset == "ferplus")
        assert claim.protocol.label_rule == "unknown"
        assert re.search("argmax over ten columns.*majority rule", claim.protocol.notes)
        assert "3153" in claim.protocol.notes


def test_the_columns_of_the_ablation_are_in_the_papers_order():
    (table,) = (table for table in CARDS["conv_cut"].tables if table.name == "table2")
    assert table.columns[-2:] == ["self-attention", "detail extraction"]


def test_posterv2_does_not_stand_in_the_conv_cut_paper():
    assert "Conv-cut" not in " ".join(claim.where for claim in CARDS["posterv2"].claims)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_about_another_method_is_a_claim_on_that_methods_card(name):
    for table in CARDS[name].tables:
        for row in table.rows:
            if row.method is not None:
                claims = {(c.dataset, c.metric, c.value) for c in CARDS[row.method].claims}
                assert {(dataset, table.metric, value) for dataset, value in row.published.items()} <= claims
                assert not row.recipes


@pytest.mark.parametrize("name", NAMES)
def test_a_claim_read_elsewhere_says_where(name):
    if name not in registry.names("methods"):
        for claim in CARDS[name].claims:
            assert re.search(r"as cited in|abstract|README", claim.where), claim.where


@pytest.mark.parametrize(("name", "voids"), [("conv_cut", {"rafdb"}), ("patt_lite", {"rafdb", "ferplus"})])
def test_the_defects_that_void_claims(name, voids):
    assert {dataset for defect in CARDS[name].known_defects for dataset in defect.voids} == voids


CLAIM = "{dataset: rafdb, metric: accuracy, value: VALUE, where: Table 1, protocol: {n_classes: 7}}"


def test_a_claim_in_percent_is_refused_with_the_fraction_that_is_meant():
    with pytest.raises(FerBenchError, match=r"x\.yaml: claims\[0\]\.value") as error:
        card.parse(f"{{title: X, pretraining: none, claims: [{CLAIM.replace('VALUE', '92.05')}]}}", where="x.yaml")
    assert error.value.fix == "write shares as fractions: 0.9205 for 92.05 %"


def test_a_defect_that_voids_claims_which_are_not_there_is_refused():
    text = (
        f"{{title: X, pretraining: none, claims: [{CLAIM.replace('VALUE', '0.92')}], "
        "known_defects: [{what: leak, link: 'https://example.org', voids: [rafd]}]}"
    )
    with pytest.raises(FerBenchError, match="voids the claims on rafd, of which the card has none") as error:
        card.parse(text, where="x.yaml")
    assert error.value.fix == "name data sets of its claims: rafdb"


@pytest.mark.parametrize("name", NAMES)
def test_the_rows_of_published_tables_are_recipes_of_the_method(name):
    for table in CARDS[name].tables:
        recipes = [recipe for row in table.rows for recipe in row.recipes]
        assert set(recipes) <= set(registry.load("methods", name).recipes)
        assert len(recipes) == len(set(recipes))
        assert {len(row.cells) for row in table.rows} == {len(table.columns)}
        assert table.metric in registry.names("metrics")


ABLATION = PublishedTable(
    name="table3", where="Table 3", about="layers", metric="accuracy", also=["macro_f1"], columns=["layers"],
    rows=[
        PublishedRow(cells=["1"], recipes=["one"], published={"rafdb": 0.92}, also={"macro_f1": {"rafdb": 0.86}}),
        PublishedRow(cells=["2"], recipes=["two"], published={"rafdb": 0.97}, also={"macro_f1": {"rafdb": 0.94}}),
    ],
)  # fmt: skip
CLAIMS = [
    Claim(dataset=dataset, metric=metric, value=value, where="Table 1", protocol=PublishedProtocol(n_classes=7))
    for dataset, metric, value in (
        ("rafdb", "accuracy", 0.97), ("rafdb", "macro_f1", 0.94), ("rafdb", "recall_fear", 0.79),
        ("ferplus", "accuracy", 0.95),
    )
]  # fmt: skip


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_recipe_is_elsewhere_where_it_is_another_row_than_the_method_as_claimed(claim):
    """Also for claims of which the table has no number."""
    found = card.Card(title="X", pretraining="none", claims=CLAIMS, tables=[ABLATION])
    assert found.elsewhere("one", claim) is ABLATION
    assert found.elsewhere("two", claim) is None
    assert found.elsewhere("paper", claim) is None


def test_a_row_with_numbers_in_a_metric_that_its_table_does_not_name_is_refused():
    text = (
        "{title: X, pretraining: none, tables: [{name: t, where: Table 3, about: layers, metric: accuracy, "
        "columns: [layers], rows: [{cells: [one], also: {macro_f1: {rafdb: 0.8684}}}]}]}"
    )
    with pytest.raises(FerBenchError, match="rows of t have numbers in macro_f1, which the table does not") as error:
        card.parse(text, where="x.yaml")
    assert error.value.fix == "name it there: also: [macro_f1]"


def test_a_card_of_an_approximation_whose_title_hides_it_is_refused():
    with pytest.raises(FerBenchError, match="its title 'X' does not say so") as error:
        card.parse("{title: X, pretraining: none, approximation: the half of it}", where="x.yaml")
    assert error.value.fix == "title: X (approximation)"


@pytest.mark.parametrize("name", [name for name in NAMES if name in registry.names("methods")])
def test_a_method_that_calls_itself_an_approximation_has_what_it_lacks_on_its_card(name):
    title = registry.load("methods", name).title
    assert ("approximation" in title) == (CARDS[name].approximation is not None)
