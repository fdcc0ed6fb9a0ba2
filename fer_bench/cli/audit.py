"""``fer-bench audit``: look for what is wrong with predictions, as ``fer-bench data audit`` does with data."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fer_bench.cli._common import AsJson, ParamsFile, say, set_environment, show, tell, wrote
from fer_bench.errors import FerBenchError
from fer_bench.params import PARAMS, Params

if TYPE_CHECKING:  # torch and pandas take seconds to import, and this module is imported for every --help
    from fer_bench.audits._orders import Audited
    from fer_bench.tables.digests import Checked

METRICS = ("accuracy", "macro_f1")

app = typer.Typer(help="Audit what methods predict.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Audit what methods predict."""


@app.command()
def batch(
    target: Annotated[str, typer.Argument(metavar="METHOD|RUN", help="A method, or the folder of one run.")],
    *,
    dataset: Annotated[str | None, typer.Option(help="A data set of the grid; all seeds of METHOD are asked.")] = None,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="METHOD's toy recipe with initial weights on synthetic pictures.")
    ] = False,
    params: ParamsFile = PARAMS,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for DATASET_METHOD.csv and .json; default with --dataset: results/GRID/orders, else none."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask whether predictions depend on the batch a picture comes in.

    The reported pictures are given to the trained weights one at a time, each beside a copy of itself, shuffled, as the
    release lists them, and sorted by class, in batches of 8 to 64. Red: an answer changes by more than rounding. Exit
    with 1 if it is red and the method does not say so itself (couples_batch). A METHOD that is not in the grid is
    asked untrained.

    \b
    Examples:
      fer-bench audit batch conv_cut --dataset synthetic
      fer-bench audit batch results/demo/runs/synthetic/conv_cut/seed0
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench.params import read

    grid = checked = None
    if untrained:
        audited = _untrained(target, dataset)
    else:
        grid = read(params)
        set_environment(grid)
        if dataset in grid.prepare and target in grid.methods and out in {None, grid.results / "orders"}:
            from fer_bench.tables import digests

            checked = digests.check(grid, "batch", dataset=dataset, method=target, file=params)
            tell(checked)
        audited = _trained(grid, target, dataset)
    _tell(audited, grid, out, checked, as_json=as_json)
    if audited.stops:
        say(f"  fix: make every picture's logits its own, or say couples_batch in the file of {audited.method}")
        raise typer.Exit(1)


def _trained(grid: Params, target: str, dataset: str | None) -> "Audited":
    from fer_bench import registry
    from fer_bench.training import orders

    if os.sep in target or (Path(target) / "run.json").exists():
        if dataset is not None:
            raise FerBenchError(f"{target} is a run, which has its data set", fix="leave --dataset out")
        return orders.of_run(grid, Path(target))
    if dataset is not None:
        return orders.of_method(grid, dataset=dataset, method=target)
    if target in grid.methods:
        raise FerBenchError(
            f"{target}: on which data set?", fix=f"--dataset, one of: {', '.join(grid.prepare)}; or --untrained"
        )
    registry.path_of("methods", target)
    say(f"{target} is not in this grid: its toy recipe is asked, untrained, on synthetic pictures")
    return orders.untrained(target)


def _untrained(target: str, dataset: str | None) -> "Audited":
    from fer_bench import registry
    from fer_bench.training import orders

    registry.path_of("methods", target)
    if dataset is not None:
        raise FerBenchError("--untrained asks synthetic pictures", fix="leave --dataset or --untrained out")
    return orders.untrained(target)


def _tell(
    audited: "Audited", grid: Params | None, out: Path | None, checked: "Checked | None", *, as_json: bool
) -> None:
    """Print the table, say the verdict, and write the files: into the grid's results, or a folder that was named."""
    from fer_bench import whole
    from fer_bench.audits import _orders

    rows = audited.rows()
    stem = f"{audited.dataset}_{audited.method}"
    written = None
    if grid is not None and checked is not None:
        with whole.together(grid.results, f"batch-{stem}") as new:
            written = grid.results / "orders" / _orders.write(audited, rows, new / "orders").name
            checked.write(new)
    elif out is not None:
        with whole.together(out, stem) as new:
            written = out / _orders.write(audited, rows, new).name
    if rows or as_json:
        import pandas as pd

        show(pd.DataFrame(rows) if as_json else _orders.printable(rows, _scored(audited, grid)), as_json=as_json)
    say(f"{audited.dataset} {audited.method}: {audited.status}: {audited.why}")
    if audited.status != "none" and audited.without:
        say(audited.without)
    if written is not None:
        wrote(written, then="fer-bench ladder")


def _scored(audited: "Audited", grid: Params | None) -> list[dict[str, Any]]:
    """Score every order for the terminal; what is kept of it, `fer-bench ladder` writes."""
    from fer_bench import registry
    from fer_bench.params import Score
    from fer_bench.stats import by_order

    return list(
        by_order.scores(
            audited.table(),
            {name: registry.load("metrics", name) for name in METRICS},
            dataset=audited.dataset,
            method=audited.method,
            n_classes=audited.n_classes,
            score=Score(metrics=list(METRICS)) if grid is None else grid.score,
        )
    )
