"""Files and folders that stand whole or not at all, whatever stops the process that writes them.

The order is: write beside the place, make durable, rename, then clean. Each step can be repeated, and a call finishes
what an earlier one left: a folder that was whole takes its place, one that was not goes, and what was replaced stands
until the new one does.
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

from fer_bench.errors import FerBenchError

_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``folder`` if the block ends well, and vanishes if not.

    Raises:
        FerBenchError: If another process is doing so.
    """
    with alone(folder, doing=f"writing {folder}"):
        yield from _replacing(folder)


def _replacing(folder: Path) -> Iterator[Path]:
    settle(folder)
    new, old = _beside(folder)
    new.mkdir(parents=True)
    try:
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
def alone(folder: Path, *, doing: str) -> Iterator[None]:
    """Hold a folder, which need not exist, for this process; the system lets go of it when the process ends.

    Where the file system has no locks, nothing is held.

    Args:
        folder: What is held.
        doing: What for, as another process is told.

    Raises:
        FerBenchError: If another process holds it, with that process' name.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.with_name(f".{folder.name}.fer-bench-lock")
    with _locked(path) as file:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}, {doing} since {datetime.now().astimezone():%F %T %Z}")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # still held: who waits for this one finds that its name is gone


def _locked(path: Path) -> TextIOWrapper:
    """Open a file that this process alone holds.

    Raises:
        FerBenchError: If another one holds it.
    """
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
    """Finish what a stopped call of :func:`replacing` or :func:`discard` left beside a folder."""
    new, old = _beside(folder)
    if old.exists() and new.exists() and not folder.exists():
        new.rename(folder)  # the old one gives way only to one that is whole
    _remove(new)
    _remove(old)


def discard(folder: Path) -> None:
    """Remove a folder; stopped half-way, nothing of it is left under its name."""
    settle(folder)
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
    """Remove a folder, or a link to one and not what it links to; nothing where there is nothing."""
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _beside(folder: Path) -> tuple[Path, Path]:
    """Return the places of what becomes a folder and of what was one; DVC and git are told to ignore both."""
    new, old = (folder.with_name(f".{folder.name}.fer-bench-{word}") for word in ("new", "old"))
    return new, old


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
