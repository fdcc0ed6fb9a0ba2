"""``fer-bench run``: one data set, one method, one seed."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from fer_bench.cli._common import ParamsFile, say, wrote
from fer_bench.params import PARAMS, Params


def run(
    method: Annotated[str, typer.Argument(help="A method of the grid; see `fer-bench list methods`.")],
    *,
    dataset: Annotated[str, typer.Option(help="A data set of the grid.")],
    seed: Annotated[int, typer.Option(min=0, help="The run's seed; everything random is derived from it.")],
    params: ParamsFile = PARAMS,
    launcher: Annotated[
        Literal["none", "pytorch", "slurm", "mpi"], typer.Option(help="How mmengine finds the other processes.")
    ] = "none",
    out: Annotated[Path | None, typer.Option(help="The run's folder; default: the grid's own.")] = None,
) -> None:
    """Train one method on one data set with one seed, and write its predictions.

    A run that was stopped goes on where it was when the same command is given again.

    \b
    Examples:
      fer-bench run majority_class --dataset synthetic --seed 0
      torchrun --nproc-per-node 2 -m fer_bench run conv_cut --dataset synthetic --seed 0 --launcher pytorch
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench import params as reading

    chosen = reading.read(params)
    _set_environment(chosen)
    from fer_bench.training.carry_out import carry_out

    record = carry_out(chosen, dataset=dataset, method=method, seed=seed, launcher=launcher, out=out)
    if record is None:
        return
    folder = chosen.cell(dataset, method, seed) if out is None else out
    if record.status == "failed":
        say(f"{dataset} {method} seed {seed}: {record.error}; the run is recorded as failed")
    wrote(folder / "predictions.csv", then="fer-bench score")


def _set_environment(params: Params) -> None:
    """Set what libraries read when they are imported: threads, the device, and what determinism asks of CUDA."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(params.run.threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if params.run.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
