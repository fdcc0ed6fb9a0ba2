"""Batches and the random changes of training pictures."""

import dataclasses

import numpy as np
import pytest
import torch

from fer_bench import seeds
from fer_bench.errors import FerBenchError
from fer_bench.method import Erase, Mirror, Noise, Phase, Sometimes, Training
from fer_bench.training import features, pictures

ERASE = Erase(area=(0.1, 0.3), mean=(0.0, 0.0, 0.0))
NOISY = Training(
    phases=(Phase(epochs=1, lr=0.1, trunk="frozen"),), batch_size=4, image_size_px=16, optimizer="adam",
    augment=(ERASE,), augment_before_resize=(Sometimes(p=0.5, changes=(Noise(std=0.1),)),),
)  # fmt: skip
TWO_VIEWS = dataclasses.replace(NOISY, second_view=(Mirror(), ERASE))


def part(rng, n=12, **more):
    images = rng.integers(0, 256, (n, 10, 10, 3), dtype=np.uint8)
    return pictures.Part(images=images, rows=np.arange(2, n), labels=np.arange(n - 2) % 7, seed=3, **more)


def test_a_batch_holds_the_rows_that_were_asked_for(rng):
    data = part(rng)
    batch = data.__getitems__([4, 0])
    assert (batch["inputs"].numpy() == data.images[[6, 2]]).all()
    assert batch["labels"].tolist() == [4, 0]


def test_a_batch_holds_votes_where_the_part_does(rng):
    votes = rng.random((10, 7), dtype=np.float32)
    assert (part(rng, votes=votes).__getitems__([4, 0])["votes"].numpy() == votes[[4, 0]]).all()
    assert "votes" not in part(rng).__getitems__([4, 0])


def test_draws_belong_to_the_sample_and_the_epoch_not_to_the_batch(rng):
    data = part(rng)
    data.set_epoch(5)
    together = data.__getitems__([1, 2, 3])["draws"]
    assert torch.equal(together[1], data.__getitems__([2])["draws"][0])
    data.set_epoch(6)
    assert not torch.equal(together, data.__getitems__([1, 2, 3])["draws"])


def test_grey_pictures_become_three_equal_channels():
    grey = torch.tensor([[[0, 255], [51, 102]]], dtype=torch.uint8)
    found = pictures.as_tensor(grey)
    assert found.shape == (1, 3, 2, 2)
    assert torch.allclose(found[0, 0], torch.tensor([[0.0, 1.0], [0.2, 0.4]]))
    assert torch.equal(found[0, 0], found[0, 2])


def in_channels_last(images):
    """Whether the channels of a pixel lie side by side."""
    return images.stride(1) == 1 and images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("side", [10, 24])
def test_a_grey_picture_resized_once_is_what_its_three_channels_resized_are(rng, interpolation, side):
    grey = torch.from_numpy(rng.integers(0, 256, (4, 10, 10), dtype=np.uint8))
    found = pictures.resized(grey, side, interpolation)
    apart = pictures.resize(pictures.as_tensor(grey), side, interpolation)
    torch.testing.assert_close(found, apart, atol=1e-5, rtol=0)
    assert torch.equal(found[:, 0], found[:, 2])
    assert in_channels_last(found)


@pytest.mark.parametrize("shape", [(4, 10, 10), (4, 10, 10, 3)])
@pytest.mark.parametrize("changed", [{}, {"resize_px": 20}, {"augment_before_resize": ()}, {"augment": ("crop",)}])
def test_prepared_pictures_have_the_channels_of_a_pixel_side_by_side(rng, shape, changed):
    images = torch.from_numpy(rng.integers(0, 256, shape, dtype=np.uint8))
    settings = dataclasses.replace(TWO_VIEWS, **changed)
    draws = torch.rand(4, pictures.n_draws(settings) + pictures.n_second_draws(settings))
    assert in_channels_last(pictures.prepare(images, None, settings))
    assert in_channels_last(pictures.prepare(images, draws, settings))
    assert in_channels_last(pictures.second(images, draws, settings))


def test_a_flip_mirrors_exactly_the_samples_whose_first_draw_is_below_one_half():
    images = torch.arange(2 * 3 * 2 * 2, dtype=torch.float32).reshape(2, 3, 2, 2) / 24
    draws = torch.tensor([[0.2, 0, 0, 0, 0], [0.7, 0, 0, 0, 0]])
    found = pictures.augment(images, draws, ["flip"])
    assert torch.equal(found[0], images[0].flip(-1))
    assert torch.equal(found[1], images[1])


def test_contrast_scales_about_each_channels_mean_and_stays_in_range():
    images = torch.tensor([0.4, 0.6]).repeat(1, 3, 2, 1)
    draws = torch.tensor([[0.9, 1.0, 0, 0, 0]])  # largest factor: 1.3
    assert torch.allclose(pictures.augment(images, draws, ["contrast"])[0, 0, 0], torch.tensor([0.37, 0.63]))
    bright = pictures.augment(torch.tensor([0.0, 1.0]).repeat(1, 3, 2, 1), draws, ["contrast"])
    assert float(bright.min()) == 0
    assert float(bright.max()) == 1


