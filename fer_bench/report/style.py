"""One look for all figures: 8-point type for a two-column page, colours that colour-blind readers can tell apart.

Figures are drawn without pyplot, so that nothing global changes, and saved without dates, so that equal numbers give
equal bytes. A drawing is a function of plain values and of nothing else. So a figure is named by a digest of those
values, of fer-bench's code and of the libraries that draw; one that was drawn before is copied, not drawn again.
"""

import hashlib
import io
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import PIL
import seaborn as sns
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from PIL import Image

import fer_bench
from fer_bench import whole

COLUMN_IN = 3.4
"""Width of one of two columns, in inches."""

PAGE_IN = 7.0
"""Width of both columns, in inches."""

COLOURS: list[tuple[float, float, float]] = sns.color_palette("colorblind")
"""In the order of use; seaborn's palette for colour-blind readers."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
"""In the order of use, beside the colours: shape says it again in grey print."""

SHARES = "Blues"
"""Colour map of shares: one hue, darker with the value, in grey print too."""

DIFFERENCES = "PuOr"
"""Colour map of differences: two hues that colour-blind readers tell apart, white at 0."""

GREY = "0.35"

_RC: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs, and bytes, on every machine
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.1,
    "pdf.fonttype": 42,  # TrueType: text in the PDF stays text
    "svg.hashsalt": "fer-bench",
    "figure.dpi": 150,
    "savefig.dpi": 200,  # twice what a page shows at its type size
    "figure.constrained_layout.use": True,
    "text.parse_math": False,  # a $ in a name is a dollar sign
}


@cache
def _letters() -> frozenset[int]:
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def printable(text: str) -> str:
    """Return text in letters that the figures' typeface has; others become their code points in brackets."""
    return "".join(letter if ord(letter) in _letters() else f"[U+{ord(letter):04X}]" for letter in text)


@contextmanager
def styled() -> Iterator[None]:
    """Draw in this style inside the block."""
    with mpl.rc_context():
        mpl.rcdefaults()  # a user's matplotlibrc would change the bytes
        mpl.rcParams.update(_RC)
        yield


def new(width_in: float, height_in: float) -> Figure:
    """Make an empty figure that belongs to no window."""
    figure = Figure(figsize=(width_in, height_in))
    FigureCanvasAgg(figure)
    return figure


_KEPT: ContextVar[Path | None] = ContextVar("kept", default=None)
_FORMATS = ("pdf", "png")
_KEPT_S = 90 * 24 * 3600.0


@contextmanager
def keeping(folder: Path | None) -> Iterator[None]:
    """Keep what is drawn inside the block in a folder, and take from there what was drawn before.

    Args:
        folder: Of drawings, named by digest; one that nobody asked for in 90 days is deleted. None: nothing is kept.
    """
    before = _KEPT.set(folder)
    try:
        yield
    finally:
        _KEPT.reset(before)
    if folder is not None and folder.exists():
        for path in folder.iterdir():
            if path.stat().st_mtime < time.time() - _KEPT_S:
                path.unlink()


def save(folder: Path, name: str, draw: Callable[..., Figure], **of: object) -> None:
    """Draw a figure and write it as ``<name>.pdf`` and ``<name>.png``; equal values give equal bytes.

    Args:
        folder: Where to.
        name: Stem of both files.
        draw: Makes the figure of the values, and of nothing else.
        of: The values: text, numbers, arrays, tables, and sequences and mappings of these.
    """
    folder.mkdir(parents=True, exist_ok=True)
    targets = [folder / f"{name}.{form}" for form in _FORMATS]
    kept = _KEPT.get()
    if kept is None:
        with styled():
            _write(draw(**of), *targets)
        return
    stem = digest(draw, of)
    drawings = [kept / f"{stem}.{form}" for form in _FORMATS]
    if not all(path.exists() for path in drawings):
        with styled():
            _write(draw(**of), *targets)
        for made, path in zip(targets, drawings, strict=True):
            whole.write(path, made.read_bytes())
        return
    for made, path in zip(targets, drawings, strict=True):
        shutil.copyfile(path, made)
        path.touch()


def digest(draw: Callable[..., Figure], of: dict[str, object]) -> str:
    """Return the digest of a drawing: function, values, fer-bench's code, the libraries that draw."""
    made = hashlib.sha256(f"{draw.__module__}.{draw.__qualname__} {_drawn_by()}".encode())
    for part in _encoded(of):
        made.update(part)
    return made.hexdigest()


@cache
def _drawn_by() -> str:
    code = hashlib.sha256()
    for path in sorted(Path(fer_bench.__file__).parent.rglob("*.py")):
        code.update(path.read_bytes())
    versions = [library.__version__ for library in (mpl, sns, np, PIL)]
    return f"{code.hexdigest()} {' '.join(versions)}"


def _encoded(value: object) -> Iterator[bytes]:
    """Yield bytes that are equal for equal values and for no others.

    Raises:
        TypeError: If the value is not plain; a drawing of it could not be known again.
    """
    match value:
        case np.ndarray() if value.dtype != object:
            yield f"array {value.dtype.str} {value.shape};".encode() + np.ascontiguousarray(value).tobytes()
        case np.ndarray() | np.generic():
            yield from _encoded(value.tolist())
        case None | str() | bool() | int() | float():
            yield f"{type(value).__name__} {value!r};".encode()
        case pd.DataFrame():
            yield from _encoded([*map(str, value.dtypes), value.to_csv()])
        case dict():
            yield from _encoded(list(value.items()))
        case Sequence():
            yield f"sequence {len(value)};".encode()
            for held in value:
                yield from _encoded(held)
        case _:
            message = f"a drawing is made of plain values, not of {type(value).__name__}"
            raise TypeError(message)


def _write(figure: Figure, pdf: Path, png: Path) -> None:
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)  # once, not once per format
        figure.set_layout_engine("none")
    figure.savefig(pdf, metadata={"CreationDate": None, "Producer": None, "Creator": None})
    drawn = io.BytesIO()
    figure.savefig(drawn, format="rgba")
    width, height = (int(side) for side in figure.bbox.size * mpl.rcParams["savefig.dpi"] / figure.dpi)
    picture = Image.frombuffer("RGBA", (width, height), drawn.getvalue(), "raw", "RGBA", 0, 1).convert("RGB")
    png.write_bytes(_encoded_picture(picture))


_FEW_COLOURS = 1 << 14  # edges of letters and lines; photographs have more


def _encoded_picture(picture: Image.Image) -> bytes:
    """Give a drawing a palette of 256 colours, which makes it a third as large; a photograph keeps its own."""
    if picture.getcolors(_FEW_COLOURS) is not None:
        picture = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    made = io.BytesIO()
    picture.save(made, format="png", optimize=True)
    return made.getvalue()
