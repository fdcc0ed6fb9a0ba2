"""RAF-DB, basic part: its codes, and how many pictures of each expression it officially has.

Counted on the release's label list (15,339 lines), which four repositories hold with the same labels.
"""

from collections.abc import Mapping

from fer_bench.expressions import EXPRESSIONS, expressions

N_CLASSES = 7
CODES: Mapping[int, int] = {
    code: EXPRESSIONS.index(name)
    for code, name in enumerate(("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"), start=1)
}
"""From the release's codes to indices in :mod:`fer_bench.expressions`."""

# in the order of expressions: neutral, happiness, surprise, sadness, anger, disgust, fear
TRAIN = (2524, 4772, 1290, 1982, 705, 717, 281)
TEST = (680, 1185, 329, 478, 162, 160, 74)
OFFICIAL: Mapping[str, tuple[int, ...]] = {"train": TRAIN, "test": TEST}
N_OF_SPLIT: Mapping[str, int] = {split: sum(row) for split, row in OFFICIAL.items()}


def differing(found: Mapping[str, Mapping[str, int]]) -> str:
    """Say where counts per split and expression are not the release's; empty where they all are."""
    said = []
    for split, counts in found.items():
        row = OFFICIAL.get(split, (0,) * N_CLASSES)
        wrong = [
            f"{name} {counts[name]} of {n}"
            for name, n in zip(expressions(N_CLASSES), row, strict=True)
            if counts[name] != n
        ]
        said += [f"{split} has {', '.join(wrong)}"] if wrong else []
    return "; ".join(said)
