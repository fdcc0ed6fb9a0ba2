"""RAF-DB: the official layout, copies in class folders, and every way in which either can be wrong."""

import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from fer_bench import params
from fer_bench.datasets import _rafdb_counts, _rafdb_list, _store, rafdb
from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.provenance import ROOT

PART = rafdb.Options(allow_part=True)
FOLDERS = rafdb.Options(form="class_folders")
LIST = "EmoLabel/list_patition_label.txt"
NAME_OF_CODE = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    rafdb.write_toy(folder)
    return folder


@pytest.fixture
def toy(written, tmp_path):
    """A toy copy that the test may change."""
    return shutil.copytree(written, tmp_path / "rafdb")


def zip_up(toy, *, separator="/", below="aligned"):
    """Replace the folder of pictures by the zip as distributed."""
    folder, archive = toy / "Image" / "aligned", toy / "Image" / "aligned.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.iterdir()):
            file.writestr(separator.join([below, path.name] if below else [path.name]), path.read_bytes())
    shutil.rmtree(folder)
    return archive


def sort_into_folders(toy, to, name_of=str, splits=None):
    """Write the copy that people pass around: train/1/train_00001_aligned.jpg, …"""
    for line in _rafdb_list.read(toy / LIST):
        place = to / (splits or {}).get(line.split, line.split) / name_of(line.code)
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(toy / "Image" / "aligned" / f"{line.sample_id}_aligned.jpg", place)
    return to


def every_picture(loaded):
    return loaded.images[np.arange(len(loaded.samples))]


def edit_line(path, line, text):
    lines = path.read_text().splitlines()
    lines[line - 1] = text
    path.write_text("\n".join([*lines, ""]))


def said_by(options, source):
    with pytest.raises(FerBenchError) as caught:
        every_picture(rafdb.load(source, options))
    return caught.value.problem, caught.value.fix


# the release's own numbers
def test_official_counts_are_those_on_record():
    # facts of the list, in the order of codes 1 to 7
    train, test = (1290, 281, 717, 4772, 1982, 705, 2524), (329, 74, 160, 1185, 478, 162, 680)
    for split, row in (("train", train), ("test", test)):
        by_name = dict(zip(NAME_OF_CODE, row, strict=True))
        assert _rafdb_counts.OFFICIAL[split] == tuple(by_name[name] for name in expressions(7))
    assert _rafdb_counts.N_OF_SPLIT == {"train": 12271, "test": 3068}


def test_codes_lead_to_the_one_order_of_expressions():
    assert [expressions(7)[_rafdb_counts.CODES[code]] for code in range(1, 8)] == list(NAME_OF_CODE)


@pytest.mark.parametrize(
    ("sample_id", "split"),
    [
        ("train_00001", "train"), ("train_12271", "train"), ("test_0001", "test"), ("test_3068", "test"),
        ("train_12272", None), ("train_00000", None), ("train_0001", None), ("test_3069", None), ("test_00001", None),
        ("val_0001", None), ("train_00001_flip", None),
        ("train_\uff10\uff10\uff10\uff10\uff11", None),
    ],
)  # fmt: skip
def test_an_id_is_official_only_within_the_releases_numbers(sample_id, split):
    assert _rafdb_list.split_of(sample_id) == split


def write_list_of_the_release(folder):
    codes = {split: np.repeat(range(1, 8), row) for split, row in (
        ("train", (1290, 281, 717, 4772, 1982, 705, 2524)), ("test", (329, 74, 160, 1185, 478, 162, 680)),
    )}  # fmt: skip
    lines = [f"train_{i:05d}.jpg {code}" for i, code in enumerate(codes["train"], start=1)]
    lines += [f"test_{i:04d}.jpg {code}" for i, code in enumerate(codes["test"], start=1)]
    (folder / "EmoLabel").mkdir(parents=True)
    (folder / LIST).write_text("\n".join([*lines, ""]))
    return lines


@pytest.fixture
def release_sized(tmp_path, written):
    """A list and a zip of the release's size; the pictures are all the same."""
    source = tmp_path / "release"
    lines = write_list_of_the_release(source)
    picture = (written / "Image" / "aligned" / "train_00001_aligned.jpg").read_bytes()
    (source / "Image").mkdir()
    with zipfile.ZipFile(source / "Image" / "aligned.zip", "w") as file:
        for line in lines:
            file.writestr(f"aligned/{line.split('.')[0]}_aligned.jpg", picture)
    return source


