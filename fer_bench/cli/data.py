"""``fer-bench data``: make data sets ready, look for what is wrong with them, and compare copies."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fer_bench import whole
from fer_bench.cli._common import AsJson, ParamsFile, say, show, wrote
from fer_bench.errors import FerBenchError

if TYPE_CHECKING:  # pandas takes 0.4 s to import, and this module is imported for every --help
    import pandas as pd

    from fer_bench.datasets._fingerprint import Fingerprint
    from fer_bench.params import Params, Prepare

DATA = Path("data")

app = typer.Typer(help="Make data sets ready, audit them, compare copies.", no_args_is_help=True, rich_markup_mode=None)

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
    as_json: AsJson = False,
) -> None:
    """Look for what leaks and what is not as released.

    Exits with 1 if an audit is red.

    Writes results/GRID/audits/DATASET.json, tables of ids beside it, and the gate that training asks. What is red is
    trained on only if the grid says prepare.DATASET.accept: contaminated; then the exit code is 0 too.

    \b
    Examples:
      fer-bench data audit synthetic
      fer-bench data audit ferplus --json
    """  # noqa: D301 - click's mark for lines that stay as they are
    import pandas as pd

    from fer_bench import registry
    from fer_bench.audits import _write
    from fer_bench.datasets import _store
    from fer_bench.params import read
    from fer_bench.tables import digests

    grid = read(params)
    if dataset not in grid.prepare:
        registry.path_of("datasets", dataset)
    prepared = _store.open_prepared(dataset, DATA)
    findings = {name: registry.load("audits", name).run(prepared) for name in registry.names("audits")}
    checked = digests.check(grid, "audit", dataset=dataset, file=params)
    path = _write.write(findings, prepared, grid.results, checked)
    rows = [{"audit": name, "status": found.status, "why": found.why} for name, found in findings.items()]
    show(pd.DataFrame(rows, columns=["audit", "status", "why"]), as_json=as_json)
    red = [name for name, found in findings.items() if found.status == "red"]
    accepted = dataset in grid.prepare and grid.prepare[dataset].accept == "contaminated"
    if red and not accepted:
        say(f"wrote {path}; {dataset} is red ({', '.join(red)}): nothing is trained on it")
        say(f"  fix: get the release as it is, or say prepare.{dataset}.accept: contaminated in {params}")
        raise typer.Exit(1)
    if red:
        say(f"{dataset} is red ({', '.join(red)}), accepted in {params}: every table says so")
    wrote(path, then=f"fer-bench run METHOD --dataset {dataset} --seed SEED")


@app.command()
def fingerprint(
    dataset: DatasetName,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write; compressed if it ends with .xz.")],
) -> None:
    """Write down what a data set holds, without its pictures.

    That is counts, digests and perceptual hashes of a prepared data set.

    The file may be shared where pictures may not. As fer_bench/datasets/fingerprints/DATASET.csv, a copy of the release
    becomes what other copies are held against.

    \b
    Examples:
      fer-bench data fingerprint synthetic -o synthetic.csv
      fer-bench data fingerprint rafdb -o fer_bench/datasets/fingerprints/rafdb.csv.xz
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench.datasets import _fingerprint, _store

    _fingerprint.write(_fingerprint.of(_store.open_prepared(dataset, DATA)), out)
    wrote(out, then=f"fer-bench data diff {out} ANOTHER")


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="A prepared data set, or a fingerprint's file.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Likewise.")],
    *,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write a CSV with a row per picture.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say how two copies of a data set differ, by picture.

    Exits with 1 if they do.

    Each picture is the same, re-encoded, resized, re-aligned, unlike, missing or added, and may have been moved to
    another split or relabelled.

    \b
    Examples:
      fer-bench data diff ferplus fer_bench/datasets/fingerprints/ferplus.csv.xz
      fer-bench data diff official.csv mine.csv -o differences.csv
    """  # noqa: D301 - click's mark for lines that stay as they are
    import pandas as pd

    from fer_bench.datasets import _difference

    copies = [_copy(name) for name in (first, second)]
    table = _difference.difference(*copies)
    found = _difference.summary(table)
    rows = [{"change": change, "n": n, "ids": _examples(table, change)} for change, n in found.items()]
    show(pd.DataFrame(rows), as_json=as_json)
    if copies[0].head.label_rule != copies[1].head.label_rule:
        rules = " and ".join(repr(copy.head.label_rule) for copy in copies)
        say(f"labels were not compared: the label rules are {rules}")
    if out is not None:
        whole.write(out, table.to_csv(index=False, lineterminator="\n").encode())
        wrote(out, then="read it")
    if found["same"] < len(table) or found["moved"] or found["relabelled"]:
        raise typer.Exit(1)


def _copy(name: str) -> "Fingerprint":
    """Take the fingerprint of a prepared data set, or read one from a file."""
    from fer_bench.datasets import _fingerprint, _store

    if (DATA / name / "info.json").exists():
        return _fingerprint.of(_store.open_prepared(name, DATA))
    return _fingerprint.read(Path(name))


def _examples(table: "pd.DataFrame", change: str) -> str:
    rows = table[table[change]] if change in {"moved", "relabelled"} else table[table["change"] == change]
    named = rows["a"].fillna(rows["b"]).astype(str)
    return ", ".join(named.head(3)) + (", …" if len(named) > 3 else "")
