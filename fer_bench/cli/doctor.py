"""``fer-bench doctor``: what is here and what is missing."""

import json
import shutil

from fer_bench.cli._common import AsJson, ParamsFile
from fer_bench.params import PARAMS


def doctor(*, params: ParamsFile = PARAMS, as_json: AsJson = False) -> None:
    """Show versions, the device, which data sets are found where, and what is missing for the grid.

    \b
    Examples:
      fer-bench doctor
      fer-bench doctor --params grids/ferplus_cpu.yaml --json
    """  # noqa: D301 - click's mark for lines that stay as they are
    rows = [*_software(), *_device(), *_grid(params)]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    from tabulate import tabulate

    print(tabulate(rows, headers="keys", tablefmt="simple", disable_numparse=True))


def _row(what: str, found: str, fix: str = "") -> dict[str, str]:
    return {"what": what, "found": found, "fix": fix}


def _software() -> list[dict[str, str]]:
    from importlib import metadata

    from fer_bench import provenance

    rows = [_row(name, version) for name, version in provenance.versions().items()]
    try:
        rows.append(_row("dvc", metadata.version("dvc")))
    except metadata.PackageNotFoundError:
        rows.append(_row("dvc", "not installed", "pip install dvc; run, score and compare work without it"))
    latex = shutil.which("pdflatex")
    missing = "Debian: apt-get install texlive-latex-recommended; only the PDF needs it"
    rows.append(_row("pdflatex", latex or "not installed", "" if latex else missing))
    return rows


def _device() -> list[dict[str, str]]:
    try:
        import torch
    except ImportError as error:
        return [_row("torch", str(error), "pip install -e .; score, compare and report work without it")]
    if torch.cuda.is_available():
        return [
            _row(f"device {index}", torch.cuda.get_device_name(index)) for index in range(torch.cuda.device_count())
        ]
    return [_row("device", "cpu", "no CUDA device found; toy recipes and frozen trunks are meant for this")]


def _grid(params: "ParamsFile") -> list[dict[str, str]]:
    from pathlib import Path

    from fer_bench import params as reading
    from fer_bench.datasets import _store
    from fer_bench.errors import FerBenchError

    try:
        grid = reading.read(params)
    except FerBenchError as error:
        return [_row(str(params), error.problem, error.fix)]
    rows = [_row("grid", f"{grid.grid}: {len(grid.prepare)} data sets, {len(grid.methods)} methods")]
    for name, choice in grid.prepare.items():
        source = Path(choice.source)
        there = source.exists()
        rows.append(
            _row(
                f"{name} source",
                f"{source}{'' if there else ' (missing)'}",
                "" if there else f"set prepare.{name}.source",
            )
        )
        try:
            info = _store.open_prepared(name).info
            rows.append(
                _row(f"{name} prepared", f"{info.n_images} pictures, {info.n_classes} expressions, {info.label_rule}")
            )
        except FerBenchError as error:
            rows.append(_row(f"{name} prepared", "no", error.fix))
    for name, method in grid.methods.items():
        if method.weights not in (None, "none", "timm") and not Path(method.weights or "").exists():
            rows.append(_row(f"{name} weights", f"{method.weights} (missing)", f"set methods.{name}.weights"))
    return rows
