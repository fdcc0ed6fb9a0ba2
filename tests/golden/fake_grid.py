"""Make a grid's tables from simulated predictions: what the report is tested on.

The numbers are simulated, not measured; intervals are Wald's and the tests plain z-tests, which is good enough to be
printed. Every table goes through its own schema, so that a change of a schema shows here first.
"""

import contextlib
import json
import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from fer_bench import params
from fer_bench.card import Card, Claim, Note, Paper, PublishedProtocol, PublishedRow, PublishedTable
from fer_bench.expressions import expressions
from fer_bench.report.grid import Grid, Shown, load
from fer_bench.stats import laddering
from fer_bench.tables import orders, predicted
from fer_bench.tables.calibration import calibration
from fer_bench.tables.comparisons import comparisons
from fer_bench.tables.confusions import confusions
from fer_bench.tables.contamination import contamination
from fer_bench.tables.gains import gains
from fer_bench.tables.history import history
from fer_bench.tables.intervals import intervals
from fer_bench.tables.ladder import ladder
from fer_bench.tables.ranks import joined as joined_shares
from fer_bench.tables.ranks import ranks
from fer_bench.tables.runs import joined, runs
from fer_bench.tables.scores import scores
from fer_bench.tables.verdicts import verdicts

SHARES = np.array([0.22, 0.39, 0.11, 0.15, 0.05, 0.05, 0.03, 0.02])
METRICS = {
    "accuracy": Shown(title="Accuracy"),
    "macro_f1": Shown(title="Macro-F1"),
    "mean_recall": Shown(title="Mean recall"),
}
SELECTIONS = {"last": -0.004, "best_on_val": 0.0, "best_on_test": 0.006}

_REPAIRED = {"class_sorted": 0.9, "listed": 0.4, "shuffled": 0.05}
"""Share of samples that batches in an order put right, where they were wrong, at most."""

SCHEMAS = {
    "runs": runs, "scores": scores, "intervals": intervals, "confusions": confusions, "history": history,
    "comparisons": comparisons, "contamination": contamination, "ranks": ranks, "calibration": calibration,
}  # fmt: skip

MACHINE = {"system": "Linux", "architecture": "x86_64", "processor": "A processor @ 2.90GHz"}
VERSIONS = {
    "fer-bench": "0.1.0", "python": "3.11.9", "torch": "2.13.0+cpu", "torchvision": "0.28.0+cpu", "timm": "1.0.22",
    "mmengine-lite": "0.10.7", "numpy": "2.4.1", "pandas": "3.0.2", "scipy": "1.17.1", "scikit-learn": "1.8.0",
    "scikit-image": "0.26.0",
}  # fmt: skip
"""Of every run whose ``made_with`` does not say otherwise."""

TWO_WAY = "two-way variance over seeds and samples, Satterthwaite t"


