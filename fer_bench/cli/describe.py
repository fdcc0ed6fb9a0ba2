"""``fer-bench describe``: one thing in full, from its docstring and its card."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fer_bench import registry
from fer_bench.cli._common import paragraph, width
from fer_bench.errors import FerBenchError

if TYPE_CHECKING:
    from fer_bench.card import Card, Network
    from fer_bench.method import Recipe


def describe(
    kind: Annotated[Literal["method", "dataset", "metric", "protocol", "audit"], typer.Argument()],
    name: Annotated[str, typer.Argument(help="As `fer-bench list` prints it.")],
    *,
    recipe: Annotated[str | None, typer.Option(help="Print this recipe of the method in full instead.")] = None,
) -> None:
    """Describe one method, data set, metric, protocol or audit.

    \b
    Examples:
      fer-bench describe method conv_cut
      fer-bench describe method conv_cut --recipe paper
    """  # noqa: D301 - click's mark for lines that stay as they are
    if recipe is not None:
        if kind != "method":
            raise FerBenchError(f"a {kind} has no recipes", fix="leave --recipe out")
        _print_recipe(name, recipe)
        return
    has_code = kind != "method" or name in registry.names("methods")
    if not has_code and name in registry.names("cards"):
        _say(f"{name}: a card without code; nobody has reproduced it here yet")
    else:
        print(registry.docstring(f"{kind}s", name))
    if kind == "method":
        print()
        _print_card(name)
        if has_code:
            _print_recipes(name)


def _say(text: str, *, indent: str = "") -> None:
    paragraph(text, indent=indent, hanging="    ")


def _print_card(name: str) -> None:
    from fer_bench import card

    if name not in registry.names("cards"):
        _say(f"Card: none. Paper, claims and known defects go to baselines/{name}.yaml; see CONTRIBUTING.md")
        return
    found = card.read(name)
    _say(f"Pretraining: {found.pretraining}")
    if found.approximation is not None:
        _say(f"Approximation, without {found.approximation}")
    if found.code is not None:
        _say(f"Code read: {found.code.repository} at {found.code.commit} (licence: {found.code.licence})")
    if found.network is not None:
        _print_network(found.network)
    _print_record(found)


def _print_record(found: "Card") -> None:
    for file in found.files:
        _say(f"File on record: {file.name}, SHA-256 {file.sha256} ({file.what})")
    for claim in found.claims:
        _say(
            f"Claim: {claim.dataset} {claim.metric} {100 * claim.value:.2f} % ({claim.where}; "
            f"{claim.protocol.n_classes} classes, label rule {claim.protocol.label_rule}, "
            f"selection {claim.protocol.selection})"
        )
    for heading, notes in (("Known defect", found.known_defects), ("Report", found.reports)):
        for note in notes:
            _say(f"{heading}: {note.what} <{note.link}>")


def _print_network(network: "Network") -> None:
    _say(
        f"Network: {network.parameters:,} parameters, {network.macs:,} multiply-accumulates for one picture "
        f"(recipe {network.recipe}, {network.n_classes} expressions)"
    )
    _say(f"Held to the released code's own modules: {network.verified or 'nothing'}")
    if network.note is not None:
        _say(f"Of these figures: {network.note}")


def _print_recipes(name: str) -> None:
    recipes: dict[str, Recipe] = registry.load("methods", name).recipes
    print()
    for recipe_name, recipe in recipes.items():
        _say(f"Recipe {recipe_name}: {recipe.about}")
    print()
    first = next(iter(recipes))
    _say(f"One in full, with departures and settings: fer-bench describe method {name} --recipe {first}")


def _print_recipe(name: str, recipe_name: str) -> None:
    from fer_bench import yaml12
    from fer_bench.training import cell

    method = registry.load("methods", name)
    if recipe_name not in method.recipes:
        raise FerBenchError(
            f"{name} has no recipe '{recipe_name}'", fix=f"--recipe, one of: {', '.join(method.recipes)}"
        )
    recipe: Recipe = method.recipes[recipe_name]
    _say(f"Recipe {recipe_name}: {recipe.about}")
    for departure in recipe.departures:
        _say(f"departs: {departure}", indent="  ")
    settings = {
        "weights": recipe.weights,
        "options": cell.plain(recipe.options),
        "training": cell.plain(recipe.training),
    }
    print(yaml12.dump(settings, width=width()), end="")
