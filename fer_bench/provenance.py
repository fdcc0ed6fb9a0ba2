"""What a number was made with: commit, versions, digests of code and files."""

import ast
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from fer_bench.errors import FerBenchError

ROOT = Path(__file__).parent.parent
"""The project's folder, where the packages stand side by side."""

PACKAGES = ("torch", "torchvision", "timm", "mmengine-lite", "numpy", "pandas", "scipy", "scikit-learn", "scikit-image")
_CODE = ("fer_bench", "baselines", "params.yaml", "dvc.yaml", "pyproject.toml")


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_digest(packages: Iterable[str]) -> str:
    """Return a digest of the source of every module loaded from ``packages``.

    Args:
        packages: Dotted prefixes, e.g. ``fer_bench.training``.
    """
    prefixes = tuple(packages)
    digest = hashlib.sha256()
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes):
            digest.update(name.encode() + Path(file).read_bytes())
    return digest.hexdigest()


def sources(module: str) -> dict[str, str]:
    """Return the files of a package that a module of it is made of, each with its SHA-256; nothing is imported.

    Args:
        module: Dotted name, e.g. ``baselines.conv_cut``. Its own file, those of the same package that it imports,
            inside functions too, and so on.
    """
    package = module.partition(".")[0]
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        for path in _files(waiting.pop()):
            name = path.relative_to(ROOT).as_posix()
            if name not in found:
                found[name] = sha256_of_file(path)
                waiting += [used for used in _imported(path) if used.partition(".")[0] == package]
    return dict(sorted(found.items()))


def _files(module: str) -> Iterator[Path]:
    """Yield a module's file and the packages that importing it runs."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        base = ROOT.joinpath(*parts[:length])
        yield from (path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file())


def _imported(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise FerBenchError(f"{path}{line}: not Python: {error}", fix=f"mend it; to see more: python {path}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def commit() -> tuple[str | None, bool]:
    """Return the project's commit and whether its code or parameters differ from it.

    (None, True) where the code stands in no repository of its own: an installed package inside somebody's repository
    has nothing to do with that repository's commits.
    """
    return commit_of(ROOT)


def commit_of(root: Path) -> tuple[str | None, bool]:
    """Return the commit of the repository whose top a folder is, as :func:`commit`."""
    try:
        top = Path(_git(root, "rev-parse", "--show-toplevel"))
        if not top.samefile(root):
            return None, True
        _git(root, "ls-files", "--error-unmatch", "fer_bench/provenance.py")
        head = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", *_CODE)
    except (OSError, subprocess.CalledProcessError):
        return None, True
    return head, bool(changed)


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    # inside a hook of another repository these name that one
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)  # noqa: S603 - fixed words
    return done.stdout.strip()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that numbers depend on; those not installed are left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str]:
    """Return what the machine is, as far as it may change a number: system, architecture, processor."""
    return {"system": platform.system(), "architecture": platform.machine(), "processor": _processor()}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