def test_a_copy_of_the_releases_size_is_complete_and_one_wrong_label_is_named(release_sized):
    counts = _store.count(rafdb.load(release_sized, rafdb.Options()).samples, 7)
    official = rafdb.dataset.official_counts(rafdb.Options())
    assert _store.hold_to_official("rafdb", counts, official, part=False) == "complete"
    edit_line(release_sized / LIST, 1, "train_00001.jpg 2")
    counts = _store.count(rafdb.load(release_sized, rafdb.Options()).samples, 7)
    with pytest.raises(FerBenchError, match="train has surprise 1289 of 1290, fear 282 of 281"):
        _store.hold_to_official("rafdb", counts, official, part=False)


MEASURED = """
import re, sys
from pathlib import Path
from fer_bench import params
from fer_bench.datasets import _store
prepared = _store.prepare("rafdb", params.Prepare(source=sys.argv[1]), Path(sys.argv[2]))
assert prepared.images.shape == (15339, 100, 100, 3)
# not ru_maxrss: Linux counts in it what the process held that started this one
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_preparing_the_whole_release_takes_less_memory_than_its_pictures(release_sized, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, release_sized, tmp_path / "data"],
        check=True, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert int(done.stdout) < 350  # MiB, 75 of them Python and its packages; the pictures are 439


# the official layout
def test_a_toy_copy_reads(toy):
    loaded = rafdb.load(toy, PART)
    assert loaded.unofficial == ""
    assert loaded.images.shape == (70, 100, 100, 3)
    counts = _store.count(loaded.samples, 7)
    assert counts["train"] == {**dict.fromkeys(expressions(7), 6), "dropped": 0}
    assert counts["test"] == {**dict.fromkeys(expressions(7), 4), "dropped": 0}


def test_samples_are_named_as_released_and_stand_in_the_order_of_the_list(toy):
    samples = rafdb.load(toy, PART).samples
    assert list(samples["sample_id"])[:2] == ["train_00001", "train_00002"]
    assert list(samples["position"]) == list(range(1, 71))
    assert list(samples["source"])[-1] == "aligned/test_0028_aligned.jpg"
    assert [expressions(7)[label] for label in samples["label"][:7]] == list(NAME_OF_CODE)


def test_pictures_are_those_of_the_files(toy):
    loaded = rafdb.load(toy, PART)
    for row in (0, 41, 69):
        with Image.open(toy / "Image" / loaded.samples["source"][row]) as image:
            np.testing.assert_array_equal(loaded.images[np.array([row])][0], np.asarray(image))


@pytest.mark.parametrize(("separator", "below"), [("/", "aligned"), ("\\", "aligned"), ("/", "")])
def test_the_zip_gives_what_the_folder_gives(toy, separator, below):
    expected = rafdb.load(toy, PART)
    pictures = every_picture(expected)
    zip_up(toy, separator=separator, below=below)
    found = rafdb.load(toy, PART)
    assert found.samples.equals(expected.samples)
    np.testing.assert_array_equal(every_picture(found), pictures)


def test_the_folder_above_will_do(toy, tmp_path):
    (tmp_path / "release").mkdir()
    toy.rename(tmp_path / "release" / "basic")
    assert len(rafdb.load(tmp_path / "release", PART).samples) == 70


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace("\n", " \n\n"),
        lambda text: text.rstrip("\n"),
    ],
)
def test_a_byte_order_mark_windows_line_ends_tabs_and_blanks_change_nothing(toy, change):
    expected = list(rafdb.load(toy, PART).samples["label"])
    path = toy / LIST
    path.write_bytes(change(path.read_text()).encode())
    assert list(rafdb.load(toy, PART).samples["label"]) == expected


def test_a_grey_picture_becomes_rgb(toy):
    path = toy / "Image/aligned/train_00001_aligned.jpg"
    with Image.open(path) as image:
        grey = image.convert("L")
    grey.save(path, quality=95)
    found = rafdb.load(toy, PART).images[np.array([0])][0]
    assert (found == found[..., :1]).all()


def test_a_part_of_the_pictures_is_enough_for_a_trial(toy):
    (toy / "Image/aligned/train_00003_aligned.jpg").unlink()
    samples = rafdb.load(toy, PART).samples
    assert "train_00003" not in set(samples["sample_id"])
    assert list(samples["position"])[:3] == [1, 2, 4]


def test_what_systems_leave_in_folders_is_left_alone(toy):
    for name in ("Thumbs.db", ".DS_Store", "readme.txt"):
        (toy / "Image/aligned" / name).write_bytes(b"1")
    assert len(rafdb.load(toy, PART).samples) == 70


def test_a_toy_copy_is_the_same_bytes_each_time(written, tmp_path):
    rafdb.write_toy(tmp_path)
    for path in filter(lambda found: found.is_file(), written.rglob("*")):
        assert path.read_bytes() == (tmp_path / path.relative_to(written)).read_bytes()


# bad input: what is done to a toy copy, what the error says, what the fix says
def line(text, number=3):
    return lambda toy: edit_line(toy / LIST, number, text)


def list_of(content):
    return lambda toy: (toy / LIST).write_bytes(content)


def compound_names(toy):
    text = (toy / LIST).read_text()
    (toy / LIST).write_text(text.replace("train_0", "train_"))


def compound_codes(toy):
    for number, code in enumerate(range(1, 12), start=1):
        edit_line(toy / LIST, number, f"train_{number:05d}.jpg {code}")


def picture(name, content):
    return lambda toy: (toy / "Image/aligned" / name).write_bytes(content)


def truncate(toy):
    path = toy / "Image/aligned/test_0002_aligned.jpg"
    path.write_bytes(path.read_bytes()[:1000])


def enlarge(toy):
    Image.new("RGB", (224, 224)).save(toy / "Image/aligned/test_0002_aligned.jpg")


def put_twice(toy):
    (toy / "Image/aligned/more").mkdir()
    shutil.copy(toy / "Image/aligned/test_0002_aligned.jpg", toy / "Image/aligned/more")


def truncate_zip(toy):
    path = zip_up(toy)
    path.write_bytes(path.read_bytes()[:-100])


def escape_from_zip(toy):
    with zipfile.ZipFile(zip_up(toy), "a") as file:
        file.writestr("../../outside.jpg", b"1")


def remove_pictures(toy):
    shutil.rmtree(toy / "Image")


def empty_pictures(toy):
    remove_pictures(toy)
    (toy / "Image/aligned").mkdir(parents=True)


RELEASED = "as it was released"


@pytest.mark.parametrize(
    ("change", "said", "fix"),
    [
        (shutil.rmtree, "no folder", "ask RAF-DB's authors"),
        (lambda toy: (toy / LIST).unlink(), f"no file {LIST}", "ask RAF-DB's authors"),
        (line("train_00003.jpg"), "line 3: 'train_00003.jpg' has 1 columns", RELEASED),
        (line("train_00003.jpg 3 1"), "line 3: 'train_00003.jpg 3 1' has 3 columns", RELEASED),
        (line("train_00003.jpg,3"), "line 3: 'train_00003.jpg,3' is parted by ','", RELEASED),
        (line("train_00003.jpg;3"), "is parted by ';'", RELEASED),
        (line("train_00003.jpg 0"), "line 3: the code of train_00003.jpg is '0'; expected 1 to 7", RELEASED),
        (line("train_00003.jpg 8"), "is '8'; expected 1 to 7", RELEASED),
        (line("train_00003.jpg -1"), "is '-1'; expected 1 to 7", RELEASED),
        (line("train_00003.jpg three"), "is 'three'; expected 1 to 7", RELEASED),
        (line("train_00003.png 3"), "line 3: 'train_00003.png' is no name of the release", RELEASED),
        (line("train_99999.jpg 3"), "'train_99999.jpg' is no name of the release", RELEASED),
        (line("test_9999.jpg 3"), "'test_9999.jpg' is no name of the release", RELEASED),
        (line("../train_00003.jpg 3"), "'../train_00003.jpg' is no name of the release", RELEASED),
        (line("train_00002.jpg 3"), "line 3: train_00002.jpg stands in line 2 too", RELEASED),
        (list_of(b""), "no lines", RELEASED),
        (list_of(b"train_00001.jpg 5\xff\xfe"), "not UTF-8: byte 0xff in line 1", "CP1252"),
        (compound_names, "compound part", "basic part"),
        (compound_codes, "compound part", "basic part"),
        (remove_pictures, "neither", "ask RAF-DB's authors"),
        (empty_pictures, "70 of 70 pictures are missing: train_00001_aligned.jpg, ", "ask RAF-DB's authors"),
        (picture("train_00001_aligned_flip.jpg", b"1"), "1 pictures that the list does not name", "take out"),
        (put_twice, "1 pictures stand in two places: more/test_0002_aligned.jpg and test_0002", "release's own"),
        (picture("test_0002_aligned.jpg", b""), "1 of 70 pictures cannot be used: test_0002_aligned.jpg (no", "anew"),
        (picture("test_0002_aligned.jpg", b"<html>"), "(not a picture of a known kind", "anew"),
        (truncate, "test_0002_aligned.jpg (unreadable: image file is truncated", "anew"),
        (enlarge, "test_0002_aligned.jpg (224×224 RGB, expected 100×100 RGB)", "one size"),
        (truncate_zip, "aligned.zip: not a whole zip", "anew"),
        (escape_from_zip, "1 entries would leave the folder: ../../outside.jpg", "anew"),
    ],
)
def test_a_wrong_copy_is_refused_with_the_place_and_the_fix(toy, change, said, fix):
    change(toy)
    problem, remedy = said_by(PART, toy)
    assert said in problem
    assert fix in remedy


def test_a_short_list_is_refused_unless_a_part_is_asked_for(toy):
    problem, fix = said_by(rafdb.Options(), toy)
    assert "15269 of 15339 names are missing: train_00043.jpg, train_00044.jpg" in problem
    assert "allow_part" in fix


def test_missing_pictures_are_counted_and_named(tmp_path, toy):
    write_list_of_the_release(tmp_path / "whole")
    (toy / "Image").rename(tmp_path / "whole" / "Image")
    problem, fix = said_by(rafdb.Options(), tmp_path / "whole")
    assert "15269 of 15339 pictures are missing: train_00043_aligned.jpg" in problem
    assert "allow_part" in fix


def test_a_failed_prepare_leaves_no_store(toy, tmp_path):
    truncate(toy)
    with pytest.raises(FerBenchError, match="1 of 70 pictures"):
        _store.prepare("rafdb", params.Prepare(source=str(toy), options={"allow_part": True}), tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


# copies in class folders
@pytest.mark.parametrize(
    ("name_of", "splits", "below"),
    [
        (str, None, ""),
        (str, None, "DATASET"),
        (lambda code: NAME_OF_CODE[code - 1], None, ""),
        (lambda code: NAME_OF_CODE[code - 1].upper(), {"train": "Train", "test": "TEST"}, "raf-db dataset"),
        (
            lambda code: ("Surprised", "fearful", "disgusted", "happy", "sad", "angry", "Neutral")[code - 1],
            None,
            "copy é",
        ),
    ],
)
def test_class_folders_give_the_labels_of_the_release(toy, tmp_path, name_of, splits, below):
    sort_into_folders(toy, tmp_path / "copy" / below, name_of, splits)
    (tmp_path / "copy" / "train_labels.csv").write_text("image,label\n")
    expected = rafdb.load(toy, PART)
    found = rafdb.load(tmp_path / "copy", FOLDERS)
    rows = found.samples.reset_index().set_index("sample_id").loc[expected.samples["sample_id"]]
    assert list(rows["label"]) == list(expected.samples["label"])
    assert list(rows["split"]) == list(expected.samples["split"])
    np.testing.assert_array_equal(found.images[rows["index"].to_numpy()], every_picture(expected))


def test_a_copy_in_class_folders_says_what_makes_it_unofficial(toy, tmp_path):
    copy = sort_into_folders(toy, tmp_path / "copy")
    for path in copy.rglob("*.jpg"):
        with Image.open(path) as image:
            larger = image.resize((120, 120))
        larger.save(path)
    (copy / "test/1/test_0001_aligned.jpg").rename(copy / "train/1/test_0001_aligned.jpg")
    said = rafdb.load(copy, FOLDERS).unofficial
    assert said.startswith("a copy that somebody sorted into class folders")
    assert "train has neutral 6 of 2524, happiness 6 of 4772, surprise 7 of 1290" in said
    assert "its pictures are 120×120, the release's 100×100" in said
    assert "1 pictures lie in another split than the release's" in said
    assert said.endswith(".")


def test_its_counts_are_not_held_to_the_releases_and_the_store_keeps_the_reason(toy, tmp_path):
    copy = sort_into_folders(toy, tmp_path / "copy")
    choice = params.Prepare(source=str(copy), options={"form": "class_folders"})
    info = _store.prepare("rafdb", choice, tmp_path / "data").info
    assert info.official == "none"
    assert "class folders" in info.unofficial


def test_ids_are_official_where_the_file_name_is_and_unique_and_else_the_path(toy, tmp_path):
    copy = sort_into_folders(toy, tmp_path / "copy", splits={"test": "valid"})
    for name in ("mine é 1.jpg", "train_00008_aligned_flip.jpg"):
        shutil.copy(copy / "train/1/train_00001_aligned.jpg", copy / "train/1" / name)
    shutil.copytree(copy / "valid", copy / "test")
    ids = rafdb.load(copy, FOLDERS).samples.set_index("source")["sample_id"]
    assert ids["train/1/train_00001_aligned.jpg"] == "train_00001"
    for path in (
        "train/1/mine é 1.jpg", "train/1/train_00008_aligned_flip.jpg",
        "test/1/test_0001_aligned.jpg", "valid/1/test_0001_aligned.jpg",
    ):  # fmt: skip
        assert ids[path] == path


def test_positions_are_those_of_torchvisions_image_folder(toy, tmp_path):
    samples = rafdb.load(sort_into_folders(toy, tmp_path / "copy"), FOLDERS).samples
    train = samples[samples["split"] == "train"].sort_values("position")
    assert list(train["source"]) == sorted(train["source"])
    assert (np.diff(train["label"]) != 0).sum() == 6  # class by class


@pytest.mark.parametrize("name", ["valid", "Validation", "val"])
def test_a_folder_for_validation_is_val(toy, tmp_path, name):
    copy = sort_into_folders(toy, tmp_path / "copy")
    (copy / name / "1").mkdir(parents=True)
    (copy / "train/1/train_00001_aligned.jpg").rename(copy / name / "1/train_00001_aligned.jpg")
    samples = rafdb.load(copy, FOLDERS).samples
    assert set(samples.loc[samples["split"] == "val", "sample_id"]) == {"train_00001"}


def rename(old, new):
    return lambda copy: (copy / old).rename(copy / new)


def new_picture(name, side=100):
    def put(copy):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (side, side)).save(copy / name)

    return put


def new_file(name):
    return lambda copy: (copy / name).write_bytes(b"1")


@pytest.mark.parametrize(
    ("change", "said", "fix"),
    [
        (rename("train/1", "train/surprise"), "codes and names at once: 1, 2, ", "codes 1 to 7, or all"),
        (rename("test/1", "test/surprise"), "codes and names at once", "codes 1 to 7, or all"),
        (rename("train/7", "train/0"), "unknown class folders in", "codes 1 to 7, or all"),
        (rename("train/7", "train/contempt"), "unknown class folders in", "codes 1 to 7, or all"),
        (rename("test", "Testing"), "lie in the folders Testing, train, 28 of them in none of a split", "train, test"),
        (new_picture("extra/1/a.jpg"), "lie in the folders extra, test, train, 1 of them", "take out all others"),
        (new_picture("a.jpg"), "lie in the folders test, train, 1 of them", "take out all others"),
        (new_picture("TRAIN/1/a.jpg"), "lie in the folders TRAIN, test, train, 0 of them", "train, test and val"),
        (new_picture("train/a.jpg"), "train: 1 pictures lie in no class folder: a.jpg", "folder of its expression"),
        (new_picture("train/1/more/a.jpg"), "1 files lie deeper than in a class folder: 1/more/a.jpg", "nothing but"),
        (new_file("train/1/list.txt"), "1 files in class folders are no pictures: 1/list.txt", "take them out"),
        (new_file("train/1/a b.jpg"), "1 of 71 pictures cannot be used: train/1/a b.jpg (not a picture", "anew"),
        (new_picture("train/1/a.jpg", side=64), "have 2 sizes: 100×100 RGB (70), 64×64 RGB (1)", "all 100×100"),
        (lambda copy: shutil.rmtree(copy / "test"), "expected one folder train and one test", "train, test and val"),
    ],
)
def test_class_folders_that_cannot_be_understood_are_refused(toy, tmp_path, change, said, fix):
    copy = sort_into_folders(toy, tmp_path / "copy")
    change(copy)
    problem, remedy = said_by(FOLDERS, copy)
    assert said in problem
    assert fix in remedy


def test_two_folders_of_one_expression_are_refused(toy, tmp_path):
    copy = sort_into_folders(toy, tmp_path / "copy", lambda code: NAME_OF_CODE[code - 1])
    new_picture("train/angry/a.jpg")(copy)
    problem, fix = said_by(FOLDERS, copy)
    assert "train/anger and train/angry both mean anger" in problem
    assert "one of them" in fix


def test_class_folders_are_not_taken_for_the_release(toy, tmp_path):
    for copy in (tmp_path / "copy", tmp_path / "outer" / "DATASET"):
        sort_into_folders(toy, copy)
    for source in (tmp_path / "copy", tmp_path / "outer"):
        problem, fix = said_by(rafdb.Options(), source)
        assert "a copy sorted by class" in problem
        assert "form to class_folders" in fix
