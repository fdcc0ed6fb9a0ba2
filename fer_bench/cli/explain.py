"""``fer-bench explain``: what a run's network makes of pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fer_bench.cli._common import ParamsFile, say, set_environment, wrote
from fer_bench.params import PARAMS

if TYPE_CHECKING:  # torch takes seconds to import, and this module is imported for every --help
    from fer_bench.explain.asked import Asked

PICTURES = 2000


def explain(
    method: Annotated[str, typer.Argument(help="A method of the grid.")],
    *,
    dataset: Annotated[str, typer.Option(help="A data set of the grid.")],
    seed: Annotated[int | None, typer.Option(min=0, help="The run's seed; default: the grid's first.")] = None,
    pictures: Annotated[int, typer.Option(min=1, help="Pictures whose features are asked for, at most.")] = PICTURES,
    faces: Annotated[
        bool,
        typer.Option("--faces", help="Draw Grad-CAM on faces that may not be published, into results/GRID/private."),
    ] = False,
    params: ParamsFile = PARAMS,
) -> None:
    """Ask a run for its features before the classifier, and for Grad-CAM maps.

    Writes results/GRID/features/DATASET_METHOD.csv (a t-SNE map, and how pure each picture's neighbourhood is), .json
    (what of, and the purity with its interval) and .npz (the Grad-CAM maps). Faces are kept only where the data set's
    licence lets them be shown.

    \b
    Examples:
      fer-bench explain conv_cut --dataset synthetic
      fer-bench explain conv_cut --dataset synthetic --pictures 300 --faces
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench.params import read

    grid = read(params)
    set_environment(grid)
    from fer_bench.explain.asked import of_run
    from fer_bench.tables import features

    chosen = grid.run.seeds[0] if seed is None else seed
    asked = of_run(grid, dataset=dataset, method=method, seed=chosen, n=pictures)
    if faces:
        _draw(asked, grid.results / "private")
    path = features.write(asked.found, asked.table, asked.published, grid.results / "features")
    _tell(asked)
    wrote(path, then="fer-bench report")


def _draw(asked: "Asked", folder: Path) -> None:
    """Draw Grad-CAM on faces, where nothing is published from."""
    from fer_bench.report import explained

    name = explained.draw_private(asked.found, asked.maps, folder)
    if name is not None:
        say(f"wrote {folder / name}.pdf and .png: not for publication")


def _tell(asked: "Asked") -> None:
    """Say what was found, or why there is nothing."""
    from fer_bench.report import words

    found = asked.found
    for why in filter(None, (found.why, found.no_features and f"no features: {found.no_features}")):
        say(f"{found.dataset} {found.method}: {why}")
    if found.no_gradcam:
        say(f"{found.dataset} {found.method}: no Grad-CAM: {found.no_gradcam}")
    if found.features is not None:
        each = found.features.purity
        purity = words.level_with_interval(each.estimate, each.low, each.high)
        say(
            f"{found.dataset} {found.method}: {purity} of the {found.features.k} nearest neighbours share a picture's "
            f"label (by chance {words.percent(found.features.chance)}; n = {found.n:,})"
        )
