"""Files and folders that stand whole or not at all, whatever stops the process that writes them.

The order is: write beside the place, make durable, rename, then clean. Each step can be repeated, and a call finishes
what an earlier one left: what was whole takes its place, what was not goes, and what is replaced stands until then.

* :func:`write`: one file.
* :func:`replacing`: a folder; :func:`discard` removes one.
* :func:`together`: several files of a folder, all or none; :func:`finish` before they are read.
* :func:`alone`: one process at a time.
"""

import errno
import fcntl
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from fer_bench.errors import FerBenchError

_NEW, _OLD, _READY = ".fer-bench-new", ".fer-bench-old", ".fer-bench-ready"
_ENTIRE = ".entire"  # in what is ready: the folders that are replaced as wholes
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``folder`` if the block ends well, and vanishes if not.

    Raises:
        FerBenchError: If another process is doing so.
    """
    with alone(folder, doing=f"writing {folder}"):
        yield from _replacing(folder)


@contextmanager
def together(folder: Path, name: str, *, entire: tuple[str, ...] = ()) -> Iterator[Path]:
    """Yield an empty folder whose files take their places in ``folder`` if the block ends well: all of them, or none.

    A rename decides. Stopped before it, none is there; after it, :func:`finish` puts those in place that are not yet.

    Args:
        folder: Where the files go; others that it holds stay.
        name: What is written, one name for the same files each time.
        entire: Folders in it that are replaced as wholes.

    Raises:
        FerBenchError: If another process is doing so, or a folder stands where a file is to go, or the reverse.
    """
    place = folder / name
    with alone(place, doing=f"writing {name} into {folder}"):
        _finish(place)
        new, _ = _beside(place)
        _remove(new)
        new.mkdir()
        try:
            with naming(folder):
                yield new
            for inner in entire:
                (new / _ENTIRE).mkdir(exist_ok=True)
                (new / inner).rename(new / _ENTIRE / inner)
            for source, target in _moves(new, folder):
                _check_kind(source, target)
            make_durable(new)
            new.rename(_ready(place))
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        _sync(folder)
        _finish(place)


def finish(folder: Path) -> None:
    """Put in place what :func:`together` had ready for a folder, or for one in it, when it was stopped."""
    for ready in [found for pattern in ("", "*/") for found in folder.glob(f"{pattern}.*{_READY}")]:
        place = ready.with_name(ready.name.removeprefix(".").removesuffix(_READY))
        with alone(place, doing=f"writing {place.name} into {folder}", wait=True):
            _finish(place)


def _finish(place: Path) -> None:
    ready = _ready(place)
    if not ready.exists():
        return
    for source, target in _moves(ready, place.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            discard(target)
        source.replace(target)
        _sync(target.parent)
    shutil.rmtree(ready)


def _moves(new: Path, folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield what is to be moved with where it goes, folders that are replaced as wholes first."""
    entire = new / _ENTIRE
    if entire.exists():
        yield from ((source, folder / source.name) for source in sorted(entire.iterdir()))
    files = sorted(path for path in new.rglob("*") if path.is_file() and entire not in path.parents)
    yield from ((source, folder / source.relative_to(new)) for source in files)


def _check_kind(source: Path, target: Path) -> None:
    if (target.exists() and source.is_dir() != target.is_dir()) or (source.is_dir() and target.is_symlink()):
        wanted, found = ("folder", "file or a link") if source.is_dir() else ("file", "folder")
        raise FerBenchError(f"{target} is a {found}; a {wanted} is to be written there", fix=f"move {target} away")


def write(path: Path, content: bytes) -> None:
    """Write one file.

    Raises:
        FerBenchError: If a folder stands there, or another process is writing it.
    """
    with alone(path, doing=f"writing {path}"), writing(path) as file:
        file.write(content)


def room(place: Path, n_bytes: int) -> None:
    """Refuse to begin what has no room on its disk.

    Args:
        place: What is to be written, or where.
        n_bytes: How much it takes, at least.

    Raises:
        FerBenchError: If less is free.
    """
    free = shutil.disk_usage(standing(place)).free
    if free < n_bytes:
        raise FerBenchError(
            f"{place}: it takes {n_bytes / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free there",
            fix="make room there, or link the folder to a disk that has more; then give the same command again",
        )


