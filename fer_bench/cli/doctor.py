"""``fer-bench doctor``: what is here and what is missing."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import typer

from fer_bench.cli._common import AsJson, ParamsFile, print_aligned, say
from fer_bench.params import PARAMS, Params

PIPELINE = Path("dvc.yaml")
KERNEL = Path("/proc/driver/nvidia/version")


class Row(NamedTuple):
    """One line of what was looked at.

    Attributes:
        what: What was looked for.
        found: What was found.
        fix: What to do, where there is something to do.
        missing: Whether the grid cannot be carried out without.
    """

    what: str
    found: str
    fix: str = ""
    missing: bool = False


def doctor(*, params: ParamsFile = PARAMS, as_json: AsJson = False) -> None:
    """Say what is here and what the grid still needs.

    Shows versions, driver and device, and which data sets and weights are found where. Exits with 1 if something that
    the grid needs is missing; `make repro` asks this first.

    \b
    Examples:
      fer-bench doctor
      fer-bench doctor --params grids/ferplus_cpu.yaml --json
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench import params as reading
    from fer_bench.errors import FerBenchError

    grid: Params | None = None
    try:
        grid = reading.read(params)
        own = [*_grid(grid), *_written_out(params)]
    except FerBenchError as error:
        own = [Row(str(params), error.problem, error.fix, missing=True)]
    rows = [*_software(), *_device("auto" if grid is None else grid.run.device), *_left_by_dvc(), *own]
    if as_json:
        print(json.dumps([row._asdict() for row in rows], indent=1))
    else:
        print_aligned(["what", "found", "fix"], [row[:3] for row in rows])
    missing = [row for row in rows if row.missing]
    for row in missing:
        say(f"missing: {row.what}: {row.found}\n  fix: {row.fix}")
    if missing:
        raise typer.Exit(1)


def _software() -> Iterator[Row]:
    from importlib import metadata

    from fer_bench import provenance

    for name, version in provenance.versions().items():
        yield Row(name, version)
    try:
        yield Row("dvc", metadata.version("dvc"))
    except metadata.PackageNotFoundError:
        yield Row("dvc", "not installed", "pip install dvc; run, score and compare work without it")
    latex = shutil.which("pdflatex")
    missing = "Debian: apt-get install texlive-latex-recommended; only the PDF needs it"
    yield Row("pdflatex", latex or "not installed", "" if latex else missing)


def _device(asked: str) -> Iterator[Row]:
    """Yield what the driver says, and what torch can do with it.

    Args:
        asked: ``run.device``.
    """
    driver = _driver()
    yield Row("NVIDIA driver", driver or "none")
    try:
        import torch
    except ImportError as error:
        yield Row("torch", str(error), "pip install -e .; score, compare and report work without it")
        return
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    if not names:
        unused = "" if driver is None else f"; torch {torch.__version__} cannot use what the driver has"
        yield Row("device", f"cpu{unused}", _fix_of_device(torch, driver), missing=asked == "cuda")
    for index, name in enumerate(names):
        problem = _problem_of_device(torch, index)
        kinds = ", ".join(torch.cuda.get_arch_list())
        fix = f"install a torch that is built for it; this one is for {kinds} (CUDA {torch.version.cuda})"
        found = name if problem is None else f"{name}: {problem}"
        yield Row(f"device {index}", found, "" if problem is None else fix, missing=bool(problem) and asked != "cpu")


def _left_by_dvc() -> Iterator[Row]:
    """Yield every file that a DVC killed while it wrote has left empty: DVC then stops at it."""
    found = {
        Path(".dvc/tmp/rwlock"): "rm .dvc/tmp/rwlock, while no dvc is running",
        Path("dvc.lock"): "rm dvc.lock, and dvc repro looks at all stages",
    }
    said = "empty: dvc was killed while it wrote this, and stops here until it is gone"
    for path, fix in found.items():
        if path.is_file() and not path.stat().st_size:
            yield Row(str(path), said, fix, missing=True)


def _driver() -> str | None:
    """Return the devices and the version of NVIDIA's driver; None where there is none."""
    program = shutil.which("nvidia-smi")
    if program is not None:
        query = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
        try:
            done = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603 - fixed
        except (OSError, subprocess.SubprocessError):
            return f"{program} does not answer; is the driver loaded?"
        return "; ".join(done.stdout.split("\n")).strip("; ") or "no device"
    if KERNEL.is_file():
        found = re.search(r"Kernel Module\s+(?:for \w+\s+)?([\d.]+)", KERNEL.read_text(encoding="utf-8"))
        return f"version {found[1]}" if found else "loaded"
    return None


