"""The drawn faces: the same bytes everywhere, the promised counts, people kept apart, expressions that show."""

import dataclasses
import hashlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

from fer_bench import params
from fer_bench.datasets import Loaded, _face, _portrait, _rafdb_counts, synthetic
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.tables import samples as samples_table

HERE = Path("fer_bench/datasets/synthetic.py")
SMALL = {"n_train": 60, "n_val": 20, "n_test": 40}


def _load(**choices: int) -> Loaded:
    return synthetic.load(HERE, synthetic.Options(**{**SMALL, **choices}))


@pytest.fixture(scope="module")
def small() -> Loaded:
    return _load()


def _of(loaded: Loaded, split: str) -> np.ndarray:
    return loaded.images[(loaded.samples["split"] == split).to_numpy()]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# Renewed only when faces are meant to change; CHANGELOG's Numbers says so then.
def test_pixels_are_the_same_bytes_on_every_machine(small):
    assert _sha256(small.images.tobytes()) == "1170a12c698b9a2bf0b23945f6e77f367f8a63ad4017def7cdb6948eaa490578"


def test_the_samples_table_is_the_same_bytes_on_every_machine(small):
    text = small.samples.to_csv(index=False, lineterminator="\n")
    assert _sha256(text.encode()) == "3f8a6b57992c23244e71e7e9c28062054f12d6ab2b84d6e504a76f4202fd31bc"


def test_no_operation_whose_last_bit_depends_on_the_machine_leads_to_a_pixel():
    functions = "sin|cos|tan|exp|log|power|hypot|arctan2?|dot|matmul|einsum|mean|linspace|interp"
    risky = rf"np\.({functions})\b|\.mean\(|[\w)\]] ?\*\* ?[\w(]| @ "
    for module in (_face, _portrait):
        assert not re.search(risky, inspect.getsource(module)), module.__name__


def test_pixels_are_rgb_bytes_in_the_order_of_the_table(small):
    assert small.images.dtype == np.uint8
    assert small.images.shape == (len(small.samples), 48, 48, 3)
    assert small.samples["sample_id"].is_monotonic_increasing


def test_the_table_fits_the_schema_of_samples(small):
    votes = samples_table.vote_columns(list(small.samples.columns))
    table = small.samples.assign(digest=[samples_table.digest(image) for image in small.images])
    checked = samples_table.schema(votes).check(table, where="synthetic")
    assert set(votes) == {f"votes_{name}" for name in (*EXPRESSIONS, "unknown", "nf")}
    assert checked["digest"].is_unique


@pytest.mark.parametrize(
    ("n_train", "n_test"),
    [(1500, 1000), (7, 7), (12_271, 3_068)],
)
def test_counts_keep_rafdbs_shares_and_miss_no_expression(n_train, n_test):
    counts = synthetic.official_counts(synthetic.Options(n_train=n_train, n_test=n_test))
    assert sum(counts["train"]) == n_train
    assert sum(counts["test"]) == n_test
    for split, released in (("train", _rafdb_counts.TRAIN), ("test", _rafdb_counts.TEST)):
        exact = np.array(released) * (sum(counts[split]) / sum(released))
        assert min(counts[split]) >= 1
        assert sum(counts[split]) == 7 or np.abs(np.array(counts[split]) - exact).max() < 1


def test_rafdbs_own_sizes_give_rafdbs_own_counts():
    counts = synthetic.official_counts(synthetic.Options(n_train=12_271, n_test=3_068))
    assert counts["train"] == (2524, 4772, 1290, 1982, 705, 717, 281)
    assert counts["test"] == (680, 1185, 329, 478, 162, 160, 74)


def test_the_table_has_the_official_counts(small):
    official = synthetic.official_counts(synthetic.Options(**SMALL))
    for split, counts in official.items():
        labels = small.samples.loc[small.samples["split"] == split, "label"]
        assert tuple(np.bincount(labels, minlength=7)) == counts


def test_no_person_is_in_two_splits(small):
    assert (small.samples.groupby("subject")["split"].nunique() == 1).all()
    assert small.samples.groupby("subject").size().max() == synthetic.PICTURES_PER_PERSON


def test_labels_do_not_follow_the_order_of_the_files(small):
    labels = small.samples.loc[small.samples["split"] == "train", "label"].to_numpy()
    assert (np.diff(labels) < 0).sum() > 10


def test_another_test_size_leaves_train_and_val_as_they_were(small):
    other = _load(n_test=9)
    for split in ("train", "val"):
        np.testing.assert_array_equal(_of(other, split), _of(small, split))
        before = small.samples[small.samples["split"] == split].reset_index(drop=True)
        after = other.samples[other.samples["split"] == split].reset_index(drop=True)
        assert before.equals(after)


