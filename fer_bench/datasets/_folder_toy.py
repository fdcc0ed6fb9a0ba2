"""A small set of one's own pictures with its description, drawn: what docs/data.md describes can be tried at once."""

from itertools import count
from pathlib import Path

from PIL import Image

from fer_bench.datasets._drawn import picture
from fer_bench.expressions import expressions

_PER_EXPRESSION = {"train": 6, "test": 4}
_SIDE_PX = 60
_DESCRIPTION = """\
title: Drawn blotches
licence: MIT, as fer-bench
citation: none
faces_may_be_shown: true
folders:
  train: pictures/train
  test: pictures/test
"""


def write_toy(folder: Path) -> None:
    """Write ``dataset.yaml`` and ``pictures/{train,test}/``, a folder per expression, 42 + 28 pictures."""
    numbers = count()
    for split, n in _PER_EXPRESSION.items():
        for label, name in enumerate(expressions(7)):
            place = folder / "pictures" / split / name
            place.mkdir(parents=True)
            for index in range(n):
                drawn = Image.fromarray(picture(label, next(numbers), _SIDE_PX))
                drawn.save(place / f"{index + 1}.png")
    (folder / "dataset.yaml").write_text(_DESCRIPTION, encoding="utf-8", newline="\n")
