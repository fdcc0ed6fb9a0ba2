"""``fer-bench predict``: what a released checkpoint predicts."""

from pathlib import Path
from typing import Annotated

import typer

from fer_bench.cli._common import wrote


def predict(
    method: Annotated[str, typer.Argument(help="A method; see `fer-bench list methods`.")],
    checkpoint: Annotated[Path, typer.Argument(help="The file that its authors released.")],
    *,
    dataset: Annotated[str, typer.Option(help="A prepared data set.")],
    recipe: Annotated[str, typer.Option(help="The recipe whose network the checkpoint is of.")] = "code",
    weights: Annotated[
        Path | None, typer.Option(help="The file that the recipe starts from, where the checkpoint lacks a part of it.")
    ] = None,
    protocol: Annotated[str, typer.Option(help="Which part is reported.")] = "honest",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: METHOD_released.csv.")] = None,
) -> None:
    """Predict test pictures with weights that authors released.

    The file is read without running code; keys that do not fit are named. A network that needs more than the checkpoint
    has, such as CLIP's text tower, needs the file that it is from: --weights. The result is a file of predictions as
    any other: score it, or compare it.

    \b
    Examples:
      fer-bench predict scn checkpoint.pth --dataset rafdb
      fer-bench predict ceprompt checkpoint.pth --dataset rafdb --weights weights/clip_vit_b_16.pth
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench.tables import predictions
    from fer_bench.training import released

    table = released.predict(method, recipe, checkpoint, dataset=dataset, protocol=protocol, weights=weights)
    target = output or Path(f"{method}_released.csv")
    predictions.write(table, target, n_classes=len(table.filter(regex="^logit_").columns))
    wrote(target, then=f"fer-bench score {target}")
