"""The files of a release, in a folder or in a zip as distributed: which there are, and their bytes.

Names are relative, with ``/`` between their parts and in Unicode's composed form (NFC), whatever the file system or
the packing program made of them; so ids made of them are the same everywhere. What systems leave behind
(``.DS_Store``, ``__MACOSX``, ``Thumbs.db``) is left out.

A zip is read in place. Entries that would leave the folder they are unpacked into (``..``, absolute, drive letters,
links), encrypted ones and two under one name are refused. Links in a folder are followed: its owner put them there.
"""

import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from fer_bench.datasets._decode import Refused
from fer_bench.errors import FerBenchError

MAX_BYTES = 2**26
"""Of one picture's file; a zip's entry of a few bytes can claim to be any size."""

_LEFT_BEHIND = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
_ANEW = "get the file anew from where it is given out, and compare its size with what is stated there"

Read: TypeAlias = Callable[[str], bytes]

_NO_ZIP = (
    zipfile.BadZipFile,
    OSError,
    ValueError,
    NotImplementedError,  # zipfile raises it for a compression, or a version of the format, that it does not know
)


class Files(Protocol):
    """Files under names, and a way to read them."""

    @property
    def names(self) -> list[str]:
        """Return all names, sorted."""
        ...

    def opened(self) -> AbstractContextManager[Read]:
        """Give a function that returns a file's bytes, or raises ``Refused``."""
        ...


@dataclass(frozen=True)
class Folder:
    """The files below a folder.

    Attributes:
        paths: By name.
    """

    paths: Mapping[str, Path]

    @property
    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self.paths)

    @contextmanager
    def opened(self) -> Iterator[Read]:
        """Give a function that returns a file's bytes, or raises ``Refused``."""

        def read(name: str) -> bytes:
            try:
                if not stat.S_ISREG(self.paths[name].stat().st_mode):  # a pipe would be waited for
                    raise Refused("no regular file", fix="take it out of the folder")
                with self.paths[name].open("rb") as file:
                    content = file.read(MAX_BYTES + 1)
            except OSError as error:
                raise Refused(f"unreadable: {error.strerror}") from None
            _hold_to_size(len(content))
            return content

        yield read


@dataclass(frozen=True)
class Archive:
    """The files in a zip.

    Attributes:
        path: The zip.
        entries: By name, the name in the zip's own spelling.
    """

    path: Path
    entries: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self.entries)

    @contextmanager
    def opened(self) -> Iterator[Read]:
        """Give a function that returns a file's bytes, or raises ``Refused``."""
        with zipfile.ZipFile(self.path) as opened:

            def read(name: str) -> bytes:
                entry = opened.getinfo(self.entries[name])
                _hold_to_size(entry.file_size)  # zipfile reads no further than the size that the entry states
                try:
                    return opened.read(entry)
                except (*_NO_ZIP, zlib.error, EOFError) as error:
                    raise Refused(f"unreadable in the zip: {str(error) or 'cut off'}", fix=_ANEW) from None

            yield read


def _hold_to_size(n_bytes: int) -> None:
    if n_bytes > MAX_BYTES:
        raise Refused(f"more than {MAX_BYTES} bytes", fix="make it smaller, or cut out the face")


def folder(root: Path) -> Folder:
    """List the files below a folder, links followed.

    Raises:
        FerBenchError: If a part of it cannot be listed, a link leads to a folder that is listed already, or a name is
            not valid Unicode or stands there twice in Unicode's two forms.
    """
    paths: dict[str, Path] = {}
    seen: dict[Path, str] = {}
    for place, folders, files in os.walk(root, followlinks=True, onerror=_cannot_list):
        real = Path(place).resolve()
        if real in seen:
            raise FerBenchError(f"{place} and {seen[real]} are one folder, by a link", fix="remove the link")
        seen[real] = place
        folders[:] = [name for name in folders if not _is_left_behind(name)]
        for file in files:
            path = Path(place, file)
            if not _is_left_behind(file):
                _add(paths, path.relative_to(root).as_posix(), path, where=root)
    return Folder(paths)


def _cannot_list(error: OSError) -> None:
    raise FerBenchError(f"{error.filename}: {error.strerror}", fix="make the folder readable for you") from None


def _is_left_behind(part: str) -> bool:
    return part.startswith(".") or part.lower() in _LEFT_BEHIND


def _add(into: dict[str, Path], name: str, path: Path, *, where: Path) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise FerBenchError(
            f"{where}: the name {name.encode('utf-8', 'backslashreplace').decode()} is not valid Unicode",
            fix="rename the file",
        ) from None
    composed = unicodedata.normalize("NFC", name)
    if composed in into:
        raise FerBenchError(f"{where}: two files are named {composed}, in Unicode's two forms", fix="rename one")
    into[composed] = path


def archive(path: Path) -> Archive:
    """List the files in a zip.

    Raises:
        FerBenchError: If it is truncated or no zip, or for entries that the module's docstring says are refused.
    """
    try:
        with zipfile.ZipFile(path) as opened:
            infos = [info for info in opened.infolist() if not info.filename.endswith(("/", "\\"))]
    except _NO_ZIP as error:
        raise FerBenchError(f"{path}: not a whole zip: {error}", fix=_ANEW) from None
    _refuse(path, (info.filename for info in infos if _leaves(info)), "would leave the folder", _ANEW)
    _refuse(
        path,
        (info.filename for info in infos if info.flag_bits & 0x1),
        "are encrypted",
        f"unpack it with its password into the folder {path.with_suffix('')}",
    )
    entries: dict[str, str] = {}
    twice: list[str] = []
    for info in infos:
        name = tidy(info.filename)
        if any(_is_left_behind(part) for part in name.split("/")):
            continue
        if name in entries:
            twice.append(name)
        entries[name] = info.filename
    _refuse(path, twice, "stand there twice", _ANEW)
    return Archive(path, entries)


def _leaves(entry: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(entry.external_attr >> 16) or leads_out(entry.filename)


def leads_out(name: str) -> bool:
    """Return whether a path would leave the folder it is relative to: ``..``, absolute, or with a drive letter."""
    name = name.replace("\\", "/")
    return name.startswith("/") or ".." in name.split("/") or re.match(r"[A-Za-z]:", name) is not None


def tidy(name: str) -> str:
    """Write a relative path as names are written here: ``/`` for Windows' separators, no ``.``, composed letters."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in {"", "."}]
    return unicodedata.normalize("NFC", "/".join(parts))


def _refuse(path: Path, names: Iterable[str], why: str, fix: str) -> None:
    found = list(names)
    if found:
        raise FerBenchError(f"{path}: {len(found)} entries {why}: {first_of(found)}", fix=fix)


def first_of(names: list[str], n: int = 5) -> str:
    """Return the first few names as text, with what is left out counted."""
    more = f" and {len(names) - n} more" if len(names) > n else ""
    return ", ".join(names[:n]) + more
