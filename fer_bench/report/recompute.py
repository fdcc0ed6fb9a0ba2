"""Which command makes which number."""

import shlex

import pandas as pd

from fer_bench.report.blocks import Code, Figure, Section, Table, Text
from fer_bench.report.grid import Grid

_COMMANDS = {
    # what, where it stands, the command, what that needs
    "one run's predictions": (
        "runs/DATASET/METHOD/seedS/",
        "fer-bench run METHOD --dataset DATASET --seed S",
        "prepared data",
    ),
    "scores, intervals, confusions": (
        "scores.csv, intervals.csv, confusions.csv, calibration.csv, history.csv, runs.csv",
        "fer-bench score",
        "the runs",
    ),
    "what annotators' votes say": (
        "annotators.csv",
        "fer-bench annotators",
        "predicted/*.csv, runs.csv, intervals.csv, audits/DATASET_reported.csv",
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
    "comparisons": ("comparisons.csv, ranks.csv", "fer-bench compare", "predicted/*.csv, runs.csv"),
    "verdicts on claims": (
        "verdicts.csv",
        "fer-bench verdict",
        "intervals.csv, runs.csv, predicted/*.csv, audits/*.json, the cards",
    ),
    "published numbers on their own": ("published.csv, told_apart.csv", "fer-bench verdict", "the cards"),
    "features and Grad-CAM": (
        "features/DATASET_METHOD.csv, .json, .npz",
        "fer-bench explain METHOD --dataset DATASET",
        "prepared data, the runs",
    ),
    "the certificate": ("../certificate.csv", "fer-bench selftest stats", "nothing"),
    "audits": ("audits/DATASET.json, audits/DATASET_*.csv", "fer-bench data audit DATASET", "prepared data"),
    "this report": (
        "report.html, report.json, report.md, report.tex, tables/, figures/",
        "fer-bench report",
        "the tables above",
    ),
}

_MADE_BY = {
    # a table's name or its first word, a word within a figure's name: what has to be made, in order
    "main": ("scores, intervals, confusions", "comparisons"),
    "selections": ("scores, intervals, confusions", "step by step from the honest number"),
    "contamination": ("scores without twins",),
    "annotators": ("what annotators' votes say",),
    "ranks": ("comparisons",),
    "published_alone": ("published numbers on their own",),
    "published_pairs": ("published numbers on their own",),
    "features": ("features and Grad-CAM",),
    "gradcam": ("features and Grad-CAM",),
    "certificate": ("the certificate",),
    "reliability": ("one run's predictions", "scores, intervals, confusions"),
    "comparisons": ("comparisons",),
    "claims": ("verdicts on claims",),
    "ladder": ("predictions in other batches", "step by step from the honest number"),
    "audits": ("audits",),
    "dataset": ("audits",),
    "classes": ("audits",),
    "per_class": ("scores, intervals, confusions",),
    "forest": ("scores, intervals, confusions",),
    "confusion": ("scores, intervals, confusions",),
    "difference": ("scores, intervals, confusions",),
    "matrix": ("comparisons",),
    "selection_bias": ("step by step from the honest number",),
    "efficiency": ("one run's predictions", "scores, intervals, confusions"),
    "throughput": ("one run's predictions", "scores, intervals, confusions"),
    "training": ("one run's predictions", "scores, intervals, confusions"),
    "environment": ("one run's predictions", "scores, intervals, confusions", "comparisons"),
    "runs": ("one run's predictions", "scores, intervals, confusions"),
    "failures": ("one run's predictions", "scores, intervals, confusions"),
    "recompute": (),
}


def lines(grid: Grid, block: Table | Figure) -> tuple[str, ...]:
    """Return the commands that make a table's or a figure's numbers again, each with what it needs.

    Of a table or figure that is not known here: the whole pipeline.
    """
    asked = f"results/{grid.params.grid}/params.yaml"
    what = _made_by(grid, block)
    if what is None:
        return (f"cp {asked} params.yaml", "dvc repro")
    made = []
    for one in [*what, "this report"] if what else []:
        _, command, needs = _COMMANDS[one]
        made += [f"{cell} --params {asked}  # needs {needs}" for cell in _cells(grid, command, block)]
    return tuple(made)


def _made_by(grid: Grid, block: Table | Figure) -> tuple[str, ...] | None:
    if isinstance(block, Table):
        published = any(block.name.startswith(f"{grid.params.method_of(name)}_") for name in grid.cards)
        known = next((name for name in _MADE_BY if block.name == name or block.name.startswith(f"{name}_")), None)
        return _MADE_BY[known] if known else _MADE_BY["forest"] if published else None
    return next((made for name, made in _MADE_BY.items() if f"_{name}" in f"_{block.name}"), None)


def _cells(grid: Grid, command: str, block: Table | Figure) -> list[str]:
    """Fill in the cells of the grid that a command is about; those that failed for the table of failures."""
    runs = grid.runs[grid.runs["status"] == "failed"] if block.name == "failures" else grid.runs
    if "DATASET" not in command:
        return [command]
    if "METHOD" not in command:
        return [command.replace("DATASET", shlex.quote(name)) for name in grid.datasets]
    filled = [
        command.replace("METHOD", shlex.quote(str(row["method"])))
        .replace("DATASET", shlex.quote(str(row["dataset"])))
        .replace("--seed S", f"--seed {row['seed']}")
        for _, row in runs.iterrows()
    ]
    return list(dict.fromkeys(filled))


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
