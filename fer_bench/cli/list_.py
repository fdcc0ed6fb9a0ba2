"""``fer-bench list``: what there is, by looking at files; nothing is imported that computes."""

import json
from typing import Annotated, Literal

import typer

from fer_bench import registry
from fer_bench.cli._common import AsJson
from fer_bench.errors import FerBenchError


def list_(
    kind: Annotated[Literal["methods", "datasets", "metrics", "protocols", "audits", "grids"], typer.Argument()],
    *,
    as_json: AsJson = False,
) -> None:
    """List methods, data sets, metrics, protocols, audits or grids.

    \b
    Examples:
      fer-bench list methods
      fer-bench list metrics --json
    """  # noqa: D301 - click's mark for lines that stay as they are
    rows = [_row(kind, name) for name in _names(kind)]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    from tabulate import tabulate

    print(tabulate(rows, headers="keys", tablefmt="simple", disable_numparse=True))


def _names(kind: str) -> list[str]:
    if kind == "grids":
        from fer_bench.provenance import ROOT

        return sorted(path.stem for path in (ROOT / "grids").glob("*.yaml"))
    if kind == "methods":
        return sorted({*registry.names("methods"), *registry.names("cards")})
    return registry.names(kind)


def _row(kind: str, name: str) -> dict[str, str]:
    if kind == "grids":
        from fer_bench.provenance import ROOT

        return {"grid": name, "use it": f"cp grids/{name}.yaml params.yaml", "about": _first_comment(ROOT, name)}
    if kind != "methods":
        return {kind.removesuffix("s"): name, "about": _summary(kind, name)}
    from fer_bench import card

    found = card.read(name)
    paper = "" if found.paper is None else f"{found.paper.authors}, {found.paper.venue}"
    year = "" if found.paper is None else str(found.paper.year)
    made = "" if found.approximation is None else card.APPROXIMATION
    code = made if name in registry.names("methods") else "card only"
    claims = ", ".join(
        f"{claim.dataset} {100 * claim.value:.2f} %" for claim in found.claims if claim.metric == "accuracy"
    )
    return {"method": name, "year": year, "paper": paper, "claimed accuracy": claims, "code": code}


def _first_comment(root: "object", name: str) -> str:
    from pathlib import Path

    first = (Path(str(root)) / "grids" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("#").strip()


def _summary(kind: str, name: str) -> str:
    """Return the first sentence of a file's docstring, read without importing the file."""
    import ast

    path = registry.path_of(kind, name)
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not text:
        raise FerBenchError(f"{path.name} has no docstring", fix="begin the file with a sentence that says what it is")
    return text.splitlines()[0]
