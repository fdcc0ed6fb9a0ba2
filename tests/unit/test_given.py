"""Files that are none, or not what they should be, are named; nothing waits and nothing fills the memory."""

import os
import socket
import zipfile

import msgspec
import numpy as np
import pytest

from fer_bench import given
from fer_bench.errors import FerBenchError

SAID = {"missing": "nothing there", "fix": "bring it"}


class Kind(msgspec.Struct):
    """A record."""

    n: int


def pipe(path):
    os.mkfifo(path)


def own_link(path):
    path.symlink_to(path)


def link_to_device(path):
    path.symlink_to("/dev/zero")


def endpoint(path):
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _path: None, "nothing there"),
        (lambda path: path.mkdir(), "is a folder; a file is expected"),
        (pipe, "is a pipe; a file is expected"),
        (link_to_device, "is a device; a file is expected"),
        (endpoint, "is a socket; a file is expected"),
        (own_link, "Too many levels of symbolic links"),
    ],
)
def test_what_is_no_file_is_named(tmp_path, monkeypatch, make, said):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    path = type(tmp_path)("x")
    make(path)
    for read in (given.content, given.text):
        with pytest.raises(FerBenchError, match=said):
            read(path, **SAID)


@pytest.mark.parametrize("name", [5000 * "x", "a\0b"])
def test_a_name_that_no_file_can_have_is_named(tmp_path, name):
    with pytest.raises(FerBenchError, match="cannot be read"):
        given.text(tmp_path / name, **SAID)


def test_a_file_below_a_file_is_not_there(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FerBenchError, match="nothing there"):
        given.text(tmp_path / "file" / "x", **SAID)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "x").open("wb") as file:
        file.truncate(given.MOST_TEXT_BYTES + 1)  # takes no room
    with pytest.raises(FerBenchError, match="at most 67 MB are read"):
        given.text(tmp_path / "x", **SAID)


@pytest.mark.parametrize(
    ("encoding", "said", "fix"),
    [
        ("utf-16", "not UTF-8 but UTF-16", "iconv -f UTF-16 -t UTF-8"),
        ("utf-16-le", "not UTF-8 but UTF-16LE", "iconv -f UTF-16LE"),
        ("utf-16-be", "not UTF-8 but UTF-16BE", "iconv -f UTF-16BE"),
        ("utf-32", "not UTF-8 but UTF-32", "iconv -f UTF-32"),
        ("latin-1", "not UTF-8: byte 0xe9 in line 2", "iconv -f CP1252"),
    ],
)
def test_another_encoding_is_named_with_the_command_that_makes_a_copy(tmp_path, encoding, said, fix):
    path = tmp_path / "a file"
    path.write_bytes("one\ncafé: 1\n".encode(encoding))
    with pytest.raises(FerBenchError, match=said) as caught:
        given.text(path, **SAID)
    assert fix in caught.value.fix
    assert os.system(caught.value.fix.removeprefix("save it as UTF-8; if it was written in western Europe: ")  # noqa: S605 - the fix is carried out
                     .removeprefix("save it as UTF-8: ")) == 0  # fmt: skip
    assert given.text(tmp_path / "utf8_a file", **SAID) == "one\ncafé: 1\n"


def test_a_byte_order_mark_does_not_count(tmp_path):
    (tmp_path / "x").write_bytes("a".encode("utf-8-sig"))
    assert given.text(tmp_path / "x", **SAID) == "a"


@pytest.mark.parametrize("raw", [b"", b"[1", b'{"n": "x"}', 100_000 * b"[", b'{"n": 1' + 5000 * b"0" + b"}", b"\xff"])
def test_json_that_is_none_or_does_not_fit_is_named(tmp_path, raw):
    (tmp_path / "x.json").write_bytes(raw)
    with pytest.raises(FerBenchError, match=r"x\.json: not a record: "):
        given.json(tmp_path / "x.json", Kind, what="a record", **SAID)


def claims(path, *, shape):
    """Write an archive whose array claims a shape and holds nothing of it."""
    with zipfile.ZipFile(path, "w") as archive, archive.open("a.npy", "w") as file:
        head = {"descr": "<f8", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, head)


def other_files(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text")


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04"),
        lambda path: path.write_text("text"),
        lambda path: claims(path, shape=(10**12,)),
        lambda path: claims(path, shape=(3,)),
        lambda path: np.savez(path, a=np.array([{}], dtype=object)),
        other_files,
    ],
    ids=["empty", "cut", "text", "claims much", "holds less", "objects", "other files"],
)
def test_an_archive_that_is_none_or_holds_less_than_it_claims_is_named(tmp_path, make):
    path = tmp_path / "x.npz"
    make(path)
    with pytest.raises(FerBenchError, match=r"x\.npz: not weights: "):
        given.arrays(path, what="weights", **SAID)


def test_a_whole_archive_is_read(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.arange(3), b=np.array("text"))
    assert {name: array.tolist() for name, array in given.arrays(tmp_path / "x.npz", what="", **SAID).items()} == {
        "a": [0, 1, 2],
        "b": "text",
    }
