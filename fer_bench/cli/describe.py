"""``fer-bench describe``: one thing in full, from its docstring and its card."""

import ast
import inspect
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fer_bench import registry

if TYPE_CHECKING:
    from fer_bench.card import Network


def describe(
    kind: Annotated[Literal["method", "dataset", "metric", "protocol", "audit"], typer.Argument()],
    name: Annotated[str, typer.Argument(help="As `fer-bench list` prints it.")],
) -> None:
    """Describe one method, data set, metric, protocol or audit.

    \b
    Examples:
      fer-bench describe method conv_cut
      fer-bench describe metric macro_f1
    """  # noqa: D301 - click's mark for lines that stay as they are
    plural = f"{kind}s"
    if kind == "method" and name not in registry.names("methods") and name in registry.names("cards"):
        print(f"{name}: a card without code; nobody has reproduced it here yet")
    else:
        path = registry.path_of(plural, name)
        print(inspect.cleandoc(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""))
    if kind == "method":
        _print_card(name)
        if name in registry.names("methods"):
            _print_recipes(name)


def _print_card(name: str) -> None:
    from fer_bench import card

    found = card.read(name)
    print(f"\nPretraining: {found.pretraining}")
    if found.approximation is not None:
        print(f"Approximation, without {found.approximation}")
    if found.code is not None:
        print(f"Code read: {found.code.repository} at {found.code.commit} (licence: {found.code.licence})")
    if found.network is not None:
        _print_network(found.network)
    for file in found.files:
        print(f"File on record: {file.name}, SHA-256 {file.sha256} ({file.what})")
    for claim in found.claims:
        print(
            f"Claim: {claim.dataset} {claim.metric} {100 * claim.value:.2f} % ({claim.where}; "
            f"{claim.protocol.n_classes} classes, label rule {claim.protocol.label_rule}, "
            f"selection {claim.protocol.selection})"
        )
    for heading, notes in (("Known defect", found.known_defects), ("Report", found.reports)):
        for note in notes:
            print(f"{heading}: {note.what} <{note.link}>")


def _print_network(network: "Network") -> None:
    print(
        f"Network: {network.parameters:,} parameters, {network.macs:,} multiply-accumulates for one picture "
        f"(recipe {network.recipe}, {network.n_classes} expressions)"
    )
    print(f"Held to the released code's own modules: {network.verified or 'nothing'}")
    if network.note is not None:
        print(f"Of these figures: {network.note}")


def _print_recipes(name: str) -> None:
    method = registry.load("methods", name)
    for recipe_name, recipe in method.recipes.items():
        print(f"\nRecipe {recipe_name}: {recipe.about}")
        for departure in recipe.departures:
            print(f"  departs: {departure}")
        print(f"  options: {recipe.options}")
        if recipe.training is not None:
            print(f"  training: {recipe.training}")
        print(f"  weights: {recipe.weights}")
