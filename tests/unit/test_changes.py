"""Random changes as functions of a sample's draws."""

import math
import random

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional as colours

from fer_bench.method import (
    Crop,
    Either,
    Erase,
    Grey,
    InBgr,
    Jitter,
    Mirror,
    Noise,
    PaddedCrop,
    RandAugment,
    ResizedCrop,
    Rotate,
    Sometimes,
    Training,
)
from fer_bench.training import changes, pictures

MEAN = (0.485, 0.456, 0.406)
ALL = [
    Mirror(),
    Noise(std=0.05),
    Erase(area=(0.02, 0.25), mean=MEAN),
    Erase(area=(0.02, 0.25), mean=MEAN, std=(0.2, 0.2, 0.2)),
    Rotate(degrees=20),
    PaddedCrop(padding=1 / 7),
    ResizedCrop(area=(0.5, 1.0)),
    Grey(),
    Jitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    RandAugment(mean=MEAN, bicubic=True),
    Sometimes(p=0.5, changes=(Rotate(degrees=20), PaddedCrop(padding=1 / 7))),
    Either(p=0.5, changes=(Mirror(), Noise(std=0.05))),
    InBgr(changes=(Sometimes(p=0.5, changes=(Grey(),)), Jitter(saturation=0.4))),
]


@pytest.fixture
def faces(rng):
    return torch.from_numpy(rng.random((6, 3, 24, 24), dtype=np.float32))


def drawn(rng, change, n=6):
    return torch.from_numpy(rng.random((n, changes.n_draws(change)), dtype=np.float32))


@pytest.mark.parametrize("change", ALL, ids=lambda change: type(change).__name__)
def test_a_sample_is_changed_by_its_own_draws_whatever_stands_beside_it(faces, rng, change):
    draws = drawn(rng, change)
    together = changes.apply(change, faces, draws)
    alone = torch.cat([changes.apply(change, faces[i : i + 1], draws[i : i + 1]) for i in range(len(faces))])
    assert together.shape == faces.shape
    assert torch.equal(together, alone)


@pytest.mark.parametrize("change", ALL, ids=lambda change: type(change).__name__)
def test_a_change_uses_as_many_draws_as_it_says(faces, rng, change):
    draws = drawn(rng, change)
    more = torch.cat([draws, torch.rand(6, 3)], dim=1)
    assert torch.equal(changes.apply(change, faces, draws), changes.apply(change, faces, more))


@pytest.mark.parametrize(("draws", "changed"), [((0.9, 0.1), "none"), ((0.4, 0.1), "mirror"), ((0.4, 0.6), "noise")])
def test_either_makes_one_change_or_none(faces, draws, changed):
    either = Either(p=0.5, changes=(Mirror(), Noise(std=0.05)))
    given = torch.tensor([[*draws, 0.3, 0.7]]).expand(6, -1)
    found = changes.apply(either, faces, given)
    assert torch.equal(found, faces) == (changed == "none")
    assert torch.equal(found, faces.flip(-1)) == (changed == "mirror")


def test_an_erased_rectangle_has_the_area_aspect_and_place_that_were_drawn():
    black = torch.zeros(1, 3, 100, 100)
    erase = Erase(area=(0.02, 0.25), mean=MEAN)
    even = math.log(1 / 0.3) / (math.log(3.3) - math.log(0.3))  # of the logarithm: a square
    found = changes.apply(erase, black, torch.tensor([[(0.16 - 0.02) / 0.23, even, 0.0, 0.999]]))
    written = found[0, 0] > 0
    assert int(written.sum()) == 40 * 40
    assert written[:40, 60:].all()
    assert found[0, :, 0, 99].tolist() == pytest.approx(MEAN)


def test_an_erased_ratio_may_be_drawn_evenly_itself():
    """Of 1 to 4, the middle is 2.5, and of logarithms 2."""
    images, draws = torch.ones(1, 3, 100, 100), torch.tensor([[0.0, 0.5, 0.0, 0.0]])
    for drawn, ratio in (("ratio", 2.5), ("logarithm", 2.0)):
        change = Erase(area=(0.16, 0.16), aspect=(1.0, 4.0), drawn=drawn, mean=(0.0, 0.0, 0.0))
        erased = changes.apply(change, images, draws)[0, 0] == 0
        tall, wide = int(erased.any(dim=1).sum()), int(erased.any(dim=0).sum())
        assert (tall, wide) == (round((1600 * ratio) ** 0.5), round((1600 / ratio) ** 0.5))


