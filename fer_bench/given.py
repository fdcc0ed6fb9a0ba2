"""Files that people bring or may have changed: read whole, or refused with what is wrong with them.

A folder, a pipe, a device, a link to itself, a file that may not be read, one that is larger than any of its kind, text
that is not UTF-8, JSON that is none: each is named, and nothing waits for a pipe that nobody writes into.
"""

import math
import shlex
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import msgspec

from fer_bench.errors import FerBenchError

MOST_BYTES = 2**31
"""Of a table or an archive that is read whole."""

MOST_TEXT_BYTES = 2**26
"""Of a file of settings, a card, a record."""

_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def check(path: Path, *, missing: str, fix: str, most: int = MOST_BYTES) -> None:
    """Refuse what is not a file that can be read.

    Args:
        path: The file.
        missing: What to say where there is none.
        fix: What to do about any of it.
        most: Bytes.

    Raises:
        FerBenchError: If it is none.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise FerBenchError(missing, fix=fix) from None
    except (OSError, ValueError) as error:  # a link to itself, a name that is too long, a zero byte in it
        said = error.strerror if isinstance(error, OSError) else error
        raise FerBenchError(f"{str(path)!r} cannot be read: {said}", fix=fix) from None
    what = next((name for is_kind, name in _KINDS if is_kind(found.st_mode)), None)
    if what is not None:
        raise FerBenchError(f"{path} is {what}; a file is expected", fix=fix)
    if found.st_size > most:
        sizes = f"{found.st_size / 1e6:,.0f} MB; at most {most / 1e6:,.0f} MB are read"
        raise FerBenchError(f"{path} has {sizes}", fix=fix)
    try:
        path.open("rb").close()
    except OSError as error:
        raise FerBenchError(f"{path} cannot be read: {error.strerror}", fix=fix) from None


def content(path: Path, *, missing: str, fix: str, most: int = MOST_BYTES) -> bytes:
    """Return a file's bytes.

    Raises:
        FerBenchError: As :func:`check`.
    """
    check(path, missing=missing, fix=fix, most=most)
    try:
        return path.read_bytes()
    except OSError as error:
        raise FerBenchError(f"{path} cannot be read: {error.strerror}", fix=fix) from None


def text(path: Path, *, missing: str, fix: str) -> str:
    """Return the text of a file in UTF-8; a byte order mark does not count.

    Raises:
        FerBenchError: As :func:`check`, and for other encodings, with a command that makes a copy in UTF-8.
    """
    raw = content(path, missing=missing, fix=fix, most=MOST_TEXT_BYTES)
    encoding = next((name for marks, name in _MARKS if raw.startswith(marks)), None)
    if encoding is None and b"\0" in raw:
        encoding = "UTF-16BE" if raw[:1] == b"\0" else "UTF-16LE"
    if encoding is not None:
        raise FerBenchError(f"{path}: not UTF-8 but {encoding}", fix=f"save it as UTF-8: {in_utf8(path, encoding)}")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise FerBenchError(
            f"{path}: not UTF-8: byte 0x{raw[error.start]:02x} in line {line}",
            fix=f"save it as UTF-8; if it was written in western Europe: {in_utf8(path, 'CP1252')}",
        ) from None


_MARKS = ((b"\xff\xfe\0\0", "UTF-32"), (b"\0\0\xfe\xff", "UTF-32"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))


def in_utf8(path: Path, encoding: str) -> str:
    """Return the command that makes a copy of a file in UTF-8, beside it."""
    made = shlex.quote(str(path.with_name(f"utf8_{path.name}")))
    return f"iconv -f {encoding} -t UTF-8 {shlex.quote(str(path))} > {made}"


def json(path: Path, kind: type[Any], *, what: str, missing: str, fix: str) -> Any:  # noqa: ANN401 - a `kind`
    """Return what a JSON file of ours holds.

    Args:
        path: The file.
        kind: What it should hold.
        what: The same in words, for errors: "what an audit writes".
        missing: What to say where there is none.
        fix: What to do about any of it.

    Raises:
        FerBenchError: As :func:`check`, and if it is not JSON or does not fit.
    """
    raw = content(path, missing=missing, fix=fix, most=MOST_BYTES)
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FerBenchError(f"{path}: not {what}: {error}", fix=fix) from None
    except RecursionError:
        raise FerBenchError(f"{path}: not {what}: nested too deep", fix=fix) from None


def arrays(path: Path, *, what: str, missing: str, fix: str) -> dict[str, Any]:
    """Return the arrays of an ``.npz``; none that claims more than the file holds, or whose reading would run code.

    Args:
        path: The file.
        what: What it should hold, for errors.
        missing: What to say where there is none.
        fix: What to do about any of it.

    Raises:
        FerBenchError: As :func:`check`, and if it is no such archive or not a whole one.
    """
    import numpy as np

    check(path, missing=missing, fix=fix)
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                with archive.open(entry) as file:
                    _check_claim(entry.filename, entry.file_size, file)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except (
        OSError,
        ValueError,
        EOFError,
        KeyError,
        RuntimeError,
        MemoryError,
        zlib.error,
        zipfile.BadZipFile,
    ) as error:
        said = " ".join(str(error).split())
        raise FerBenchError(f"{path}: not {what}: {said or type(error).__name__}", fix=fix) from None


def _check_claim(name: str, n_bytes: int, file: IO[bytes]) -> None:
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    if math.prod(shape) * dtype.itemsize > n_bytes or n_bytes > MOST_BYTES:
        message = f"{name} claims to be {dtype} {shape}, and the file holds {n_bytes:,} bytes of it"
        raise ValueError(message)