def _fix_of_device(torch: Any, driver: str | None) -> str:  # noqa: ANN401 - a module
    """Return what lets torch use a device."""
    if driver is None:
        return "no NVIDIA driver: toy recipes and frozen trunks are for this; grids for a GPU say run.device: cuda"
    if torch.version.cuda is None:
        return "this torch is built for CPUs: make install takes one that has CUDA"
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return f"CUDA_VISIBLE_DEVICES is {os.environ['CUDA_VISIBLE_DEVICES']!r}: unset it, or name a device"
    return f"update the driver, or install a torch for an older CUDA; this one is built for CUDA {torch.version.cuda}"


def _problem_of_device(torch: Any, index: int) -> str | None:  # noqa: ANN401 - a module
    """Add two numbers on a device: a torch without code for it sees it and fails at the first step."""
    try:
        (torch.ones(1, device=f"cuda:{index}") + 1).item()
    except RuntimeError as error:
        return str(error).splitlines()[0]
    return None


def _grid(grid: Params) -> Iterator[Row]:
    from fer_bench.datasets import _store
    from fer_bench.errors import FerBenchError
    from fer_bench.training import checked

    yield Row("grid", f"{grid.grid}: {len(grid.prepare)} data sets, {len(grid.methods)} methods")
    for name, choice in grid.prepare.items():
        try:
            info = _store.open_prepared(name, pixels=False).info
            state = Row(
                f"{name} prepared", f"{info.n_images} pictures, {info.n_classes} expressions, {info.label_rule}"
            )
        except FerBenchError as error:
            state = Row(f"{name} prepared", "no", error.fix)
        source = Path(choice.source).expanduser()
        if source.exists():
            yield Row(f"{name} source", str(source))
        else:
            reader = choice.reader or name
            fix = f"put it there, or set prepare.{name}.source; `fer-bench describe dataset {reader}` says what it is"
            # DVC asks for the source of what is prepared, too
            yield Row(f"{name} source", f"{source} (missing)", fix, missing=bool(state.fix) or PIPELINE.exists())
        yield state
        problem = checked.data_set_problem(grid, name)
        if problem is not None:
            yield Row(f"prepare.{name}", problem.problem, problem.fix, missing=True)
    for name in grid.methods:
        yield from _entry(grid, name)


def _entry(grid: Params, entry: str) -> Iterator[Row]:
    """Yield every file of weights that an entry reads, and why it cannot be carried out."""
    from fer_bench import card, registry
    from fer_bench.training import cell, checked

    brought = grid.methods[entry].predictions
    if brought is None and importlib.util.find_spec("torch") is None:  # said above; most methods cannot be read
        return
    problem = checked.entry_problem(grid, entry, [])
    if problem is not None:
        yield Row(f"methods.{entry}", problem.problem, problem.fix, missing=True)
        return
    if brought is not None:
        yield Row(f"{entry} predictions", f"{brought}: made elsewhere, and read")
        return
    file = grid.method_of(entry)
    known = card.read(file) if file in registry.names("cards") else None
    for path, digest in cell.files_of(grid, entry).items():
        said = f"SHA-256 {digest}" if known is None else known.said_of(path.name, digest)
        yield Row(f"{entry} weights", f"{path}: {said}")


def _written_out(params: Path) -> Iterator[Row]:
    """Yield the keys that the pipeline names and the grid leaves to defaults, which DVC does not know."""
    from fer_bench import yaml12

    if not PIPELINE.is_file():
        return
    pipeline: Any = yaml12.load(PIPELINE.read_text(encoding="utf-8"), where=str(PIPELINE))
    given = yaml12.load(params.read_text(encoding="utf-8"), where=str(params))
    named = {
        key
        for stage in pipeline["stages"].values()
        for key in stage.get("do", stage).get("params", [])
        if "$" not in key
    }
    absent = sorted(key for key in named if not _holds(given, key.split(".")))
    if absent:
        fix = "write them out, also where they equal the default: DVC does not know defaults; see params.yaml in git"
        yield Row(str(params), f"without {', '.join(absent)}", fix, missing=True)


def _holds(given: Any, path: list[str]) -> bool:  # noqa: ANN401 - whatever YAML gives
    for key in path:
        if not isinstance(given, dict) or key not in given:
            return False
        given = given[key]
    return True
