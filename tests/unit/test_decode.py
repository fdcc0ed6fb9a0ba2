"""Decoding pictures from files and zips: what is taken as documented, and what is refused with which fix."""

import contextlib
import io
import os
import struct
import warnings
import zipfile
import zlib
from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageFile

from fer_bench.datasets import _decode, _files, _pictures
from fer_bench.datasets._decode import Form, Refused, decode
from fer_bench.errors import FerBenchError

RGB, GREY = Form(colour="rgb"), Form(colour="grey")


@pytest.fixture
def colours(rng):
    return rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.fixture
def greys(rng):
    return rng.integers(0, 256, (20, 30), dtype=np.uint8)


def encoded(image, kind, **options):
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def with_alpha(pixels, alpha):
    return np.dstack([pixels, np.full(pixels.shape[:2], alpha, dtype=np.uint8)])


def turned(image, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, kind, exif=exif)


def deep_png(colour_type, channels):
    """A PNG with sixteen bits per channel, 3×2."""
    rows = b"".join(b"\0" + bytes(range(3 * channels * 2)) for _ in range(2))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 3, 2, 16, colour_type, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def deep_tiff():
    """A TIFF with sixteen bits in each of three channels, 1×1."""
    # tag, type (3 short, 4 long), count, value: width, height, bits (at 122), compression, RGB, strip (at 128), …
    entries = [
        (256, 3, 1, 1), (257, 3, 1, 1), (258, 3, 3, 122), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, 128), (277, 3, 1, 3), (278, 3, 1, 1), (279, 4, 1, 6),
    ]  # fmt: skip
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries) + struct.pack("<I", 0)
    return head + body + struct.pack("<3H", 16, 16, 16) + struct.pack("<3H", 1, 2, 3)


# taken as they are
@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_grey_and_rgb_are_decoded_pixel_for_pixel(colours, greys, kind):
    np.testing.assert_array_equal(decode(encoded(colours, kind)), colours)
    np.testing.assert_array_equal(decode(encoded(greys, kind)), greys)


def test_a_progressive_jpeg_is_decoded_like_a_baseline_one(colours):
    baseline, progressive = (encoded(colours, "JPEG", quality=90, progressive=yes) for yes in (False, True))
    assert b"\xff\xc2" in progressive
    np.testing.assert_array_equal(decode(progressive), decode(baseline))


def test_a_palette_becomes_rgb(colours):
    palette = Image.fromarray(colours).quantize(16)
    found = decode(encoded(palette, "PNG"))
    np.testing.assert_array_equal(found, np.asarray(palette.convert("RGB")))


def test_one_bit_becomes_grey_with_two_levels(greys):
    found = decode(encoded(Image.fromarray(greys).convert("1"), "PNG"))
    assert found.shape == (20, 30)
    assert set(np.unique(found)) == {0, 255}


def test_a_cmyk_jpeg_becomes_rgb():
    green = Image.new("RGB", (16, 16), (40, 200, 90))
    found = decode(encoded(green.convert("CMYK"), "JPEG", quality=95))
    np.testing.assert_allclose(found.astype(int), np.asarray(green), atol=4)


