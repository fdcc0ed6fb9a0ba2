"""Which files a command runs, found by reading imports, those inside functions too."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def closure(
    file: Path,
    function: str | None = None,
    without: frozenset[str] = frozenset(),
    *,
    beside: frozenset[Path] = frozenset(),
) -> tuple[set[Path], set[str]]:
    """Return the project's files that a file imports, directly or not, and the kinds it looks up in the registry.

    Args:
        file: Where to start.
        function: Start from this function and those it calls in the same file, not from the whole file.
        without: Functions of that file that are left out.
        beside: Files that are not looked into.
    """
    files: set[Path] = set()
    kinds: set[str] = set()
    tree = ast.parse(file.read_text())
    parts = _reached(tree, function, without) if function else [tree]
    waiting = [*_imports(parts)]
    kinds |= {kind for part in parts for kind in _kinds(part)}
    while waiting:
        found = waiting.pop()
        if found in files:
            continue
        files.add(found)
        if found in beside:
            continue
        inner = ast.parse(found.read_text())
        waiting += _imports([inner])
        kinds |= set(_kinds(inner))
    return {path.relative_to(ROOT) for path in files}, kinds


def _reached(tree: ast.Module, function: str, without: frozenset[str]) -> list[ast.AST]:
    """Return the file's own top level and the functions that ``function`` reaches by name."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    top: list[ast.AST] = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    names, waiting = set(), [function]
    while waiting:
        name = waiting.pop()
        if name in names or name in without:
            continue
        names.add(name)
        waiting += [
            node.id for node in ast.walk(functions[name]) if isinstance(node, ast.Name) and node.id in functions
        ]
    return [*top, *(functions[name] for name in names)]


def _imports(parts: list[ast.AST]) -> Iterator[Path]:
    for part in parts:
        for node in _executed(part):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            for module in modules:
                yield from _files(module)


def _executed(part: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree, leaving out what only a type checker reads."""
    if isinstance(part, ast.If) and isinstance(part.test, ast.Name) and part.test.id == "TYPE_CHECKING":
        return
    yield part
    for child in ast.iter_child_nodes(part):
        yield from _executed(child)


def _files(module: str) -> Iterator[Path]:
    """Yield a module's file and the packages that importing it runs."""
    parts = module.split(".")
    if parts[0] not in {"fer_bench", "baselines"}:
        return
    for length in range(1, len(parts) + 1):
        base = ROOT.joinpath(*parts[:length])
        for file in (base / "__init__.py", base.with_suffix(".py")):
            if file.is_file():
                yield file


def _kinds(part: ast.AST) -> Iterator[str]:
    """Yield the kinds in calls of ``registry.load("kind", …)``."""
    for node in ast.walk(part):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "load"
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "registry"
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value)
