"""A file's name is its registration: ``baselines/dan.py`` *is* the method ``dan``.

Listing looks at folders and imports nothing. Loading imports one module and returns the attribute that bears the
kind's name (``method`` in ``baselines/dan.py``, ``metric`` in ``fer_bench/metrics/accuracy.py``). Names that begin
with ``_`` are private.
"""

import ast
import difflib
import importlib
import importlib.util
import inspect
import traceback
from pathlib import Path
from typing import Any

from fer_bench import given
from fer_bench.errors import FerBenchError

KINDS: dict[str, tuple[str, str]] = {
    # kind: (package, file suffix)
    "methods": ("baselines", ".py"),
    "cards": ("baselines", ".yaml"),
    "datasets": ("fer_bench.datasets", ".py"),
    "protocols": ("fer_bench.protocols", ".py"),
    "metrics": ("fer_bench.metrics", ".py"),
    "audits": ("fer_bench.audits", ".py"),
}


def folder(kind: str) -> Path:
    """Return the folder whose files are the things of one kind.

    Raises:
        FerBenchError: If the folder's package is not installed.
    """
    package, _ = KINDS[kind]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise FerBenchError(
            f"the package {package}, which holds the {kind}, cannot be imported",
            fix="install the project where it stands: pip install -e .",
        )
    return Path(next(iter(spec.submodule_search_locations)))


def names(kind: str) -> list[str]:
    """Return the names of all things of one kind, sorted."""
    _, suffix = KINDS[kind]
    return sorted(path.stem for path in folder(kind).glob(f"*{suffix}") if not path.stem.startswith("_"))


def path_of(kind: str, name: str) -> Path:
    """Return the file that is the thing.

    Raises:
        FerBenchError: If there is no such file; the fix names the nearest.
    """
    known = names(kind)
    singular = kind.removesuffix("s")
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise FerBenchError(
            f"unknown {singular} '{name}'; there are: {', '.join(known)}",
            fix=f"{hint}to add one, see CONTRIBUTING.md",
        )
    return folder(kind) / f"{name}{KINDS[kind][1]}"


def docstring(kind: str, name: str) -> str:
    """Return a file's docstring, read without importing the file; empty where it has none.

    Raises:
        FerBenchError: If there is no such file, or it is not Python.
    """
    file = path_of(kind, name)
    try:
        tree = ast.parse(given.text(file, missing=f"no file {file}", fix="write it anew"), filename=str(file))
    except (SyntaxError, RecursionError, ValueError) as error:
        raise FerBenchError(_not_imported(file, error), fix=f"mend it; to see more: python {file}") from None
    return inspect.cleandoc(ast.get_docstring(tree) or "")


def metric_of(name: str) -> tuple[str, str | None]:
    """Return the file of a metric, and the expression whose value is meant; None: the whole.

    Raises:
        FerBenchError: If there is no such metric.

    Examples:
        >>> metric_of("macro_f1"), metric_of("recall_fear")
        (('macro_f1', None), ('recall', 'fear'))
    """
    known = names("metrics")
    file, _, expression = name.rpartition("_")
    if name not in known and file in known:
        return file, expression
    path_of("metrics", name)
    return name, None


def load(kind: str, name: str) -> Any:  # noqa: ANN401 - what it is depends on the kind
    """Import one file and return what it registers.

    Args:
        kind: A key of :data:`KINDS` whose suffix is ``.py``.
        name: The file's stem.

    Raises:
        FerBenchError: If there is no such file, it cannot be imported, or it defines nothing under its kind's name.
    """
    file = path_of(kind, name)
    try:
        module = importlib.import_module(f"{KINDS[kind][0]}.{name}")
    except FerBenchError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a file that somebody is writing may raise
        raise FerBenchError(_not_imported(file, error), fix=f"mend it; to see more: python {file}") from None
    singular = kind.removesuffix("s")
    try:
        return getattr(module, singular)
    except AttributeError:
        raise FerBenchError(
            f"{file.name} defines no '{singular}'", fix=f"end the file with `{singular} = …`; see CONTRIBUTING.md"
        ) from None


def _not_imported(file: Path, error: Exception) -> str:
    """Say why a file cannot be imported, with the line of it that is to blame."""
    if isinstance(error, SyntaxError):
        line, where = error.lineno, Path(str(error.filename))
    else:
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == file]
        line, where = (own[-1].lineno if own else None), file
    said = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    place = f"{where}, line {line}" if line else str(where)
    return f"{place}: it cannot be imported: {type(error).__name__}: {said}"