def test_a_bilinear_rotation_is_a_weighted_mean_of_pixels():
    change = Rotate(degrees=10, interpolation="bilinear")
    picture = torch.zeros(1, 3, 5, 5)
    picture[..., 2, 4] = 1  # 2 px from the middle, at 0 degrees
    draws = torch.tensor([[1.0]])
    found = changes.apply(change, picture, draws)[0, 0]
    assert torch.equal(changes.apply(Rotate(degrees=10), picture, draws), picture)  # its nearest pixel
    cosine, sine = math.cos(math.radians(10)), math.sin(math.radians(10))
    x, y = 2 * cosine, 2 * sine  # where the place (2, 0) takes its colour from, or its mirror image
    assert found[2, 4] == pytest.approx((1 - (2 - x)) * (1 - y), abs=1e-5)


def test_what_is_done_in_bgr_sees_the_channels_turned_round(faces):
    grey = changes.apply(InBgr(changes=(Grey(),)), faces, torch.rand(6, 0))
    expected = 0.2989 * faces[:, 2] + 0.587 * faces[:, 1] + 0.114 * faces[:, 0]
    torch.testing.assert_close(grey[:, 0], expected, atol=1e-3, rtol=0)
    one = Jitter(hue=0.1)
    draws = torch.full((6, 5), 0.9)
    found = changes.apply(InBgr(changes=(one,)), faces, draws)
    assert torch.equal(found, changes.apply(one, faces.flip(1), draws).flip(1))
    assert not torch.allclose(found, changes.apply(one, faces, draws), atol=1e-3)


def test_erased_areas_lie_in_the_range_that_was_asked_for(rng):
    erase = Erase(area=(0.02, 0.25), mean=MEAN)
    found = changes.apply(erase, torch.zeros(2000, 3, 64, 64), drawn(rng, erase, 2000))
    shares = (found[:, 0] > 0).float().mean(dim=(1, 2))
    assert float(shares.min()) > 0.015
    assert float(shares.max()) < 0.26
    assert float(shares.mean()) == pytest.approx(0.135, abs=0.005)


def test_noise_is_normal_and_differs_between_samples_and_places(rng):
    like = torch.zeros(200, 3, 16, 16)
    numbers = changes.normal(torch.from_numpy(rng.random((200, 2), dtype=np.float32)), like)
    assert float(numbers.mean()) == pytest.approx(0, abs=0.01)
    assert float(numbers.std()) == pytest.approx(1, abs=0.01)
    assert float((numbers.abs() > 1.96).float().mean()) == pytest.approx(0.05, abs=0.003)
    assert float((numbers**4).mean()) == pytest.approx(3, abs=0.1)
    flat = numbers.flatten(1)
    assert float(torch.corrcoef(flat[:40]).fill_diagonal_(0).abs().max()) < 0.2
    assert float((flat[:, :-1] * flat[:, 1:]).mean()) == pytest.approx(0, abs=0.01)


def test_a_rotation_by_nothing_changes_nothing_and_one_by_a_quarter_turns_the_picture(faces):
    assert torch.equal(changes.apply(Rotate(degrees=90), faces, torch.full((6, 1), 0.5)), faces)
    turned = changes.apply(Rotate(degrees=90), faces, torch.ones(6, 1))
    assert torch.equal(turned, faces.rot90(-1, dims=(2, 3))) or torch.equal(turned, faces.rot90(1, dims=(2, 3)))


def test_a_padded_crop_shifts_by_whole_pixels_and_brings_in_black(faces):
    crop = PaddedCrop(padding=2 / 24)
    assert torch.equal(changes.apply(crop, faces, torch.full((6, 2), 0.5)), faces)
    found = changes.apply(crop, faces, torch.zeros(6, 2))
    assert torch.equal(found[:, :, 2:, 2:], faces[:, :, :-2, :-2])
    assert not found[:, :, :2].any()


def test_changes_named_by_a_word_keep_their_draws_and_the_others_follow(rng):
    """The first five columns are those of recipes that have no other change."""
    plain = pictures.Part(images=np.zeros((9, 4, 4), np.uint8), rows=np.arange(9), labels=np.arange(9), seed=3)
    training = Training(
        phases=(), batch_size=3, image_size_px=8, optimizer="adam", augment=("flip", Rotate(degrees=9)),
        augment_before_resize=(Noise(std=0.1),),
    )  # fmt: skip
    more = pictures.Part(
        images=plain.images, rows=plain.rows, labels=plain.labels, seed=3, n_draws=pictures.n_draws(training)
    )
    for part in (plain, more):
        part.set_epoch(2)
    draws = [part.__getitems__([4, 1])["draws"] for part in (plain, more)]
    assert draws[1].shape == (2, 8)
    assert torch.equal(draws[0], draws[1][:, :5])


