"""Fingerprints and what two of them say about each other."""

import dataclasses

import msgspec
import numpy as np
import pandas as pd
import pytest

from fer_bench import params
from fer_bench.datasets import _difference, _fingerprint, _store
from fer_bench.errors import FerBenchError


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    choice = params.Prepare(source="drawn", options={"n_train": 60, "n_val": 10, "n_test": 30, "size_px": 64})
    return _store.prepare("synthetic", choice, tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def taken(faces):
    return _fingerprint.of(faces)


def changed(taken, **columns):
    return msgspec.structs.replace(taken, rows=taken.rows.assign(**columns))


def hashed(number):
    """A hash that differs from another such in as many bits as their numbers do."""
    return f"{number:016x}"


def small(ids, *, split=None, label=None, digest=None, hash_=None, shape=(8, 8)):
    n = len(ids)
    head = _fingerprint.Head(
        version=1, dataset="d", title="D", label_rule="released", image_shape=shape, counts={}, official="none",
        unofficial="",
    )  # fmt: skip
    rows = pd.DataFrame(
        {
            "sample_id": ids,
            "split": split or ["train"] * n,
            "label": label or ["neutral"] * n,
            "digest": digest or [hashed(row) for row in range(n)],
            "hash": hash_ or [hashed((2**40 - 1) << row) for row in range(n)],
        }
    )
    return _fingerprint.Fingerprint(head=head, rows=rows)


def changes(first, second):
    table = _difference.difference(first, second)
    return {(a if isinstance(a, str) else None, b if isinstance(b, str) else None): change
            for a, b, change in zip(table["a"], table["b"], table["change"], strict=True)}  # fmt: skip


@pytest.mark.parametrize("name", ["one.csv", "one.csv.xz"])
def test_a_fingerprint_is_read_as_it_was_written_and_written_alike(taken, tmp_path, name):
    _fingerprint.write(taken, tmp_path / name)
    first = (tmp_path / name).read_bytes()
    read = _fingerprint.read(tmp_path / name)
    assert read.head == taken.head
    pd.testing.assert_frame_equal(read.rows, taken.rows)
    _fingerprint.write(read, tmp_path / name)
    assert (tmp_path / name).read_bytes() == first


def test_a_fingerprint_holds_no_pixels(taken, faces, tmp_path):
    _fingerprint.write(taken, tmp_path / "one.csv")
    size = (tmp_path / "one.csv").stat().st_size
    assert size < 100 * len(faces.samples) + 2000
    assert list(taken.rows.columns) == ["sample_id", "split", "label", "digest", "hash"]


def test_a_hash_by_hand():
    # brightness rises to the right: only waves across (u = 0, odd v) are there, all of one sign but the last
    ramp = np.tile(np.arange(32, dtype=np.uint8) * 8, (32, 1))
    bits = format(int(_fingerprint.perceptual_hash(ramp[None])[0]), "064b")
    falling = format(int(_fingerprint.perceptual_hash(ramp[None, :, ::-1])[0]), "064b")
    assert bits[0] == falling[0] == "0"
    assert (bits[1], falling[1]) == ("0", "1")


def test_a_hash_survives_another_size_and_other_lighting(faces):
    hashes = _fingerprint.perceptual_hash(faces.images)
    darker = _fingerprint.perceptual_hash((np.array(faces.images) * 0.8).astype(np.uint8))
    quarters = np.array(faces.images, dtype=float).reshape(100, 32, 2, 32, 2, 3)
    half = _fingerprint.perceptual_hash(quarters.mean(axis=(2, 4)).astype(np.uint8))
    for other in (darker, half):
        assert np.bitwise_count(hashes ^ other).mean() < 4
    unrelated = np.bitwise_count(hashes[1:] ^ hashes[:-1]).mean()
    assert unrelated > 12


def test_the_same_data_are_the_same(taken):
    found = _difference.summary(_difference.difference(taken, taken))
    assert found == {**dict.fromkeys(found, 0), "same": 100}


def test_a_picture_encoded_anew_resized_aligned_otherwise_and_unlike_are_told_apart():
    base = (2**40 - 1) << 2
    first = small(["a", "b", "c"], hash_=[hashed(base)] * 3)
    second = small(
        ["a", "b", "c"],
        digest=["f" * 16, "e" * 16, "d" * 16],
        hash_=[hashed(base ^ 0b11), hashed(base ^ (2**12 - 1)), hashed(base ^ (2**21 - 1))],
    )
    assert changes(first, second) == {("a", "a"): "re-encoded", ("b", "b"): "re-aligned", ("c", "c"): "unlike"}
    larger = msgspec.structs.replace(second, head=msgspec.structs.replace(second.head, image_shape=(16, 16)))
    assert changes(first, larger)["a", "a"] == "resized"


def test_pictures_with_other_names_are_found_by_pixels_and_by_hash():
    first = small(["a", "b", "c"])
    second = small(["x", "y", "z"], digest=[hashed(1), "f" * 16, "e" * 16],
                   hash_=[first.rows["hash"][1], hashed(int(first.rows["hash"][0], 16) ^ 1), hashed(1)])  # fmt: skip
    assert changes(first, second) == {("b", "x"): "same", ("a", "y"): "re-encoded", ("c", None): "missing",
                                      (None, "z"): "added"}  # fmt: skip


def test_names_that_went_round_are_not_taken_for_other_pictures():
    bits = [hashed(2**20 - 1), hashed((2**20 - 1) << 22), hashed((2**20 - 1) << 43)]
    first = small(["a", "b", "c"], hash_=bits)
    second = small(["a", "b", "c"], digest=[hashed(1), hashed(2), hashed(0)], hash_=[bits[1], bits[2], bits[0]])
    assert set(changes(first, second).values()) == {"same"}


def test_as_many_equal_pictures_are_matched_as_both_have():
    first = small(["a", "b", "c"], digest=[hashed(7)] * 3, hash_=[hashed(9)] * 3)
    second = small(["x", "b"], digest=[hashed(7)] * 2, hash_=[hashed(9)] * 2)
    assert sorted(changes(first, second).values()) == ["missing", "same", "same"]


def test_moved_and_relabelled_pictures_are_counted():
    first = small(["a", "b"], split=["train", "test"], label=["neutral", "fear"])
    second = small(["a", "b"], split=["test", "test"], label=["neutral", None])
    found = _difference.summary(_difference.difference(first, second))
    assert (found["same"], found["moved"], found["relabelled"]) == (2, 1, 1)


def test_labels_under_two_rules_are_not_compared(taken):
    other = msgspec.structs.replace(taken, head=msgspec.structs.replace(taken.head, label_rule="another"))
    found = _difference.summary(_difference.difference(taken, changed(other, label="fear")))
    assert found["relabelled"] == 0


def damaged(path, change):
    lines = path.read_text().splitlines()
    path.write_text("\n".join(change(lines)) + "\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines[1:], "not a fingerprint"),
        (lambda lines: [lines[0].replace('"version":1', '"version":9'), *lines[1:]], "version 9"),
        (lambda lines: [*lines[:2], lines[2].replace(",train,", ",private,").replace(",test,", ",private,")], "split"),
        (lambda lines: [*lines[:3], lines[2]], "two rows with sample_id"),
        (lambda lines: [lines[0], lines[1].replace("hash", "hush"), *lines[2:]], "missing hash"),
        (lambda lines: [*lines[:2], lines[2][:-3] + "xyz"], "digits are wrong"),
        (lambda lines: lines[:1], "not a fingerprint"),
    ],
)
def test_a_damaged_fingerprint_is_refused(taken, tmp_path, change, said):
    path = tmp_path / "one.csv"
    _fingerprint.write(taken, path)
    damaged(path, change)
    with pytest.raises(FerBenchError, match=said) as caught:
        _fingerprint.read(path)
    assert caught.value.fix


