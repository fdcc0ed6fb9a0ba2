"""Simulated runs, written as `fer-bench run` writes them."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_bench import params
from fer_bench.stats import scoring
from fer_bench.tables import history, predictions
from fer_bench.tables.runs import RunRecord, read_record, write_record, write_sealed

SELECTIONS = ("last", "best_on_val", "best_on_test")
SHARES = np.array([0.22, 0.39, 0.11, 0.15, 0.05, 0.05, 0.03])


@dataclass
class FakeRuns:
    """A grid whose runs are simulated: method to share of right predictions."""

    folder: Path
    methods: dict[str, float] = field(default_factory=lambda: {"majority_class": 0.0, "lbp_svm": 0.7, "conv_cut": 0.8})
    seeds: tuple[int, ...] = (0, 1)
    n: int = 150
    failed: tuple[tuple[str, int], ...] = ()
    changes: dict[str, object] = field(default_factory=dict)  # of every record
    recipe: str = "toy"
    epochs: int = 2
    n_classes: int = 7
    files: dict[str, str] = field(default_factory=dict)  # of entries that bear another name than their method

    def write(self) -> None:
        lines = "\n".join(
            f"  {name}: {{recipe: {self.recipe}{f', method: {self.files[name]}' if name in self.files else ''}}}"
            for name in self.methods
        )
        (self.folder / "params.yaml").write_text(
            "grid: tiny\nprepare:\n  synthetic: {source: fer_bench/datasets/synthetic.py}\n"
            f"methods:\n{lines}\nrun: {{seeds: {json.dumps(self.seeds)}}}\n"
            "score: {metrics: [accuracy, macro_f1, mean_recall], n_resamples: 200}\n"
            "compare: {metrics: [accuracy, macro_f1]}\nreport: {title: Tiny, scale: For tests.}\n"
        )
        rng = np.random.default_rng(0)
        y_true = rng.choice(self.n_classes, size=self.n, p=SHARES if self.n_classes == len(SHARES) else None)
        easy = rng.random(self.n)
        for method, share in self.methods.items():
            for seed in self.seeds:
                self.write_cell(method, seed, y_true, self.predict(method, share, y_true, easy, rng))

    def predict(self, method, share, y_true, easy, rng):
        if method == "majority_class":
            return np.full(self.n, 1)
        right = 0.8 * easy + 0.2 * rng.random(self.n) < share
        return np.where(right, y_true, (y_true + rng.integers(1, self.n_classes, size=self.n)) % self.n_classes)

    def cell(self, method, seed):
        return self.folder / "results/tiny/runs/synthetic" / method / f"seed{seed}"

    def write_cell(self, method, seed, y_true, y_pred):
        ok = (method, seed) not in self.failed
        record = {
            "dataset": "synthetic", "method": method, "seed": seed, "protocol": "honest", "recipe": self.recipe,
            "settings": {}, "n_classes": self.n_classes, "label_rule": "released", "weights": "none",
            "status": "ok" if ok else "failed", "error": None if ok else "the loss is NaN in epoch 1", "n_train": 500,
            "n_select": 100, "n_report": self.n, "epochs": self.epochs, "selected": dict.fromkeys(SELECTIONS, 1),
            "device": "cpu", "threads": 1, "dirty": False, "digests": {}, "versions": {}, "machine": {},
            "method_file": self.files.get(method), **self.changes,
        }  # fmt: skip
        write_record(RunRecord(**record), self.cell(method, seed) / "run.json")
        ids = [f"s{index:04d}" for index in range(self.n)]
        logits = np.eye(self.n_classes)[y_pred] * 2.0
        frames = [predictions.frame(name, ids, y_true, logits) for name in SELECTIONS]
        table = pd.concat(frames, ignore_index=True) if ok else frames[0].iloc[:0]
        predictions.write(table, self.cell(method, seed) / "predictions.csv", n_classes=self.n_classes)
        epochs = [
            {"dataset": "synthetic", "method": method, "seed": seed, "epoch": epoch, "lr": 0.1, "train_loss": 1.0,
             "val_loss": 1.0, "val_accuracy": 0.5, "val_macro_f1": 0.5, "seconds": 1.0}
            for epoch in range(1, self.epochs + 1)
        ]  # fmt: skip
        if method == "conv_cut":  # the others are fitted in one go
            history.history.write(history.history.frame(epochs), self.cell(method, seed) / "history.csv")

    def seal(self):
        """Let every record have the digests that `fer-bench run` leaves; those of older versions have none."""
        for path in self.folder.glob("results/tiny/runs/*/*/*/run.json"):
            write_sealed(read_record(path), path.parent)

    def edit_predictions(self, method, seed, edit):
        """Change a cell's predictions as text, so that the file's own checks do not stand in the way."""
        path = self.cell(method, seed) / "predictions.csv"
        edit(pd.read_csv(path)).to_csv(path, index=False)


@pytest.fixture
def fake_runs(tmp_path, monkeypatch):
    """A factory of simulated grids in an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def make(**changes):
        grid = FakeRuns(tmp_path, **changes)
        grid.write()
        return grid

    return make


@pytest.fixture(scope="session")
def fake_grid():
    """The class of simulated grids, for fixtures that live longer than a test."""
    return FakeRuns


@pytest.fixture(scope="session")
def scored(tmp_path_factory):
    """The tables of a simulated grid, not to be changed."""
    folder = tmp_path_factory.mktemp("scored")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        FakeRuns(folder).write()
        return scoring.score(params.read())
