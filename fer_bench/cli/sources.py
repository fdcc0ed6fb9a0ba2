"""``fer-bench sources``: which files a method is made of, for the pipeline."""

import json
from typing import Annotated

import typer

from fer_bench import params as params_file
from fer_bench.cli._common import ParamsFile, wrote
from fer_bench.errors import FerBenchError


def sources(
    method: Annotated[str, typer.Argument(help="An entry of the grid's methods.")],
    *,
    params: ParamsFile = params_file.PARAMS,
) -> None:
    """Write down which files an entry of the grid is made of.

    Runs depend on this file instead of on all of baselines: an entry may bear another name than its method's file,
    and a method may share blocks with others. Writes results/GRID/sources/METHOD.json.

    \b
    Examples:
      fer-bench sources majority_class
      fer-bench sources patt_lite --params grids/ferplus_cpu.yaml
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench import provenance, whole

    grid = params_file.read(params)
    if method not in grid.methods:
        raise FerBenchError(
            f"'{method}' is not in this grid; its section methods has: {', '.join(grid.methods)}",
            fix=f"add methods.{method} to params.yaml",
        )
    file = grid.method_of(method)
    found = {"method": file, "files": provenance.sources(f"baselines.{file}")}
    target = grid.results / "sources" / f"{method}.json"
    whole.write(target, (json.dumps(found, indent=1) + "\n").encode())
    wrote(target, then=f"fer-bench run {method} --dataset DATASET --seed SEED")
