"""One's own pictures: folders or tables, described by one file, and every way in which that can be wrong."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from fer_bench import params
from fer_bench.cli.main import app
from fer_bench.datasets import _store, folder
from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions

ABOUT = "title: T\nlicence: L\ncitation: C\n"
TABLES = ABOUT + "csv: {file: labels.csv}\n"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    place = tmp_path_factory.mktemp("toy")
    folder.write_toy(place)
    return place


@pytest.fixture
def toy(written, tmp_path):
    """A toy copy that the test may change."""
    return shutil.copytree(written, tmp_path / "mine")


def describe(toy, text):
    (toy / "dataset.yaml").write_text(text, encoding="utf-8")


def rows_of_toy(toy):
    """The toy as a table: path, label, split."""
    return [
        {"path": path.relative_to(toy).as_posix(), "label": path.parent.name, "split": path.parent.parent.name}
        for path in sorted(toy.rglob("*.png"))
    ]


def write_table(toy, rows, name="labels.csv"):
    with (toy / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def load(toy, **options):
    return folder.load(toy, folder.Options(**options))


def every_picture(loaded):
    return loaded.images[np.arange(len(loaded.samples))]


def refused(toy, **options):
    with pytest.raises(FerBenchError) as caught:
        every_picture(load(toy, **options))
    return caught.value.problem, caught.value.fix


def by_id(loaded):
    return loaded.samples.set_index("sample_id")


# class folders
def test_class_folders_give_samples_named_by_their_path(toy):
    loaded = load(toy)
    assert loaded.images.shape == (70, 60, 60, 3)
    samples = by_id(loaded)
    assert len(samples) == 70
    assert samples.loc["pictures/train/anger/3.png", ["split", "label"]].tolist() == ["train", 4]
    assert samples.loc["pictures/test/fear/1.png", ["split", "label"]].tolist() == ["test", 6]
    assert loaded.unofficial == ""


def test_the_description_is_the_data_sets_own(toy, tmp_path):
    describe(toy, (toy / "dataset.yaml").read_text().replace("Drawn blotches", "Gesichter für uns"))
    info = _store.prepare("my_faces", params.Prepare(source=str(toy), reader="folder"), tmp_path / "data").info
    assert (info.name, info.reader, info.title) == ("my_faces", "folder", "Gesichter für uns")
    assert (info.licence, info.citation, info.faces_may_be_shown) == ("MIT, as fer-bench", "none", True)
    assert info.official == "none"


def test_the_description_may_have_any_name(toy):
    (toy / "dataset.yaml").rename(toy / "mine.yaml")
    assert len(folder.load(toy / "mine.yaml", folder.Options()).samples) == 70


@pytest.mark.parametrize(
    ("name", "spelt"),
    [
        ("anger", "Angry"), ("disgust", "disgusted"), ("fear", "FEARFUL"), ("happiness", "happy"), ("sadness", "sad"),
        ("surprise", "Surprised"), ("neutral", "Neutral"),
    ],
)  # fmt: skip
def test_the_usual_spellings_are_understood_in_any_case(toy, name, spelt):
    for split in ("train", "test"):
        (toy / "pictures" / split / name).rename(toy / "pictures" / split / f"{spelt}.moved")
        (toy / "pictures" / split / f"{spelt}.moved").rename(toy / "pictures" / split / spelt)
    assert by_id(load(toy)).loc[f"pictures/train/{spelt}/1.png", "label"] == expressions(7).index(name)


def test_classes_map_names_to_expressions_and_null_leaves_without_a_label(toy):
    for split in ("train", "test"):
        (toy / "pictures" / split / "anger").rename(toy / "pictures" / split / "1")
        (toy / "pictures" / split / "fear").rename(toy / "pictures" / split / "übrige é")
        for name in ("disgust", "happiness", "sadness", "surprise", "neutral"):
            shutil.rmtree(toy / "pictures" / split / name)
    describe(toy, (toy / "dataset.yaml").read_text() + "classes: {1: anger, übrige é: null}\n")
    samples = by_id(load(toy))
    assert samples.loc["pictures/train/1/1.png", "label"] == 4
    assert samples.loc["pictures/train/übrige é/1.png", "label"] == -1


def test_contempt_has_a_label_only_among_eight_classes(toy):
    for split in ("train", "test"):
        shutil.copytree(toy / "pictures" / split / "anger", toy / "pictures" / split / "contempt")
    assert by_id(load(toy)).loc["pictures/train/contempt/1.png", "label"] == -1
    assert by_id(load(toy, n_classes=8)).loc["pictures/train/contempt/1.png", "label"] == 7


def test_some_of_the_expressions_are_enough(toy):
    for split in ("train", "test"):
        shutil.rmtree(toy / "pictures" / split / "fear")
    shutil.rmtree(toy / "pictures" / "test" / "disgust")
    counts = _store.count(load(toy).samples, 7)
    assert (counts["train"]["disgust"], counts["test"]["disgust"], counts["train"]["fear"]) == (6, 0, 0)


def test_names_with_blanks_commas_and_other_letters_go_through_the_store(toy, tmp_path):
    new = "pictures/train/anger/ä, ß «3» 顔.png"
    (toy / "pictures/train/anger/3.png").rename(toy / new)
    prepared = _store.prepare("mine", params.Prepare(source=str(toy), reader="folder"), tmp_path / "data")
    row = prepared.samples.index[prepared.samples["sample_id"] == new][0]
    with Image.open(toy / new) as image:
        np.testing.assert_array_equal(prepared.images[row], np.asarray(image))


# tables
def test_a_table_gives_what_the_folders_give(toy):
    expected = load(toy)
    write_table(toy, rows_of_toy(toy))
    describe(toy, TABLES)
    found = load(toy)
    columns = ["split", "label", "source"]
    assert by_id(found)[columns].sort_index().equals(by_id(expected)[columns].sort_index())
    np.testing.assert_array_equal(
        every_picture(found)[found.samples["sample_id"].argsort()],
        every_picture(expected)[expected.samples["sample_id"].argsort()],
    )


def test_columns_may_have_other_names_and_persons_ids_and_votes_are_taken(toy):
    rows = [
        {
            "bild": f".\\{row['path']}".replace("/", "\\"),
            "wut": row["label"],
            "teil": row["split"],
            "wer": "" if i == 0 else f"{row['split']}{i % 3}",
            "nr": f"n{i}",
            "votes_anger": 3,
            "votes_other": i % 2,
        }
        for i, row in enumerate(rows_of_toy(toy))
    ]
    write_table(toy, rows)
    describe(toy, ABOUT + "csv: {file: labels.csv, path: bild, label: wut, split: teil, subject: wer, id: nr}\n")
    samples = by_id(load(toy))
    assert samples.loc["n1", "source"] == rows_of_toy(toy)[1]["path"]
    assert samples.loc["n1", "subject"] == "test1"
    assert samples["subject"].isna().sum() == 1
    assert samples.loc["n1", ["votes_anger", "votes_other"]].tolist() == [3, 1]
    assert samples.loc["n1", "position"] == 3  # its line in the table


def test_there_may_be_one_table_per_split(toy):
    for split in ("train", "test"):
        rows = [{"path": row["path"], "label": row["label"]} for row in rows_of_toy(toy) if row["split"] == split]
        write_table(toy, rows, f"{split}.csv")
    describe(toy, ABOUT + "csv: {file: {train: train.csv, test: test.csv}}\n")
    assert load(toy).samples["split"].value_counts().to_dict() == {"train": 42, "test": 28}


def test_a_byte_order_mark_windows_line_ends_and_empty_lines_change_nothing(toy):
    write_table(toy, rows_of_toy(toy))
    describe(toy, TABLES)
    expected = load(toy).samples
    path = toy / "labels.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\r\n\r\n")
    (toy / "dataset.yaml").write_bytes(b"\xef\xbb\xbf" + TABLES.replace("\n", "\r\n").encode())
    assert load(toy).samples.equals(expected)


# sizes and colours
def make_one(toy, mode="RGB", size=(60, 60)):
    Image.new(mode, size).save(toy / "pictures/train/anger/1.png")


def test_pictures_are_resized_to_what_is_asked_for(toy):
    make_one(toy, size=(90, 90))
    loaded = load(toy, size_px=32)
    assert loaded.images.shape == (70, 32, 32, 3)
    assert every_picture(loaded).shape == (70, 32, 32, 3)


@pytest.mark.parametrize(("colour", "shape"), [("grey", (70, 60, 60)), ("rgb", (70, 60, 60, 3))])
def test_grey_and_rgb_pictures_are_brought_to_one_colour_where_that_is_asked_for(toy, colour, shape):
    make_one(toy, mode="L")
    assert every_picture(load(toy, colour=colour)).shape == shape


def test_with_size_and_colour_given_no_picture_is_read_twice(toy):
    make_one(toy, mode="L", size=(90, 90))
    loaded = load(toy, size_px=16, colour="grey")
    assert loaded.images.shape == (70, 16, 16)
    assert every_picture(loaded).shape == (70, 16, 16)


@pytest.mark.parametrize(
    ("change", "options", "said", "fix"),
    [
        ({"size": (90, 90)}, {}, "60×60 RGB (69), 90×90 RGB (1)", "size_px to the side"),
        ({"mode": "L"}, {}, "60×60 RGB (69), 60×60 grey (1)", "colour to grey or rgb"),
        ({"mode": "L", "size": (9, 9)}, {}, "60×60 RGB (69), 9×9 grey (1)", "colour to grey or rgb and size_px"),
        ({"size": (60, 50)}, {"size_px": 16}, "1.png (60×50, not square", "squares"),
        ({"mode": "I;16"}, {}, "1.png (more than eight bits", "eight bits"),
        ({"mode": "RGBA"}, {"colour": "rgb"}, "1.png (transparent", "background"),
    ],
)
def test_pictures_that_do_not_fit_together_are_refused(toy, change, options, said, fix):
    make_one(toy, **change)
    problem, remedy = refused(toy, **options)
    assert said in problem
    assert fix in remedy


# descriptions that do not fit
def describing(old, new):
    def change(toy):
        text = (toy / "dataset.yaml").read_text()
        assert old in text
        describe(toy, text.replace(old, new))

    return change


def both(toy):
    describe(toy, (toy / "dataset.yaml").read_text() + "csv: {file: labels.csv}\n")


def new_file(name, content=b"1"):
    def put(toy):
        (toy / name).parent.mkdir(parents=True, exist_ok=True)
        (toy / name).write_bytes(content)

    return put


@pytest.mark.parametrize(
    ("change", "said", "fix"),
    [
        (lambda toy: (toy / "dataset.yaml").unlink(), "no file", "write dataset.yaml beside the pictures"),
        (shutil.rmtree, "no file", "write dataset.yaml beside the pictures"),
        (describing("title:", "titel:"), "unknown field `titel`", "did you mean title?"),
        (describing("licence: MIT, as fer-bench\n", ""), "missing required field `licence`", "give the value"),
        (describing("title: Drawn blotches", "title: ''"), "title: ", "give the value"),
        (describing("faces_may_be_shown: true", "faces_may_be_shown: maybe"), "faces_may_be_shown", "give the value"),
        (describing("  test: pictures/test", "  tests: pictures/test"), "folders", "give the value"),
        (describing("title: Drawn", "title: [Drawn"), "not valid YAML", "mend the line"),
        (new_file("dataset.yaml", b"title: \xff"), "not UTF-8: byte 0xff in line 1", "UTF-8"),
        (both, "it has folders and csv", "keep one"),
        (lambda toy: describe(toy, ABOUT), "it has neither folders nor csv", "keep one"),
        (describing("pictures/test", "../test"), "folders.test: ../test leads out", "relative"),
        (describing("pictures/test", "/srv/test"), "/srv/test leads out", "relative"),
        (describing("pictures/test", "C:\\test"), "C:\\test leads out", "relative"),
        (
            describing("pictures/test", "pictures/tset"),
            "folders.test is pictures/tset, where there are no",
            "per expression",
        ),
        (describing("pictures/test", "pictures/train"), "42 ids stand for more than one picture", "once"),
        (describing("folders:", "classes: {anger: angre}\nfolders:"), "classes.anger is 'angre'", "null"),
        (
            describing("folders:", "classes: {anger: anger}\nfolders:"),
            "6 names of classes are not understood: disgust",
            "classes: {",
        ),
        (new_file("pictures/train/7/a.png"), "1 names of classes are not understood: 7", "'1': anger"),
        (new_file("pictures/train/a.png"), "1 pictures lie in no class folder: a.png", "folder of its expression"),
        (new_file("pictures/train/fear/a/b.png"), "lie deeper than in a class folder: fear/a/b.png", "nothing but"),
        (new_file("pictures/train/fear/a.txt"), "are no pictures: fear/a.txt", "ending"),
        (
            new_file("pictures/train/fear/a b é.png"),
            "1 of 71 pictures cannot be used: pictures/train/fear/a b é.png",
            "anew",
        ),
        (lambda toy: shutil.rmtree(toy / "pictures/train/fear"), "tested, but not trained: fear", "null"),
        (describing("  test: pictures/test\n", ""), "no labelled picture in test", "both"),
    ],
)
def test_a_description_that_does_not_fit_is_refused_with_the_place_and_the_fix(toy, change, said, fix):
    change(toy)
    problem, remedy = refused(toy)
    assert said in problem
    assert fix in remedy


# tables that do not fit
def line(number, text):
    def change(toy):
        lines = (toy / "labels.csv").read_text().splitlines()
        lines[number - 1] = text
        (toy / "labels.csv").write_text("\n".join([*lines, ""]))

    return change


def semicolons(toy):
    (toy / "labels.csv").write_text((toy / "labels.csv").read_text().replace(",", ";"))


def head(text):
    return line(1, text)


def repeat(toy):
    lines = (toy / "labels.csv").read_text().splitlines()
    (toy / "labels.csv").write_text("\n".join([*lines, lines[-1], ""]))


def add_votes(values):
    def change(toy):
        lines = (toy / "labels.csv").read_text().splitlines()
        lines = [f"{lines[0]},votes_a,votes_b", f"{lines[1]},{values}", *(f"{text},1,2" for text in lines[2:]), ""]
        (toy / "labels.csv").write_text("\n".join(lines))

    return change


@pytest.mark.parametrize(
    ("change", "said", "fix"),
    [
        (lambda toy: (toy / "labels.csv").unlink(), "no file", "csv.file"),
        (lambda toy: (toy / "labels.csv").write_text(""), "no column path, label, split; found: none", "csv section"),
        (lambda toy: (toy / "labels.csv").write_text("path,label,split\n"), "no rows", "commas"),
        (lambda toy: (toy / "labels.csv").write_bytes(b"path,\xff"), "not a CSV table", "UTF-8"),
        (head("path,label,part"), "no column split; found: path, label, part", "csv section"),
        (head("file,label,part"), "no column path, split; found: file, label, part", "csv section"),
        (head("path,label,label"), "no column split", "csv section"),
        (semicolons, "no column path, label, split; found: path;label;split", "commas between the columns"),
        (line(3, "pictures/test/anger/2.png,anger"), "labels.csv, line 3: 2 columns, expected 3", "commas"),
        (line(3, "pictures/test/anger/2.png,,test"), "line 3: nothing under label", "fill the cell"),
        (
            line(3, "pictures/test/anger/2.png,angre,test"),
            "line 3: 1 names of classes are not understood: angre",
            "anger",
        ),
        (line(3, "pictures/test/anger/2.png,anger,Test"), "line 3: the split is 'Test'", "train, val, test"),
        (line(3, "../x.png,anger,test"), "line 3: ../x.png leads out", "linked"),
        (
            line(3, "pictures/x é.png,anger,test"),
            "1 of 70 pictures of the table are not there: pictures/x é.png",
            "relative",
        ),
        (repeat, "1 ids stand for more than one picture: pictures/train/surprise/6.png", "once"),
        (add_votes("1,-1"), "line 2: 1, -1 are not the votes", "0 or more"),
        (add_votes("1,x"), "line 2: 1, x are not the votes", "0 or more"),
        (add_votes("0,0"), "line 2: 0, 0 are not the votes", "not all of them 0"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_file_line_and_fix(toy, change, said, fix):
    write_table(toy, rows_of_toy(toy))
    describe(toy, TABLES)
    change(toy)
    problem, remedy = refused(toy)
    assert said in problem
    assert fix in remedy


def test_tables_of_splits_have_the_same_columns_of_votes(toy):
    for split in ("train", "test"):
        rows = [row for row in rows_of_toy(toy) if row["split"] == split]
        write_table(toy, [{**row, f"votes_{split}": 1} for row in rows], f"{split}.csv")
    describe(toy, ABOUT + "csv: {file: {train: train.csv, test: test.csv}}\n")
    problem, fix = refused(toy)
    assert "test.csv, line 2: other columns of votes" in problem
    assert "the same" in fix


def test_a_misspelt_option_is_named(toy, tmp_path):
    choice = params.Prepare(source=str(toy), reader="folder", options={"size": 32})
    with pytest.raises(FerBenchError) as caught:
        _store.prepare("mine", choice, tmp_path)
    assert "prepare.mine.options" in caught.value.problem
    assert caught.value.fix == "did you mean size_px?"


# several of them in one grid
def test_two_folders_go_through_a_grid_under_their_own_names(grid_folder):
    for name in ("one", "two"):
        folder.write_toy(grid_folder / name)
    describe(grid_folder / "two", (grid_folder / "two" / "dataset.yaml").read_text().replace("Drawn", "More"))
    text = (grid_folder / "params.yaml").read_text()
    entry = (
        "prepare:\n  lab_one: {source: one, reader: folder}\n"
        "  lab_two: {source: two/dataset.yaml, reader: folder, options: {size_px: 48, colour: grey}}\n"
    )
    (grid_folder / "params.yaml").write_text(text.replace("prepare:\n", entry))
    for name in ("lab_one", "lab_two"):
        for arguments in (
            ["data", "prepare", name],
            ["data", "audit", name],
            ["run", "majority_class", "--dataset", name, "--seed", "0"],
        ):
            done = CliRunner().invoke(app, arguments)
            assert done.exit_code == 0, (arguments, done.output, done.exception)
    doctor = CliRunner().invoke(app, ["doctor", "--json"])
    rows = {row["what"]: row["found"] for row in json.loads(doctor.stdout)}
    assert rows["lab_one source"] == "one"
    assert rows["lab_two prepared"] == "70 pictures, 7 expressions, released"
    assert _store.open_prepared("lab_two").info.title == "More blotches"
    assert (grid_folder / "results/tiny/runs/lab_two/majority_class/seed0").is_dir()


def test_a_toy_copy_is_the_same_bytes_each_time(written, tmp_path):
    folder.write_toy(tmp_path)
    for path in filter(lambda found: found.is_file(), written.rglob("*")):
        assert path.read_bytes() == (tmp_path / path.relative_to(written)).read_bytes()


def test_a_toy_shows_every_expression_in_both_splits(toy):
    counts = _store.count(load(toy).samples, 7)
    assert counts["train"] == {**dict.fromkeys(expressions(7), 6), "dropped": 0}
    assert counts["test"] == {**dict.fromkeys(expressions(7), 4), "dropped": 0}
