"""The label of a tick is the number at which it stands."""

import importlib.util
import re
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fer_bench.report import efficiency, figures, style, write

_SPEC = importlib.util.spec_from_file_location("fake_grid", Path(__file__).parent.parent / "golden" / "fake_grid.py")
fake_grid = importlib.util.module_from_spec(_SPEC)
sys.modules["fake_grid"] = fake_grid
_SPEC.loader.exec_module(fake_grid)


def wrong(figure):
    """Return the ticks of a figure that stand elsewhere than their labels say, and those whose labels are words."""
    figure.draw_without_rendering()
    found, words = [], 0
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            for tick in axis.get_major_ticks():
                text = tick.label1.get_text() or tick.label2.get_text()
                number = re.fullmatch(r"([−-]?[\d,]*\.?\d+)( %)?", text)
                if number is None:
                    words += bool(text)
                    continue
                said = float(number[1].replace(",", "").replace("−", "-")) / (100 if number[2] else 1)
                if not np.isclose(said, tick.get_loc(), rtol=1e-9, atol=1e-9):
                    found.append((text, tick.get_loc()))
    return found, words


@pytest.mark.parametrize("span", [0.002, 0.004, 0.01, 0.03, 0.05, 0.09, 0.13, 0.2, 0.4, 1.0])
@pytest.mark.parametrize("start", [0.0, 0.2875, 0.613])
def test_an_axis_in_percent_is_labelled_with_what_stands_there(start, span):
    with style.styled():
        figure = style.new(2.4, 2.0)
        axes = figure.subplots()
        axes.set_xlim(start, start + span)
        figures.percent_axis(axes, "x")
        labels = [tick.label1 for tick in axes.xaxis.get_major_ticks()]
        found, _ = wrong(figure)
        boxes = [label.get_window_extent() for label in labels if label.get_text()]
    assert not found
    assert len(boxes) >= 2
    assert not [one for one, other in pairwise(boxes) if one.overlaps(other)]


@pytest.mark.parametrize("speeds", [(0.2, 3.0), (4.0, 30.0), (10.0, 40_000.0)])
def test_speeds_below_one_picture_a_second_are_not_called_0(speeds):
    points = [(f"m{speed}", np.array([speed]), np.array([0.7, 0.68, 0.72])) for speed in speeds]
    with style.styled():
        found, _ = wrong(efficiency._draw(points, ylabel="accuracy", title="t", share=True))
    assert not found


def test_every_figure_of_a_report_is_labelled_with_what_stands_there(tmp_path, monkeypatch):
    drawn = []

    def keep(_folder, name, draw, **of):
        with style.styled():
            drawn.append((name, *wrong(draw(**of))))

    folder = tmp_path / "simulated"
    folder.mkdir()
    fake_grid.write(fake_grid.GOLDEN, folder, seed=0)
    monkeypatch.setattr(style, "save", keep)
    write.sections(fake_grid.read(fake_grid.GOLDEN, folder), folder / "figures")
    assert len(drawn) > 5
    assert not [(name, found) for name, found, _ in drawn if found]
