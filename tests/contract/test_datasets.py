"""The laws that every data set keeps, whichever there are."""

import numpy as np
import pytest

from fer_bench import params, registry
from fer_bench.datasets import SPLITS, Dataset, _store

# how to get a small copy of data sets that draw themselves
SMALL = {"synthetic": {"n_train": 70, "n_val": 21, "n_test": 35}}


@pytest.fixture(scope="module", params=registry.names("datasets"))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def dataset(name) -> Dataset:
    return registry.load("datasets", name)


@pytest.fixture(scope="module")
def choice(name, dataset, tmp_path_factory):
    """A small copy: the toy in the official layout, or a few drawn pictures."""
    options = dict(SMALL.get(name, {}))
    if dataset.write_toy is None:
        assert name in SMALL, f"say in SMALL how to get a small copy of {name}, or give it write_toy"
        return params.Prepare(source=str(registry.path_of("datasets", name)), options=options)
    if "allow_part" in dataset.options.__struct_fields__:
        options["allow_part"] = True
    folder = tmp_path_factory.mktemp(name)
    dataset.write_toy(folder)
    return params.Prepare(source=str(folder), options=options)


@pytest.fixture(scope="module")
def prepared(name, choice, tmp_path_factory):
    return _store.prepare(name, choice, tmp_path_factory.mktemp(f"{name}_data"))


def test_a_small_copy_goes_through_the_store(prepared):
    assert len(prepared.samples) == len(prepared.images) == prepared.info.n_images > 0


def test_ids_are_unique(prepared):
    assert prepared.samples["sample_id"].is_unique


def test_every_split_is_one_of_the_three_and_test_is_there(prepared):
    found = set(prepared.samples["split"])
    assert found <= set(SPLITS)
    assert {"train", "test"} <= found


def test_labels_are_in_range_and_every_expression_occurs_in_train_and_test(prepared):
    labels = prepared.samples["label"]
    assert labels.between(-1, prepared.info.n_classes - 1).all()
    for split in ("train", "test"):
        present = set(labels[(prepared.samples["split"] == split) & (labels >= 0)])
        assert present == set(range(prepared.info.n_classes))


def test_no_subject_is_in_two_splits(prepared):
    known = prepared.samples.dropna(subset="subject")
    assert (known.groupby("subject")["split"].nunique() == 1).all()


def test_votes_are_counts(prepared):
    votes = prepared.samples.filter(like="votes_")
    assert (votes >= 0).all(axis=None)
    if len(votes.columns):
        assert (votes.sum(axis=1) > 0).all()


def test_the_same_source_gives_the_same_bytes(name, choice, prepared, tmp_path):
    again = _store.prepare(name, choice, tmp_path)
    assert again.info == prepared.info
    np.testing.assert_array_equal(again.images, prepared.images)


def test_default_options_are_valid_and_name_a_rule(dataset):
    options = dataset.options()
    assert 2 <= dataset.n_classes(options) <= 8
    assert dataset.label_rule(options)


def test_official_counts_have_one_number_per_expression(dataset):
    options = dataset.options()
    official = dataset.official_counts(options)
    for split, row in (official or {}).items():
        assert split in SPLITS
        assert len(row) == dataset.n_classes(options)


def test_what_it_says_of_itself_is_there(dataset):
    assert all([dataset.title, dataset.about, dataset.licence, dataset.citation])


def test_every_protocol_parts_it(prepared):
    for protocol in registry.names("protocols"):
        parts = registry.load("protocols", protocol).parts(prepared.samples, 1.0)
        assert len(parts.train)
        assert len(parts.report)


def test_every_audit_finds_something_to_say(prepared, no_fingerprint):
    for audit in registry.names("audits"):
        finding = registry.load("audits", audit).run(prepared)
        assert finding.why
        assert finding.status in {"green", "amber"}
