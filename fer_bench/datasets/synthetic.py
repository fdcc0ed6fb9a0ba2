"""Faces drawn from parameters: a data set that is always there, for trying the pipeline and for tests.

A picture is a person (head, skin, hair, glasses, beard, features), an expression and circumstances (pose, light, blur,
noise, background, occlusion). The expression moves eyes, brows, nose and mouth by action units (see
:mod:`fer_bench.datasets._portrait`), from barely visible to strong; strays of other units occur on every face, so weak
expressions cannot be told for certain and no method reaches 100 %.

* **Labels** are the expression intended at drawing, as one label per picture is released with RAF-DB. They are not
  made from the votes.
* **Votes** are ten simulated annotators per picture, in the columns of FERPlus. The weaker or the more covered an
  expression, the more often they take it for one that resembles it (fear for surprise, disgust for anger, sadness for
  neutral). Their majority differs from the label for some pictures.
* **Splits** share no person. The shares of the seven expressions are those of RAF-DB, train (also for val) and test
  (Li and Deng, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Unconstrained Facial Expression
  Recognition", IEEE TIP 2019), by largest remainder, each expression at least once.
* **Seeds**: every picture and every person has a stream of its own, named after the split and the number, so one
  split's size does not change another split's pictures.
* **The same bytes on every machine**: only raw bits of PCG64, integers and elementwise operations whose result IEEE
  754 fixes lead to a pixel, a label or a vote (see :mod:`fer_bench.datasets._face`); a test holds the digest.

Numbers on these faces say nothing about photographs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import pandas as pd

from fer_bench.datasets import Dataset, Loaded, _rafdb_counts
from fer_bench.datasets._face import draw
from fer_bench.datasets._portrait import Draws, Scenes, draw_people, draw_scenes, stream_seed, take
from fer_bench.expressions import EXPRESSIONS, expressions
from fer_bench.params import Section, Seed

N_CLASSES = 7
N_ANNOTATORS = 10
PICTURES_PER_PERSON = 4

_VOTES = (*EXPRESSIONS, "unknown", "nf")

# What an annotator says who does not see the intended expression, in parts per hundred. The confusions follow the
# resemblance of the action units (fear and surprise share 1, 2, 5 and 26; anger and disgust 4 and 7).
_MISTAKEN: Mapping[str, Mapping[str, int]] = {
    "neutral": {"sadness": 45, "happiness": 18, "anger": 14, "surprise": 8, "contempt": 5, "disgust": 4, "unknown": 6},
    "happiness": {"neutral": 60, "surprise": 22, "disgust": 6, "contempt": 6, "unknown": 6},
    "surprise": {"fear": 40, "happiness": 20, "neutral": 34, "unknown": 6},
    "sadness": {"neutral": 55, "disgust": 16, "anger": 12, "fear": 10, "unknown": 7},
    "anger": {"disgust": 42, "neutral": 36, "sadness": 14, "unknown": 8},
    "disgust": {"anger": 46, "sadness": 24, "neutral": 20, "contempt": 3, "unknown": 7},
    "fear": {"surprise": 60, "sadness": 14, "neutral": 12, "disgust": 8, "unknown": 6},
}

Pictures = Annotated[int, msgspec.Meta(ge=N_CLASSES, le=99_999)]


class Options(Section, frozen=True, kw_only=True):
    """Choices of the drawn data set.

    Attributes:
        n_train: Pictures in train, 7 (one per expression) to 99,999.
        n_val: Pictures in val.
        n_test: Pictures in test.
        seed: Another seed draws other people and other pictures.
        size_px: Side of the pictures, 24 to 224.
    """

    n_train: Pictures = 1500
    n_val: Pictures = 400
    n_test: Pictures = 1000
    seed: Seed = 0
    size_px: Annotated[int, msgspec.Meta(ge=24, le=224)] = 48


def load(_source: Path, options: Options) -> Loaded:
    """Draw the data set.

    Args:
        _source: Not read: the faces are drawn by this file.
        options: How many, how large, from which seed.

    Returns:
        Samples sorted by ``sample_id``, with ``source`` naming the picture's seed, and RGB pictures, uint8
        (n, size_px, size_px, 3).
    """
    counts = official_counts(options)
    parts = [_draw_split(split, counts[split], options) for split in sorted(counts)]
    samples = pd.concat([part.samples for part in parts], ignore_index=True)
    return Loaded(samples, np.concatenate([part.images for part in parts]))


def official_counts(options: Options) -> Mapping[str, tuple[int, ...]]:
    """Return how many pictures of each expression each split has: RAF-DB's shares of the options' sizes."""
    return {
        "train": _shares(options.n_train, _rafdb_counts.TRAIN),
        "val": _shares(options.n_val, _rafdb_counts.TRAIN),
        "test": _shares(options.n_test, _rafdb_counts.TEST),
    }


def _shares(n: int, weights: tuple[int, ...]) -> tuple[int, ...]:
    """Part ``n`` in proportion to ``weights`` by largest remainder, in integers, then give empty parts one each."""
    total = sum(weights)
    parts = [n * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda k: (-(n * weights[k] % total), k))
    for k in by_remainder[: n - sum(parts)]:
        parts[k] += 1
    for k, part in enumerate(parts):
        if part == 0:
            parts[parts.index(max(parts))] -= 1
            parts[k] = 1
    return tuple(parts)


def _draw_split(split: str, counts: tuple[int, ...], options: Options) -> Loaded:
    n = sum(counts)
    labels = _shuffled_labels(counts, stream_seed(options.seed, split, "labels"))
    n_people = -(-n // PICTURES_PER_PERSON)
    person = np.arange(n) % n_people
    people = draw_people([stream_seed(options.seed, split, "person", i) for i in range(n_people)])
    picture_seeds = [stream_seed(options.seed, split, "picture", i) for i in range(n)]
    scenes = draw_scenes(picture_seeds, labels)
    votes = _votes([stream_seed(options.seed, split, "votes", i) for i in range(n)], labels, scenes)
    samples = pd.DataFrame(
        {
            "sample_id": [f"synth_{split}_{i + 1:05d}" for i in range(n)],
            "split": split,
            "label": labels,
            "position": np.arange(n),
            "source": [f"seed:{seed}" for seed in picture_seeds],
            "subject": [f"synth_{split}_p{i + 1:05d}" for i in person],
            **{f"votes_{name}": votes[:, column] for column, name in enumerate(_VOTES)},
        }
    )
    return Loaded(samples, draw(take(people, person), scenes, options.size_px))


def _shuffled_labels(counts: tuple[int, ...], seed: int) -> np.ndarray:
    """Return labels with these counts in random order, so that neither ids nor file order give the label away."""
    in_order = np.repeat(np.arange(len(counts)), counts)
    keys = np.random.PCG64(seed).random_raw(len(in_order))
    return in_order[np.argsort(keys, kind="stable")]


def _votes(stream_seeds: list[int], labels: np.ndarray, scenes: Scenes) -> np.ndarray:
    """Return votes (n, 10 columns) of ten annotators who see each face through its circumstances."""
    d = Draws(stream_seeds, N_ANNOTATORS + 1)
    strength = np.where(labels == 0, 0.75, scenes.strength)  # nothing to be seen is seen well enough
    clear = strength - 0.35 * (scenes.occluder > 0) - 0.06 * scenes.blur + d.bell(-0.2, 0.2)
    right = np.clip(0.40 + 0.62 * clear, 0.15, 0.99)
    not_a_face = np.where(scenes.occluder > 0, 0.006, 0.001)
    mistaken = np.array([[_MISTAKEN[name].get(vote, 0) for vote in _VOTES] for name in expressions(N_CLASSES)])
    below = np.cumsum(mistaken, axis=1)[labels] / 100  # integers until the division; rows end in 1
    votes = np.zeros((len(labels), len(_VOTES)), dtype=np.int64)
    rows = np.arange(len(labels))
    for _ in range(N_ANNOTATORS):
        u = d.uniform(0, 1)
        other = (u - right) / (1 - right)
        wrong = np.minimum((below <= other[:, None]).sum(axis=1), len(_VOTES) - 1)
        seen = np.where(u < right, labels, np.where(u >= 1 - not_a_face, len(_VOTES) - 1, wrong))
        votes[rows, seen] += 1
    return votes


dataset = Dataset(
    title="Synthetic faces",
    about="Faces drawn from action units, with the class shares of RAF-DB; embedded, the same bytes everywhere.",
    licence="MIT, as fer-bench; drawn by a program, shows nobody",
    citation="fer-bench",
    options=Options,
    n_classes=lambda _options: N_CLASSES,
    label_rule=lambda _options: "released",
    load=load,
    official_counts=official_counts,
    faces_may_be_shown=True,
    # drawn from one template: of 4.2 million pairs of the demo's pictures the most similar reach 0.985
    similar_from=0.99,
)