def standing(place: Path) -> Path:
    """Return the folder that a path is in, or would be, as far as there is one."""
    place = place.absolute()
    while not place.is_dir():
        place = place.parent
    return place


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name in an error of writing what was written: a full disk tells of an open file's bytes alone."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:  # one of the system, not of a library
            error.filename = str(path)
        raise


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that takes its place if the block ends well, and vanishes if not; the caller holds the place.

    Raises:
        FerBenchError: If a folder stands there.
    """
    new, _ = _beside(path)
    _check_kind(new, path)
    try:
        with naming(path), new.open("wb") as file:
            yield file
        put(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def clear(folder: Path) -> None:
    """Remove what stopped calls have left unfinished in a folder."""
    for left in folder.glob(f".*{_NEW}"):
        place = left.with_name(left.name.removeprefix(".").removesuffix(_NEW))
        with suppress(FerBenchError), alone(place, doing="clearing up"):  # or it is being written
            _remove(left)


def _replacing(folder: Path) -> Iterator[Path]:
    _settle(folder)
    new, old = _beside(folder)
    new.mkdir(parents=True)
    try:
        with naming(folder):
            yield new
            make_durable(new)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        shutil.rmtree(new)
        if old.exists():
            old.rename(folder)
        raise
    _sync(folder.parent)
    _remove(old)


@contextmanager
def alone(folder: Path, *, doing: str, wait: bool = False) -> Iterator[None]:
    """Hold a folder, or a file, which need not exist, for this process; the system lets go of it when the process ends.

    Where the file system has no locks, nothing is held.

    Args:
        folder: What is held.
        doing: What for, as another process is told.
        wait: Wait for a process that holds it.

    Raises:
        FerBenchError: If another process holds it, with that process' name, or it cannot be there for a file.
    """
    _make(folder.parent)
    path = folder.with_name(f".{folder.name}.fer-bench-lock")
    with _locked(path, wait=wait) as file:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}, {doing} since {datetime.now().astimezone():%F %T %Z}")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # still held: who waits for this one finds that its name is gone


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        stands = next(path for path in (folder, *folder.parents) if path.is_symlink() or path.is_file())
        fix = f"move {stands} away, or name another place"
        raise FerBenchError(f"{stands} is no folder, and {folder} is to be one", fix=fix) from None


def _locked(path: Path, *, wait: bool) -> TextIOWrapper:
    """Open a file that this process alone holds.

    Raises:
        FerBenchError: If another one holds it.
    """
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read() or "another process"
            file.close()
            raise FerBenchError(
                f"{holder}: one process at a time",
                fix="wait until it has ended, or end it; then give the command again",
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
        file.close()  # the holder before has just removed it


def settle(folder: Path) -> None:
    """Finish what a stopped call of :func:`replacing` or :func:`discard` left beside a folder.

    Raises:
        FerBenchError: If another process is writing it.
    """
    if any(left.exists() for left in _beside(folder)):
        with alone(folder, doing=f"writing {folder}"):
            _settle(folder)


def _settle(folder: Path) -> None:
    new, old = _beside(folder)
    if old.exists() and new.exists() and not folder.exists():
        new.rename(folder)  # the old one gives way only to one that is whole
    _remove(new)
    _remove(old)


def discard(folder: Path) -> None:
    """Remove a folder; stopped half-way, nothing of it is left under its name."""
    _settle(folder)
    if folder.exists():
        _, old = _beside(folder)
        folder.rename(old)
        _remove(old)


def put(new: Path, file: Path) -> None:
    """Let a file that is written take another's place, or its name, once it is durable."""
    _sync(new)
    new.replace(file)
    _sync(file.parent)


def make_durable(folder: Path) -> None:
    """Wait until all that a folder holds is on the disk: a rename may otherwise outlive what it names."""
    for path in (*folder.rglob("*"), folder):
        _sync(path)


def _remove(path: Path) -> None:
    """Remove a file or a folder; of a link, not what it links to; nothing where there is nothing."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _beside(folder: Path) -> tuple[Path, Path]:
    """Return the places of what becomes a folder and of what was one; DVC and git are told to ignore both."""
    return folder.with_name(f".{folder.name}{_NEW}"), folder.with_name(f".{folder.name}{_OLD}")


def _ready(place: Path) -> Path:
    return place.with_name(f".{place.name}{_READY}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        with naming(path):
            os.fsync(handle)
    finally:
        os.close(handle)
