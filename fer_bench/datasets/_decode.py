"""One picture from its file: eight bits of grey or RGB, upright, or a reason why not.

What is decoded, and how:

- JPEG (baseline and progressive), PNG, BMP, GIF, WebP, TIFF. Other kinds are refused: Pillow has readers that run
  programs.
- **EXIF orientation** is applied, so that pictures stand as a viewer shows them. Colour profiles are not.
- **Palette** becomes RGB, **one bit** becomes grey with the levels 0 and 255, **CMYK** becomes RGB by Pillow's
  formula, without a profile, as torchvision's ``ImageFolder`` does it.
- **RGBA, LA, and a colour marked transparent**: where everything is opaque, alpha is dropped; otherwise the picture is
  refused, because what lies under it is not known.
- **Phone pictures with a second one inside** (MPO): the first is taken.

What is refused: more than eight bits per channel (Pillow would cut some of them to eight and say nothing), animations
and files of several pages, no bytes, bytes that are no picture, truncated files, more than :data:`MAX_PIXELS`, and
whatever Pillow warns of. A flipped bit inside a JPEG leaves a whole file: nothing here can see it.
"""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")
SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
"""Of files that should hold a picture, in lower case."""

MAX_PIXELS = 2**26
"""8192×8192: four times a large photograph. A small file can claim any size, and decoding would fill the memory."""

_PNG_DEPTH_AT = 24  # byte of the bit depth in a PNG's first chunk
_TIFF_BITS = 258  # tag BitsPerSample
_EIGHT_BITS = "save it with eight bits per channel, scaled as you mean it"
_ANEW = "copy or download it anew, or take it out together with its label"

Colour: TypeAlias = Literal["as_is", "grey", "rgb"]


class Form(NamedTuple):
    """What pictures are brought to.

    Attributes:
        colour: ``grey``: Pillow's luma, (299 R + 587 G + 114 B) / 1000; ``rgb``: grey three times; ``as_is``: neither.
        size_px: Side of the square that pictures are resized to, bilinear, with antialiasing where they shrink
            (Pillow's ``resize``); None: as they are.
    """

    colour: Colour = "as_is"
    size_px: int | None = None


class Refused(Exception):  # noqa: N818 - it is said of a picture
    """A picture that is not taken.

    Args:
        reason: What is wrong with it, without its name.
        fix: What to do about it.
    """

    def __init__(self, reason: str, *, fix: str = _ANEW) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fix = fix


def decode(content: bytes, form: Form = Form()) -> np.ndarray:  # noqa: B008 - immutable
    """Decode one picture.

    Args:
        content: The file's bytes.
        form: What to bring it to.

    Returns:
        uint8 (h, w) or (h, w, 3).

    Raises:
        Refused: For what the module's docstring says.
    """
    if not content:
        raise Refused("no bytes")
    try:
        with _strictly(), Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _check_header(image, content)
            image.load()
            plain = _plain(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise Refused(f"not a picture of a known kind ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError:
        raise _too_large() from None
    # Pillow's ways to refuse broken files; a warning of it is one too, under _strictly
    except (Warning, OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        raise Refused(f"unreadable: {str(error) or 'cut off'}") from None
    return np.asarray(_formed(plain, form))


@contextmanager
def _strictly() -> Iterator[None]:
    """Let Pillow fill up no truncated file and pass over no warning, whatever a library set for the whole process."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _too_large() -> Refused:
    return Refused(f"more than {MAX_PIXELS} pixels", fix="make it smaller, or cut out the face")


def _check_header(image: ImageFile.ImageFile, content: bytes) -> None:
    """Refuse what need not be decoded to be refused."""
    if image.width * image.height > MAX_PIXELS:
        raise _too_large()
    deep = image.mode.startswith("I") or image.mode == "F"
    if image.format == "PNG":
        deep = deep or content[_PNG_DEPTH_AT] > 8
    if image.format == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(_TIFF_BITS, (1,))
        deep = deep or max(bits if isinstance(bits, tuple) else (bits,)) > 8
    if deep:
        raise Refused("more than eight bits per channel", fix=_EIGHT_BITS)
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise Refused("an animation or several pages", fix="save the one picture that is meant as a file of its own")


def _plain(image: Image.Image) -> Image.Image:
    """Bring a picture to mode L or RGB."""
    if image.has_transparency_data:
        grey = image.mode in {"1", "L", "LA"}
        with_alpha = image.convert("LA" if grey else "RGBA")
        if with_alpha.getchannel("A").getextrema() != (255, 255):
            raise Refused("transparent in parts", fix="save it on the background that is meant, without transparency")
        return with_alpha.convert("L" if grey else "RGB")
    target = {"L": "L", "1": "L", "RGB": "RGB", "P": "RGB", "CMYK": "RGB"}.get(image.mode)
    if target is None:
        raise Refused(f"mode {image.mode}", fix="save it as grey or RGB with eight bits per channel")
    return image if image.mode == target else image.convert(target)


def _formed(image: Image.Image, form: Form) -> Image.Image:
    if form.colour != "as_is":
        image = image.convert({"grey": "L", "rgb": "RGB"}[form.colour])
    if form.size_px is None:
        return image
    if image.width != image.height:
        raise Refused(
            f"{image.width}×{image.height}, not square: resizing would stretch the face", fix="cut faces out as squares"
        )
    return image.resize((form.size_px, form.size_px), Image.Resampling.BILINEAR)
