"""Folders that stand whole or not at all, whatever stops the process that writes them.

The order is: write beside the place, make durable, rename, then clean. Each step can be repeated, and a call finishes
what an earlier one left: a folder that was whole takes its place, one that was not goes, and what was replaced stands
until the new one does.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``folder`` if the block ends well, and vanishes if not.

    One process at a time may do so for a folder.
    """
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
    shutil.rmtree(old, ignore_errors=True)


def settle(folder: Path) -> None:
    """Finish what a stopped call of :func:`replacing` or :func:`discard` left beside a folder."""
    new, old = _beside(folder)
    if old.exists() and new.exists() and not folder.exists():
        new.rename(folder)  # the old one gives way only to one that is whole
    for left in (new, old):
        if left.exists():
            shutil.rmtree(left)


def discard(folder: Path) -> None:
    """Remove a folder; stopped half-way, nothing of it is left under its name."""
    settle(folder)
    if folder.exists():
        _, old = _beside(folder)
        folder.rename(old)
        shutil.rmtree(old)


def make_durable(folder: Path) -> None:
    """Wait until all that a folder holds is on the disk: a rename may otherwise outlive what it names."""
    for path in (*folder.rglob("*"), folder):
        _sync(path)


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
