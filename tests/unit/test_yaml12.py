"""YAML is read as DVC reads it, and what readers take for different things is refused."""

import numpy as np
import pytest
from dvc.utils.serialize import parse_yaml
from PIL import Image

from fer_bench import card, params, yaml12
from fer_bench.datasets import _description
from fer_bench.errors import FerBenchError
from fer_bench.provenance import ROOT

SCALARS = [
    "5e-05", "5e-3", "1E5", "1e", "1.5e3", "+.5", ".5", "1.", ".inf", "0", "-0", "-12", "+12", "1_000", "0o10", "0o9",
    "0x1F", "0b11", "1:30", "190:20:30.15", "yes", "no", "on", "off", "y", "n", "true", "TRUE", "null", "~", "Null",
    "'007'", '"010"', "2026-01-01", "1.0e+3", "=x", "seed-1", "",
]  # fmt: skip


@pytest.mark.parametrize("written", SCALARS)
def test_a_value_is_what_it_is_for_dvc(written):
    text = f"a: {written}"
    assert yaml12.load(text, where="a.yaml") == parse_yaml(text, "a.yaml")


@pytest.mark.parametrize(
    "file",
    [*sorted(ROOT.glob("*.yaml")), *sorted(ROOT.glob("grids/*.yaml")), *sorted(ROOT.glob("baselines/*.yaml"))],
    ids=lambda file: file.name,
)
def test_the_projects_files_are_what_they_are_for_dvc(file):
    assert yaml12.load(file.read_text(), where=str(file)) == parse_yaml(file.read_text(), str(file))


def test_a_margin_as_dvc_writes_it_is_a_number(grid_folder):
    file = grid_folder / "params.yaml"
    file.write_text(file.read_text().replace("compare: {", "compare: {margin: 5e-05, "))
    assert params.read().compare.margin == 0.00005


@pytest.mark.parametrize(("written", "number"), [("007", "7"), ("010", "10"), ("-08", "-8"), ("0_7", "7")])
def test_a_number_that_begins_with_0_is_refused_and_both_ways_out_work(written, number):
    with pytest.raises(FerBenchError, match=f"a.yaml, line 2: not valid YAML: {written} is {number} for DVC") as caught:
        yaml12.load(f"a: 1\nb: {written}", where="a.yaml")
    assert caught.value.fix == f"write {number} if it is a number, '{written}' with quotes if it is a name"
    assert yaml12.load(f"b: {number}", where="a.yaml") == {"b": int(number)}
    assert yaml12.load(f"b: '{written}'", where="a.yaml") == {"b": written}


@pytest.mark.parametrize(
    ("text", "lines"),
    [("a: 1\nb: 2\na: 3", (3, 1)), ("x: {a: 1,\n  'a': 2}", (2, 1)), ("x:\n- a: 1\n  b: 1\n  a: 1", (4, 2)),
     ("x: &x {a: 1}\ny:\n  <<: *x\n  a: 2\n  a: 3", (5, 4)), ("1: a\n1: b", (2, 1))],
)  # fmt: skip
def test_a_key_that_stands_twice_is_refused_with_both_lines(text, lines):
    twice, first = lines
    with pytest.raises(FerBenchError, match=rf"f.yaml, line {twice}: .* stands twice, first in line {first}"):
        yaml12.load(text, where="f.yaml")


def test_a_merged_key_may_be_written_over():
    assert yaml12.load("x: &x {a: 1}\ny: {<<: *x, a: 2}", where="f.yaml") == {"x": {"a": 1}, "y": {"a": 2}}


def test_a_grids_entry_that_stands_twice_is_refused(grid_folder):
    file = grid_folder / "params.yaml"
    lines = file.read_text().splitlines()
    place = next(number for number, line in enumerate(lines, start=1) if line.startswith("  lbp_svm:"))
    lines.insert(place, "  lbp_svm: {recipe: shan2009}")
    file.write_text("\n".join(lines))
    with pytest.raises(FerBenchError) as caught:
        params.read(file)
    assert f"line {place + 1}: not valid YAML: the key lbp_svm stands twice, first in line {place}" in (
        caught.value.problem
    )


def test_a_cards_key_that_stands_twice_is_refused():
    with pytest.raises(FerBenchError, match=r"b.yaml, line 2: .* title stands twice, first in line 1"):
        card.parse("title: A\ntitle: B\npretraining: none\n", where="baselines/b.yaml")


DESCRIBED = "title: Numbered\nlicence: own\ncitation: none\nfolders: {train: train}\nclasses: {%s}\n"


def test_a_description_of_own_pictures_names_a_class_once(tmp_path):
    file = tmp_path / "dataset.yaml"
    file.write_text(DESCRIBED % "d: fear, e: happiness, d: disgust")
    with pytest.raises(FerBenchError, match=r"line 5: .* d stands twice, first in line 5"):
        _description.read(file)
    file.write_text(DESCRIBED % "1: fear, '1': happiness")
    with pytest.raises(FerBenchError, match="classes names 1 twice"):
        _description.Labels(file, _description.read(file), 7)


def test_folders_numbered_01_are_named_in_quotes(tmp_path):
    for folder in ("01", "03"):
        (tmp_path / "train" / folder).mkdir(parents=True)
        Image.fromarray(np.zeros((24, 24), dtype=np.uint8)).save(tmp_path / "train" / folder / "a.png")
    file = tmp_path / "dataset.yaml"
    file.write_text(DESCRIBED % "01: neutral, 03: happiness")
    with pytest.raises(FerBenchError, match="01 is 1 for DVC") as caught:
        _description.read(file)
    assert "'01' with quotes if it is a name" in caught.value.fix
    file.write_text(DESCRIBED % "'01': neutral, '03': happiness")
    labels = _description.Labels(file, _description.read(file), 7)
    assert (labels.of("01"), labels.of("03")) == (0, 1)


@pytest.mark.parametrize(
    "text",
    ["a: [1", "a: 2026-13-45", "a: !!int abc", f"a: {'9' * 5000}", "[" * 100_000, "a: \x01", "a: *b", "{{a: 1}: 2}",
     "a: !!python/object:os.system x", "a: 1\n---\nb: 2", "a: 1\n\tb: 2", "!!set {a, a}", "true: a\n1: b"],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_what_is_no_yaml_is_one_line_with_a_fix(text):
    with pytest.raises(FerBenchError, match=r"^f.yaml.*: not valid YAML: ") as caught:
        yaml12.load(text, where="f.yaml")
    assert "\n" not in caught.value.problem + caught.value.fix
