"""Predictions that were made elsewhere, as an entry of a grid: a folder with a file per seed.

An entry of ``methods`` with ``predictions: predictions/NAME`` has no method and no recipe. Its runs are carried out by
reading a file onto the reported samples (:mod:`fer_bench.training.brought_in`) and leave the same table and record as
others; the record says that nothing more is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from fer_bench.errors import FerBenchError
from fer_bench.method import Method, Recipe
from fer_bench.params import BROUGHT, Params

FOLDER = Path("predictions")
"""Where brought predictions lie: the pipeline watches this folder and no other."""


@dataclass(frozen=True)
class Brought:
    """Options of such an entry's recipe.

    Attributes:
        folder: Where its files lie.
        said: What the grid says about them.
    """

    folder: Path
    said: Mapping[str, Any] = field(default_factory=dict)


def method_of(params: Params, entry: str) -> Method:
    """Return what stands for the method of an entry whose predictions were brought.

    Args:
        params: The grid.
        entry: The entry.

    Raises:
        FerBenchError: If there is no such folder, or it lies where the pipeline does not look.
    """
    path = Path(params.methods[entry].predictions or "")
    if path.is_absolute() or FOLDER not in path.parents or ".." in path.parts:
        raise FerBenchError(
            f"methods.{entry}.predictions: {path} does not lie in {FOLDER}/, which is all that the pipeline watches",
            fix=f"move it there, and name it so: {FOLDER / entry}",
        )
    if not path.is_dir():
        raise FerBenchError(
            f"methods.{entry}.predictions: no folder {path}",
            fix=f"put a file per seed there: {path / 'seed0.csv'} …; of several data sets in a folder each",
        )
    options = Brought(path, params.methods[entry].options)
    recipe = Recipe(about="Predictions that were brought.", options=options, weights="none")
    return Method(title=entry, recipes={BROUGHT: recipe}, fit=_no_fit)


def _no_fit(*_: object, **__: object) -> NoReturn:
    message = "predictions that were brought are read, not fitted"
    raise TypeError(message)
