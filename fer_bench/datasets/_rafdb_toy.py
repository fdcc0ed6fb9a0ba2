"""A small copy of RAF-DB in the official layout, drawn: parsing is tested without the pictures' licence."""

from itertools import count
from pathlib import Path

from PIL import Image

from fer_bench.datasets._drawn import picture
from fer_bench.datasets._rafdb_counts import CODES

_PER_CODE = {"train": 6, "test": 4}
_DIGITS = {"train": 5, "test": 4}


def write_toy(folder: Path) -> None:
    """Write ``EmoLabel/list_patition_label.txt`` and ``Image/aligned/``, 42 + 28 pictures."""
    aligned = folder / "Image" / "aligned"
    aligned.mkdir(parents=True)
    lines = []
    numbers = count()
    for split, n in _PER_CODE.items():
        for index in range(n * len(CODES)):
            code = index % len(CODES) + 1
            name = f"{split}_{index + 1:0{_DIGITS[split]}d}"
            lines.append(f"{name}.jpg {code}")
            drawn = Image.fromarray(picture(CODES[code], next(numbers), 100))
            drawn.save(aligned / f"{name}_aligned.jpg", quality=95)
    path = folder / "EmoLabel" / "list_patition_label.txt"
    path.parent.mkdir()
    path.write_text("\n".join([*lines, ""]), encoding="utf-8", newline="\n")
