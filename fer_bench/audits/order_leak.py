"""Order leak: how often batch neighbours share their expression when pictures come in the order of the release's list.

A method whose logits depend on the batch can read the label off its mates. The share is the mean, over the labelled
pictures of a split, of the share of a picture's batch mates with its label, in consecutive batches of 32; shuffled, it
is Σ n_k (n_k − 1) / (n (n − 1)) on average. For RAF-DB's test pictures: 97.7 % from class folders, met in the order of
their names, 54.4 % in the order of its own list, 24.0 % shuffled.

``green``: the release's order is within 5 points of shuffled in every split. ``amber``: it is not; batches of such a
split say something about labels. Never ``red``: it is a property of the list, not a fault of the copy.
"""

import numpy as np

from fer_bench.audits import Audit, Finding
from fer_bench.datasets import SPLITS
from fer_bench.datasets._store import Prepared
from fer_bench.expressions import EXPRESSIONS

BATCH_SIZE = 32
EXCESS = 0.05
"""Above the share of shuffled pictures; a fraction."""


def run(prepared: Prepared) -> Finding:
    """Compute the shares of every split that has pictures."""
    numbers = {}
    for split in SPLITS:
        rows = prepared.samples[(prepared.samples["split"] == split) & (prepared.samples["label"] >= 0)]
        labels = rows.sort_values("position")["label"].to_numpy(dtype=np.int64)
        if len(labels) > 1:
            numbers[split] = {
                "as_listed": round(share_of_mates(labels), 6),
                "shuffled": round(shuffled(labels), 6),
                "class_folders": round(share_of_mates(labels[by_name(labels)]), 6),
                "n": len(labels),
            }
    leaking = [split for split, found in numbers.items() if found["as_listed"] > found["shuffled"] + EXCESS]
    said = "; ".join(
        f"{split} {found['as_listed']:.1%} as listed, {found['shuffled']:.1%} shuffled, "
        f"{found['class_folders']:.1%} from class folders"
        for split, found in numbers.items()
    )
    return Finding(
        status="amber" if leaking else "green",
        why=f"batch mates with the same label, batches of {BATCH_SIZE}: {said}",
        numbers={"batch_size": BATCH_SIZE, "splits": numbers, "leaking": leaking},
    )


def by_name(labels: np.ndarray) -> np.ndarray:
    """Return the rows (n,) of labels in the order in which folders named after expressions are read."""
    place = np.argsort(np.argsort(EXPRESSIONS))
    rows: np.ndarray = np.argsort(place[labels], kind="stable")
    return rows


def share_of_mates(labels: np.ndarray) -> float:
    """Return the mean share of batch mates with a picture's own label; a batch of one has no mates and is left out.

    Args:
        labels: (n,) integers in the order in which pictures are met; n > 1.
    """
    shares: list[float] = []
    for start in range(0, len(labels), BATCH_SIZE):
        batch = labels[start : start + BATCH_SIZE]
        if len(batch) > 1:
            same = (batch[:, None] == batch).sum(axis=1) - 1
            shares += (same / (len(batch) - 1)).tolist()
    return float(np.mean(shares))


def shuffled(labels: np.ndarray) -> float:
    """Return the share that a random order has on average (n,)."""
    counts = np.bincount(labels)
    return float((counts * (counts - 1)).sum() / (len(labels) * (len(labels) - 1)))


audit = Audit(title="what the release's order tells about labels within a batch", run=run)