def test_a_truncated_compressed_fingerprint_is_refused(taken, tmp_path):
    path = tmp_path / "one.csv.xz"
    _fingerprint.write(taken, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FerBenchError, match="not a fingerprint"):
        _fingerprint.read(path)


def test_two_official_fingerprints_of_one_data_set_are_an_error(taken, no_fingerprint):
    assert _fingerprint.official("synthetic") is None
    for name in ("synthetic.csv", "synthetic.csv.xz"):
        _fingerprint.write(taken, no_fingerprint / name)
    with pytest.raises(FerBenchError, match="two official fingerprints"):
        _fingerprint.official("synthetic")


def test_every_official_fingerprint_reads_and_is_of_a_data_set():
    from fer_bench import registry

    names = {path.name.split(".")[0] for path in _fingerprint.FOLDER.glob("*.csv*")}
    assert names <= set(registry.names("datasets"))
    for name in names:
        found = _fingerprint.official(name)
        assert found is not None
        assert (found.head.official, found.head.unofficial) == ("complete", "")
        assert sum(sum(counts.values()) for counts in found.head.counts.values()) == len(found.rows)


def test_the_official_fingerprint_of_ferplus_has_the_release_s_counts():
    found = _fingerprint.official("ferplus")
    assert found is not None
    labelled = found.rows.dropna(subset="label")
    assert labelled["split"].value_counts().to_dict() == {"train": 25_045, "val": 3_191, "test": 3_137}
    assert (len(found.rows), found.rows["digest"].nunique()) == (35_887, 34_034)


def test_a_fingerprint_s_labels_are_words(faces, taken):
    dropped = dataclasses.replace(faces, samples=faces.samples.assign(label=-1))
    assert taken.rows["label"].notna().all()
    assert _fingerprint.of(dropped).rows["label"].isna().all()
