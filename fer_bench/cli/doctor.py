"""``fer-bench doctor``: what is here and what is missing."""

import importlib.util
import json
import shutil
from pathlib import Path

from fer_bench.cli._common import AsJson, ParamsFile, print_aligned
from fer_bench.params import PARAMS, Params


def doctor(*, params: ParamsFile = PARAMS, as_json: AsJson = False) -> None:
    """Say what is here and what the grid still needs.

    Shows versions, the device, and which data sets and weights are found where.

    \b
    Examples:
      fer-bench doctor
      fer-bench doctor --params grids/ferplus_cpu.yaml --json
    """  # noqa: D301 - click's mark for lines that stay as they are
    rows = [*_software(), *_device(), *_left_by_dvc(), *_grid(params)]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    print_aligned(["what", "found", "fix"], [list(row.values()) for row in rows])


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


def _left_by_dvc() -> list[dict[str, str]]:
    """Return a row for every file that a DVC killed while it wrote has left empty: DVC then stops at it."""
    found = {
        Path(".dvc/tmp/rwlock"): "rm .dvc/tmp/rwlock, while no dvc is running",
        Path("dvc.lock"): "rm dvc.lock, or git checkout dvc.lock where git has it; dvc repro then looks at all stages",
    }
    said = "empty: dvc was killed while it wrote this, and stops here until it is gone"
    return [_row(str(path), said, fix) for path, fix in found.items() if path.is_file() and not path.stat().st_size]


def _grid(params: "ParamsFile") -> list[dict[str, str]]:
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
    for name in grid.methods:
        rows += _files(grid, name)
    return rows


def _files(grid: Params, entry: str) -> list[dict[str, str]]:
    """Return a row for every file of weights that an entry reads."""
    from fer_bench import card, provenance, registry
    from fer_bench.errors import FerBenchError
    from fer_bench.training import cell

    choice, file = grid.methods[entry], grid.method_of(entry)
    if choice.weights not in (None, "none", "timm") and not Path(choice.weights).is_file():
        return [_row(f"{entry} weights", f"{choice.weights} (missing)", f"set methods.{entry}.weights")]
    if importlib.util.find_spec("torch") is None:  # said above; most methods cannot be read without it
        return []
    method = registry.load("methods", file)
    if choice.recipe not in method.recipes or method.build is None:
        return []
    try:
        recipe = cell.with_options(method.recipes[choice.recipe], choice.options, where=f"methods.{entry}.options")
        weights, _ = cell.weights_of(entry, method, recipe, choice.weights)
        paths = cell.loaded(method, recipe, weights)
    except FerBenchError as error:
        return [_row(f"{entry} weights", error.problem, error.fix)]
    known = card.read(file) if paths and file in registry.names("cards") else None
    found = {path: provenance.sha256_of_file(path) for path in paths}
    asked = {Path(name).name: digest for name, digest in choice.digests.items()}
    return [
        _row(
            f"{entry} weights",
            f"{path}: {known.said_of(path.name, digest) if known else f'SHA-256 {digest}'}",
            f"methods.{entry}.digests expects {asked[path.name]}" if asked.get(path.name, digest) != digest else "",
        )
        for path, digest in found.items()
    ]
