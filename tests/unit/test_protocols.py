"""Protocols: which rows train, select and report."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_bench import registry
from fer_bench.errors import FerBenchError
from fer_bench.protocols import honest, published
from fer_bench.protocols._parts import stratified

COUNTS = {"train": (300, 120, 40, 7), "val": (30, 12, 4, 1), "test": (60, 24, 8, 2)}


def samples_of(counts, *, n_dropped=5):
    rows = [
        (split, label)
        for split, row in counts.items()
        for label, n in [*enumerate(row), (-1, n_dropped)]
        for _ in range(n)
    ]
    table = pd.DataFrame(rows, columns=["split", "label"])
    table = table.sample(frac=1, random_state=0, ignore_index=True)
    return table.assign(sample_id=[f"s{i:05d}" for i in range(len(table))])


def counts_of(samples, rows):
    return tuple(np.bincount(samples["label"].to_numpy()[rows], minlength=4))


@pytest.fixture
def with_val():
    return samples_of(COUNTS)


@pytest.fixture
def without_val():
    return samples_of({split: row for split, row in COUNTS.items() if split != "val"})


@pytest.mark.parametrize("name", registry.names("protocols"))
@pytest.mark.parametrize("share", [1.0, 0.5, 0.05])
def test_parts_are_ascending_disjoint_and_labelled(name, share, with_val):
    parts = registry.load("protocols", name).parts(with_val, share)
    given_parts = [part for part in parts if part is not None]
    for part in given_parts:
        assert (np.diff(part) > 0).all()
        assert (with_val["label"].to_numpy()[part] >= 0).all()
    together = np.concatenate(given_parts)
    assert len(set(together)) == len(together)


@pytest.mark.parametrize("name", registry.names("protocols"))
def test_the_whole_official_test_split_is_reported(name, with_val):
    parts = registry.load("protocols", name).parts(with_val, 0.1)
    assert counts_of(with_val, parts.report) == COUNTS["test"]
    assert set(with_val["split"].to_numpy()[parts.report]) == {"test"}


def test_honest_selects_on_the_official_validation_split(with_val):
    parts = honest.parts(with_val, 1.0)
    assert counts_of(with_val, parts.train) == COUNTS["train"]
    assert counts_of(with_val, parts.select) == COUNTS["val"]


def test_honest_holds_out_a_stratified_tenth_of_train_where_there_is_no_validation_split(without_val):
    parts = honest.parts(without_val, 1.0)
    # a tenth of 467 is 47: 30, 12, 4 and 0.7, which becomes 1
    assert counts_of(without_val, parts.select) == (30, 12, 4, 1)
    assert counts_of(without_val, parts.train) == (270, 108, 36, 6)
    assert set(without_val["split"].to_numpy()[parts.select]) == {"train"}


def test_the_held_out_tenth_is_the_same_for_every_train_share(without_val):
    whole, part = honest.parts(without_val, 1.0), honest.parts(without_val, 0.2)
    np.testing.assert_array_equal(whole.select, part.select)


def test_published_trains_on_train_and_validation_and_selects_on_no_part_of_its_own(with_val):
    parts = published.parts(with_val, 1.0)
    assert counts_of(with_val, parts.train) == (330, 132, 44, 8)
    assert parts.select is None


def test_headlines_name_the_selection():
    assert honest.protocol.headline == "best_on_val"
    assert published.protocol.headline == "best_on_test"


@pytest.mark.parametrize("name", registry.names("protocols"))
def test_a_smaller_train_share_is_a_subset_of_a_larger_one(name, with_val):
    shares = [0.03, 0.1, 0.11, 0.5, 0.9, 1.0]
    trains = [set(registry.load("protocols", name).parts(with_val, share).train) for share in shares]
    assert all(smaller < larger for smaller, larger in itertools.pairwise(trains))


def test_a_train_share_is_stratified(with_val):
    # half of 467 is 234 (half up): 150, 60, 20 and 3.5
    assert counts_of(with_val, honest.parts(with_val, 0.5).train) == (150, 60, 20, 4)


def test_the_parts_of_a_share_are_drawn_and_not_the_first(with_val):
    train = honest.parts(with_val, 0.1).train
    all_train = honest.parts(with_val, 1.0).train
    assert train.max() > all_train[len(all_train) // 2]


@given(
    counts=st.lists(st.integers(1, 60), min_size=2, max_size=8),
    shares=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)),
)
def test_stratified_shares_are_nested_and_hold_every_expression(counts, shares):
    labels = np.repeat(np.arange(len(counts)), counts)
    low, high = sorted(max(share, (len(counts)) / len(labels)) for share in shares)
    few, many = (stratified(labels, min(share, 1.0), "a test") for share in (low, high))
    assert set(few) <= set(many)
    assert set(labels[few]) == set(range(len(counts)))
    assert len(few) == int(np.floor(min(low, 1.0) * len(labels) + 0.5))


@given(counts=st.lists(st.integers(20, 400), min_size=2, max_size=8), share=st.floats(0.1, 1))
def test_every_expression_gets_its_share_to_within_one_and_a_half_samples(counts, share):
    labels = np.repeat(np.arange(len(counts)), counts)
    got = np.bincount(labels[stratified(labels, share, "a test")], minlength=len(counts))
    assert (np.abs(got - share * np.array(counts)) < 1.5).all()


@pytest.mark.parametrize("name", registry.names("protocols"))
def test_a_table_without_test_rows_is_an_error(name):
    samples = samples_of({"train": (5, 5), "val": (2, 2)})
    with pytest.raises(FerBenchError, match="no labelled test rows") as caught:
        registry.load("protocols", name).parts(samples, 1.0)
    assert "data prepare" in caught.value.fix


@pytest.mark.parametrize("name", registry.names("protocols"))
def test_a_table_without_train_rows_is_an_error(name):
    with pytest.raises(FerBenchError, match="no labelled train rows"):
        registry.load("protocols", name).parts(samples_of({"test": (5, 5)}), 1.0)


@pytest.mark.parametrize("name", registry.names("protocols"))
def test_an_expression_that_is_tested_but_not_trained_is_an_error(name):
    samples = samples_of({"train": (50, 50, 0), "val": (5, 5, 0), "test": (5, 5, 1)})
    with pytest.raises(FerBenchError, match="the test part has surprise"):
        registry.load("protocols", name).parts(samples, 1.0)


def test_the_held_out_part_has_every_expression_even_if_a_tenth_is_fewer():
    samples = samples_of({"train": (4, 4, 4, 4), "test": (1, 1, 1, 1)})
    assert counts_of(samples, honest.parts(samples, 1.0).select) == (1, 1, 1, 1)


def test_an_expression_whose_one_training_sample_is_held_out_is_an_error():
    samples = samples_of({"train": (50, 50, 1), "test": (5, 5, 1)})
    with pytest.raises(FerBenchError, match="the test part has surprise"):
        honest.parts(samples, 1.0)


@pytest.mark.parametrize("name", registry.names("protocols"))
def test_a_share_too_small_for_every_expression_is_an_error_that_says_how_much_is_needed(name, with_val):
    with pytest.raises(FerBenchError, match=r"run\.train_share.*too few for 4 expressions") as caught:
        registry.load("protocols", name).parts(with_val, 0.005)
    assert "at least 0.00" in caught.value.fix
