"""Audits: what they count, and when they turn amber or red."""

import dataclasses
import json

import msgspec
import numpy as np
import pytest

from fer_bench import params, registry
from fer_bench.audits import counts, exact_duplicates, worst
from fer_bench.datasets import _store, ferplus
from fer_bench.errors import FerBenchError

TOY_OPTIONS = {"allow_part": True}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The toy copy of FERPlus, prepared: its first test picture is also its first train picture."""
    folder = tmp_path_factory.mktemp("audit")
    ferplus.write_toy(folder / "toy")
    return _store.prepare("ferplus", params.Prepare(source=str(folder / "toy"), options=TOY_OPTIONS), folder / "data")


def changed(store, **columns):
    """The store with other columns in its samples table."""
    return dataclasses.replace(store, samples=store.samples.assign(**columns))


def with_pictures_of(store, pairs):
    """The store in which picture `to` has become that of `sample`, by ids."""
    images, digests = np.array(store.images), store.samples["digest"].copy()
    place = {sample_id: row for row, sample_id in enumerate(store.samples["sample_id"])}
    for to, sample in pairs:
        images[place[to]], digests[place[to]] = images[place[sample]], digests[place[sample]]
    return dataclasses.replace(store, images=images, samples=store.samples.assign(digest=digests))


def known(monkeypatch, n):
    dataset = dataclasses.replace(ferplus.dataset, known_test_copies=n)
    monkeypatch.setattr(registry, "load", lambda _kind, _name: dataset)


def test_a_copy_of_a_test_picture_in_train_is_found_and_its_ids_listed(store):
    found = exact_duplicates.run(store)
    assert found.numbers["test_with_copy_in_train"]["all"] == {"n": 1, "of": 34, "share": round(1 / 34, 6)}
    assert found.numbers["test_with_copy_in_train"]["labelled"] == {"n": 1, "of": 32, "share": round(1 / 32, 6)}
    assert list(found.tables["duplicates"]["sample_id"]) == ["fer0000000", "fer0000074"]
    assert list(found.tables["duplicates"]["split"]) == ["train", "test"]


def test_groups_are_counted_by_the_splits_they_reach(store):
    # 0 is in test too; 1, 2, 3 of train become one group; val's 60 and 61 another, with train's 4
    found = exact_duplicates.run(
        with_pictures_of(
            store,
            [
                ("fer0000002", "fer0000001"),
                ("fer0000003", "fer0000001"),
                ("fer0000060", "fer0000004"),
                ("fer0000061", "fer0000004"),
            ],
        )
    )
    assert found.numbers["groups_by_splits"] == {"train": 1, "train+test": 1, "train+val": 1}
    assert found.numbers["n_groups"] == 3
    assert found.numbers["n_in_groups"] == 2 + 3 + 3
    assert found.numbers["largest_group"] == 3
    assert found.numbers["n_distinct"] == 111 - 1 - 2 - 2
    assert found.numbers["val_with_copy_in_train"]["all"]["n"] == 2


def test_equal_pictures_with_different_labels_are_counted(store):
    # rows of the toy go round the expressions: 1 and 9 agree, 1 and 2 do not
    same = exact_duplicates.run(with_pictures_of(store, [("fer0000009", "fer0000001")]))
    other = exact_duplicates.run(with_pictures_of(store, [("fer0000002", "fer0000001")]))
    assert same.numbers["groups_with_conflicting_labels"] == 0
    assert other.numbers["groups_with_conflicting_labels"] == 1
    assert other.numbers["groups_with_unequal_votes"] == same.numbers["groups_with_unequal_votes"] + 1


def test_unequal_votes_are_not_counted_where_annotators_are_not_known(store):
    without = store.samples.loc[:, ~store.samples.columns.str.startswith("votes_")]
    assert (
        exact_duplicates.run(dataclasses.replace(store, samples=without)).numbers["groups_with_unequal_votes"] is None
    )


def test_a_sample_that_the_label_rule_drops_is_not_a_conflict(store):
    mixed = with_pictures_of(store, [("fer0000002", "fer0000001")])
    labels = mixed.samples["label"].mask(mixed.samples["sample_id"] == "fer0000002", -1)
    assert exact_duplicates.run(changed(mixed, label=labels)).numbers["groups_with_conflicting_labels"] == 0


def test_blank_pictures_are_counted(store):
    images, digests = np.array(store.images), store.samples["digest"].copy()
    images[3] = 7
    digests[3] = exact_duplicates.samples_table.digest(images[3])
    blank = dataclasses.replace(store, images=images, samples=store.samples.assign(digest=digests))
    assert exact_duplicates.run(store).numbers["n_blank"] == 0
    assert exact_duplicates.run(blank).numbers["n_blank"] == 1


@pytest.mark.parametrize(("n", "status"), [(0, "red"), (1, "amber"), (288, "amber")])
def test_more_copies_than_the_release_has_are_red(store, monkeypatch, n, status):
    known(monkeypatch, n)
    assert exact_duplicates.run(store).status == status


def test_copies_within_a_split_alone_are_green(store, monkeypatch):
    known(monkeypatch, 0)
    no_leak = store.samples["split"].mask(store.samples["sample_id"] == "fer0000000", "test")
    found = exact_duplicates.run(changed(store, split=no_leak))
    assert (found.status, found.numbers["n_groups"]) == ("green", 1)


def test_no_copies_at_all_are_green_with_an_empty_table(store, monkeypatch):
    known(monkeypatch, 0)
    alone = store.samples["sample_id"] != "fer0000074"
    images = np.array(store.images)[alone.to_numpy(dtype=bool)]
    found = exact_duplicates.run(
        dataclasses.replace(store, images=images, samples=store.samples[alone].reset_index(drop=True))
    )
    assert (found.status, found.numbers["largest_group"]) == ("green", 0)
    assert list(found.tables["duplicates"].columns) == ["digest", "sample_id", "split", "label", "source"]
    assert found.tables["duplicates"].empty


def test_pictures_that_are_not_those_prepared_are_an_error(store):
    images = np.array(store.images)
    images[5, 0, 0] ^= 1
    with pytest.raises(FerBenchError, match=r"1 pictures .*fer0000005") as caught:
        exact_duplicates.run(dataclasses.replace(store, images=images))
    assert caught.value.fix == "fer-bench data prepare ferplus"


def test_a_part_of_the_release_is_amber(store):
    found = counts.run(store)
    assert found.status == "amber"
    assert found.numbers["found"]["train"]["neutral"] == 6
    assert found.numbers["official"]["train"]["neutral"] == 8733


def test_official_counts_are_green_and_others_red(store, monkeypatch):
    right = {split: (n,) * 8 for split, n in (("train", 6), ("val", 3), ("test", 4))}
    whole = dataclasses.replace(store, info=msgspec.structs.replace(store.info, official="complete"))
    for official, status in ((right, "green"), ({**right, "val": (4, *right["val"][1:])}, "red"), (None, "green")):
        dataset = dataclasses.replace(ferplus.dataset, official_counts=lambda _options, official=official: official)
        monkeypatch.setattr(registry, "load", lambda _kind, _name, dataset=dataset: dataset)
        assert counts.run(whole).status == status


def test_an_expression_that_is_tested_but_not_trained_is_named(store):
    labels = store.samples["label"].mask((store.samples["label"] == 7) & (store.samples["split"] == "train"), -1)
    found = counts.run(changed(store, label=labels))
    assert found.numbers["untrained"] == ["contempt"]
    assert "tested without a training sample: contempt" in found.why


@pytest.mark.parametrize("name", registry.names("audits"))
def test_a_finding_is_the_same_each_time_and_is_plain_data(store, name):
    run = registry.load("audits", name).run
    first, second = (json.dumps(dict(run(store).numbers), sort_keys=True) for _ in range(2))
    assert first == second


def test_the_worst_status_counts():
    assert worst(["green", "red", "amber"]) == "red"
    assert worst([]) == "green"


@pytest.mark.data
def test_the_release_has_the_duplicates_on_record(ferplus_folder, tmp_path):
    choice = params.Prepare(source=str(ferplus_folder), options={"votes": "fer2013new"})
    prepared = _store.prepare("ferplus", choice, tmp_path)
    found = exact_duplicates.run(prepared)
    n = found.numbers
    assert (n["n_distinct"], n["n_groups"], n["n_in_groups"], n["largest_group"]) == (34034, 1516, 3369, 12)
    assert n["groups_by_splits"] == {
        "train": 936, "train+test": 261, "train+val": 253, "val+test": 26, "train+val+test": 17, "val": 16, "test": 7,
    }  # fmt: skip
    assert n["val_with_copy_in_train"]["all"]["n"] == 280
    assert n["test_with_copy_in_train"]["all"]["n"] == 288
    assert (n["test_with_copy_in_train"]["labelled"]["n"], n["test_with_copy_in_train"]["labelled"]["of"]) == (
        259,
        3153,
    )
    assert n["groups_with_unequal_votes"] == 0  # fer2013new.csv gives all copies the same votes
    assert found.status == "amber"
    assert counts.run(prepared).status == "green"
