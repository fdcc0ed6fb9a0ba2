"""FERPlus: its forms, vote tables, rules and counts; and every way in which a copy can be wrong."""

import csv
import itertools
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fer_bench import params
from fer_bench.datasets import _fer2013, _ferplus_counts, _ferplus_rules, _store, ferplus
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS

PART = ferplus.Options(allow_part=True)
PNG = ferplus.Options(allow_part=True, form="png")
FOLDER_OF = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    ferplus.write_toy(folder)
    return folder


@pytest.fixture
def toy(written, tmp_path):
    """A toy copy that the test may change."""
    return shutil.copytree(written, tmp_path / "ferplus")


def records_of(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def write_png(folder):
    """Write PNG files as the official script does: a later row overwrites an earlier one of the same name."""
    rows = _fer2013.read_rows(folder)
    for image, (usage, name, *_) in zip(rows.images, records_of(folder / "fer2013new.csv")[1:], strict=True):
        if name:
            Image.fromarray(image).save(folder / "data" / FOLDER_OF[usage] / name)
    (folder / "fer2013.csv").unlink()


def write_npz(folder, *, cuts=()):
    rows = _fer2013.read_rows(folder)
    bounds = [0, *cuts, len(rows.images)]
    for part, (first, last) in enumerate(itertools.pairwise(bounds)):
        name = f"fer2013.{part}.npz" if cuts else "fer2013.npz"
        np.savez_compressed(folder / name, **{key: values[first:last] for key, values in rows._asdict().items()})
    (folder / "fer2013.csv").unlink()


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def edit_line(path, line, change):
    lines = path.read_text().splitlines()
    lines[line - 1] = change(lines[line - 1])
    path.write_text("\n".join([*lines, ""]))


def rows_by_id(loaded):
    return loaded.samples.set_index("sample_id")


# rules: worked by hand; votes are neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF
@pytest.mark.parametrize(
    ("rule", "votes", "expected"),
    [
        ("majority", (6, 0, 0, 4, 0, 0, 0, 0, 0, 0), "neutral"),
        ("majority", (5, 0, 0, 5, 0, 0, 0, 0, 0, 0), None),  # half is not more than half
        ("majority", (5, 1, 1, 1, 1, 1, 0, 0, 0, 0), "neutral"),  # single votes do not count: 5 of 5
        ("majority", (4, 0, 0, 3, 0, 0, 0, 0, 3, 0), None),
        ("majority", (1, 1, 1, 1, 1, 1, 1, 1, 1, 1), None),
        ("majority", (3, 0, 0, 0, 0, 0, 0, 0, 7, 0), None),  # unknown has the majority
        ("majority", (0, 0, 0, 0, 0, 0, 0, 2, 0, 8), None),
        ("probability", (5, 0, 0, 5, 0, 0, 0, 0, 0, 0), "neutral"),
        ("probability", (4, 0, 0, 3, 3, 0, 0, 0, 0, 0), "neutral"),
        ("probability", (2, 2, 2, 2, 2, 0, 0, 0, 0, 0), None),  # five tie: more than three
        ("probability", (0, 4, 0, 0, 0, 0, 0, 0, 6, 0), None),  # unknown leads
        ("probability", (0, 4, 0, 0, 2, 0, 0, 0, 4, 0), None),  # unknown ties with the first: 4 of 10 are left
        ("probability", (0, 6, 0, 0, 0, 0, 0, 0, 4, 0), "happiness"),  # 6 of 10 before unknown ends it
        ("multi_target", (0, 4, 0, 3, 3, 0, 0, 0, 0, 0), "happiness"),
        ("multi_target", (2, 2, 2, 2, 2, 0, 0, 0, 0, 0), None),  # none has 0.3 s
        ("multi_target", (0, 3, 0, 0, 0, 0, 0, 0, 3, 4), None),  # NF leads
        ("multi_target", (5, 0, 0, 5, 0, 0, 0, 0, 0, 0), "neutral"),
        ("argmax10", (1, 1, 1, 1, 1, 1, 1, 1, 1, 1), "neutral"),
        ("argmax10", (0, 4, 0, 0, 0, 0, 0, 0, 4, 2), "happiness"),
        ("argmax10", (0, 3, 0, 0, 0, 0, 0, 0, 4, 3), None),
        ("argmax8", (0, 0, 0, 0, 0, 0, 0, 1, 5, 4), "contempt"),
        ("argmax8", (0, 0, 0, 0, 0, 0, 0, 0, 0, 10), None),
    ],
)
def test_a_rule_labels_votes(rule, votes, expected):
    label = int(_ferplus_rules.apply(np.array([votes]), rule)[0])
    assert (None if label == -1 else EXPRESSIONS[label]) == expected


def test_the_official_modes_label_validation_and_test_by_majority():
    votes = np.array([(5, 0, 0, 5, 0, 0, 0, 0, 0, 0)] * 3)
    splits = np.array(["train", "val", "test"])
    assert list(_ferplus_rules.labels(votes, splits, "probability", 8)) == [0, -1, -1]
    assert list(_ferplus_rules.labels(votes, splits, "argmax10", 8)) == [0, 0, 0]


def test_with_seven_classes_contempt_is_dropped():
    votes = np.array([(0, 0, 0, 0, 0, 0, 0, 9, 1, 0), (9, 0, 0, 0, 0, 0, 0, 1, 0, 0)])
    splits = np.array(["train", "train"])
    assert list(_ferplus_rules.labels(votes, splits, "majority", 7)) == [-1, 0]


# facts of the release: train, val, test
TOTALS = {
    ("label_csv", "majority"): (25045, 3191, 3137),
    ("label_csv", "probability"): (27947, 3508, 3507),
    ("label_csv", "multi_target"): (27667, 3472, 3466),
    ("label_csv", "argmax10"): (28385, 3555, 3545),
    ("label_csv", "argmax8"): (28556, 3579, 3573),
    ("fer2013new", "majority"): (25060, 3199, 3153),
    ("fer2013new", "probability"): (27956, 3505, 3505),
    ("fer2013new", "multi_target"): (27671, 3472, 3472),
    ("fer2013new", "argmax10"): (28389, 3553, 3546),
    ("fer2013new", "argmax8"): (28559, 3579, 3573),
}
MAJORITY = {
    "label_csv": {
        "train": (8733, 7284, 3136, 3022, 2098, 116, 536, 120),
        "val": (1180, 862, 411, 348, 289, 25, 60, 16),
        "test": (1083, 892, 394, 382, 269, 16, 86, 15),
    },
    "fer2013new": {
        "train": (8740, 7287, 3149, 3014, 2100, 119, 532, 119),
        "val": (1182, 865, 415, 351, 287, 24, 62, 13),
        "test": (1090, 893, 396, 384, 273, 18, 83, 16),
    },
}


@pytest.mark.parametrize(("votes", "rule"), TOTALS)
def test_official_counts_sum_to_the_totals_on_record(votes, rule):
    by_split = _ferplus_counts.BY_RULE[votes, rule]
    assert tuple(sum(by_split[split]) for split in ("train", "val", "test")) == TOTALS[votes, rule]


@pytest.mark.parametrize("votes", MAJORITY)
def test_official_majority_counts_are_those_on_record(votes):
    assert _ferplus_counts.counts(votes, "majority", png=False) == MAJORITY[votes]


def test_png_files_lack_four_labelled_rows_of_fer2013new():
    counts = _ferplus_counts.counts("fer2013new", "majority", png=True)
    assert [sum(row) for row in counts.values()] == [25057, 3199, 3152]
    assert _ferplus_counts.counts("label_csv", "majority", png=True) == MAJORITY["label_csv"]


@pytest.mark.data
@pytest.mark.parametrize("votes", MAJORITY)
def test_the_release_gives_the_totals_on_record_under_every_rule(ferplus_folder, votes):
    table = ferplus._read_fer2013new(ferplus_folder / "fer2013new.csv")
    counts, listed = table.votes, np.full(len(table.ids), fill_value=True)
    if votes == "label_csv":
        counts, listed = ferplus._votes_of_label_csv(ferplus_folder, table, table.ids, table.votes)
    for rule in _ferplus_rules.RULES:
        labels = np.where(listed, _ferplus_rules.apply(counts, rule), -1)
        got = {
            split: tuple(np.bincount(labels[(table.usages == usage) & (labels >= 0)], minlength=8))
            for split, usage in zip(("train", "val", "test"), FOLDER_OF, strict=True)
        }
        assert got == _ferplus_counts.BY_RULE[votes, rule]
        assert tuple(sum(row) for row in got.values()) == TOTALS[votes, rule]


@pytest.mark.data
@pytest.mark.parametrize("n_classes", [8, 7])
@pytest.mark.parametrize("votes", MAJORITY)
def test_the_release_has_the_official_counts(ferplus_folder, votes, n_classes):
    options = ferplus.Options(votes=votes, n_classes=n_classes)
    loaded = ferplus.load(ferplus_folder, options)
    counts = _store.count(loaded.samples, n_classes)
    assert loaded.images.shape == (35887, 48, 48)
    assert _store.hold_to_official("ferplus", counts, ferplus.dataset.official_counts(options), part=False)
    expected = {8: {"label_csv": 3137, "fer2013new": 3153}, 7: {"label_csv": 3122, "fer2013new": 3137}}
    assert sum(counts["test"].values()) - counts["test"]["dropped"] == expected[n_classes][votes]


def release_votes(folder, votes):
    """Ids, usages and votes of one table of the release; -1 votes where it lacks the row."""
    table = ferplus._read_fer2013new(folder / "fer2013new.csv")
    if votes == "fer2013new":
        return table.ids, table.usages, table.votes
    counts, listed = ferplus._votes_of_label_csv(folder, table, table.ids, table.votes)
    return table.ids, table.usages, np.where(listed[:, None], counts, -1)


def per_usage(values, usages):
    return tuple(int(values[usages == usage].sum()) for usage in FOLDER_OF)


# what the majority rule drops because unknown, or NF, has the majority or nobody has
DROPPED = {
    "label_csv": {"unknown": (3511, 388, 436), "nf": (2, 0, 0)},
    "fer2013new": {"unknown": (3499, 380, 420), "nf": (2, 0, 1)},
}


@pytest.mark.data
@pytest.mark.parametrize("votes", DROPPED)
def test_the_release_drops_as_many_for_unknown_and_nf_as_on_record(ferplus_folder, votes):
    ids, usages, counts = release_votes(ferplus_folder, votes)
    named = (counts >= 0).all(axis=1) & ~np.char.startswith(ids.astype(str), "row_")
    dropped = named & (_ferplus_rules.apply(np.maximum(counts, 0), "majority") == -1)
    counted = np.where(counts > 1, counts, 0)
    is_nf = dropped & (2 * counted[:, 9] > counted.sum(axis=1))
    assert per_usage(dropped & ~is_nf, usages) == DROPPED[votes]["unknown"]
    assert per_usage(is_nf, usages) == DROPPED[votes]["nf"]


@pytest.mark.data
@pytest.mark.parametrize(
    ("votes", "expected"), [("label_csv", (24925, 3175, 3122)), ("fer2013new", (24941, 3186, 3137))]
)
def test_the_release_has_the_seven_class_totals_on_record(ferplus_folder, votes, expected):
    _, usages, counts = release_votes(ferplus_folder, votes)
    labels = _ferplus_rules.apply(np.maximum(counts, 0), "majority")
    labels[(counts < 0).any(axis=1)] = -1
    assert per_usage((labels >= 0) & (labels < 7), usages) == expected


@pytest.mark.data
def test_the_release_has_as_many_clear_and_tied_rows_as_on_record(ferplus_folder):
    ids, usages, counts = release_votes(ferplus_folder, "fer2013new")
    tied = (counts == counts.max(axis=1, keepdims=True)).sum(axis=1) > 1
    labels = _ferplus_rules.apply(counts, "argmax10")
    assert int(tied.sum()) == 1776
    assert per_usage((labels >= 0) & ~tied, usages) == (26940, 3396, 3376)
    assert per_usage(~np.char.startswith(ids.astype(str), "row_"), usages) == (28561, 3579, 3574)


@pytest.mark.data
def test_the_two_vote_tables_differ_as_on_record(ferplus_folder):
    _, usages, one = release_votes(ferplus_folder, "fer2013new")
    _, _, other = release_votes(ferplus_folder, "label_csv")
    listed = (other >= 0).all(axis=1)
    differ = listed & (one != other).any(axis=1)
    assert per_usage(differ, usages) == (1073, 246, 282)
    changed = _ferplus_rules.apply(one[listed], "majority") != _ferplus_rules.apply(other[listed], "majority")
    assert int(changed.sum()) == 377


@pytest.mark.data
def test_one_row_of_the_release_has_nine_votes(ferplus_folder):
    _, _, counts = release_votes(ferplus_folder, "fer2013new")
    assert np.bincount(counts.sum(axis=1)).tolist() == [0] * 9 + [1, 35886]


def test_png_files_have_the_totals_on_record():
    for rule, expected in (("majority", [25057, 3199, 3152]), ("argmax10", [28386, 3553, 3545])):
        counts = _ferplus_counts.counts("fer2013new", rule, png=True)
        assert [sum(row) for row in counts.values()] == expected


def test_plain_argmax_gives_the_rows_per_class_on_record():
    assert _ferplus_counts.BY_RULE["fer2013new", "argmax10"] == {
        "train": (10309, 7528, 3562, 3515, 2467, 191, 652, 165),
        "val": (1335, 899, 456, 412, 319, 34, 74, 24),
        "test": (1262, 928, 444, 444, 325, 23, 93, 27),
    }


@pytest.fixture(scope="session")
def expanded(ferplus_folder, tmp_path_factory):
    """The release in both forms that people have, written by the script beside it; outside the repository."""
    script = ferplus_folder.parent / "expand_ferplus.py"
    if not script.is_file():
        pytest.skip(f"no {script}, which writes the release's other forms")
    places = {}
    for form in ("csv", "png"):
        places[form] = tmp_path_factory.mktemp(form)
        subprocess.run([sys.executable, script, places[form], "--form", form], check=True)
    return places


@pytest.mark.data
@pytest.mark.slow
def test_the_releases_csv_gives_what_its_npz_gives(ferplus_folder, expanded):
    one, other = (ferplus.load(place, ferplus.Options()) for place in (ferplus_folder, expanded["csv"]))
    np.testing.assert_array_equal(one.images, other.images)
    assert one.samples.equals(other.samples)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("votes", MAJORITY)
@pytest.mark.parametrize("rule", ["majority", "argmax10"])
def test_the_releases_png_files_have_their_official_counts(expanded, votes, rule):
    options = ferplus.Options(form="png", votes=votes, rule=rule)
    loaded = ferplus.load(expanded["png"], options)
    assert loaded.images.shape == (35710, 48, 48)
    counts = _store.count(loaded.samples, 8)
    assert _store.hold_to_official("ferplus", counts, ferplus.dataset.official_counts(options), part=False)
    assert sum(sum(row.values()) for row in counts.values()) == 28558 + 3579 + 3573


@pytest.mark.data
@pytest.mark.slow
def test_every_png_file_shows_its_row_but_one_which_is_of_test(ferplus_folder, expanded):
    rows = ferplus.load(ferplus_folder, ferplus.Options())
    files = ferplus.load(expanded["png"], ferplus.Options(form="png"))
    place = {sample_id: row for row, sample_id in enumerate(rows.samples["sample_id"])}
    where = np.array([place[sample_id] for sample_id in files.samples["sample_id"]])
    differ = (rows.images[where] != files.images[np.arange(len(where))]).any(axis=(1, 2))
    assert files.samples.loc[differ, "sample_id"].tolist() == ["fer0033120"]


@pytest.mark.data
def test_the_real_names_in_two_rows_lead_to_the_rows_that_show_their_face(ferplus_folder):
    samples = rows_by_id(ferplus.load(ferplus_folder, ferplus.Options()))
    for name, row, other in (
        ("fer0006953", 6968, 5274),
        ("fer0011785", 11817, 5348),
        ("fer0008403", 8423, 15835),
        ("fer0033120", 33200, 34334),
    ):
        assert samples.loc[name, "source"] == f"row {row}"
        assert samples.loc[f"{name}_2", "source"] == f"row {other}"
        assert samples.loc[f"{name}_2", "label"] == -1
    assert samples.index.str.startswith("row_").sum() == 173


# the toy copy has every oddity of the release
def test_a_toy_copy_reads(toy):
    samples, images, *_ = ferplus.load(toy, PART)
    assert images.shape == (111, 48, 48)
    assert images.dtype == np.uint8
    counts = _store.count(samples, 8)
    assert counts["train"] == {**dict.fromkeys(EXPRESSIONS, 6), "dropped": 3}
    assert counts["val"] == {**dict.fromkeys(EXPRESSIONS, 3), "dropped": 2}
    assert counts["test"] == {**dict.fromkeys(EXPRESSIONS, 4), "dropped": 2}


def test_pixels_are_those_of_the_csv(toy):
    loaded = ferplus.load(toy, PART)
    for row in (0, 57, 110):
        text = records_of(toy / "fer2013.csv")[row + 1][1]
        np.testing.assert_array_equal(loaded.images[row], np.array(text.split(), dtype=int).reshape(48, 48))
        assert loaded.samples["source"][row] == f"row {row}"


def test_a_row_without_a_name_is_named_after_its_row_and_has_no_label(toy):
    samples = rows_by_id(ferplus.load(toy, PART))
    assert samples.loc["row_00048", "label"] == -1
    assert samples.loc["row_00048", "votes_nf"] == 10


def test_names_after_an_unnamed_row_fall_behind_the_row_number(toy):
    assert rows_by_id(ferplus.load(toy, PART)).loc["fer0000048", "source"] == "row 49"


def test_a_name_in_two_rows_belongs_to_the_row_nearest_to_its_number(toy):
    samples = rows_by_id(ferplus.load(toy, PART))
    assert samples.loc["fer0000005", "source"] == "row 5"
    assert samples.loc["fer0000005_2", "source"] == "row 50"


@pytest.mark.parametrize(("votes", "expected"), [("label_csv", -1), ("fer2013new", 5)])
def test_a_names_other_row_has_a_label_only_where_the_vote_table_has_the_row(toy, votes, expected):
    samples = rows_by_id(ferplus.load(toy, ferplus.Options(allow_part=True, votes=votes)))
    assert samples.loc["fer0000005_2", "label"] == expected


@pytest.mark.parametrize(("votes", "expected"), [("label_csv", 9), ("fer2013new", 8)])
def test_votes_are_those_of_the_chosen_table(toy, votes, expected):
    samples = rows_by_id(ferplus.load(toy, ferplus.Options(allow_part=True, votes=votes)))
    assert samples.loc["fer0000000", "votes_neutral"] == expected


def test_ids_are_the_same_under_both_vote_tables(toy):
    one, other = (ferplus.load(toy, ferplus.Options(allow_part=True, votes=v)).samples for v in MAJORITY)
    assert list(one["sample_id"]) == list(other["sample_id"])


def test_the_label_rule_names_rule_and_table():
    assert ferplus.dataset.label_rule(ferplus.Options(votes="fer2013new")) == "majority on fer2013new"


@pytest.mark.parametrize("cuts", [(), (40,), (1, 2, 60)])
def test_npz_gives_what_the_csv_gives(toy, cuts):
    expected = ferplus.load(toy, PART)
    write_npz(toy, cuts=cuts)
    found = ferplus.load(toy, PART)
    np.testing.assert_array_equal(found.images, expected.images)
    assert found.samples.equals(expected.samples)


def test_ten_npz_parts_are_joined_by_number_and_not_by_name(toy):
    expected = ferplus.load(toy, PART)
    write_npz(toy, cuts=tuple(range(10, 111, 10)))
    assert (toy / "fer2013.10.npz").exists()
    np.testing.assert_array_equal(ferplus.load(toy, PART).images, expected.images)


def test_icml_face_data_gives_what_fer2013_gives(toy):
    expected = ferplus.load(toy, PART)
    rows = records_of(toy / "fer2013.csv")[1:]
    lines = ["emotion, Usage, pixels", *(f"{label},{use},{pixels}" for label, pixels, use in rows), ""]
    (toy / "icml_face_data.csv").write_text("\r\n".join(lines))
    (toy / "fer2013.csv").unlink()
    np.testing.assert_array_equal(ferplus.load(toy, PART).images, expected.images)


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(toy):
    expected = ferplus.load(toy, PART)
    for name in ("fer2013.csv", "fer2013new.csv", "data/FER2013Test/label.csv"):
        path = toy / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    found = ferplus.load(toy, PART)
    np.testing.assert_array_equal(found.images, expected.images)
    assert found.samples.equals(expected.samples)


def test_png_files_give_the_named_rows_with_the_later_picture_of_a_repeated_name(toy):
    rows = ferplus.load(toy, PART)
    write_png(toy)
    found = ferplus.load(toy, PNG)
    assert found.images.shape == (111 - 3 - 1, 48, 48)
    by_id = dict(zip(found.samples["sample_id"], found.images[np.arange(107)], strict=True))
    np.testing.assert_array_equal(by_id["fer0000000"], rows.images[0])
    np.testing.assert_array_equal(by_id["fer0000005"], rows.images[50])
    assert rows_by_id(found).loc["fer0000000", "source"] == "data/FER2013Train/fer0000000.png"


def test_png_labels_are_those_of_the_rows(toy):
    rows = rows_by_id(ferplus.load(toy, PART))
    write_png(toy)
    found = rows_by_id(ferplus.load(toy, PNG))
    assert (found["label"] == rows.loc[found.index, "label"]).all()


def test_a_part_of_the_png_files_is_enough_for_a_trial(toy):
    write_png(toy)
    (toy / "data" / "FER2013Train" / "fer0000003.png").unlink()
    assert "fer0000003" not in rows_by_id(ferplus.load(toy, PNG)).index


def test_the_first_rows_are_enough_for_a_trial(toy):
    lines = (toy / "fer2013.csv").read_text().splitlines()
    (toy / "fer2013.csv").write_text("\n".join(lines[:41]))
    samples = ferplus.load(toy, PART).samples
    assert list(samples["source"]) == [f"row {row}" for row in range(40)]


def test_a_toy_copy_is_the_same_bytes_each_time(written, tmp_path):
    ferplus.write_toy(tmp_path)
    for path in written.rglob("*.csv"):
        assert path.read_bytes() == (tmp_path / path.relative_to(written)).read_bytes()


# bad input: what is done to a toy copy, what the error says, what the fix says
def remove(name):
    return lambda folder: (folder / name).unlink()


def set_pixel(value):
    return lambda folder: edit_line(
        folder / "fer2013.csv", 3, lambda line: f"{line[:2]}{value} {line.split(' ', 1)[1]}"
    )


def drop_pixel(folder):
    edit_line(folder / "fer2013.csv", 4, lambda line: f"{line[:2]}{line.split(' ', 1)[1]}")


def drop_column(folder):
    edit(folder / "fer2013.csv", "emotion,pixels,Usage", "emotion,Usage")


def drop_cell(folder):
    edit_line(folder / "fer2013.csv", 5, lambda line: line.rsplit(",", 1)[0])


def rename_vote_column(folder):
    edit(folder / "fer2013new.csv", "contempt", "scorn")


def drop_vote_column(folder):
    path = folder / "fer2013new.csv"
    path.write_text("\n".join(line.rsplit(",", 1)[0] for line in path.read_text().splitlines()))


def drop_two_vote_columns(name):
    def change(folder):
        path = folder / name
        path.write_text("\n".join(line.rsplit(",", 2)[0] for line in path.read_text().splitlines()))

    return change


def replace_label_votes(text):
    path = "data/FER2013Valid/label.csv"
    return lambda folder: edit_line(folder / path, 2, lambda line: line[: line.index(")") + 2] + "," + text)


def drop_two_columns(folder):
    edit(folder / "fer2013.csv", "emotion,pixels,Usage", "pixels")


def replace_votes(text):
    def change(folder):
        edit_line(folder / "fer2013new.csv", 3, lambda line: ",".join(line.split(",")[:2]) + "," + text)

    return change


def misname_label(folder):
    edit(folder / "data/FER2013Valid/label.csv", "fer0000050.png", "fer9999999.png")


def repeat_label(folder):
    edit(folder / "data/FER2013Valid/label.csv", "fer0000050.png", "fer0000051.png")


def swap_usages(folder):
    edit_line(folder / "fer2013.csv", 6, lambda line: line.replace("Training", "PublicTest"))


def shuffle_rows(folder):
    # within each usage: every expression's pictures get the next one's row
    head, *rows = (folder / "fer2013.csv").read_text().splitlines()
    for usage in FOLDER_OF:
        places = [i for i, row in enumerate(rows) if row.endswith(usage)]
        moved = [rows[i] for i in (*places[3:], *places[:3])]
        for place, row in zip(places, moved, strict=True):
            rows[place] = row
    (folder / "fer2013.csv").write_text("\n".join([head, *rows]))


def not_text(folder):
    (folder / "fer2013new.csv").write_bytes(b"Usage,\xff\xfe\n")


def empty(folder):
    (folder / "fer2013new.csv").write_text("")


@pytest.mark.parametrize(
    ("change", "said", "fix"),
    [
        (shutil.rmtree, "no folder", "microsoft/FERPlus"),
        (remove("fer2013.csv"), "no fer2013", "Kaggle"),
        (remove("fer2013new.csv"), r"no file .*fer2013new\.csv", "microsoft/FERPlus"),
        (remove("data/FER2013Test/label.csv"), r"no file .*label\.csv", "label.csv"),
        (set_pixel("abc"), r"fer2013\.csv, line 3: 'abc' is not a grey level", "as they are"),
        (set_pixel("256"), r"line 3: '256' is not a grey level", "as they are"),
        (set_pixel("-1"), r"line 3: '-1' is not a grey level", "as they are"),
        (drop_pixel, r"fer2013\.csv, line 4: 2303 pixels, expected 2304", "as they are"),
        (drop_column, "no column pixels", "as they are"),
        (drop_cell, "line 5: 2 columns, expected 3", "as they are"),
        (rename_vote_column, r"fer2013new\.csv: columns are .*scorn", "microsoft/FERPlus"),
        (drop_vote_column, r"fer2013new\.csv, line 1: 11 columns, expected 12", "microsoft/FERPlus"),
        (drop_two_columns, "no column emotion, usage; found: pixels", "as they are"),
        (drop_two_vote_columns("fer2013new.csv"), r"fer2013new\.csv, line 1: 10 columns, expected 12", "microsoft"),
        (
            drop_two_vote_columns("data/FER2013Test/label.csv"),
            r"label\.csv, line 1: 10 columns, expected 12",
            "FERPlus",
        ),
        (
            replace_label_votes("9,0,0,0,0,0,0,0,0,9"),
            r"Valid/label\.csv, line 2: .* not the votes",
            "microsoft/FERPlus",
        ),
        (replace_votes("0,0,0,0,0,0,0,0,0,8"), r"line 3: .* not the votes of nine or ten", "microsoft/FERPlus"),
        (replace_votes("9,0,0,0,0,0,0,0,0,9"), r"line 3: .* not the votes of nine or ten", "microsoft/FERPlus"),
        (replace_votes("x,0,0,0,0,0,0,0,0,9"), r"line 3: x, .* not the votes", "microsoft/FERPlus"),
        (replace_votes("-1,2,0,0,0,0,0,0,0,9"), r"line 3: -1, .* not the votes", "microsoft/FERPlus"),
        (misname_label, r"label\.csv, line 2: 'fer9999999.png' is not a PublicTest", "microsoft/FERPlus"),
        (repeat_label, r"label\.csv, line 3: 'fer0000051.png' stands twice", "microsoft/FERPlus"),
        (swap_usages, r"row 4 is PublicTest among the pictures and Training", "in the order"),
        (shuffle_rows, r"labels agree with the votes in .*%", "in the order"),
        (not_text, r"fer2013new\.csv: not a CSV table", "microsoft/FERPlus"),
        (empty, r"fer2013new\.csv: no rows", "microsoft/FERPlus"),
    ],
)
def test_a_wrong_copy_is_refused_with_the_place_and_the_fix(toy, change, said, fix):
    change(toy)
    with pytest.raises(FerBenchError, match=said) as caught:
        ferplus.load(toy, PART)
    assert fix in caught.value.fix


def test_a_short_copy_is_refused_unless_a_part_is_asked_for(toy):
    with pytest.raises(FerBenchError, match=r"111 pictures and 111 rows of votes.*35887") as caught:
        ferplus.load(toy, ferplus.Options())
    assert "allow_part" in caught.value.fix


def test_more_pictures_than_votes_are_refused(toy):
    path = toy / "fer2013.csv"
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n")
    with pytest.raises(FerBenchError, match="112 pictures, 111 rows of votes"):
        ferplus.load(toy, PART)


def test_png_files_are_not_taken_for_rows(toy):
    write_png(toy)
    with pytest.raises(FerBenchError, match="holds PNG files") as caught:
        ferplus.load(toy, PART)
    assert "options.form to png" in caught.value.fix


def test_missing_png_files_are_counted(toy):
    write_png(toy)
    (toy / "data/FER2013Train/fer0000003.png").unlink()
    with pytest.raises(FerBenchError, match=r"1 of 107 PNG files are missing, e\.g\. .*fer0000003\.png"):
        ferplus.load(toy, ferplus.Options(form="png"))


def test_no_png_file_at_all_is_an_error_even_for_a_trial(toy):
    with pytest.raises(FerBenchError, match="107 of 107 PNG files are missing"):
        ferplus.load(toy, PNG)


def test_a_png_file_that_the_release_does_not_have_is_named(toy):
    write_png(toy)
    shutil.copy(toy / "data/FER2013Test/fer0000075.png", toy / "data/FER2013Train/fer0000075_flip.png")
    with pytest.raises(FerBenchError, match=r"does not name there, e\.g\. .*fer0000075_flip\.png"):
        ferplus.load(toy, PNG)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-200])


