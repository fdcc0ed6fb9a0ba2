"""``fer-bench list``: what there is, by looking at files; nothing is imported that computes."""

import json
import re
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fer_bench import registry
from fer_bench.cli._common import AsJson, paragraph, print_aligned
from fer_bench.errors import FerBenchError

COLUMNS = (
    "method", "year", "paper", "venue", "claimed accuracy", "parameters", "MACs", "of recipe", "verified", "in part",
    "note", "code",
)  # fmt: skip


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
    methods = [_method(name) for name in _names(kind)] if kind == "methods" else []
    if methods:
        rows = methods if as_json else [_in_print(row) for row in methods]
    else:
        rows = [dict(_row(kind, name)) for name in _names(kind)]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    print_aligned(list(rows[0]), [list(row.values()) for row in rows])
    if methods:
        print()
        paragraph(
            "Of the recipe named, with seven expressions. MACs: multiply-accumulates of predicting one picture. "
            "verified: its network and losses give the figures of the released code's own modules (--json says which "
            "file holds them)."
        )
        for row in methods:
            if row["note"]:
                paragraph(f"{row['method']}: {row['note']}.")


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

        file = f"grids/{name}.yaml"
        return {"grid": name, "use it": f"cp {file} params.yaml", "about": _first_sentence(ROOT / file)}
    return {kind.removesuffix("s"): name, "about": _summary(kind, name)}


def _method(name: str) -> dict[str, object]:
    """Return everything that the card says of a method at a glance, or what is wrong with the card."""
    from fer_bench import card

    row: dict[str, object] = dict.fromkeys(COLUMNS) | {"method": name, "claimed accuracy": [], "in part": False}
    if name not in registry.names("cards"):
        return row | {"note": f"no card; write baselines/{name}.yaml, see CONTRIBUTING.md", "code": "no card"}
    try:
        found = card.read(name)
    except FerBenchError as error:  # one card that is wrong is no reason to keep the others back
        return row | {"note": error.problem, "code": "card unreadable"}
    made = "" if found.approximation is None else card.APPROXIMATION
    row |= {
        "claimed accuracy": [
            f"{claim.dataset} {100 * claim.value:.2f} %" for claim in found.claims if claim.metric == "accuracy"
        ],
        "code": made if name in registry.names("methods") else "card only",
    }
    if found.paper is not None:
        row |= {"year": found.paper.year, "paper": found.paper.authors, "venue": found.paper.venue}
    if found.network is not None:
        network = found.network
        row |= {"parameters": network.parameters, "MACs": network.macs, "of recipe": network.recipe}
        row |= {"verified": network.verified, "in part": network.in_part, "note": network.note}
    return row


def _by_dataset(claims: list[str]) -> str:
    """Join claims, naming each data set once.

    Examples:
        >>> _by_dataset(["rafdb 92.50 %", "rafdb 92.57 %", "ferplus 91.41 %"])
        'rafdb 92.50, 92.57 %, ferplus 91.41 %'
    """
    found: dict[str, list[str]] = {}
    for claim in claims:
        dataset, value, _ = claim.split()
        found.setdefault(dataset, []).append(value)
    return ", ".join(f"{dataset} {', '.join(values)} %" for dataset, values in found.items())


def _in_print(row: dict[str, object]) -> dict[str, object]:
    """Shorten a method's row to a line of a terminal."""
    first, *others = str(row["paper"] or "").split(", ")
    paper = f"{first.rpartition(' ')[2]} et al." if others else first
    claims: Any = row["claimed accuracy"]
    parameters: Any = row["parameters"]
    macs: Any = row["MACs"]
    shown = {
        **row,
        "year": row["year"] or "",
        "paper": paper,
        "claimed accuracy": _by_dataset(claims),
        "parameters": "" if parameters is None else f"{parameters / 1e6:.2f} M",
        "MACs": "" if macs is None else f"{macs / 1e9:.2f} G",
        "verified": "no" if not row["verified"] else "in part" if row["in part"] else "yes",
        "of recipe": row["of recipe"] or "",
    }
    return {name: value for name, value in shown.items() if name not in {"venue", "in part", "note"}}


def _first_sentence(grid: Path) -> str:
    """Return the first sentence of the comment that a grid's file begins with."""
    lines = grid.read_text(encoding="utf-8").splitlines()
    comment = " ".join(line.removeprefix("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines))
    return re.split(r"(?<=\.) (?=[A-Z])", comment)[0]


def _summary(kind: str, name: str) -> str:
    """Return the first sentence of a file's docstring, read without importing the file."""
    text = registry.docstring(kind, name)
    if not text:
        raise FerBenchError(f"{name}.py has no docstring", fix="begin the file with a sentence that says what it is")
    return text.splitlines()[0]