def test_another_seed_draws_other_people_and_other_pictures(small):
    other = _load(seed=1)
    assert not (other.images == small.images).all(axis=(1, 2, 3)).any()
    assert set(other.samples["source"]).isdisjoint(small.samples["source"])


def test_no_two_pictures_are_alike(small):
    assert len({image.tobytes() for image in small.images}) == len(small.images)


def test_a_picture_does_not_depend_on_those_drawn_with_it():
    stream_seeds = list(range(20))
    people = _portrait.draw_people(stream_seeds)
    scenes = _portrait.draw_scenes(stream_seeds, np.arange(20) % 7)
    together = _face.draw(people, scenes, 48)
    alone = _face.draw(_portrait.take(people, slice(17, 18)), _portrait.take(scenes, slice(17, 18)), 48)
    np.testing.assert_array_equal(alone[0], together[17])


def test_ten_annotators_vote_on_every_picture(small):
    votes = small.samples.filter(like="votes_")
    assert (votes.sum(axis=1) == 10).all()
    assert (votes >= 0).all().all()


def _votes_at(strength: float) -> np.ndarray:
    """Votes for fear (label 6), at one strength, on 300 uncovered faces; a row per picture."""
    stream_seeds, labels = list(range(300)), np.full(300, 6)
    scenes = _portrait.draw_scenes(stream_seeds, labels)
    still = dataclasses.replace(scenes, strength=np.full(300, strength), occluder=np.zeros(300), blur=np.zeros(300))
    return synthetic._votes(stream_seeds, labels, still)


def test_weak_fear_is_taken_for_surprise_more_often_than_strong_fear():
    fear, surprise = EXPRESSIONS.index("fear"), EXPRESSIONS.index("surprise")
    weak, strong = _votes_at(0.35).sum(axis=0), _votes_at(0.95).sum(axis=0)
    assert strong[fear] > 1.3 * weak[fear]
    assert weak[surprise] > 3 * strong[surprise]
    assert weak[surprise] > weak.sum() - weak[fear] - weak[surprise]


def _faces(variant: dict[int, float]) -> np.ndarray:
    """Twelve unblurred, uncovered, upright faces that move only these action units."""
    stream_seeds, zero = list(range(12)), np.zeros(12)
    people = dataclasses.replace(_portrait.draw_people(stream_seeds), glasses=zero, beard=zero)
    scenes = _portrait.draw_scenes(stream_seeds, np.zeros(12, dtype=int))
    actions = np.zeros((12, len(_portrait.AUS)))
    for unit, intensity in variant.items():
        actions[:, _portrait.AUS.index(unit)] = intensity
    still = dict.fromkeys(("blur", "noise", "occluder", "blink", "roll", "x", "y"), zero)
    return _face.draw(people, dataclasses.replace(scenes, actions=actions, **still), 48).astype(int)


@pytest.mark.parametrize(
    ("unit", "rows"),
    [
        *((unit, slice(8, 24)) for unit in (1, 2, 4)),  # brows
        *((unit, slice(15, 34)) for unit in (5, 6, 7)),  # eyes and what is under them
        (9, slice(14, 38)),  # nose
        *((unit, slice(28, 44)) for unit in (10, 12, 15, 16, 17, 20, 23, 25, 26)),  # mouth and chin
    ],
)
def test_an_action_unit_moves_its_own_part_of_the_face(unit, rows):
    change = np.abs(_faces({unit: 1.0}) - _faces({})).sum(axis=(0, 2, 3))
    assert change[rows].sum() > 0.7 * change.sum()
    assert change.sum() > 0.1 * 12 * 48 * 48 * 3  # grey levels, a tenth per pixel of the whole picture


def test_every_variant_of_an_expression_differs_from_every_other_expression():
    drawn = {name: [_faces(variant) for variant in variants] for name, variants in _portrait.VARIANTS.items()}
    for name, faces in drawn.items():
        for other, others in drawn.items():
            if name != other:
                assert min(np.abs(a - b).mean() for a in faces for b in others) > 0.5, (name, other)


def test_every_expression_of_the_data_set_has_action_units():
    assert tuple(_portrait.VARIANTS) == EXPRESSIONS[: synthetic.N_CLASSES]


def test_faces_can_be_drawn_larger():
    assert _load(n_train=7, n_val=7, n_test=7, size_px=64).images.shape == (21, 64, 64, 3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_train": 6}, "n_train"),
        ({"n_val": 0}, "n_val"),
        ({"n_test": "many"}, "n_test"),
        ({"n_test": 100_000}, "n_test"),
        ({"seed": -1}, "seed"),
        ({"size_px": 8}, "size_px"),
        ({"sise_px": 48}, "did you mean size_px?"),
    ],
)
def test_a_bad_option_is_named(options, said):
    with pytest.raises(FerBenchError, match=re.escape(said)):
        params.convert(options, synthetic.dataset.options, where="params.yaml: prepare.synthetic.options")
