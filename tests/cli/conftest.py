"""Predictions and a prepared data set as people have them."""

import json

import numpy as np
import pandas as pd
import pytest

from fer_bench.expressions import EXPRESSIONS
from fer_bench.tables import samples

N = 280


def predictions_of(share, seed, *, n=N):
    """A table with names of true labels and probabilities over seven expressions."""
    rng = np.random.default_rng(seed)
    y_true = np.arange(n) % 7
    scores = rng.dirichlet(np.ones(7), size=n)
    right = np.random.default_rng(0).random(n) < share
    y_pred = np.where(right, y_true, (y_true + rng.integers(1, 7, size=n)) % 7)
    largest = scores.argmax(axis=1)
    rows = np.arange(n)
    scores[rows, largest], scores[rows, y_pred] = scores[rows, y_pred], scores[rows, largest]
    return pd.DataFrame(
        {"file": [f"faces/f{i:04d}.png" for i in rows], "label": [EXPRESSIONS[k] for k in y_true]}
        | {f"p_{name}": scores[:, k] for k, name in enumerate(EXPRESSIONS[:7])}
    )


@pytest.fixture
def three_files(tmp_path, monkeypatch):
    """A working folder with good.csv, better.csv and same.csv."""
    monkeypatch.chdir(tmp_path)
    for name, share, seed in (("good", 0.6, 1), ("better", 0.8, 2), ("same", 0.6, 1)):
        predictions_of(share, seed).to_csv(f"{name}.csv", index=False)
    return tmp_path


@pytest.fixture
def prepared_faces(three_files):
    """A prepared data set `faces` that the three files are about, with votes; the label rule drops its last sample."""
    folder = three_files / "data" / "faces"
    folder.mkdir(parents=True)
    index = np.arange(N)
    labels = np.where(index == N - 1, -1, index % 7)
    votes = {f"votes_{name}": 8 * (index % 7 == k) + 1 * ((index + 1) % 7 == k) for k, name in enumerate(EXPRESSIONS)}
    table = pd.DataFrame(
        {"sample_id": [f"f{i:04d}" for i in index], "split": "test", "label": labels, "position": index,
         "source": "s", "subject": pd.NA, "digest": "d", **votes}
    )  # fmt: skip
    samples.schema(tuple(votes)).write(table, folder / "samples.csv")
    (folder / "info.json").write_text(json.dumps({"n_classes": 7, "label_rule": "majority", "name": "faces"}))
    return folder
