"""Laws that every card keeps."""

import pytest

from fer_bench import card, registry

NAMES = registry.names("cards")
CARDS = {name: card.read(name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_says_where_it_stands_and_with_how_many_expressions(name):
    for claim in CARDS[name].claims:
        assert claim.where
        assert 2 <= claim.protocol.n_classes <= 8
        assert claim.value > 1 / claim.protocol.n_classes


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_is_in_a_known_metric(name):
    assert {claim.metric for claim in CARDS[name].claims} <= set(registry.names("metrics"))


@pytest.mark.parametrize("name", NAMES)
def test_a_claimed_accuracy_is_a_whole_count_of_its_test_set(name):
    for claim in CARDS[name].claims:
        n_test = claim.protocol.n_test
        if n_test is not None and claim.metric == "accuracy":
            count = round(claim.value * n_test)
            assert round(count / n_test, 4) == claim.value, (claim.dataset, claim.value, n_test)


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
        ("convnext_full", "rafdb", 0.7562),
        ("convnext_full", "ferplus", 0.7571),
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_rows_of_published_tables_are_recipes_of_the_method(name):
    for table in CARDS[name].tables:
        recipes = [recipe for row in table.rows for recipe in row.recipes]
        assert set(recipes) <= set(registry.load("methods", name).recipes)
        assert len(recipes) == len(set(recipes))
        assert {len(row.cells) for row in table.rows} == {len(table.columns)}
        assert table.metric in registry.names("metrics")