def test_cmyk_becomes_rgb(colours):
    found = decode(encoded(Image.fromarray(colours).convert("CMYK"), "TIFF"))
    np.testing.assert_array_equal(found, colours)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_alpha_that_hides_nothing_is_dropped(colours, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(decode(encoded(with_alpha(colours, 255), kind, **options)), colours)


def test_grey_with_alpha_that_hides_nothing_stays_grey(greys):
    both = Image.merge("LA", [Image.fromarray(greys), Image.new("L", (30, 20), 255)])
    np.testing.assert_array_equal(decode(encoded(both, "PNG")), greys)


def test_a_transparent_colour_that_does_not_occur_hides_nothing():
    pixels = np.full((4, 5, 3), 7, dtype=np.uint8)
    np.testing.assert_array_equal(decode(encoded(pixels, "PNG", transparency=(1, 2, 3))), pixels)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_exif_orientation_is_applied(kind, orientation, turns):
    picture = np.zeros((16, 32), dtype=np.uint8)
    picture[:8, :8] = 250  # one bright corner
    found = decode(turned(picture, kind, orientation), GREY)
    np.testing.assert_allclose(found.astype(int), np.rot90(picture, turns), atol=12)


def test_a_phones_picture_with_a_second_one_inside_gives_the_first(colours):
    content = encoded(colours, "MPO", save_all=True, append_images=[Image.fromarray(255 - colours)])
    np.testing.assert_array_equal(decode(content), decode(encoded(colours, "JPEG")))


def test_a_gif_of_one_picture_is_taken(greys):
    np.testing.assert_array_equal(decode(encoded(greys, "GIF"), GREY), greys)


# brought to a form
def test_grey_becomes_three_equal_channels_and_rgb_its_luma(colours, greys):
    np.testing.assert_array_equal(decode(encoded(greys, "PNG"), RGB), np.dstack([greys] * 3))
    luma = colours @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(decode(encoded(colours, "PNG"), GREY), luma, atol=0.51)


def test_shrinking_is_antialiased():
    stripes = np.zeros((64, 64), dtype=np.uint8)
    stripes[:, ::2] = 200
    found = decode(encoded(stripes, "PNG"), Form(size_px=16))
    assert found.shape == (16, 16)
    np.testing.assert_allclose(found, 100, atol=13)  # without antialiasing 0 or 200


def test_a_picture_that_is_not_square_is_not_resized(colours):
    with pytest.raises(Refused, match="30×20, not square") as caught:
        decode(encoded(colours, "PNG"), Form(size_px=16))
    assert "squares" in caught.value.fix


# refused
def half_transparent(colours):
    return encoded(with_alpha(colours, 128), "PNG")


def transparent_colour(colours):
    return encoded(np.full((4, 5, 3), 7, dtype=np.uint8), "PNG", transparency=(7, 7, 7))


def transparent_palette(colours):
    return encoded(Image.fromarray(colours).quantize(16), "PNG", transparency=0)


def animated(colours):
    return encoded(colours, "GIF", save_all=True, append_images=[Image.fromarray(255 - colours)])


def animated_png(colours):
    return encoded(colours, "PNG", save_all=True, append_images=[Image.fromarray(255 - colours)])


def pages(colours):
    return encoded(colours, "TIFF", save_all=True, append_images=[Image.fromarray(255 - colours)])


def too_large(_):
    head = struct.pack(">IIBBBBB", 2**14, 2**14, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", len(head)) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


def large(_):
    return encoded(Image.new("1", (2**13, 2**13 + 1)), "PNG")


@pytest.mark.parametrize(
    ("make", "said", "fix"),
    [
        (lambda _: b"", "no bytes", "download it anew"),
        (lambda _: b"<html>not found</html>", "not a picture of a known kind", "download it anew"),
        (lambda _: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "known kind", "download it anew"),
        (lambda _: deep_png(0, 1), "more than eight bits", "eight bits per channel"),
        (lambda _: deep_png(2, 3), "more than eight bits", "eight bits per channel"),
        (lambda _: deep_png(4, 2), "more than eight bits", "eight bits per channel"),
        (lambda _: deep_png(6, 4), "more than eight bits", "eight bits per channel"),
        (lambda _: deep_tiff(), "more than eight bits", "eight bits per channel"),
        (lambda _: encoded(Image.new("F", (4, 4)), "TIFF"), "more than eight bits", "eight bits per channel"),
        (half_transparent, "transparent in parts", "background"),
        (transparent_colour, "transparent in parts", "background"),
        (transparent_palette, "transparent in parts", "background"),
        (animated, "an animation", "file of its own"),
        (animated_png, "an animation", "file of its own"),
        (pages, "several pages", "file of its own"),
        (too_large, "more than 67108864 pixels", "smaller"),
        (large, "more than 67108864 pixels", "smaller"),
        (lambda colours: encoded(Image.fromarray(colours).convert("LAB"), "TIFF"), "mode LAB", "grey or RGB"),
    ],
)
def test_a_picture_is_refused_with_the_reason_and_the_fix(colours, make, said, fix):
    with pytest.raises(Refused, match=said) as caught:
        decode(make(colours))
    assert fix in caught.value.fix


@pytest.mark.parametrize("lost", [3, 40, 200, 500])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("BMP", {}), ("GIF", {}),
        ("WEBP", {"lossless": True}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}),
    ],
)  # fmt: skip
def test_a_truncated_picture_is_refused_and_never_filled_up(colours, monkeypatch, kind, options, lost):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as some libraries set it for the whole process
    content = encoded(colours, kind, **options)
    without_pixels = {"PNG": 20, "GIF": 2}.get(kind, 0)  # checksums and the mark of the end
    with pytest.raises(Refused, match=r"unreadable|known kind"):
        decode(content[: -lost - without_pixels])
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_whatever_bytes_are_changed_a_picture_is_decoded_or_refused(colours, rng):
    small = colours[:9, :9]
    contents = [encoded(small, kind) for kind in ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")]
    decoded = 0
    for content in contents:
        for _ in range(60):
            spoilt = bytearray(content)
            for place in rng.integers(0, len(content), 3):
                spoilt[place] = rng.integers(0, 256)
            with contextlib.suppress(Refused):
                decoded += decode(bytes(spoilt)).dtype == np.uint8
    assert 0 < decoded < 360


def test_decoding_leaves_warnings_as_they_were(colours):
    before = list(warnings.filters)
    decode(encoded(colours, "JPEG"))
    assert warnings.filters == before


# folders
def write(folder, contents):
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_names_are_listed_with_slashes_and_composed_letters_and_without_what_systems_leave(tmp_path):
    left = [".DS_Store", "a/Thumbs.db", "__MACOSX/._x.jpg", ".hidden/x.jpg", "desktop.ini"]
    write(tmp_path, dict.fromkeys(["a/x y.jpg", "u\u0308ber/é.png", *left], b"1"))
    files = _files.folder(tmp_path)
    assert files.names == ["a/x y.jpg", "über/é.png"]
    with files.opened() as read:
        assert read("über/é.png") == b"1"


def test_a_linked_folder_is_followed_and_a_circle_refused(tmp_path):
    write(tmp_path, {"far/x.jpg": b"1", "near/y.jpg": b"2"})
    (tmp_path / "near" / "more").symlink_to(tmp_path / "far")
    assert _files.folder(tmp_path / "near").names == ["more/x.jpg", "y.jpg"]
    (tmp_path / "near" / "circle").symlink_to(tmp_path / "near")
    with pytest.raises(FerBenchError, match="one folder, by a link") as caught:
        _files.folder(tmp_path / "near")
    assert caught.value.fix == "remove the link"


def test_a_name_in_both_forms_of_unicode_is_refused(tmp_path):
    write(tmp_path, {"é.jpg": b"1", "e\u0301.jpg": b"2"})
    with pytest.raises(FerBenchError, match="two forms") as caught:
        _files.folder(tmp_path)
    assert "rename" in caught.value.fix


def test_a_name_that_is_not_valid_unicode_is_refused(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff.jpg", "wb"):  # noqa: PTH123 - a name of bytes
        pass
    with pytest.raises(FerBenchError, match="not valid Unicode") as caught:
        _files.folder(tmp_path)
    assert "rename" in caught.value.fix


# zips
def write_zip(path, contents, **options):
    with zipfile.ZipFile(path, "w", **options) as file:
        for name, content in contents.items():
            file.writestr(name, content)
    return path


def test_a_zip_is_listed_as_a_folder_is(tmp_path):
    names = ["aligned\\über é.jpg", "./aligned/b c.jpg", "__MACOSX/._b.jpg", "aligned/.DS_Store", "aligned/"]
    files = _files.archive(write_zip(tmp_path / "x.zip", dict.fromkeys(names, b"1")))
    assert files.names == ["aligned/b c.jpg", "aligned/über é.jpg"]
    with files.opened() as read:
        assert read("aligned/über é.jpg") == b"1"


@pytest.mark.parametrize(
    "name", ["../x.jpg", "a/../../x.jpg", "/etc/x.jpg", "C:/x.jpg", "C:x.jpg", "..\\x.jpg", "\\x.jpg"]
)
def test_an_entry_that_would_leave_the_folder_is_refused(tmp_path, name):
    with pytest.raises(FerBenchError, match="1 entries would leave the folder") as caught:
        _files.archive(write_zip(tmp_path / "x.zip", {"good.jpg": b"1", name: b"2"}))
    assert "anew" in caught.value.fix


def test_a_link_in_a_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("x.jpg")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(FerBenchError, match="would leave the folder"):
        _files.archive(tmp_path / "x.zip")


def test_a_name_twice_in_a_zip_is_refused(tmp_path):
    with pytest.raises(FerBenchError, match=r"stand there twice: a/x\.jpg"):
        _files.archive(write_zip(tmp_path / "x.zip", {"a/x.jpg": b"1", "a\\x.jpg": b"2"}))


def test_an_encrypted_zip_is_refused_and_the_fix_is_to_unpack_it(tmp_path):
    path = write_zip(tmp_path / "aligned.zip", {"x.jpg": b"1"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the directory
    path.write_bytes(content)
    with pytest.raises(FerBenchError, match=r"1 entries are encrypted: x\.jpg") as caught:
        _files.archive(path)
    assert "unpack it with its password" in caught.value.fix


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.99])
def test_a_truncated_zip_is_refused(tmp_path, keep, rng):
    path = write_zip(tmp_path / "x.zip", {f"{i}.jpg": rng.bytes(500) for i in range(9)})
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(FerBenchError, match="not a whole zip") as caught:
        _files.archive(path)
    assert "anew" in caught.value.fix


def test_an_entry_with_a_wrong_checksum_or_an_unknown_compression_is_refused(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"x.jpg": b"abcdef"})
    path.write_bytes(path.read_bytes().replace(b"abcdef", b"abcdeg"))
    with _files.archive(path).opened() as read, pytest.raises(Refused, match="Bad CRC"):
        read("x.jpg")
    content = path.read_bytes()
    place = content.index(b"PK\x01\x02") + 10
    path.write_bytes(content[:place] + b"\x09" + content[place + 1 :])  # deflate64, which Python lacks
    with _files.archive(path).opened() as read, pytest.raises(Refused, match="not supported"):
        read("x.jpg")


def test_an_entry_that_claims_to_be_huge_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "MAX_BYTES", 1000)
    path = write_zip(tmp_path / "x.zip", {"x.jpg": bytes(100_000)}, compression=zipfile.ZIP_DEFLATED)
    with _files.archive(path).opened() as read, pytest.raises(Refused, match="more than 1000 bytes"):
        read("x.jpg")
    write(tmp_path, {"f/x.jpg": bytes(1001)})
    with _files.folder(tmp_path / "f").opened() as read, pytest.raises(Refused, match="more than 1000 bytes"):
        read("x.jpg")


