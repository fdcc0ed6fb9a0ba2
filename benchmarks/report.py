"""How long does a large report take, and how much memory? `python benchmarks/report.py` writes one and times it.

12 methods × 5 seeds × 2 data sets of 3,137 samples with 8 expressions and 3,068 with 7: the invented grid of the golden
tests, made larger. Each writing is a process of its own, its imports and the reading of the tables included, so that
memory is the report's alone. The second finds its drawings kept and draws nothing again. Asked for: under 60 s and 2 GB
on two cores. With `--pdf` LaTeX too, whose time is shown apart.
"""

import argparse
import importlib.util
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

from fer_bench.report import latex, write

N_METHODS, N_SEEDS, DATASETS = 12, 5, {"one": (3137, 8), "two": (3068, 7)}
_FAKE = Path(__file__).parent.parent / "tests" / "golden" / "fake_grid.py"
_KB_PER_MB = 1 << 10  # ru_maxrss is in kB on Linux


def fake_grid() -> ModuleType:
    """Return the module that invents grids, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("fake_grid", _FAKE)
    if spec is None or spec.loader is None:
        sys.exit(f"no module at {_FAKE}")
    module = importlib.util.module_from_spec(spec)
    sys.modules["fake_grid"] = module
    spec.loader.exec_module(module)
    return module


def once(step: str, folder: Path) -> None:
    """Carry out one step, in the process that is measured."""
    if step == "pdf":
        latex.compile_pdf(folder)
        return
    made = fake_grid()
    fake = made.Fake(
        methods={f"m{place:02}": 0.6 + 0.02 * place for place in range(N_METHODS)},
        seeds=tuple(range(N_SEEDS)), twins=300, datasets=DATASETS,
    )  # fmt: skip
    if step == "invent":
        made.write(fake, folder)
    else:
        write.write(made.read(fake, folder), asked=fake.yaml(), kept=folder / "kept")


def measured(step: str, folder: Path) -> tuple[float, float]:
    """Return wall and processor seconds of one step in a process of its own."""
    start, before = time.perf_counter(), os.times()
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    after = os.times()
    if done.returncode:
        sys.exit(done.stderr)
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pdf", action="store_true", help="time LaTeX too")
    parser.add_argument("--step", choices=["invent", "write", "pdf"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        once(args.step, args.folder)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        measured("invent", folder)
        print(f"fer-bench report, {N_METHODS} methods × {N_SEEDS} seeds × {len(DATASETS)} data sets")
        steps = {"first": "write", "second, nothing changed": "write", **({"LaTeX": "pdf"} if args.pdf else {})}
        for said, step in steps.items():
            wall, spent = measured(step, folder)
            print(f"  {said:24} {wall:6.1f} s wall, {spent:6.1f} s processor")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / _KB_PER_MB
        figures = len(list((folder / "figures").glob("*.pdf")))
    print(f"  peak memory {peak:,.0f} MB (of the largest process), {figures} figures, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
