"""One look for all figures: 8-point type for a two-column page, colours that colour-blind readers can tell apart.

Figures are drawn without pyplot, so that nothing global changes, and saved without dates, so that equal numbers give
equal bytes.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from PIL import Image

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


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write ``<name>.pdf`` and ``<name>.png``; equal figures give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)  # once, not once per format
        figure.set_layout_engine("none")
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None})
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", metadata={"Software": None})
    (folder / f"{name}.png").write_bytes(_small(drawn.getvalue()))


_FEW_COLOURS = 1 << 14  # edges of letters and lines; photographs have more


def _small(png: bytes) -> bytes:
    """Give a drawing a palette of 256 colours, which makes it a third as large; a photograph keeps its own."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    if picture.getcolors(_FEW_COLOURS) is None:
        return png
    small = io.BytesIO()
    palette = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette.save(small, format="png", optimize=True)
    return small.getvalue()
