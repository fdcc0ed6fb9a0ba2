"""How long does a full comparison take? `python benchmarks/comparison.py` writes a grid and times `fer-bench compare`.

12 methods × 5 seeds × 2 data sets of 3,068 samples and 7 expressions, accuracy and macro-F1, all pairs, with ranks from
10,000 resamples: the program as a person calls it, in a process of its own, its imports included. What it reads are the
tables that a grid commits: predicted/*.csv, runs.csv, params.yaml. Then the comparisons alone, against the square of
the number of methods.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from fer_bench.params import Compare, Score
from fer_bench.stats import simulate
from fer_bench.stats.pairs import Predicted, Settings, compare_sets
from fer_bench.tables import predicted, runs

N_METHODS, N_SEEDS, DATASETS = 12, 5, ("synthetic", "folder")
METRICS = ["accuracy", "macro_f1"]
SETTINGS = Settings(tuple(METRICS), 0.95, Compare(metrics=METRICS).margin, Score(metrics=METRICS).n_resamples, 0, None)

_RUN: dict[str, object] = {
    **dict.fromkeys(runs.runs.columns),
    "protocol": "honest", "recipe": "toy", "n_classes": simulate.K, "label_rule": "released", "weights": "none",
    "batch_mates": "independent", "status": "ok", "n_train": 1, "n_select": 1, "device": "cpu", "threads": 1,
    "dirty": False,
}  # fmt: skip


def names(n_methods: int) -> list[str]:
    return [f"m{index:02d}" for index in range(n_methods)]


def simulated(rng: np.random.Generator, dataset: str, n_methods: int) -> Predicted:
    """Return the predictions of equal methods whose seeds spread by half a point."""
    world = simulate.World(rng)
    y_pred = {name: dict(enumerate(world.predict(N_SEEDS, points=0.5))) for name in names(n_methods)}
    return Predicted(dataset, "best_on_val", simulate.K, world.y_true, y_pred)


def write(folder: Path, sets: list[Predicted]) -> None:
    """Write a grid as `fer-bench score` leaves it."""
    results = folder / "results" / "timed"
    entries = "\n".join(f"  {name}: {{method: majority_class, recipe: toy}}" for name in sets[0].y_pred)
    datasets = "\n".join(f"  {found.dataset}: {{source: fer_bench/datasets/{found.dataset}.py}}" for found in sets)
    (folder / "params.yaml").write_text(
        f"grid: timed\nprepare:\n{datasets}\nmethods:\n{entries}\nrun: {{seeds: {list(range(N_SEEDS))}}}\n"
        f"score: {{metrics: {METRICS}}}\ncompare: {{metrics: {METRICS}}}\n"
        "report: {title: Timed, scale: For timing.}\n",
        encoding="utf-8",
    )
    rows: list[dict[str, object]] = []
    for found in sets:
        held = {
            str(predicted.Column(name, seed, found.selection)): labels
            for name, by_seed in found.y_pred.items()
            for seed, labels in by_seed.items()
        }
        ids = [f"s{index:05d}" for index in range(len(found.y_true))]
        table = pd.DataFrame({"sample_id": ids, "y_true": found.y_true, **held})
        predicted.write(table, results / "predicted" / f"{found.dataset}.csv")
        for name, by_seed in found.y_pred.items():
            rows += [
                {**_RUN, "dataset": found.dataset, "method": name, "seed": seed, "n_report": len(found.y_true)}
                for seed in by_seed
            ]
    runs.runs.write(runs.runs.frame(rows), results / "runs.csv")


def whole(folder: Path) -> tuple[float, float]:
    """Return wall and processor seconds of the program on the written grid."""
    start, before = time.perf_counter(), os.times()
    command = [sys.executable, "-m", "fer_bench", "compare"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    after = os.times()
    if done.returncode:
        sys.exit(done.stderr)
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, spent


def alone(sets: list[Predicted]) -> float:
    """Return the least processor seconds of three comparisons, ranks left out, nothing read."""
    spent = []
    for _ in range(3):
        start = time.process_time()
        compare_sets(sets, SETTINGS)
        spent.append(time.process_time() - start)
    return min(spent)


def main() -> None:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        write(Path(place), [simulated(rng, name, N_METHODS) for name in DATASETS])
        timed = [whole(Path(place)) for _ in range(3)]
    wall, spent = (statistics.median(each) for each in zip(*timed, strict=True))
    print(
        f"fer-bench compare, {N_METHODS} methods × {N_SEEDS} seeds × {len(DATASETS)} data sets of {simulate.N} samples"
    )
    print(f"  wall time    {wall:6.2f} s (median of 3, {os.cpu_count()} cores)")
    print(f"  processor    {spent:6.2f} s")
    print("compare alone, by number of methods, one data set")
    base = None
    for n_methods in (6, 12, 24, 48):
        each = alone([simulated(rng, "synthetic", n_methods)])
        base = base or each
        square = (n_methods / 6) ** 2
        print(f"  {n_methods:3d} methods  {each:7.3f} s  {each / base:6.1f} times as long, methods² {square:.0f} times")


if __name__ == "__main__":
    main()
