"""Random changes of pictures, in batches, as functions of uniform numbers that belong to a sample and an epoch.

A change uses the first of the columns that it is given and hands on the rest. What a change leaves alone it leaves to
the bit.
"""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image
from timm.data.auto_augment import rand_augment_transform
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import functional as colours

from fer_bench.arrays import ImageBatch
from fer_bench.method import (
    Change,
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
)

_WORD = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9  # 2³² / φ
_DRAW_STEPS = 2**24  # of a uniform number in float32
_N_DRAWS: dict[type, int] = {
    Mirror: 0, Grey: 0, Rotate: 1, Noise: 2, PaddedCrop: 2, Crop: 2, RandAugment: 2, ResizedCrop: 4, Jitter: 5,
}  # fmt: skip
_ORDERS = tuple(itertools.permutations(range(4)))  # of brightness, contrast, saturation, hue


def n_draws(change: Change) -> int:
    """Return how many uniform numbers a change uses.

    Examples:
        >>> n_draws(Sometimes(p=0.5, changes=(Mirror(), Rotate(degrees=20))))
        2
    """
    if isinstance(change, Sometimes | Either | InBgr):
        own = {Sometimes: 1, Either: 2, InBgr: 0}[type(change)]
        return own + sum(n_draws(each) for each in change.changes)
    if isinstance(change, Erase):
        return 4 + (2 if any(change.std) else 0)
    return _N_DRAWS[type(change)]


def apply(change: Change, images: ImageBatch, draws: Tensor) -> ImageBatch:
    """Change pictures.

    Args:
        change: How.
        images: (n, 3, h, w) in [0, 1].
        draws: (n, at least :func:`n_draws`) uniform numbers in [0, 1).
    """
    changed: ImageBatch = _HOW[type(change)](change, images, draws)
    return changed


def _sometimes(change: Sometimes, images: ImageBatch, draws: Tensor) -> ImageBatch:
    return _where(draws[:, 0] < change.p, _in_turn(change.changes, images, draws[:, 1:]), images)


def _in_turn(changes: Sequence[Change], images: ImageBatch, draws: Tensor) -> ImageBatch:
    first = 0
    for change in changes:
        images = apply(change, images, draws[:, first:])
        first += n_draws(change)
    return images


def _one_of(either: Either, images: ImageBatch, draws: Tensor) -> ImageBatch:
    changed = images
    which = (draws[:, 1] * len(either.changes)).floor()
    first = 2
    for index, change in enumerate(either.changes):
        chosen = (draws[:, 0] < either.p) & (which == index)
        changed = _where(chosen, apply(change, images, draws[:, first:]), changed)
        first += n_draws(change)
    return changed


def _where(chosen: Tensor, changed: ImageBatch, images: ImageBatch) -> ImageBatch:
    return torch.where(chosen[:, None, None, None], changed, images)


def _erased(change: Erase, images: ImageBatch, draws: Tensor) -> ImageBatch:
    n, channels, height, width = images.shape
    low, high = change.area
    area = (low + (high - low) * draws[:, 0]) * height * width
    bounds = torch.tensor(change.aspect, device=draws.device)
    bounds = bounds.log() if change.drawn == "logarithm" else bounds
    aspect = bounds[0] + (bounds[1] - bounds[0]) * draws[:, 1]
    aspect = aspect.exp() if change.drawn == "logarithm" else aspect
    tall = (area * aspect).sqrt().round().clamp(max=height)
    wide = (area / aspect).sqrt().round().clamp(max=width)
    top, left = (draws[:, 2] * (height - tall + 1)).floor(), (draws[:, 3] * (width - wide + 1)).floor()
    rows, columns = _inside(top, tall, height), _inside(left, wide, width)
    written = images.new_tensor(change.mean).view(1, channels, 1, 1).expand(n, -1, 1, 1)
    if any(change.std):
        written = written + images.new_tensor(change.std).view(1, channels, 1, 1) * normal(draws[:, 4:], images)
    return torch.where(rows[:, None, :, None] & columns[:, None, None, :], written, images)


def _inside(first: Tensor, length: Tensor, size: int) -> Tensor:
    """Return which of (n, size) places lie in a stretch of each row."""
    places = torch.arange(size, device=first.device)
    return (places >= first[:, None]) & (places < (first + length)[:, None])


def _rotated(change: Rotate, images: ImageBatch, draws: Tensor) -> ImageBatch:
    radians = (2 * draws[:, 0] - 1) * change.degrees * (torch.pi / 180)
    cosine, sine, zero = radians.cos(), radians.sin(), torch.zeros_like(radians)
    theta = torch.stack([torch.stack([cosine, -sine, zero], dim=1), torch.stack([sine, cosine, zero], dim=1)], dim=1)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    mode = change.interpolation
    return functional.grid_sample(images, grid, mode=mode, padding_mode="zeros", align_corners=False)


def _noisy(change: Noise, images: ImageBatch, draws: Tensor) -> ImageBatch:
    return (images + change.std * normal(draws, images)).clamp(0, 1)


def _shifted(change: PaddedCrop, images: ImageBatch, draws: Tensor) -> ImageBatch:
    border = round(change.padding * images.shape[-1])
    return _cut(functional.pad(images, (border,) * 4), draws, images.shape[-1])


