"""Which command makes which number."""

import pandas as pd

from fer_bench.report.blocks import Code, Section, Table, Text
from fer_bench.report.grid import Grid

_COMMANDS = {
    # what, where it stands, the command, what that needs
    "one run's predictions": (
        "runs/DATASET/METHOD/seedS/",
        "fer-bench run METHOD --dataset DATASET --seed S",
        "prepared data",
    ),
    "scores, intervals, confusions": (
        "scores.csv, intervals.csv, confusions.csv, history.csv, runs.csv",
        "fer-bench score",
        "the runs",
    ),
    "scores without twins": (
        "contamination.csv",
        "fer-bench adjust",
        "predicted/*.csv, runs.csv, audits/DATASET_twins.csv",
    ),
    "predictions in other batches": (
        "orders/DATASET_METHOD.csv, orders/DATASET_METHOD.json",
        "fer-bench audit batch METHOD --dataset DATASET",
        "prepared data, the runs",
    ),
    "step by step from the honest number": (
        "ladder.csv, gains.csv",
        "fer-bench ladder",
        "predicted/*.csv, runs.csv, orders/*.csv",
    ),
    "comparisons": ("comparisons.csv", "fer-bench compare", "predicted/*.csv, runs.csv"),
    "verdicts on claims": ("verdicts.csv", "fer-bench verdict", "intervals.csv, runs.csv, the cards"),
    "audits": ("audits/DATASET.json, audits/DATASET_*.csv", "fer-bench data audit DATASET", "prepared data"),
    "this report": ("report.md, report.tex, tables/, figures/", "fer-bench report", "the tables above"),
}


def section(grid: Grid) -> Section:
    """Return how each number is made again."""
    rows = [
        {"what": what, "stands in": stands, "command": command, "needs": needs}
        for what, (stands, command, needs) in _COMMANDS.items()
    ]
    table = Table(
        name="recompute",
        cells=pd.DataFrame(rows),
        caption=f"Where each number stands, under results/{grid.params.grid}/, and the command that makes it.",
        wrapped=frozenset({"what", "stands in", "command", "needs"}),
    )
    return Section(
        title="How to make each number again",
        blocks=(
            Text("The copy of params.yaml beside this report is what was asked for. All of it, in order:"),
            Code((f"cp results/{grid.params.grid}/params.yaml params.yaml", "dvc repro")),
            table,
        ),
    )