def test_a_crop_without_scale_or_shift_changes_nothing(rng):
    images = torch.from_numpy(rng.random((2, 3, 8, 8), dtype=np.float32))
    middle = torch.full((2, 5), 0.5)
    assert torch.allclose(pictures.augment(images, middle, ["crop"]), images, atol=1e-6)


def test_mirroring_commutes_with_resizing(rng):
    images = torch.from_numpy(rng.random((2, 3, 7, 7), dtype=np.float32))
    assert torch.allclose(pictures.resize(images.flip(-1), 16), pictures.resize(images, 16).flip(-1), atol=1e-6)


@pytest.mark.parametrize("side", [5, 10, 24])
def test_resizing_gives_the_side_that_was_asked_for(rng, side):
    images = torch.from_numpy(rng.random((1, 3, 10, 10), dtype=np.float32))
    assert pictures.resize(images, side).shape == (1, 3, side, side)


def test_stored_features_of_mirrored_pictures_replace_those_of_flipped_samples(rng):
    plain, mirrored = np.zeros((10, 4), np.float16), np.ones((10, 4), np.float16)
    data = part(rng, features=(plain, mirrored))
    data.set_epoch(0)
    batch = data.__getitems__(list(range(10)))
    flipped = pictures.mirrored_half(batch["draws"])
    assert 0 < int(flipped.sum()) < 10
    assert torch.equal(batch["inputs"][:, 0] == 1, flipped)


def views(rng, training, epoch=0):
    """A part's batch in an epoch, and both of its views."""
    data = part(rng, n_draws=pictures.n_draws(training), n_second_draws=pictures.n_second_draws(training))
    data.set_epoch(epoch)
    batch = data.__getitems__(list(range(10)))
    inputs, draws = batch["inputs"], batch["draws"]
    return batch, pictures.prepare(inputs, draws, training), pictures.second(inputs, draws, training)


def test_the_second_view_is_the_clean_picture_mirrored_with_its_own_erasing(rng):
    batch, first, second = views(rng, TWO_VIEWS)
    clean = pictures.resize(pictures.as_tensor(batch["inputs"]), 16).flip(-1)
    erased = (second == 0).all(dim=1, keepdim=True)
    assert torch.equal(torch.where(erased, second, clean), second)  # what is not erased has no noise
    shares = erased.float().mean(dim=(1, 2, 3))
    assert bool(((shares > 0.05) & (shares < 0.4)).all())
    of_first = (first == 0).all(dim=1, keepdim=True)
    assert not any(torch.equal(mine, theirs) for mine, theirs in zip(erased.flip(-1), of_first, strict=True))
    others = batch["draws"].clone()
    others[:, : pictures.n_draws(TWO_VIEWS)] = 0.3
    assert torch.equal(pictures.second(batch["inputs"], others, TWO_VIEWS), second)
    assert not torch.equal(pictures.prepare(batch["inputs"], others, TWO_VIEWS), first)


def test_a_second_view_moves_no_draw_of_the_first(rng):
    state = rng.bit_generator.state
    plain, alone, none = views(rng, NOISY)
    rng.bit_generator.state = state
    batch, first, _ = views(rng, TWO_VIEWS)
    assert none is None
    n = pictures.n_draws(NOISY)
    assert plain["draws"].shape[1] == n
    assert plain["draws"].numpy().tobytes() == batch["draws"][:, :n].numpy().tobytes()
    assert torch.equal(first, alone)
    both = batch["draws"].numpy()
    assert not {*both[:, :n].flat} & {*both[:, n:].flat}  # a stream of its own


def test_the_second_view_is_the_seeds_and_the_epochs(rng):
    state = rng.bit_generator.state
    found = []
    for epoch in (3, 3, 4):
        rng.bit_generator.state = state
        found.append(views(rng, TWO_VIEWS, epoch)[2])
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_draws_are_what_they_were(rng):
    """The streams of the first view, by name."""
    batch, _, _ = views(rng, NOISY, epoch=2)
    named = [seeds.generator(3, name, 2) for name in ("augment", "augment further")]
    widths = (5, pictures.n_draws(NOISY) - 5)
    expected = np.hstack([each.random((10, n), dtype=np.float32) for each, n in zip(named, widths, strict=True)])
    assert batch["draws"].numpy().tobytes() == expected.tobytes()


def test_stored_features_have_no_second_view(rng):
    assert not features.can_be_stored(dataclasses.replace(TWO_VIEWS, augment=(), augment_before_resize=()), 0)
    with pytest.raises(FerBenchError, match="stored features of a frozen trunk have none") as raised:
        part(rng, features=(np.zeros((10, 4), np.float16), None), n_second_draws=9)
    assert "train such a recipe on pictures" in raised.value.fix
