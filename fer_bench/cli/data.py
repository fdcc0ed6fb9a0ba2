"""``fer-bench data``: make data sets ready, and look for what is wrong with them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fer_bench.cli._common import AsJson, ParamsFile, say, show, wrote
from fer_bench.errors import FerBenchError

if TYPE_CHECKING:  # pandas takes 0.4 s to import, and this module is imported for every --help
    from fer_bench.audits import Finding
    from fer_bench.datasets._store import Prepared
    from fer_bench.params import Params, Prepare

DATA = Path("data")

app = typer.Typer(help="Make data sets ready and audit them.", no_args_is_help=True, rich_markup_mode=None)

DatasetName = Annotated[str, typer.Argument(metavar="DATASET", help="A name of `fer-bench list datasets`.")]


@app.command()
def prepare(
    dataset: DatasetName,
    *,
    params: ParamsFile = Path("params.yaml"),
    source: Annotated[
        Path | None, typer.Option("--source", help="Where the release lies; default: the source in the grid's file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decode a data set into data/DATASET.

    Its counts are held to the release's; an earlier data/DATASET stays as it is if anything is wrong.

    \b
    Examples:
      fer-bench data prepare synthetic
      fer-bench data prepare ferplus --source ~/ferplus
    """  # noqa: D301 - click's mark for lines that stay as they are
    import pandas as pd

    from fer_bench.datasets import _store
    from fer_bench.params import read

    choice = _choice(read(params), params, dataset, source)
    prepared = _store.prepare(dataset, choice, DATA)
    rows = [{"split": split, **counts, "all": sum(counts.values())} for split, counts in prepared.info.counts.items()]
    show(pd.DataFrame(rows), as_json=as_json)
    wrote(DATA / dataset, then=f"fer-bench data audit {dataset}")


def _choice(grid: "Params", file: Path, dataset: str, source: Path | None) -> "Prepare":
    """Return how a data set is prepared: as the grid says, ``source`` overriding; without an entry, by default."""
    import msgspec

    from fer_bench import registry
    from fer_bench.params import Prepare

    given = grid.prepare.get(dataset)
    if given is None:
        registry.path_of("datasets", dataset)
    if given is None and source is None:
        raise FerBenchError(
            f"{file}: prepare has no {dataset}; it has: {', '.join(grid.prepare)}",
            fix=f"name the source with --source, add {dataset} under prepare, or take another grid's file (--params)",
        )
    given = given or Prepare(source="")
    return msgspec.structs.replace(given, source=str(source)) if source else given


@app.command()
def audit(
    dataset: DatasetName,
    *,
    params: ParamsFile = Path("params.yaml"),
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if an audit is red.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look for wrong counts and exact copies.

    Writes results/GRID/audits/DATASET.json and the ids of equal pictures, DATASET_duplicates.csv.

    \b
    Examples:
      fer-bench data audit synthetic
      fer-bench data audit ferplus --strict
    """  # noqa: D301 - click's mark for lines that stay as they are
    import pandas as pd

    from fer_bench import registry
    from fer_bench.datasets import _store
    from fer_bench.params import read

    grid = read(params)
    if dataset not in grid.prepare:
        registry.path_of("datasets", dataset)
    folder = grid.results / "audits"
    prepared = _store.open_prepared(dataset, DATA)
    findings: dict[str, Finding] = {
        name: registry.load("audits", name).run(prepared) for name in registry.names("audits")
    }
    path = _write(findings, prepared, folder)
    rows = [{"audit": name, "status": found.status, "why": found.why} for name, found in findings.items()]
    show(pd.DataFrame(rows, columns=["audit", "status", "why"]), as_json=as_json)
    wrote(path, then=f"fer-bench run METHOD --dataset {dataset} --seed SEED")
    if strict and any(found.status == "red" for found in findings.values()):
        say(f"{dataset}: an audit is red")
        raise typer.Exit(1)


def _write(findings: "dict[str, Finding]", prepared: "Prepared", folder: Path) -> Path:
    """Write what the audits found: one JSON, keys sorted, and each table of ids; equal findings give equal bytes."""
    import json

    from fer_bench.audits import worst

    info = prepared.info
    record: dict[str, Any] = {
        "dataset": info.name,
        "title": info.title,
        "n_images": info.n_images,
        "label_rule": info.label_rule,
        "samples_digest": info.samples_digest,
        "pixels_digest": info.pixels_digest,
        "status": worst([found.status for found in findings.values()]),
        "audits": {
            name: {"status": found.status, "why": found.why, "numbers": found.numbers}
            for name, found in findings.items()
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    for found in findings.values():
        for short, table in found.tables.items():
            table.to_csv(folder / f"{info.name}_{short}.csv", index=False, lineterminator="\n")
    path = folder / f"{info.name}.json"
    path.write_text(json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
