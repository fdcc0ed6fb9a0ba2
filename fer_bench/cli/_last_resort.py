"""What nobody foresaw: one line for whoever runs the program, and a file with all that is needed to mend it."""

import errno
import platform
import shlex
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

from fer_bench import __version__, whole

_LONGEST = 200  # letters of a message that the line quotes
_NO_ROOM = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "the file is larger than is allowed here (ulimit -f)",
}
_REFUSED = {
    errno.EACCES: "make it readable and writable for you, or name another place",
    errno.EPERM: "make it readable and writable for you, or name another place",
    errno.EROFS: "name a place on a file system that can be written",
    errno.ENOTDIR: "a file stands where a folder is expected: name another place",
    errno.EEXIST: "a file stands where a folder is expected: name another place",
    errno.EISDIR: "a folder stands where a file is expected: name another place",
    errno.ENAMETOOLONG: "name a place with a shorter name",
    errno.ELOOP: "remove the link that leads to itself",
    errno.EMFILE: "let the program open more files: ulimit -n 4096",
}
"""What a system may refuse, whoever asks; with the way out."""


def said(error: BaseException) -> tuple[str, int]:
    """Say what became of an error that is no :class:`fer_bench.errors.FerBenchError`.

    Returns:
        What to print, and the exit code: 2 with a fix where the system refused or had no room; else one line and 1, and
        a report is written.
    """
    for one in (one for one in _chain(error) if isinstance(one, OSError)):
        if one.errno in _NO_ROOM:
            return _no_room(one), 2
        if one.errno in _REFUSED and one.filename is not None:
            return f"error: {_short(one.filename)}: {one.strerror}\n  fix: {_REFUSED[one.errno]}", 2
    return _unforeseen(error), 1


def _unforeseen(error: BaseException) -> str:
    message = " ".join(str(error).split()) or "no message"
    return (
        f"error: {type(error).__name__}: {_short(message)}; fer-bench did not expect this, please report it with "
        f"{_report(error)}"
    )


def _short(text: object) -> str:
    message = str(text)
    return message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _no_room(error: OSError) -> str:
    """Say where there is no room, and how much is left."""
    folder = whole.standing(Path(str(error.filename or ".")))
    free = shutil.disk_usage(folder).free / 1e6
    why = _NO_ROOM[error.errno or errno.ENOSPC]
    return f"error: {folder}: {why}, {free:,.1f} MB are free\n  fix: make room there, then give the same command again"


def _report(error: BaseException) -> str:
    """Write what is known of an error to a file of its own; return its place, or where the error came from."""
    lines = [
        f"fer-bench {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"command: {shlex.join(sys.argv)}",
        f"folder: {Path.cwd()}",
        "",
        *(text.rstrip("\n") for text in traceback.format_exception(error)),
    ]
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="fer-bench-", suffix=".txt", encoding="utf-8", errors="backslashreplace", delete=False
        ) as file:
            file.write("\n".join(lines) + "\n")
    except OSError:
        last = traceback.extract_tb(error.__traceback__)[-1:]
        return ", ".join(f"{frame.filename}, line {frame.lineno}" for frame in last) or "what it was asked for"
    return file.name