def make_text(path):
    path.write_text("not a picture")


def make_empty(path):
    path.write_bytes(b"")


def make_coloured(path):
    Image.new("RGB", (48, 48)).save(path)


def make_deep(path):
    Image.fromarray(np.zeros((48, 48), dtype=np.uint16)).save(path)


def make_large(path):
    Image.new("L", (64, 48)).save(path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (truncate, "unreadable"), (make_text, "not a picture"), (make_empty, "no bytes"),
        (make_coloured, "48×48 RGB, expected 48×48 grey"), (make_deep, "more than eight bits"),
        (make_large, "64×48 grey, expected 48×48 grey"),
    ],
)  # fmt: skip
def test_an_unusable_png_is_named(toy, spoil, said):
    write_png(toy)
    spoil(toy / "data/FER2013Valid/fer0000055.png")
    with pytest.raises(FerBenchError, match=rf"1 of 107 .* data/FER2013Valid/fer0000055\.png \({said}") as caught:
        ferplus.load(toy, PNG).images[np.arange(107)]
    assert "generate_training_data.py" in caught.value.fix


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda arrays: arrays.pop("usage"), "expected images, emotion, usage"),
        (lambda arrays: arrays.update(images=arrays["images"][:, :40]), r"images are uint8 \(111, 40, 48\)"),
        (lambda arrays: arrays.update(images=arrays["images"] / 255), "images are float64"),
        (lambda arrays: arrays.update(usage=arrays["usage"] + 1), "usage must be 111 numbers from 0 to 2"),
        (lambda arrays: arrays.update(emotion=arrays["emotion"][1:]), "emotion must be 111 numbers from 0 to 6"),
    ],
)
def test_a_wrong_npz_is_refused(toy, change, said):
    arrays = _fer2013.read_rows(toy)._asdict()
    change(arrays)
    np.savez(toy / "fer2013.npz", **arrays)
    with pytest.raises(FerBenchError, match=said):
        ferplus.load(toy, PART)


