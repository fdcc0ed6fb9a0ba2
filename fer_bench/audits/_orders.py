"""Whether a prediction depends on the batch that a picture comes in: orders, what counts as noise, and the record.

Every checkpoint is asked for the same pictures in each of :data:`fer_bench.tables.orders.ORDERS`; its answers are held
against those to single pictures.

Rounding differs between batches of different sizes, so answers need not be equal to the bit. A picture's answer
*depends on its batch* if one of its logits moves by more than :data:`NOISE` times the largest absolute logit that the
checkpoint gives to any single picture. Batches of another size move float32 logits by some 1e-6 of that; attention
over the batch moves them by some 1e-1.

``red``: some picture's answer depends on its batch, whether or not another expression comes out: log loss and
calibration read logits too. ``green``: none does; an expression that changes all the same was a tie within noise.
``none``: the method is fitted in one go and has no batches, or no run of it ended well.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from fer_bench import seeds, whole
from fer_bench.audits import order_leak
from fer_bench.tables import orders

NOISE = 1e-4
"""Share of the largest absolute logit that rounding may move a logit by."""

Status: TypeAlias = Literal["green", "red", "none"]


def batches(y_true: np.ndarray, position: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Return the batches of every order.

    The last batch of an order is smaller where the size does not divide the number of pictures, as in ``evaluate`` of
    Keras. Class folders are met in the order of their names, and within one in the order of the release's list.

    Args:
        y_true: (n,) labels, none dropped.
        position: (n,) integers that rise in the order in which the release lists the pictures.

    Returns:
        By order, rows of each batch.
    """
    n = len(y_true)
    listed = np.argsort(position, kind="stable")
    # of this audit, not of a run: all methods and seeds are asked in the same orders
    shuffles = [seeds.generator(0, "orders", "shuffled", k).permutation(n) for k in range(orders.N_SHUFFLES)]
    whole = {
        **{f"shuffled{k}": shuffle for k, shuffle in enumerate(shuffles)},
        "listed": listed,
        "class_sorted": listed[order_leak.by_name(y_true[listed])],
    }
    return {
        orders.SINGLE: [np.array([row]) for row in range(n)],
        orders.COPIES: [np.array([row, row]) for row in range(n)],
        **{
            f"{name}_b{size}": [order[start : start + size] for start in range(0, n, size)]
            for name, order in whole.items()
            for size in orders.BATCH_SIZES
        },
    }


class Answer(NamedTuple):
    """What a checkpoint answers in one order, beside what it answers to single pictures.

    Attributes:
        y_pred: (n,) predicted expressions.
        n_flipped: Pictures for which another expression comes out.
        n_dependent: Pictures whose answer depends on the batch.
        largest: The largest difference of a logit.
        seconds: Wall time.
    """

    y_pred: np.ndarray
    n_flipped: int
    n_dependent: int
    largest: float
    seconds: float


def answer(single: np.ndarray, logits: np.ndarray, seconds: float) -> Answer:
    """Hold logits (n, k) of an order against those of single pictures."""
    moved = np.abs(logits - single).max(axis=1)
    y_pred = logits.argmax(axis=1)
    return Answer(
        y_pred=y_pred,
        n_flipped=int((y_pred != single.argmax(axis=1)).sum()),
        n_dependent=int((~(moved <= NOISE * np.abs(single).max())).sum()),  # what is not finite counts too
        largest=float(moved.max()),
        seconds=seconds,
    )


Checkpoint: TypeAlias = tuple[int, str]
"""Seed and selection."""


