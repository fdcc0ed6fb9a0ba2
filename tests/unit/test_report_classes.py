"""The report on data sets with fewer or more classes than expressions have names, and with classes of which there is
nothing."""

import importlib.util
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from fer_bench.expressions import expressions
from fer_bench.report import audit, differences, figures, per_class, style, write
from fer_bench.report.latex import run_pdflatex

_SPEC = importlib.util.spec_from_file_location("classes_grid", Path(__file__).parent.parent / "golden" / "fake_grid.py")
fake_grid = importlib.util.module_from_spec(_SPEC)
sys.modules["classes_grid"] = fake_grid  # a module of its own, whose shares may be changed here
_SPEC.loader.exec_module(fake_grid)

NAME = "ConvNeXt-Base, all stages, fine-tuned (ours)"


def _fake(n_classes, n=600):
    return fake_grid.Fake(
        methods={"good": 0.9, "long": 0.7, "floor": 0.4}, titles={"long": NAME}, datasets={"set": (n, n_classes)},
        seeds=(0, 1), one_go=frozenset({"good", "long", "floor"}),
    )  # fmt: skip


def _grid(fake, folder, monkeypatch, *, without=()):
    shares = np.array([*fake_grid.SHARES, *[0.02] * 22])
    shares[list(without)] = 0
    monkeypatch.setattr(fake_grid, "SHARES", shares)
    fake_grid.write(fake, folder)
    return fake_grid.read(fake, folder)


@pytest.mark.slow
@pytest.mark.latex
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: install texlive-latex-recommended")
@pytest.mark.parametrize("n_classes", [2, 11, 30])
def test_a_report_of_any_number_of_classes_is_made_and_no_line_sticks_out(n_classes, tmp_path, monkeypatch):
    fake = _fake(n_classes)
    write.write(_grid(fake, tmp_path, monkeypatch), asked=fake.yaml())
    for name in ("report.html", "report.md"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert all(expression in text for expression in expressions(n_classes))
    log = run_pdflatex(tmp_path, "report.tex")
    too_wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide\)", log)]
    assert max(too_wide, default=0.0) <= 5, log
    assert "Overfull \\vbox" not in log


def _drawn(grid, folder):
    with style.styled():
        return (
            figures.confusion(grid, "set", "good", folder),
            differences.difference(grid, "set", "good", "floor", folder),
            figures.classes(grid, "set", folder),
        )


@pytest.mark.parametrize(
    ("n_classes", "width"),
    [(2, "column"), (8, "column"), (11, "page"), pytest.param(30, "page", marks=pytest.mark.slow)],
)
def test_a_matrix_takes_the_page_where_a_column_is_too_narrow(n_classes, width, tmp_path, monkeypatch):
    confusion, difference, _ = _drawn(_grid(_fake(n_classes), tmp_path, monkeypatch), tmp_path)
    assert confusion.width == difference.width == width
    assert ("too many" in confusion.caption) == ("too many" in difference.caption) == (n_classes > figures.NUMBERED)
    pixels = imread(tmp_path / f"{confusion.name}.png").shape[1]
    assert pixels == round(200 * (style.COLUMN_IN if width == "column" else style.PAGE_IN))


@pytest.mark.parametrize(("n_classes", "absent"), [(2, 1), (7, 3), pytest.param(30, 28, marks=pytest.mark.slow)])
def test_a_class_without_samples_is_named_and_is_not_the_worst_recognised(n_classes, absent, tmp_path, monkeypatch):
    fake = _fake(n_classes)
    grid = _grid(fake, tmp_path, monkeypatch, without=[absent])
    name = expressions(n_classes)[absent]
    confusion, difference, classes = _drawn(grid, tmp_path)
    for caption in (confusion.caption, difference.caption):
        assert f"No sample of {name}." in caption
    assert f"worst: {name}" not in confusion.alt
    assert f"No sample in test of {name}." in classes.caption
    assert f"On set: no sample of {name}." in per_class.per_class(grid).note
    row = per_class.per_class(grid).cells.set_index(["method", "expression"]).loc["good", name]
    assert (row["n"], row["recall"]) == ("0", "–")


@pytest.mark.parametrize("n_classes", [2, 30])
def test_a_class_that_a_method_never_predicts_is_named(n_classes, tmp_path, monkeypatch):
    grid = _grid(_fake(n_classes), tmp_path, monkeypatch)
    last = n_classes - 1
    table = grid.predicted["set"]
    own = [name for name in table if name.startswith("good/")]
    table[own] = table[own].replace(last, 0)
    counts = grid.tables["confusions"]
    counts.loc[(counts["method"] == "good") & (counts["y_pred"] == last), "y_pred"] = 0
    name = expressions(n_classes)[last]
    assert f"Never predicted: {name}." in _drawn(grid, tmp_path)[0].caption
    assert f"On set, good never predicts {name}." in per_class.per_class(grid).note
    assert "floor never" not in per_class.per_class(grid).note


def test_many_classes_without_anything_are_counted_after_a_dozen():
    said = figures.lacking([("no sample of", [f"class{number}" for number in range(9, 31)])])
    assert said.endswith("class19, class20 and 10 more.")


def test_counts_of_more_classes_than_expressions_are_rows(tmp_path, monkeypatch):
    table = audit.dataset(_grid(_fake(30), tmp_path, monkeypatch))
    assert list(table.cells) == ["data set", "expression", "train", "val", "test"]
    assert list(table.cells["expression"]) == list(expressions(30))
    assert "test 600" in table.note
