"""Published numbers on their own: whole counts, intervals, and which of a table can be told apart."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint, proportions_ztest

from fer_bench.card import Card, Claim, PublishedProtocol, PublishedRow, PublishedTable
from fer_bench.datasets import _ferplus_counts, _rafdb_counts
from fer_bench.provenance import ROOT
from fer_bench.stats import published, saying
from fer_bench.stats.mcnemar import exact
from fer_bench.tables.told_apart import WORDS

NEVER, DEPENDS, ALWAYS = WORDS


@pytest.fixture(scope="module")
def numbers():
    return published.from_n_alone(published.cards(), level=0.95)


@pytest.fixture(scope="module")
def pairs():
    return published.pairs(published.cards(), level=0.95).set_index(["dataset", "method_a", "method_b"])


def of(table, dataset, value):
    return table[(table["dataset"] == dataset) & (table["value"] == value)].iloc[0]


@pytest.mark.parametrize("value", [0.9733, 0.9505, 0.7562, 0.7865, 0.9286, 0.9205, 0.9221, 0.9198, 0.9035, 0.8977])
def test_whole_counts_of_the_rafdb_test_set(value):
    assert published.whole_count(value, 3068) == "yes"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.8424, "no"),  # 2584/3068 = 84.224 %, 2585/3068 = 84.257 %
        (0.8876, "no"),  # 2723/3068 = 88.755 %, 2724/3068 = 88.787 %
        (0.9105, "no"),  # 2793/3068 = 91.037 %, 2794/3068 = 91.069 %
        (0.9243, "only if cut off"),  # 2836/3068 = 92.438 %
    ],
)
def test_percentages_that_are_no_count_of_the_rafdb_test_set(value, said, numbers):
    assert published.whole_count(value, 3068) == said
    assert of(numbers, "rafdb", value)["whole_count"] == said


@pytest.mark.parametrize("n", [1, 7, 60, 3068, 3137])
def test_every_count_is_a_whole_count_at_two_decimals(n):
    for k in range(0, n + 1, max(1, n // 97)):
        assert published.whole_count(round(k / n, 4), n) == "yes"


def test_ferplus_numbers_name_the_test_sets_that_they_fit(numbers):
    assert of(numbers, "ferplus", 0.9569)["fits"] == "3152;3153;3546;3572;3573;3574"
    assert of(numbers, "ferplus", 0.8974)["fits"] == "3137"
    assert of(numbers, "ferplus", 0.9372)["fits"] == "3137;3152;3153"
    assert of(numbers, "ferplus", 0.9569)["n"] == 3153  # the most common that fits


def test_of_known_sizes_one_alone_fits_all_ferplus_numbers_of_conv_cuts_table_2():
    """What the card says of the label rule: for the majority rule, and how nearly for the argmax over ten columns."""

    def fits(n, *values):
        return sum(published.whole_count(value, n) == "yes" for value in values)

    table2 = (0.7571, 0.7831, 0.8246, 0.9569)
    assert [n for n in published.sizes_of("ferplus", 7) if fits(n, *table2) == 4] == [3153]
    assert (fits(3545, *table2), fits(3546, *table2)) == (2, 3)
    assert [n for n in range(3000, 3600) if fits(n, *table2, 0.9372) == 5] == [3153, 3199, 3454, 3569]


def test_intervals_are_wilsons(numbers):
    row = of(numbers, "rafdb", 0.9205)
    assert (row["n"], row["count"]) == (3068, 2824)
    assert (row["low"], row["high"]) == pytest.approx(proportion_confint(2824, 3068, method="wilson"))


def test_every_published_accuracy_of_the_cards_stands_there_once(numbers):
    cards = published.cards()
    wanted = {(n, c.dataset, c.value) for n, one in cards.items() for c in one.claims if c.metric == "accuracy"}
    wanted |= {
        (row.method or name, dataset, value)
        for name, one in cards.items()
        for table in one.tables
        for row in table.rows
        for dataset, value in row.published.items()
    }
    held = [(row["method"], row["dataset"], row["value"]) for _, row in numbers.iterrows()]
    assert len(held) == len(set(held))
    assert set(held) == wanted


def test_the_sizes_are_those_of_the_label_rules():
    def test_size(votes, rule):
        return sum(_ferplus_counts.BY_RULE[votes, rule]["test"])

    known = published.SIZES["ferplus"]
    files = _ferplus_counts.counts("fer2013new", "majority", png=True)["test"]
    assert known[:5] == (
        test_size("label_csv", "majority"), test_size("fer2013new", "majority"), sum(files),
        test_size("label_csv", "argmax10"), test_size("fer2013new", "argmax10"),
    )  # fmt: skip
    assert test_size("label_csv", "argmax8") == 3573
    assert sum(_ferplus_counts.counts("fer2013new", "argmax8", png=True)["test"]) == 3572
    assert {3572, 3573} < set(known)
    contempt = _ferplus_counts.BY_RULE["label_csv", "majority"]["test"][7]
    assert published.SEVEN["ferplus"] == (known[0] - contempt,)
    assert sum(_rafdb_counts.OFFICIAL["test"]) == published.SIZES["rafdb"][0]


@pytest.mark.parametrize(
    ("a", "b", "pictures", "p_best"),
    [("poster", "apvit", 2, 0.5), ("eac", "clef", 8, 2 / 256), ("clef", "lnsu", 10, 2 / 1024)],
)
def test_neighbours_of_table_1(pairs, a, b, pictures, p_best):
    row = pairs.loc["rafdb", a, b]
    assert row["pictures"] == pictures
    assert row["p_best"] == pytest.approx(p_best)
    assert row["verdict"] == (NEVER if p_best > 0.05 else DEPENDS)


def test_numbers_far_apart_are_told_apart_at_any_disagreement(pairs):
    row = pairs.loc["rafdb", "conv_cut", "poster"]
    assert row["verdict"] == ALWAYS
    # errors on different pictures: (1 - 0.9733) + (1 - 0.9205)
    assert row["most_possible"] == pytest.approx((82 + 244) / 3068)
    assert row["p_worst"] == pytest.approx(exact(244, 82))


def test_the_largest_disagreement_is_the_last_that_rejects(pairs):
    for (_, _, _), row in pairs[pairs["verdict"] == DEPENDS].iterrows():
        d, n = int(row["pictures"]), int(row["n"])
        only_b = round((row["most_told_apart"] * n - d) / 2)
        assert exact(d + only_b, only_b) <= 0.05 < exact(d + only_b + 1, only_b + 1)


def test_p_rises_with_the_disagreement():
    p = [exact(20 + x, x) for x in range(200)]
    assert all(np.diff(p) >= 0)


@pytest.mark.parametrize(
    ("a", "b", "verdict"), [(50, 50, NEVER), (100, 100, NEVER), (100, 0, ALWAYS), (56, 50, DEPENDS)]
)
def test_extreme_counts(a, b, verdict):
    assert published.pair(a, b, 100, alpha=0.05).verdict == verdict


def test_the_unpaired_p_is_that_of_two_proportions():
    _, expected = proportions_ztest([2986, 2824], [3068, 3068])
    assert published.unpaired(2986, 2824, 3068) == pytest.approx(expected)
    assert published.unpaired(100, 100, 100) == 1.0


def test_holm_ranges_over_one_table_and_data_set(pairs):
    rafdb = pairs.loc["rafdb"]
    assert len(rafdb) == 11 * 10 / 2
    assert set(rafdb["family"]) == {"pairs of Conv-cut, Table 1, rafdb"}
    smallest = rafdb.sort_values("p_unpaired").iloc[0]
    assert smallest["p_unpaired_holm"] == pytest.approx(55 * smallest["p_unpaired"])
    assert (rafdb["p_unpaired_holm"] >= rafdb["p_unpaired"]).all()


def test_what_speaks_against_the_same_pictures_is_said(pairs):
    assert "7 and 8 expressions" in pairs.loc["ferplus", "eac", "clef"]["caveat"]
    assert pd.isna(pairs.loc["rafdb", "poster", "apvit"]["caveat"])


def test_readme_and_docs_say_what_the_cards_give(pairs):
    column = pairs.loc["rafdb"]
    never, depends, always = (int((column["verdict"] == word).sum()) for word in WORDS)
    neighbours = column.loc["poster", "apvit"]
    apart = f"APViT (91.98 %) are {neighbours['pictures']} pictures of 3,068 apart"
    readme, docs = (" ".join((ROOT / name).read_text().split()) for name in ("README.md", "docs/claims.md"))
    assert f"of the {len(column)} pairs in the RAF-DB column" in readme
    assert f"{never} cannot be told apart whatever the two predicted, {depends} only if few answers differ" in readme
    assert f"{always} can in any case" in readme
    assert f"{apart}: p ≥ {neighbours['p_best']:g}" in readme
    assert f"{apart}, p ≥ {neighbours['p_best']:g} whatever else holds" in docs
    values = {*column["value_a"], *column["value_b"]}
    assert len([value for value in values if published.whole_count(value, 3068) != "yes"]) == 3
    assert "Three numbers are no whole count of 3,068" in readme


def one(claim=None, tables=()):
    return {"m": Card(title="M", pretraining="none", claims=[claim] if claim else [], tables=list(tables))}


def claim(**protocol):
    return Claim(
        dataset=protocol.pop("dataset", "rafdb"), metric="accuracy", value=0.8424, where="Table 1",
        protocol=PublishedProtocol(n_classes=7, **protocol),
    )  # fmt: skip


def test_a_mean_over_seeds_is_not_asked_to_be_a_count():
    assert published.from_n_alone(one(claim(seeds=5)), level=0.95)["whole_count"].iloc[0] == "not asked"


def test_a_data_set_of_unknown_size_has_no_interval():
    row = published.from_n_alone(one(claim(dataset="elsewhere")), level=0.95).iloc[0]
    assert (row["n_from"], row["whole_count"]) == ("unknown", "not asked")
    assert pd.isna(row["low"])
    assert len(saying.published(published.from_n_alone(one(claim(dataset="elsewhere")), level=0.95))) == 1


def test_cards_without_claims_give_empty_tables():
    numbers, pairs = published.from_n_alone(one(), level=0.95), published.pairs(one(), level=0.95)
    assert len(numbers) == len(pairs) == 0
    assert len(saying.in_words(numbers, pairs)) == 2
    assert len(saying.told_apart(pairs)) == len(saying.published(numbers)) == 0


def test_a_table_of_recipes_is_no_comparison_of_methods():
    rows = [PublishedRow(cells=[name], recipes=[name], published={"rafdb": v}) for name, v in (("a", 0.8), ("b", 0.9))]
    table = PublishedTable(name="t", where="Table 2", about="x", metric="accuracy", columns=["row"], rows=rows)
    assert len(published.pairs(one(tables=[table]), level=0.95)) == 0


def test_the_words_name_every_number_that_is_no_count(numbers, pairs):
    first, second = saying.in_words(numbers, pairs.reset_index())
    assert "84.24 % (conv_cut, rafdb)" in first
    assert "of 55 pairs 1 cannot be told apart whatever else holds, 16 only if few" in second
    assert "and 38 are told apart in any case" in second
