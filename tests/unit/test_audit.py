"""Audits: what they count, and when they turn amber or red."""

import dataclasses
import io
import json

import msgspec
import numpy as np
import pytest
from PIL import Image

from fer_bench import params, registry
from fer_bench.audits import (
    counts,
    exact_duplicates,
    near_duplicates,
    order_leak,
    origin,
    pictures,
    subjects,
    worst,
)
from fer_bench.datasets import _fingerprint, _store, ferplus
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


def with_pictures(store, changes):
    """The store in which rows have other pictures."""
    images, digests = np.array(store.images), store.samples["digest"].copy()
    for row, image in changes.items():
        images[row], digests[row] = image, exact_duplicates.samples_table.digest(image)
    return dataclasses.replace(store, images=images, samples=store.samples.assign(digest=digests))


def test_blank_pictures_are_named_and_many_of_them_are_red(store):
    flat = np.full((48, 48), 7, dtype=np.uint8)
    assert pictures.run(store).status == "green"
    rows = store.samples.index[store.samples["label"] >= 0]
    one = pictures.run(with_pictures(store, {rows[3]: flat}))
    assert one.numbers["blank"] == [store.samples["sample_id"][rows[3]]]
    assert (one.numbers["n_blank"], one.numbers["n_constant"], one.status) == (1, 1, "amber")
    assert pictures.run(with_pictures(store, dict.fromkeys(rows[:5], flat))).status == "red"


def test_pictures_below_32_pixels_are_said_to_be_tiny(store):
    info = msgspec.structs.replace(store.info, image_shape=(24, 48))
    found = pictures.run(dataclasses.replace(store, images=store.images[:, :24], info=info))
    assert found.status == "amber"
    assert "too small" in found.why


def test_copies_across_splits_are_amber_and_copies_within_one_are_green(store):
    assert exact_duplicates.run(store).status == "amber"
    no_leak = store.samples["split"].mask(store.samples["sample_id"] == "fer0000000", "test")
    found = exact_duplicates.run(changed(store, split=no_leak))
    assert (found.status, found.numbers["n_groups"]) == ("green", 1)


def without(store, sample_id):
    kept = store.samples["sample_id"] != sample_id
    images = np.array(store.images)[kept.to_numpy(dtype=bool)]
    return dataclasses.replace(store, images=images, samples=store.samples[kept].reset_index(drop=True))


def test_no_copies_at_all_are_green_with_an_empty_table(store):
    found = exact_duplicates.run(without(store, "fer0000074"))
    assert (found.status, found.numbers["largest_group"]) == ("green", 0)
    assert list(found.tables["duplicates"].columns) == ["digest", "sample_id", "split", "label", "source"]
    assert found.tables["duplicates"].empty


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Drawn faces, prepared: 120 to train, 30 to validate, 60 to test."""
    choice = params.Prepare(source="drawn", options={"n_train": 120, "n_val": 30, "n_test": 60, "size_px": 64})
    return _store.prepare("synthetic", choice, tmp_path_factory.mktemp("faces"))


def rows_of(store, split):
    return store.samples.index[store.samples["split"] == split]


def planted(faces):
    """Faces whose first train picture is the first test picture mirrored, and whose second is the second's copy."""
    test, train = rows_of(faces, "test"), rows_of(faces, "train")
    return with_pictures(
        faces, {train[0]: np.ascontiguousarray(faces.images[test[0]][:, ::-1]), train[1]: faces.images[test[1]]}
    )


def test_twins_are_listed_from_both_sides_with_their_kind(faces, no_fingerprint):
    found = near_duplicates.run(planted(faces))
    test, train = (list(faces.samples["sample_id"][rows_of(faces, split)[:2]]) for split in ("test", "train"))
    linked = found.tables["twins"].set_index(["sample_id", "twin_id"])
    assert linked.loc[(test[0], train[0]), "kind"] == linked.loc[(train[0], test[0]), "kind"] == "near"
    assert linked.loc[(test[1], train[1]), "kind"] == linked.loc[(train[1], test[1]), "kind"] == "exact"
    near = found.tables["near"]
    pair = near[near["a"].isin([test[0], train[0]]) & near["b"].isin([test[0], train[0]])].iloc[0]
    assert pair["mirrored"]
    assert pair["similarity"] > 0.99
    assert {test[0], test[1]} <= set(found.tables["twins"]["sample_id"])


@pytest.mark.parametrize(
    ("official", "unofficial", "status"),
    [("complete", "", "amber"), ("part", "", "amber"), ("none", "", "red"), ("complete", "class folders", "red")],
)
def test_without_a_fingerprint_the_form_decides_about_twins(faces, no_fingerprint, official, unofficial, status):
    info = msgspec.structs.replace(faces.info, official=official, unofficial=unofficial)
    found = near_duplicates.run(dataclasses.replace(planted(faces), info=info))
    assert found.status == status
    assert found.numbers["beyond_the_release"] is None


def as_official(store, folder):
    _fingerprint.write(_fingerprint.of(store), folder / f"{store.info.reader}.csv")


def test_twins_that_the_release_has_are_amber_and_others_red(faces, no_fingerprint):
    as_official(planted(faces), no_fingerprint)
    own = near_duplicates.run(planted(faces))
    assert (own.status, own.numbers["beyond_the_release"]) == ("amber", [])
    test, train = rows_of(faces, "test"), rows_of(faces, "train")
    more = with_pictures(planted(faces), {train[5]: np.ascontiguousarray(faces.images[test[7]][:, ::-1])})
    found = near_duplicates.run(more)
    assert found.status == "red"
    assert faces.samples["sample_id"][test[7]] in found.numbers["beyond_the_release"]
    assert not {*faces.samples["sample_id"][test[:2]]} & {*found.numbers["beyond_the_release"]}