def test_what_is_changed_before_the_resize_is_changed_at_the_size_of_the_data(rng):
    """One erased pixel of four becomes a quarter of the resized picture."""
    training = Training(
        phases=(), batch_size=3, image_size_px=8, optimizer="adam",
        augment_before_resize=(Erase(area=(0.25, 0.25), aspect=(1, 1), mean=(1, 1, 1)),),
    )  # fmt: skip
    draws = torch.tensor([[0.9] * 5 + [0.5, 0.5, 0.0, 0.0]])
    found = pictures.prepare(torch.zeros(1, 2, 2, dtype=torch.uint8), draws, training)
    assert found[0, 0, 0, 0] == 1
    assert found[0, 0, 7, 7] == 0
    assert torch.unique(found).numel() > 2


def test_a_resized_crop_is_the_resized_rectangle(faces):
    change = ResizedCrop(area=(0.25, 0.25), aspect=(1, 1))
    draws = torch.tensor([[0.5, 0.5, 0.3, 0.9]]).expand(6, -1)
    top, left = 3, 11  # a square of 12 px; 13 places, the draws' share of them rounded down
    expected = torch.nn.functional.interpolate(faces[..., top : top + 12, left : left + 12], size=24, mode="bilinear")
    assert torch.allclose(changes.apply(change, faces, draws), expected, atol=1e-5)


def test_the_whole_picture_cut_out_is_the_picture(faces):
    change = ResizedCrop(area=(1.0, 1.0), aspect=(1, 1))
    assert torch.allclose(changes.apply(change, faces, torch.rand(6, 4)), faces, atol=1e-5)


@pytest.mark.parametrize(("draws", "place"), [((0.0, 0.0), (0, 0)), ((0.999, 0.5), (8, 4))])
def test_a_crop_lies_where_it_was_drawn(faces, draws, place):
    found = changes.apply(Crop(side_px=16), faces, torch.tensor([draws]).expand(6, -1))
    top, left = place
    assert torch.equal(found, faces[..., top : top + 16, left : left + 16])


def test_grey_pictures_have_three_equal_channels_and_stay_as_they_are(faces):
    grey = changes.apply(Grey(), faces, torch.rand(6, 0))
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert torch.allclose(changes.apply(Grey(), grey, torch.rand(6, 0)), grey, atol=1e-3)


def test_jitter_is_torchvisions_with_the_factors_that_were_drawn(faces):
    change = Jitter(brightness=0.4, contrast=0.2, hue=0.1)
    draws = torch.tensor([[0.0, 0.75, 0.25, 0.9, 0.5 + 0.25]]).expand(6, -1)  # in the order of the names
    expected = colours.adjust_hue(colours.adjust_contrast(colours.adjust_brightness(faces, 1.2), 0.9), 0.05)
    assert torch.allclose(changes.apply(change, faces, draws), expected, atol=1e-5)


def test_jitter_leaves_grey_pictures_grey_and_valid(rng):
    grey = torch.from_numpy(rng.random((4, 1, 16, 16), dtype=np.float32)).expand(-1, 3, -1, -1)
    change = Jitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    found = changes.apply(change, grey, drawn(rng, change, 4))
    assert torch.allclose(found[:, 0], found[:, 1], atol=1e-3)
    assert found.min() >= 0
    assert found.max() <= 1


def test_timms_changes_leave_the_global_generators_as_they_were(faces):
    random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    found = changes.apply(RandAugment(mean=MEAN), faces, torch.full((6, 2), 0.3))
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    assert after == before
    assert not torch.equal(found, faces)


def test_pictures_that_are_cut_out_of_larger_ones_are_cut_in_the_middle_when_predicting(rng):
    settings = Training(
        phases=(), batch_size=2, image_size_px=8, resize_px=12, optimizer="adam", augment=(Crop(side_px=8),),
    )  # fmt: skip
    images = torch.from_numpy(rng.integers(0, 256, (2, 12, 12, 3), dtype=np.uint8))
    assert torch.equal(pictures.prepare(images, None, settings), pictures.as_tensor(images)[..., 2:10, 2:10])
    assert pictures.prepare(images, torch.rand(2, pictures.n_draws(settings)), settings).shape == (2, 3, 8, 8)


def test_bicubic_resizing_is_pillows(rng):
    image = rng.integers(90, 166, (30, 30, 3), dtype=np.uint8)  # nothing overshoots 8 bits between Pillow's passes
    expected = np.asarray(Image.fromarray(image).resize((20, 20), Image.Resampling.BICUBIC))
    found = pictures.resize(pictures.as_tensor(torch.from_numpy(image[None])), 20, "bicubic")
    assert np.abs(found[0].permute(1, 2, 0).numpy() * 255 - expected).max() < 1.5
