"""FERPlus: how many samples of each expression every vote table and rule officially give.

Counted by applying the rules to the release's vote tables (microsoft/FERPlus at ae2128ab), in the order of
:mod:`fer_bench.expressions`. The majority rows on ``label.csv`` equal the lists that RAN published (Wang et al. 2020:
28,236 for train and val together, 3,137 for test).
"""

from collections.abc import Mapping

from fer_bench.datasets._ferplus_rules import TRAIN_ONLY

_Counts = dict[str, tuple[int, ...]]

BY_RULE: Mapping[tuple[str, str], _Counts] = {
    # (votes, rule): the rule applied to all three splits
    ("label_csv", "majority"): {
        "train": (8733, 7284, 3136, 3022, 2098, 116, 536, 120),
        "val": (1180, 862, 411, 348, 289, 25, 60, 16),
        "test": (1083, 892, 394, 382, 269, 16, 86, 15),
    },
    ("label_csv", "probability"): {
        "train": (10107, 7501, 3517, 3445, 2401, 170, 643, 163),
        "val": (1311, 897, 452, 406, 319, 29, 69, 25),
        "test": (1250, 925, 438, 437, 315, 20, 96, 26),
    },
    ("label_csv", "multi_target"): {
        "train": (10056, 7489, 3481, 3410, 2337, 150, 598, 146),
        "val": (1303, 893, 447, 400, 312, 29, 67, 21),
        "test": (1238, 921, 440, 435, 298, 18, 93, 23),
    },
    ("label_csv", "argmax10"): {
        "train": (10295, 7526, 3557, 3530, 2463, 191, 655, 168),
        "val": (1329, 899, 458, 415, 325, 32, 71, 26),
        "test": (1258, 928, 447, 446, 321, 20, 97, 28),
    },
    ("label_csv", "argmax8"): {
        "train": (10377, 7537, 3583, 3559, 2476, 195, 659, 170),
        "val": (1341, 899, 461, 419, 326, 34, 72, 27),
        "test": (1274, 929, 450, 449, 322, 21, 98, 30),
    },
    ("fer2013new", "majority"): {
        "train": (8740, 7287, 3149, 3014, 2100, 119, 532, 119),
        "val": (1182, 865, 415, 351, 287, 24, 62, 13),
        "test": (1090, 893, 396, 384, 273, 18, 83, 16),
    },
    ("fer2013new", "probability"): {
        "train": (10122, 7503, 3524, 3430, 2407, 169, 641, 160),
        "val": (1317, 897, 450, 401, 314, 31, 72, 23),
        "test": (1251, 925, 435, 435, 320, 22, 92, 25),
    },
    ("fer2013new", "multi_target"): {
        "train": (10071, 7492, 3486, 3399, 2327, 153, 598, 145),
        "val": (1307, 893, 446, 400, 307, 30, 71, 18),
        "test": (1243, 921, 438, 434, 302, 21, 90, 23),
    },
    ("fer2013new", "argmax10"): {
        "train": (10309, 7528, 3562, 3515, 2467, 191, 652, 165),
        "val": (1335, 899, 456, 412, 319, 34, 74, 24),
        "test": (1262, 928, 444, 444, 325, 23, 93, 27),
    },
    ("fer2013new", "argmax8"): {
        "train": (10388, 7539, 3588, 3549, 2478, 194, 656, 167),
        "val": (1347, 899, 459, 418, 320, 36, 75, 25),
        "test": (1278, 929, 446, 448, 326, 23, 94, 29),
    },
}

_OVERWRITTEN: Mapping[str, tuple[int, ...]] = {
    # rows 5274, 5348, 8423 (train) and 33200 (test), whose files the official script overwrites with a later row's
    "train": (1, 0, 0, 1, 1, 0, 0, 0),
    "val": (0, 0, 0, 0, 0, 0, 0, 0),
    "test": (1, 0, 0, 0, 0, 0, 0, 0),
}


def counts(votes: str, rule: str, *, png: bool) -> _Counts:
    """Return the official counts per split and expression, eight each.

    Args:
        votes: ``label_csv`` or ``fer2013new``.
        rule: The train split's rule; the official code labels val and test by ``majority`` in two of its modes.
        png: Whether the pictures are the official script's files, which lack four labelled rows of ``fer2013new.csv``.
    """
    held_out = "majority" if rule in TRAIN_ONLY else rule
    rows = {"train": BY_RULE[votes, rule]["train"]} | {
        split: BY_RULE[votes, held_out][split] for split in ("val", "test")
    }
    if votes == "label_csv" or not png:
        return rows
    return {
        split: tuple(n - gone for n, gone in zip(row, _OVERWRITTEN[split], strict=True)) for split, row in rows.items()
    }