@dataclass(frozen=True, kw_only=True)
class Audited:
    """What the audit of a method on a data set found.

    Attributes:
        dataset: The data set.
        method: The method.
        recipe: Its recipe.
        n_classes: Expressions told apart.
        couples_batch: What the method says of itself.
        samples: The reported split: ``sample_id``, ``y_true`` and ``label/<rule>``.
        answers: By checkpoint and order, for the samples with a label, in the order of ``samples``.
        dropped: By checkpoint, predicted expressions of the samples without one.
        trunk_moved: Where a frozen trunk's stored features stand for it: the largest difference between its features
            of pictures together and alone, as a share of the largest feature.
        without: Why there is nothing to ask, or which seeds are left out; empty where all were asked.
    """

    dataset: str
    method: str
    recipe: str
    n_classes: int
    couples_batch: bool
    samples: pd.DataFrame
    answers: Mapping[Checkpoint, Mapping[str, Answer]] = field(default_factory=dict)
    dropped: Mapping[Checkpoint, np.ndarray] = field(default_factory=dict)
    trunk_moved: float | None = None
    without: str = ""

    @property
    def status(self) -> Status:
        """Return the verdict."""
        if not self.answers:
            return "none"
        dependent = any(found.n_dependent for each in self.answers.values() for found in each.values())
        return "red" if dependent or not (self.trunk_moved or 0.0) <= NOISE else "green"

    @property
    def selections(self) -> list[str]:
        """Return the selections that were asked, in the order in which they were."""
        return list(dict.fromkeys(selection for _, selection in self.answers))

    @property
    def stops(self) -> bool:
        """Whether the finding contradicts what the method says of itself, so that its numbers cannot stand."""
        return self.status == "red" and not self.couples_batch

    @property
    def why(self) -> str:
        """Return the finding in a sentence."""
        if self.status == "none":
            return self.without
        worst = max((found.n_flipped, order) for each in self.answers.values() for order, found in each.items())
        n = int(self._labelled.sum())
        flips = f"up to {worst[0]} of {n} expressions change ({worst[1]})" if worst[0] else "no expression changes"
        if self.status == "green":
            said = ", though its couples_batch is true" if self.couples_batch else ""
            return f"no answer depends on the batch{said}; {flips}"
        said = "as its couples_batch says" if self.couples_batch else "but its couples_batch is false"
        return f"answers depend on the batch, {said}; {flips}"

    @property
    def _labelled(self) -> np.ndarray:
        return (self.samples["y_true"] >= 0).to_numpy(dtype=bool)

    def table(self) -> pd.DataFrame:
        """Return the table of orders (:mod:`fer_bench.tables.orders`)."""
        labelled, cells = self._labelled, {}
        for (seed, selection), found in self.answers.items():
            for order, one in found.items():
                whole = np.full(len(labelled), -1)
                whole[labelled] = one.y_pred
                if order == orders.SINGLE:
                    whole[~labelled] = self.dropped[seed, selection]
                cells[str(orders.Column(seed, selection, order))] = pd.Series(whole, dtype="Int64").replace(-1, pd.NA)
        return pd.concat([self.samples.reset_index(drop=True), pd.DataFrame(cells)], axis=1)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per selection and order: what changed, over all seeds."""
        rows = []
        for selection in self.selections:
            held = [seed for seed, name in self.answers if name == selection]
            for order in orders.ORDERS:
                found = [self.answers[seed, selection][order] for seed in held]
                n_flipped = sum(one.n_flipped for one in found)
                rows.append(
                    {
                        "selection": selection,
                        "order": order,
                        "batch_size": _size(order),
                        "n_flipped": n_flipped,
                        "share_flipped": round(n_flipped / sum(len(one.y_pred) for one in found), 6),
                        "n_dependent": sum(one.n_dependent for one in found),
                        "largest_difference": float(f"{max(one.largest for one in found):.2g}"),
                        "seconds": round(sum(one.seconds for one in found), 1),
                    }
                )
        return rows

    def record(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the finding as plain data; without wall times, so that equal runs give equal bytes."""
        by_selection: dict[str, dict[str, Any]] = {selection: {} for selection in self.selections}
        for row in rows:
            kept = {name: value for name, value in row.items() if name not in {"selection", "order", "seconds"}}
            by_selection[row["selection"]][row["order"]] = kept
        labelled = self._labelled
        return {
            "dataset": self.dataset,
            "method": self.method,
            "recipe": self.recipe,
            "status": self.status,
            "why": self.why,
            "couples_batch": self.couples_batch,
            "without": self.without,
            "seeds": sorted({seed for seed, _ in self.answers}),
            "n_samples": int(labelled.sum()),
            "n_dropped": int((~labelled).sum()),
            "noise": NOISE,
            "trunk_moved": None if self.trunk_moved is None else float(f"{self.trunk_moved:.2g}"),
            "orders": by_selection,
        }


def _size(order: str) -> int:
    return {orders.SINGLE: 1, orders.COPIES: 2}.get(order) or int(order.rpartition("_b")[2])


def write(audited: Audited, rows: list[dict[str, Any]], folder: Path) -> Path:
    """Write ``<dataset>_<method>.csv`` and ``.json`` into a folder; equal findings give equal bytes.

    Returns:
        The JSON file.
    """
    stem = f"{audited.dataset}_{audited.method}"
    record = json.dumps(audited.record(rows), indent=1, sort_keys=True, ensure_ascii=False)
    orders.write(audited.table(), folder / f"{stem}.csv")
    whole.write(folder / f"{stem}.json", f"{record}\n".encode())
    return folder / f"{stem}.json"


def printable(rows: list[dict[str, Any]], scored: list[dict[str, Any]]) -> pd.DataFrame:
    """Return what people read: one row per selection and order.

    Args:
        rows: From :meth:`Audited.rows`.
        scored: Scores of the same orders, rows as :data:`fer_bench.tables.by_order.by_order` has them.
    """
    printed: dict[tuple[str, str], dict[str, str]] = {}
    for one in scored:
        own = printed.setdefault((one["selection"], one["order"]), {})
        own[one["metric"].replace("_", "-")] = f"{one['estimate']:.4f} ({one['low']:.4f} to {one['high']:.4f})"
    shown = [
        {
            "selection": row["selection"],
            "order": row["order"].partition("_b")[0],
            "batch size": row["batch_size"],
            **printed.get((row["selection"], row["order"]), {}),
            "flips": f"{row['share_flipped']:.4f}",
            "largest difference": f"{row['largest_difference']:.1e}",
            "status": "red" if row["n_dependent"] else "green",
            "seconds": f"{row['seconds']:.1f}",
        }
        for row in rows
    ]
    return pd.DataFrame(shown)