@dataclass(frozen=True, kw_only=True)
class Fake:
    """What to simulate.

    Attributes:
        methods: Name to expected accuracy.
        titles: Name to printed title.
        figures: Methods whose confusion matrices are drawn; empty: all.
        seeds: Of each method.
        failed: (method, seed) that failed.
        one_go: Methods without epochs.
        datasets: Name to (samples, expressions).
        claims: Rows of the verdicts table beyond the defaults.
        compared: Whether comparisons are made.
        audited: Whether audits are written.
        twins: How many reported samples of every data set have a twin in training; None: never adjusted.
        ordered: Methods that were asked in batches; None: no ladder was made of any.
        cards: Method to its card.
        official: Of every data set, as audits write it.
        unofficial: Of every data set, as audits write it.
        origin: Status of the audit that compares with an official fingerprint.
        near: Status of the audit that looks for near-duplicates.
        accepted: Whether the grid accepts contaminated data.
        weights: Of every run.
        error: Text of a failure.
        made_with: (method, seed) to columns of the runs table in which its environment differs.
        title: Of the report.
        scale: Of the report.
    """

    methods: dict[str, float]
    titles: dict[str, str] = field(default_factory=dict)
    figures: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    failed: frozenset[tuple[str, int]] = frozenset()
    one_go: frozenset[str] = frozenset()
    datasets: dict[str, tuple[int, int]] = field(default_factory=lambda: {"synthetic": (1000, 7)})
    claims: tuple[dict[str, object], ...] = ()
    compared: bool = True
    audited: bool = True
    twins: int | None = None
    ordered: frozenset[str] | None = None
    cards: dict[str, Card] = field(default_factory=dict)
    official: str = "complete"
    unofficial: str = ""
    origin: str = "green"
    near: str = "amber"
    accepted: bool = False
    weights: str = "none"
    made_with: dict[tuple[str, int], dict[str, object]] = field(default_factory=dict)
    error: str = "the loss is not finite in epoch 3"
    title: str = "A simulated grid"
    scale: str = "Simulated predictions: these numbers say nothing about any method."

    def yaml(self) -> str:
        """Return the params file."""
        told = {"title": self.title, "scale": self.scale, "figures": self.figures}
        lines = [
            "grid: simulated",
            "prepare:",
            *(
                f"  {name}: {{source: simulated{', accept: contaminated' if self.accepted else ''}}}"
                for name in self.datasets
            ),
            "methods:",
            *(f"  {name}: {{recipe: toy}}" for name in self.methods),
            f"run: {{seeds: [{', '.join(map(str, self.seeds))}]}}",
            "score: {metrics: [accuracy, macro_f1, mean_recall], n_resamples: 500}",
            "compare: {metrics: [accuracy, macro_f1]}",
            f"report: {json.dumps(told, ensure_ascii=False)}",
        ]
        return "\n".join(lines) + "\n"


