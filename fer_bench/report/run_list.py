"""The runs, failed ones too: what they ran on, how long they took, what went wrong."""

from typing import Any

import pandas as pd

from fer_bench.card import Card
from fer_bench.report import words
from fer_bench.report.blocks import Section, Table
from fer_bench.report.grid import Grid

_DIGITS = 12  # of a digest that are printed
_NO_CARD = Card(title="no card", pretraining="unknown")


def section(grid: Grid) -> Section:
    """Return the list of runs, and of failures where there are any."""
    failed = failures(grid)
    return Section(title="Runs", blocks=(runs(grid), failed) if len(failed.cells) else (runs(grid),))


def runs(grid: Grid) -> Table:
    """Make the table of runs, one row per cell of the grid."""
    head = ["data set"] * grid.several
    numbers = ["seed", "train", "select", "report", "epochs", "training", "memory", "parameters", "trained"]
    columns = [*head, "method", "seed", "status", "device", *numbers[1:], "commit"]
    return Table(
        name="runs",
        cells=pd.DataFrame([_row(grid, row) for _, row in grid.runs.iterrows()], columns=columns),
        caption="Every run of the grid. train, select, report: samples of each part; training: wall time; memory: "
        "peak; parameters: all and trained; commit: of the code that trained, + where files differed from it.",
        wrapped=frozenset({*head, "method", "device", "status"}),
        right=frozenset(numbers),
        shared=frozenset({"device", "train", "select", "report", "commit"}),
        note=_files(grid),
        empty="No run is on record.",
    )


def _files(grid: Grid) -> str:
    """Say which files of weights the runs were made with."""
    said = []
    brought = grid.runs[grid.runs["weights_digest"].notna()].drop_duplicates(["method", "weights", "weights_digest"])
    for _, row in brought.iterrows():
        names, digests = str(row["weights"]).removeprefix("file:").split(", "), str(row["weights_digest"]).split(", ")
        known = grid.cards.get(str(row["method"]))
        for name, digest in zip(names[-len(digests) :], digests, strict=True):
            said.append(f"{name}, {(known or _NO_CARD).said_of(name, digest, digits=_DIGITS)}")
    return f"Files of weights: {'. '.join(dict.fromkeys(said))}. runs.csv has all digits." if said else ""


def _row(grid: Grid, row: "pd.Series[Any]") -> dict[str, str]:
    commit = words.text(row["commit"])
    memory = row["peak_memory_mb"]
    brought = grid.brought(str(row["method"]))
    threads = f", {words.counted(int(row['threads']), 'thread')}" if row["device"] == "cpu" else ""
    return {
        "data set": str(row["dataset"]),
        "method": grid.entry(str(row["method"])),
        "seed": str(row["seed"]),
        "status": str(row["status"]),
        "device": f"{words.text(row['device'])}{threads}",
        "train": words.NONE if brought else words.count(row["n_train"]),
        "select": words.NONE if brought else words.count(row["n_select"]),
        "report": words.count(row["n_report"]),
        "epochs": words.count(row["epochs"]),
        "training": words.seconds(row["train_s"]),
        "memory": words.NONE if pd.isna(memory) else f"{words.count(memory)} MB",
        "parameters": words.millions(row["n_parameters"]),
        "trained": words.millions(row["n_trainable"]),
        "commit": commit[:7] + "+" * bool(row["dirty"]),
    }


def failures(grid: Grid) -> Table:
    """Make the table of failed runs with their errors."""
    failed = grid.runs[grid.runs["status"] == "failed"]
    rows = [
        {
            "data set": str(row["dataset"]),
            "method": grid.entry(str(row["method"])),
            "seed": str(row["seed"]),
            "error": words.text(row["error"]),
        }
        for _, row in failed.iterrows()
    ]
    return Table(
        name="failures",
        cells=pd.DataFrame(rows, columns=["data set", "method", "seed", "error"]),
        caption="Runs that failed; they have no scores and are left out of every interval.",
        wrapped=frozenset({"data set", "method", "error"}),
        right=frozenset({"seed"}),
        empty="No run failed.",
    )