def _cut(images: ImageBatch, draws: Tensor, side: int) -> ImageBatch:
    """Cut a square of (side, side) out of each picture, which is square too."""
    n, room = len(images), images.shape[-1] - side
    top, left = (draws[:, :2] * (room + 1)).floor().long().unbind(dim=1)
    rows = top[:, None] + torch.arange(side, device=draws.device)
    columns = left[:, None] + torch.arange(side, device=draws.device)
    each = torch.arange(n, device=draws.device)[:, None, None]
    # advanced indices around a slice come first: (n, h, w, c)
    return images[each, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _resized_crop(change: ResizedCrop, images: ImageBatch, draws: Tensor) -> ImageBatch:
    height, width = images.shape[-2:]
    low, high = change.area
    area = (low + (high - low) * draws[:, 0]) * height * width
    bounds = torch.tensor(change.aspect, device=draws.device).log()
    aspect = (bounds[0] + (bounds[1] - bounds[0]) * draws[:, 1]).exp()
    wide = (area * aspect).sqrt().round().clamp(1, width)
    tall = (area / aspect).sqrt().round().clamp(1, height)
    top, left = (draws[:, 2] * (height - tall + 1)).floor(), (draws[:, 3] * (width - wide + 1)).floor()
    y, x = _places(top, tall, height), _places(left, wide, width)
    n = len(images)
    grid = torch.stack([x[:, None, :].expand(n, height, width), y[:, :, None].expand(n, height, width)], dim=-1)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _places(first: Tensor, length: Tensor, size: int) -> Tensor:
    """Return where (n, size) pixels of a resized stretch lie in the picture, from -1 to 1; none lies outside it."""
    pixels = (torch.arange(size, device=first.device) + 0.5) * (length[:, None] / size) - 0.5
    inside = torch.minimum(pixels.clamp(min=0), length[:, None] - 1)
    return (2 * (first[:, None] + inside) + 1) / size - 1


def _all_jittered(change: Jitter, images: ImageBatch, draws: Tensor) -> ImageBatch:
    return torch.stack([_jittered(change, *one) for one in zip(images, draws.tolist(), strict=True)])


def _jittered(change: Jitter, image: Tensor, draws: Sequence[float]) -> Tensor:
    order = _ORDERS[int(draws[0] * len(_ORDERS))]
    most = (change.brightness, change.contrast, change.saturation, change.hue)
    make = (colours.adjust_brightness, colours.adjust_contrast, colours.adjust_saturation, colours.adjust_hue)
    for which in order:
        moved = (2 * draws[1 + which] - 1) * most[which]
        if most[which] > 0:
            image = make[which](image, moved if which == len(make) - 1 else max(1 + moved, 0.0))
    return image


def _by_timm(change: RandAugment, images: ImageBatch, draws: Tensor) -> ImageBatch:
    height = images.shape[-2]
    settings = {
        "translate_const": int(height * 0.45),  # timm's, though its list moves by shares
        "img_mean": tuple(min(255, round(255 * value)) for value in change.mean),
        **({"interpolation": Image.Resampling.BICUBIC} if change.bicubic else {}),
    }
    transform = rand_augment_transform(change.config, settings)
    pixels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    found = []
    for one, (first, second) in zip(pixels, (draws[:, :2] * _DRAW_STEPS).long().tolist(), strict=True):
        with _seeded(first, second):
            found.append(np.asarray(transform(Image.fromarray(one))))
    changed = torch.from_numpy(np.stack(found)).to(images.device).permute(0, 3, 1, 2)
    return changed.to(images.dtype).div(255)


@contextmanager
def _seeded(first: int, second: int) -> Iterator[None]:
    """Seed the global generators that timm draws from, and leave them as they were found."""
    before, before_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - timm's
    random.seed(first * _DRAW_STEPS + second)
    np.random.seed([first, second])  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(before_numpy)  # noqa: NPY002


def normal(draws: Tensor, like: Tensor) -> Tensor:
    """Return standard normal numbers of the shape of ``like``, (n, …), each row's a function of its two draws alone.

    A generator of torch's would tie a sample's noise to its batch and device. Here a counter is hashed with the draws
    (multiply and shift, "lowbias32" of github.com/skeeto/hash-prospector) and turned into normal numbers by Box and
    Muller's transform.
    """
    keys = (draws[:, :2] * _DRAW_STEPS).long()
    first, second = _mixed(keys[:, :1] + 1), _mixed(keys[:, 1:] ^ _GOLDEN)
    n_numbers = like[0].numel()
    half = -(-n_numbers // 2)
    counter = torch.arange(2 * half, device=draws.device)
    words = _mixed(_mixed((counter + first) & _WORD) ^ second)
    uniform = ((words >> 8).to(torch.float32) + 0.5) / _DRAW_STEPS
    radius, angle = (-2 * uniform[:, :half].log()).sqrt(), 2 * torch.pi * uniform[:, half:]
    numbers = torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)[:, :n_numbers]
    return numbers.view_as(like).to(like.dtype)


def _mixed(word: Tensor) -> Tensor:
    """Hash 32-bit words that are held as 64-bit integers."""
    word = ((word ^ (word >> 16)) * 0x7FEB352D) & _WORD
    word = ((word ^ (word >> 15)) * 0x846CA68B) & _WORD
    return word ^ (word >> 16)


_HOW: dict[type, Callable[[Any, Tensor, Tensor], Tensor]] = {
    Mirror: lambda _change, images, _draws: images.flip(-1),
    Noise: _noisy,
    Erase: _erased,
    Rotate: _rotated,
    PaddedCrop: _shifted,
    Crop: lambda change, images, draws: _cut(images, draws, change.side_px),
    ResizedCrop: _resized_crop,
    Grey: lambda _change, images, _draws: colours.rgb_to_grayscale(images, num_output_channels=3),
    Jitter: _all_jittered,
    RandAugment: _by_timm,
    Sometimes: _sometimes,
    Either: _one_of,
    InBgr: lambda change, images, draws: _in_turn(change.changes, images.flip(1), draws).flip(1),
}