def write(fake: Fake, folder: Path, *, seed: int = 0) -> None:
    """Simulate a grid into a folder."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in SCHEMAS}
    for dataset, (n, k) in fake.datasets.items():
        shares = SHARES[:k] / SHARES[:k].sum()
        y_true = np.sort(rng.choice(k, size=n, p=shares))
        table = pd.DataFrame({"sample_id": [f"test_{index:05d}" for index in range(n)], "y_true": y_true})
        simulation = Simulation(fake=fake, dataset=dataset, y_true=y_true, k=k, rows=rows, rng=rng)
        columns: dict[str, np.ndarray] = {}
        for method in fake.methods:
            columns |= _method(simulation, method)
        table = pd.concat([table, pd.DataFrame(columns, index=table.index)], axis=1)
        predicted.write(table, folder / "predicted" / f"{dataset}.csv")
        if fake.compared:
            _compare(fake, dataset, table, k, rows)
        if fake.audited:
            _audit(fake, folder / "audits" / f"{dataset}.json", y_true, k)
        if fake.twins is not None:
            _adjust(fake, dataset, table, k, rows)
    left_out = {"contamination"} if fake.twins is None else set()
    left_out |= set() if fake.compared else {"ranks", "calibration"}
    for name, schema in SCHEMAS.items():
        if name not in left_out:
            schema.write(schema.frame(rows[name]), folder / f"{name}.csv")
    verdicts.write(verdicts.frame(list(fake.claims)), folder / "verdicts.csv")
    (folder / "params.yaml").write_text(fake.yaml(), encoding="utf-8")
    _climb(fake, folder, seed=seed)


def read(fake: Fake, folder: Path, *, headline: str = "best_on_val") -> Grid:
    """Read a simulated grid as the report does, without looking up its methods, which do not exist."""
    asked = params.from_yaml((folder / "params.yaml").read_text(encoding="utf-8"), params.Params, where="params.yaml")
    return load(asked, folder=folder, headline=headline, titles=fake.titles, metrics=METRICS, cards=fake.cards,
                known=fake.cards)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """One data set while it is simulated; its rows grow."""

    fake: Fake
    dataset: str
    y_true: np.ndarray
    k: int
    rows: dict[str, list[dict[str, object]]]
    rng: np.random.Generator


def _method(simulation: Simulation, method: str) -> dict[str, np.ndarray]:
    fake, dataset, y_true, k = simulation.fake, simulation.dataset, simulation.y_true, simulation.k
    rows, rng = simulation.rows, simulation.rng
    predictions: dict[str, np.ndarray] = {}
    accuracy, n = fake.methods[method], len(y_true)
    values: dict[tuple[str, str], dict[int, float]] = {}
    base = rng.random(n)  # samples are easy or hard for all seeds alike
    for seed in fake.seeds:
        ok = (method, seed) not in fake.failed
        one_go = method in fake.one_go
        rows["runs"].append({
            "dataset": dataset, "method": method, "seed": seed, "protocol": "honest", "recipe": "toy",
            "n_classes": k, "label_rule": "majority" if k == 8 else "released", "weights": fake.weights,
            "batch_mates": "coupled" if "patt" in method else "independent", "status": "ok" if ok else "failed",
            "error": None if ok else fake.error, "n_train": 1350, "n_select": 150, "n_report": n,
            "epochs": None if one_go else 12, "epoch_best_on_val": None if one_go else 7 + seed % 3,
            "epoch_best_on_test": None if one_go else 9, "train_s": 31.25 * (1 + len(method)) / 4 + seed,
            "predict_s": 1.5, "peak_memory_mb": 812.0 + seed, "n_parameters": 1_234_567 * len(method),
            "n_trainable": 3_456_789, "n_macs": None if one_go else 12_345_678 * len(method),
            "device": "cpu", "threads": 1,
            "commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False,
            "precision": "fp32", "machine": joined(MACHINE), "versions": joined(VERSIONS),
            **fake.made_with.get((method, seed), {}),
        })  # fmt: skip
        if not ok:
            continue
        drawn = 0.75 * base + 0.25 * rng.random(n)
        other = (y_true + rng.integers(1, k, size=n)) % k
        for selection, shift in SELECTIONS.items():
            share = min(1.0, accuracy + (0.0 if one_go else shift + 0.002 * (seed - 1)))
            right = drawn <= np.quantile(drawn, share)
            y_pred = np.where(right, y_true, other)
            predictions[f"{method}/seed{seed}/{selection}"] = y_pred
            counts = np.zeros((k, k), dtype=int)
            np.add.at(counts, (y_true, y_pred), 1)
            cell = {"dataset": dataset, "method": method, "seed": seed, "selection": selection}
            rows["confusions"] += [
                {**cell, "y_true": int(i), "y_pred": int(j), "count": int(counts[i, j])}
                for i, j in zip(*counts.nonzero(), strict=True)
            ]
            for metric, value in _metrics(counts).items():
                rows["scores"].append({**cell, "metric": metric, "value": value, "n_samples": n})
                values.setdefault((selection, metric), {})[seed] = value
        if not one_go:
            _history(simulation, method, seed)
    for (selection, metric), by_seed in values.items():
        _intervals(simulation, method, selection, metric, by_seed)
    return predictions


def _metrics(counts: np.ndarray) -> dict[str, float]:
    true, said, right = counts.sum(axis=1), counts.sum(axis=0), counts.diagonal()
    return {
        "accuracy": right.sum() / counts.sum(),
        "macro_f1": float((2 * right / np.maximum(true + said, 1)).mean()),
        "mean_recall": float((right / np.maximum(true, 1)).mean()),
    }


def _history(simulation: Simulation, method: str, seed: int) -> None:
    dataset, rows, rng = simulation.dataset, simulation.rows, simulation.rng
    accuracy = simulation.fake.methods[method]
    for epoch in range(1, 13):
        fall = math.exp(-epoch / 4)
        rows["history"].append({
            "dataset": dataset, "method": method, "seed": seed, "epoch": epoch, "lr": 1e-3,
            "train_loss": 0.3 + 1.6 * fall + 0.02 * rng.random(), "val_loss": 0.5 + 1.4 * fall + 0.05 * rng.random(),
            "val_accuracy": accuracy * (1 - 0.6 * fall) - 0.01 * rng.random(),
            "val_macro_f1": 0.9 * accuracy * (1 - 0.6 * fall), "seconds": 2.5,
        })  # fmt: skip


def _intervals(simulation: Simulation, method: str, selection: str, metric: str, by_seed: dict[int, float]) -> None:
    dataset, rows, n = simulation.dataset, simulation.rows, len(simulation.y_true)
    groups = [[seed] for seed in by_seed] + ([list(by_seed)] if len(by_seed) > 1 else [])
    for group in groups:
        estimate = float(np.mean([by_seed[seed] for seed in group]))
        half = 1.96 * math.sqrt(estimate * (1 - estimate) / n) * (1.0 if metric == "accuracy" else 1.7)
        many = len(group) > 1
        rows["intervals"].append({
            "dataset": dataset, "method": method, "seeds": ";".join(map(str, group)), "selection": selection,
            "metric": metric, "estimate": estimate, "low": max(0.0, estimate - half), "high": min(1.0, estimate + half),
            "level": 0.95,
            "interval_method": TWO_WAY if many else "multinomial bootstrap, percentile",
            "resampled": "seeds and samples" if many else "samples",
            "held_fixed": "the training data and the recipe" if many else "the checkpoint (seed, training data)",
            "n_samples": n, "n_seeds": len(group), "n_resamples": 0 if many else 500,
        })  # fmt: skip


def _compare(fake, dataset, table, k, rows) -> None:
    y_true, held = table["y_true"].to_numpy(), predicted.columns(table)
    right = {}
    for method in fake.methods:
        own = [column for column in held if column.method == method and column.selection == "best_on_val"]
        if own:
            right[method] = np.mean([table[str(column)].to_numpy() == y_true for column in own], axis=0)
    names = sorted(right)
    pairs = [(a, b) for index, a in enumerate(names) for b in names[index + 1 :]]
    found = []
    _rank(fake, dataset, len(y_true), rows)
    _calibrate(fake, dataset, len(y_true), rows)
    for metric in ("accuracy", "macro_f1"):
        for a, b in pairs:
            gap = right[a] - right[b]
            difference, error = float(gap.mean()), float(gap.std(ddof=1) / math.sqrt(len(gap)))
            error *= 1.0 if metric == "accuracy" else 1.6
            p = math.erfc(abs(difference) / max(error, 1e-9) / math.sqrt(2))
            p_holm = min(1.0, p * len(pairs))
            low, high = difference - 1.96 * error, difference + 1.96 * error
            verdict = "undecided"
            if low >= -0.005 and high <= 0.005:
                verdict = "equivalent"
            elif p_holm <= 0.05 and (low > 0 or high < 0):
                verdict = "better" if low > 0 else "worse"
            found.append({
                "dataset": dataset, "metric": metric, "selection": "best_on_val", "method_a": a, "method_b": b,
                "difference": difference, "low": low, "high": high, "level": 0.95,
                "interval_method": TWO_WAY, "p": p, "p_holm": p_holm,
                "test": "simulated z-test", "family": f"{metric} on {dataset}", "family_size": len(pairs),
                "margin": 0.005, "verdict": verdict, "detectable": 2.8 * error,
                "disagreement": float((gap != 0).mean()), "n_samples": len(gap), "n_seeds": len(fake.seeds),
            })  # fmt: skip
    rows["comparisons"] += found


def _rank(fake, dataset, n, rows) -> None:
    for metric in ("accuracy", "macro_f1"):
        best = sorted(fake.methods, key=fake.methods.__getitem__, reverse=True)
        m = len(best)
        neighbours = 0.3 * (np.eye(m, k=1) + np.eye(m, k=-1))
        p_ranks = neighbours + np.diag(1 - neighbours.sum(axis=0))  # each rank or the next: 0.3
        for place, method in enumerate(best, start=1):
            rows["ranks"].append({
                "dataset": dataset, "metric": metric, "selection": "best_on_val", "method": method,
                "estimate": fake.methods[method], "rank": place, "rank_low": max(1, place - 1),
                "rank_high": min(m, place + 1), "p_best": p_ranks[place - 1, 0],
                "p_ranks": joined_shares(p_ranks[place - 1]), "level": 0.95,
                "n_samples": n, "n_seeds": len(fake.seeds), "n_resamples": 500, "resampled": "seeds and samples",
            })  # fmt: skip


def _calibrate(fake, dataset, n, rows) -> None:
    for method, accuracy in fake.methods.items():
        for seed in fake.seeds:
            if (method, seed) in fake.failed:
                continue
            for place, share in ((9, 0.25), (14, 0.75)):
                rows["calibration"].append({
                    "dataset": dataset, "method": method, "seed": seed, "selection": "best_on_val", "bin": place,
                    "n_samples": int(share * n), "confidence": (place + 0.5) / 15,
                    "accuracy": min(1.0, accuracy * (0.7 + 0.02 * place) + 0.005 * seed),
                })  # fmt: skip


def _adjust(fake, dataset, table, k, rows) -> None:
    y_true, held = table["y_true"].to_numpy(), predicted.columns(table)
    n = len(y_true)
    twin = np.zeros(n, dtype=bool)
    twin[np.linspace(0, n - 1, fake.twins, dtype=int)] = True
    masks = {"all": np.ones(n, dtype=bool), "clean": ~twin, "twins": twin}
    groups: dict[tuple[str, str], list[predicted.Column]] = {}
    for column in held:
        groups.setdefault((column.method, column.selection), []).append(column)
    for (method, selection), own in groups.items():
        many = len(own) > 1
        shared = {
            "dataset": dataset, "method": method, "selection": selection, "level": 0.95,
            "seeds": ";".join(str(column.seed) for column in own), "n_seeds": len(own), "n_twins": fake.twins,
            "n_exact": fake.twins // 2, "trains_on": "train", "without_clean": None,
        }  # fmt: skip
        fixed = "the training data and the recipe" if many else "the checkpoint (seed, training data)"
        way = {
            "interval_method": TWO_WAY if many else "multinomial bootstrap, percentile",
            "resampled": "seeds and samples" if many else "samples",
            "n_resamples": 0 if many else 500,
        }
        values: dict[str, dict[str, float]] = {}
        for part, mask in masks.items():
            counts = [np.zeros((k, k), dtype=int) for _ in own]
            for matrix, column in zip(counts, own, strict=True):
                np.add.at(matrix, (y_true[mask], table[str(column)].to_numpy()[mask]), 1)
            by_seed = [_metrics(matrix) for matrix in counts] if mask.any() else []
            values[part] = {name: float(np.mean([one[name] for one in by_seed])) for name in METRICS if by_seed}
        for metric in METRICS:
            for part, mask in masks.items():
                found = values[part].get(metric)
                half = None if found is None else 1.96 * math.sqrt(found * (1 - found) / mask.sum())
                ends = {} if half is None else {"low": max(0.0, found - half), "high": min(1.0, found + half)}
                rows["contamination"].append(
                    {**shared, **way, **ends, "metric": metric, "part": part, "estimate": found,
                     "held_fixed": fixed, "n_samples": int(mask.sum())}
                )  # fmt: skip
            gap = None if metric not in values["clean"] else values["all"][metric] - values["clean"][metric]
            half = 1.96 * math.sqrt(0.25 / n) * (0.3 if fake.twins else 0.0)
            ends = {} if gap is None else {"low": gap - half, "high": gap + half}
            rows["contamination"].append(
                {**shared, **way, **ends, "metric": metric, "part": "gap", "estimate": gap,
                 "held_fixed": f"which samples are twins, {fixed}", "n_samples": n}
            )  # fmt: skip


def _climb(fake, folder: Path, *, seed: int) -> None:
    """Write tables of orders in which class-sorted batches help, and the ladders and gains that follow from them."""
    if fake.ordered is None:
        return
    rng = np.random.default_rng([seed, 1])  # of its own, so that the other tables stay as they are
    for dataset in fake.datasets:
        table = predicted.read(folder / "predicted" / f"{dataset}.csv")
        n = len(table)
        for method in sorted(fake.ordered):
            made = table[["sample_id", "y_true"]].copy()
            made["label/released"] = made["y_true"]
            made["label/argmax10"] = made["y_true"].where(rng.random(n) < 0.97, (made["y_true"] + 1) % 7)
            asked: dict[str, pd.Series] = {}
            for column in [one for one in predicted.columns(table) if one.method == method]:
                single, repaired = table[str(column)], rng.random(n)
                for order in orders.ORDERS:
                    share = next((held for name, held in _REPAIRED.items() if order.startswith(name)), 0.0)
                    right = single.where(repaired >= share * rng.random(n), made["y_true"])
                    asked[str(orders.Column(column.seed, column.selection, order))] = right
            made = pd.concat([made, pd.DataFrame(asked)], axis=1)
            orders.write(made, folder / "orders" / f"{dataset}_{method}.csv")
    grid = params.from_yaml(fake.yaml(), params.Params, where="params.yaml")
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "results").mkdir()
        (Path(place) / "results" / "simulated").symlink_to(folder.resolve())
        with contextlib.chdir(place):
            climbed, gained = laddering.climb(grid, say=lambda _: None)
    ladder.write(climbed, folder / "ladder.csv")
    gains.write(gained, folder / "gains.csv")


def _audit(fake, path: Path, y_true: np.ndarray, k: int) -> None:
    counts = np.bincount(y_true, minlength=k)
    names = expressions(k)
    splits = {
        split: {name: int(number * factor) for name, number in zip(names, counts, strict=True)}
        for split, factor in (("train", 1.5), ("val", 0.4), ("test", 1))
    }
    n_twins = fake.twins or 0
    found = {
        "counts": {"status": "green", "why": f"{len(y_true):,} reported samples, as released", "numbers": splits},
        "exact_duplicates": {
            "status": "amber",
            "why": f"{n_twins // 2} test pictures have an exact copy in train; 2 groups of equal pictures within train",
            "numbers": {"n": n_twins // 2},
        },
        "near_duplicates": {
            "status": fake.near,
            "why": f"{n_twins} test pictures show the same photograph as one in train, mirrored, resized, recompressed "
            "or otherwise altered; the official copy is not known to have them",
            "numbers": {"n": n_twins},
        },
        "order": {"status": "green", "why": "24.0 % of batch neighbours have the same class", "numbers": {}},
        "origin": {"status": fake.origin, "why": "compared with the official fingerprint", "numbers": {}},
        "pictures": {"status": "green", "why": "none is blank, unreadable or smaller than 20 px", "numbers": {}},
        "subjects": {"status": "green", "why": "who is who is not known", "numbers": {}},
    }
    record = {"audits": found, "official": fake.official, "unofficial": fake.unofficial}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def claim(method: str, **changes: object) -> dict[str, object]:
    """Return a row of the verdicts table."""
    return {
        "method": method, "dataset": "synthetic", "metric": "accuracy", "claim": 0.9505, "where": "Table 3",
        "paper": "A paper, 2024", "claimed_selection": "best_on_test", "verdict": "not comparable",
        "reason": "the recipe is toy, not paper; the published checkpoint was picked on the test set",
        "selection": "best_on_val", "estimate": 0.86, "low": 0.84, "high": 0.88, "level": 0.95, "n_samples": 1000,
        "n_seeds": 3, "recipe": "toy", "weights": "none", **changes,
    }  # fmt: skip


NOTHING = dict.fromkeys(("selection", "estimate", "low", "high", "level", "n_samples", "n_seeds", "recipe", "weights"))
"""What the verdict on a claim that was not run leaves empty."""

REALISTIC = Fake(
    methods={
        "majority_class": 0.39, "lbp_svm": 0.74, "convnext_full": 0.868, "conv_cut": 0.871, "patt_lite": 0.845,
    },
    titles={
        "majority_class": "Majority class",
        "lbp_svm": "LBP + SVM",
        "convnext_full": "ConvNeXt-Base, all stages, fine-tuned (ours)",
        "conv_cut": "Conv-cut",
        "patt_lite": "PAtt-Lite",
    },
    one_go=frozenset({"majority_class", "lbp_svm"}),
    weights="timm:convnext_base.fb_in22k_ft_in1k",
    claims=(
        claim("conv_cut"),
        claim("patt_lite", claim=0.9733, where="Table 2, row 7", verdict="lower",
              reason="our interval lies below", predicted_low=0.82, predicted_high=0.9, difference=-0.1133, z=-5.6),
        claim("patt_lite", dataset="rafdb", verdict="not run", reason="the data set is not in this grid", **NOTHING),
    ),
)  # fmt: skip

PAPER = Paper(title="A paper", authors="Somebody", year=2024, venue="A venue", link="https://example.org/paper")
CARDS = {
    "conv_cut": Card(
        title="Conv-cut",
        pretraining="none",
        tables=[
            PublishedTable(
                name="table1", where="Table 1", about="methods side by side", metric="accuracy",
                columns=["method", "year"],
                rows=[
                    PublishedRow(cells=["Not here", "2021"], method="not_here", published={"rafdb": 0.8876}),
                    PublishedRow(cells=["PAtt-Lite", "2024"], method="patt_lite",
                                 published={"rafdb": 0.9505, "synthetic": 0.9505}),
                    PublishedRow(cells=["Conv-cut", "2025"], recipes=["paper"], published={"rafdb": 0.9733}),
                ],
                notes="Simulated.",
            ),
            PublishedTable(
                name="table2", where="Table 2", about="with and without a part", metric="accuracy",
                columns=["row", "part"],
                rows=[
                    PublishedRow(cells=["the whole", "yes"], recipes=["toy"], published={"rafdb": 0.9733}),
                    PublishedRow(cells=["without", "no"], recipes=["without"], published={"rafdb": 0.7562}),
                ],
                notes="Simulated.",
            )
        ],
    ),
    "patt_lite": Card(
        title="PAtt-Lite",
        paper=PAPER,
        pretraining="none",
        claims=[
            Claim(
                dataset="synthetic", metric="accuracy", value=0.9505, where="Table 3",
                protocol=PublishedProtocol(
                    n_classes=7, selection="best_on_test", n_test=400, seeds=1, notes="predicted in batches of 32"
                ),
            )
        ],
        known_defects=[Note(what="attention over the batch", link="https://example.org/defect")],
    ),
}  # fmt: skip

GOLDEN = Fake(
    methods={"majority_class": 0.39, "conv_cut": 0.87, "patt_lite": 0.86},
    titles={"majority_class": "Majority class", "conv_cut": "Conv-cut", "patt_lite": "PAtt-Lite"},
    figures=("conv_cut",),
    one_go=frozenset({"majority_class"}),
    failed=frozenset({("patt_lite", 1)}),
    datasets={"synthetic": (400, 7)},
    claims=(
        *REALISTIC.claims,
        claim("patt_lite", verdict="void", reason="labels leak", link="https://example.org/defect"),
        claim("not_here", dataset="rafdb", claim=0.8876, verdict="not run", reason="it has no code here", **NOTHING),
    ),
    twins=31,
    ordered=frozenset({"patt_lite"}),
    cards=CARDS,
    near="red",
    accepted=True,
)
"""The grid whose report is stored."""