# many pictures
@pytest.fixture
def pictures(tmp_path, rng):
    """Nine pictures of 8×8 in a folder, and what they show."""
    shown = rng.integers(0, 256, (9, 8, 8), dtype=np.uint8)
    write(tmp_path / "p", {f"{i}.png": encoded(image, "PNG") for i, image in enumerate(shown)})
    return tmp_path / "p", shown


def lazily(folder):
    files = _files.folder(folder)
    return _pictures.FilePictures(dataset="toy", files=files, names=files.names, form=Form(), shape=(9, 8, 8))


def test_rows_are_decoded_in_the_order_asked_for(pictures):
    folder, shown = pictures
    rows = np.array([7, 0, 3])
    np.testing.assert_array_equal(lazily(folder)[rows], shown[rows])


def test_all_unusable_pictures_are_counted_and_the_first_ones_named(pictures):
    folder, shown = pictures
    for i in range(7):
        (folder / f"{i}.png").write_bytes(b"")
    (folder / "7.png").write_bytes(encoded(shown[7][:4], "PNG"))
    with pytest.raises(
        FerBenchError, match=r"toy: 8 of 9 pictures cannot be used: 0\.png \(no bytes\), 1\.png"
    ) as caught:
        lazily(folder)[np.array([7])]
    assert "4.png (no bytes) and 3 more" in caught.value.problem
    assert caught.value.fix.count("download it anew") == 1
    assert "one size" in caught.value.fix


def test_a_picture_that_vanished_is_refused(pictures):
    folder, _ = pictures
    found = lazily(folder)
    (folder / "3.png").unlink()
    with pytest.raises(FerBenchError, match=r"1 of 9 .* 3.png \(unreadable: No such file"):
        found[np.arange(9)]


def test_shapes_are_counted_in_words(pictures):
    folder, shown = pictures
    (folder / "2.png").write_bytes(encoded(np.dstack([shown[2]] * 3), "PNG"))
    files = _files.folder(folder)
    found = _pictures.shapes("toy", files, files.names, Form())
    assert found == Counter({(8, 8): 8, (8, 8, 3): 1})
    assert _pictures.in_words(found) == "8×8 grey (8), 8×8 RGB (1)"


def test_the_pixel_limit_is_below_pillows_own():
    assert Image.MAX_IMAGE_PIXELS is not None
    assert _decode.MAX_PIXELS < Image.MAX_IMAGE_PIXELS
