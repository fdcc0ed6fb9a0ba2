"""``fer-bench explain``: what a run's network makes of pictures."""

from typing import TYPE_CHECKING, Annotated

import typer

from fer_bench.cli._common import ParamsFile, say, set_environment, tell, wrote
from fer_bench.params import PARAMS

if TYPE_CHECKING:  # torch takes seconds to import, and this module is imported for every --help
    from fer_bench.explain.asked import Asked
    from fer_bench.params import Score

PICTURES = 2000


def explain(
    method: Annotated[str, typer.Argument(help="A method of the grid.")],
    *,
    dataset: Annotated[str, typer.Option(help="A data set of the grid.")],
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="The run's seed; default: the grid's first.")
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, help="Pictures whose features are asked for, at most.")] = PICTURES,
    faces: Annotated[
        bool,
        typer.Option(
            "--faces",
            help="Keep the faces whatever the licence, in results/GRID/private, where the report then draws them.",
        ),
    ] = False,
    params: ParamsFile = PARAMS,
) -> None:
    """Ask runs for their features and Grad-CAM maps.

    Writes results/GRID/features/DATASET_METHOD.csv (a t-SNE map, and how pure each picture's neighbourhood is), .json
    (what of) and .npz (the Grad-CAM maps). Faces are kept only where the data set's
    licence lets them be shown; others on request, for your eyes only.

    \b
    Examples:
      fer-bench explain conv_cut --dataset synthetic
      fer-bench explain conv_cut --dataset synthetic --pictures 300 --faces
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench.params import read

    grid = read(params)
    set_environment(grid)
    from fer_bench import whole
    from fer_bench.explain.asked import of_run
    from fer_bench.tables import digests, features

    chosen = grid.run.seeds[0] if seed is None else seed
    checked = digests.check(grid, "explain", dataset=dataset, method=method, file=params)
    tell(checked)
    asked = of_run(grid, dataset=dataset, method=method, seed=chosen, n=pictures)
    with whole.together(grid.results, f"explain-{dataset}_{method}") as new:
        path = features.write(asked.found, asked.table, asked.published, new / "features")
        checked.write(new)
    for sentence in _said(asked, grid.score):
        say(f"{dataset} {method}: {sentence}")
    if faces and asked.found.gradcam is not None:
        private = features.stem(grid.results / "private", dataset, method).with_suffix(".npz")
        features.write_maps(asked.maps, private)
        say(f"wrote {private}, with faces: not for publication")
    wrote(grid.results / "features" / path.name, then="fer-bench report")


def _said(asked: "Asked", score: "Score") -> list[str]:
    """Say what was found, or why there is nothing."""
    from fer_bench.expressions import EXPRESSIONS
    from fer_bench.stats.purity import purity

    found = asked.found
    if found.why:
        return [found.why]
    said = [f"no features: {found.no_features}"] if found.no_features else []
    if found.features is not None:
        held, table = found.features, asked.table
        pure = purity(table["pure"].to_numpy(dtype=float), table["y_true"].to_numpy(dtype=int), EXPRESSIONS, score)
        estimate, low, high = (f"{100 * share:.1f}" for share in (pure.estimate, pure.low, pure.high))
        said.append(
            f"{estimate} % [{low}, {high}] of a picture's {held.k} nearest neighbours share its label "
            f"(by chance {100 * held.chance:.1f} %; n = {found.n:,})"
        )
    return [*said, *([f"no Grad-CAM: {found.no_gradcam}"] if found.no_gradcam else [])]