def test_a_copy_that_equals_the_official_fingerprint_is_green_whatever_its_form(faces, no_fingerprint):
    as_official(faces, no_fingerprint)
    info = msgspec.structs.replace(faces.info, unofficial="class folders")
    found = origin.run(dataclasses.replace(faces, info=info))
    assert (found.status, found.numbers["fingerprint"]["same"]) == ("green", 210)
    assert found.tables["difference"].empty


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"official": "complete"}, "green", "in the form of the release"),
        ({"official": "part"}, "amber", "a part of the release"),
        ({"official": "none", "unofficial": "class folders"}, "red", "never compared"),
    ],
)
def test_without_a_fingerprint_origin_goes_by_the_form(faces, no_fingerprint, form, status, said):
    found = origin.run(dataclasses.replace(faces, info=msgspec.structs.replace(faces.info, **form)))
    assert found.status == status
    assert said in found.why


def reencoded(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file))


def test_a_copy_that_was_encoded_anew_is_amber(faces, no_fingerprint):
    as_official(faces, no_fingerprint)
    found = origin.run(with_pictures(faces, {row: reencoded(faces.images[row]) for row in range(0, 210, 3)}))
    assert found.status == "amber"
    assert found.numbers["fingerprint"]["re-encoded"] == 70
    assert set(found.tables["difference"]["change"]) == {"re-encoded"}


def test_a_test_picture_moved_to_train_is_red(faces, no_fingerprint):
    as_official(faces, no_fingerprint)
    moved = rows_of(faces, "test")[0]
    found = origin.run(changed(faces, split=faces.samples["split"].mask(faces.samples.index == moved, "train")))
    assert found.status == "red"
    assert found.numbers["fingerprint"]["moved"] == 1


def test_a_picture_that_the_release_lacks_is_red(faces, no_fingerprint):
    as_official(without(faces, faces.samples["sample_id"][4]), no_fingerprint)
    found = origin.run(faces)
    assert (found.status, found.numbers["fingerprint"]["added"]) == ("red", 1)


def test_labels_under_another_rule_are_not_compared(faces, no_fingerprint):
    as_official(faces, no_fingerprint)
    info = msgspec.structs.replace(faces.info, label_rule="another")
    other = changed(dataclasses.replace(faces, info=info), label=(faces.samples["label"] + 1) % 7)
    found = origin.run(other)
    assert (found.status, found.numbers["fingerprint"]["relabelled"]) == ("green", 0)
    assert "labels were not compared" in found.why


# RAF-DB's test pictures: anger, disgust, fear, happiness, neutral, sadness, surprise: the order of folders' names
RAFDB_TEST = (162, 160, 74, 1185, 680, 478, 329)


def test_the_order_leak_of_rafdb_is_the_one_on_record(rng):
    by_class = np.repeat(np.arange(7), RAFDB_TEST)
    assert round(order_leak.share_of_mates(by_class), 3) == 0.977
    assert round(order_leak.shuffled(by_class), 3) == 0.240
    shuffles = [order_leak.share_of_mates(rng.permutation(by_class)) for _ in range(50)]
    assert np.mean(shuffles) == pytest.approx(order_leak.shuffled(by_class), abs=0.002)


def test_a_share_of_mates_by_hand(monkeypatch):
    # batches 0 0 1 and 1: the lone last picture has no mates; shares 1/2, 1/2, 0
    monkeypatch.setattr(order_leak, "BATCH_SIZE", 3)
    assert order_leak.share_of_mates(np.array([0, 0, 1, 1])) == pytest.approx(1 / 3)


def test_a_list_sorted_by_class_is_amber(faces):
    assert order_leak.run(faces).status == "green"
    by_class = faces.samples["label"].rank(method="first").astype(int)
    found = order_leak.run(changed(faces, position=by_class))
    # val's 30 pictures are one batch in any order
    assert (found.status, found.numbers["leaking"]) == ("amber", ["train", "test"])


@pytest.mark.parametrize(("official", "status"), [("complete", "amber"), ("none", "red")])
def test_people_in_two_splits_are_named(faces, official, status):
    assert subjects.run(faces).status == "green"
    info = msgspec.structs.replace(faces.info, official=official)
    shared = faces.samples["subject"].mask(faces.samples.index == rows_of(faces, "test")[0], "synth_train_p00001")
    found = subjects.run(changed(dataclasses.replace(faces, info=info), subject=shared))
    assert (found.status, found.numbers["shared"]) == (status, ["synth_train_p00001"])


def test_unknown_subjects_are_green(store):
    assert subjects.run(store).why == "the release does not say who is who"


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
    assert origin.run(prepared).numbers["fingerprint"]["same"] == 35_887


@pytest.mark.data
def test_the_release_has_more_twins_than_exact_copies(ferplus_folder, tmp_path):
    prepared = _store.prepare("ferplus", params.Prepare(source=str(ferplus_folder)), tmp_path)
    found = near_duplicates.run(prepared)
    twins = found.numbers["test_with_twin_in_train"]
    # another rounding may move a pair across the threshold
    assert (twins["exact"], twins["of"], twins["of_labelled"]) == (288, 3589, 3137)
    assert twins["n"] == pytest.approx(957, abs=5)
    assert twins["labelled"] == pytest.approx(816, abs=5)
    assert found.numbers["beyond_the_release"] == []
    assert found.status == "amber"