def test_a_truncated_npz_is_refused(toy):
    write_npz(toy, cuts=(50,))
    truncate(toy / "fer2013.1.npz")
    with pytest.raises(FerBenchError, match=r"fer2013\.1\.npz: not rows of FER2013"):
        ferplus.load(toy, PART)


@pytest.mark.parametrize(
    ("options", "said", "fix"),
    [
        ({"rule": "majorty"}, "rule is 'majorty'", "did you mean majority?"),
        ({"votes": "labelcsv"}, "votes is 'labelcsv'", "did you mean label_csv?"),
        ({"n_classes": 9}, "n_classes is 9; it may be: 8, 7", "one of: 8, 7"),
        ({"n_clases": 7}, "n_clases", "did you mean n_classes?"),
        ({"allow_part": "yes"}, "allow_part", "type"),
    ],
)
def test_a_wrong_option_is_refused_with_the_nearest_right_one(toy, tmp_path, options, said, fix):
    with pytest.raises(FerBenchError, match=said) as caught:
        _store.prepare("ferplus", params.Prepare(source=str(toy), options=options), tmp_path)
    assert fix in caught.value.fix
    assert "prepare.ferplus.options" in caught.value.problem


def test_the_expression_that_is_short_is_named():
    counts = {split: dict(zip(EXPRESSIONS, row, strict=True)) for split, row in MAJORITY["label_csv"].items()}
    counts["train"]["fear"] -= 1
    with pytest.raises(FerBenchError) as caught:
        _store.hold_to_official("ferplus", counts, MAJORITY["label_csv"], part=False)
    assert caught.value.problem == "ferplus: counts are not the release's: train has fear 535 of 536"
