"""``fer-bench run``: one data set, one method, one seed."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fer_bench.cli._common import ParamsFile, say, set_environment, wrote
from fer_bench.params import PARAMS


def run(
    method: Annotated[str, typer.Argument(help="A method of the grid; see `fer-bench list methods`.")],
    *,
    dataset: Annotated[str, typer.Option(help="A data set of the grid.")],
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="The run's seed; everything random is derived from it.")
    ],
    params: ParamsFile = PARAMS,
    launcher: Annotated[
        Literal["none", "pytorch", "slurm", "mpi"], typer.Option(help="How mmengine finds the other processes.")
    ] = "none",
    out: Annotated[Path | None, typer.Option(help="The run's folder; default: the grid's own.")] = None,
) -> None:
    """Train one method on one data set with one seed.

    Writes its predictions, its losses by epoch, and a record of how it was made.

    A run that was stopped goes on where it was when the same command is given again.

    \b
    Examples:
      fer-bench run majority_class --dataset synthetic --seed 0
      torchrun --nproc-per-node 2 -m fer_bench run conv_cut --dataset synthetic --seed 0 --launcher pytorch
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench import params as reading

    chosen = reading.read(params)
    set_environment(chosen)
    from fer_bench.training.carry_out import carry_out

    record = carry_out(chosen, dataset=dataset, method=method, seed=seed, launcher=launcher, out=out)
    if record is None:
        return
    for line in _said_of_files(chosen.method_of(method), record.files):
        say(line)
    folder = chosen.cell(dataset, method, seed) if out is None else out
    if record.status == "failed":
        say(f"{dataset} {method} seed {seed}: {record.error}; the run is recorded as failed")
    wrote(folder / "predictions.csv", then="fer-bench score")


def _said_of_files(method: str, files: dict[str, str]) -> list[str]:
    from fer_bench import card, registry

    found = card.read(method) if files and method in registry.names("cards") else None
    return [f"{name}: {found.said_of(name, digest)}" for name, digest in files.items()] if found else []
