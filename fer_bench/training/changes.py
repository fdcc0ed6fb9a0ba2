"""Random changes of pictures, in batches, as functions of uniform numbers that belong to a sample and an epoch.

A change uses the first of the columns that it is given and hands on the rest. What a change leaves alone it leaves to
the bit.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from fer_bench.arrays import ImageBatch
from fer_bench.method import Change, Either, Erase, Mirror, Noise, PaddedCrop, Rotate, Sometimes

_WORD = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9  # 2³² / φ
_DRAW_STEPS = 2**24  # of a uniform number in float32


def n_draws(change: Change) -> int:
    """Return how many uniform numbers a change uses.

    Examples:
        >>> n_draws(Sometimes(p=0.5, changes=(Mirror(), Rotate(degrees=20))))
        2
    """
    if isinstance(change, Sometimes | Either):
        own = 1 if isinstance(change, Sometimes) else 2
        return own + sum(n_draws(each) for each in change.changes)
    if isinstance(change, Erase):
        return 4 + (2 if any(change.std) else 0)
    return {Mirror: 0, Noise: 2, Rotate: 1, PaddedCrop: 2}[type(change)]


def apply(change: Change, images: ImageBatch, draws: Tensor) -> ImageBatch:
    """Change pictures.

    Args:
        change: How.
        images: (n, 3, h, w) in [0, 1].
        draws: (n, at least :func:`n_draws`) uniform numbers in [0, 1).
    """
    if isinstance(change, Sometimes):
        changed = _where(draws[:, 0] < change.p, _in_turn(change.changes, images, draws[:, 1:]), images)
    elif isinstance(change, Either):
        changed = _one_of(change, images, draws)
    elif isinstance(change, Erase):
        changed = _erased(change, images, draws)
    elif isinstance(change, Rotate):
        changed = _rotated(images, (2 * draws[:, 0] - 1) * change.degrees)
    elif isinstance(change, PaddedCrop):
        changed = _shifted(images, draws, round(change.padding * images.shape[-1]))
    elif isinstance(change, Noise):
        changed = (images + change.std * normal(draws, images)).clamp(0, 1)
    else:
        changed = images.flip(-1)
    return changed


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
    bounds = torch.tensor(change.aspect, device=draws.device).log()
    aspect = (bounds[0] + (bounds[1] - bounds[0]) * draws[:, 1]).exp()
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


def _rotated(images: ImageBatch, degrees: Tensor) -> ImageBatch:
    radians = degrees * (torch.pi / 180)
    cosine, sine, zero = radians.cos(), radians.sin(), torch.zeros_like(radians)
    theta = torch.stack([torch.stack([cosine, -sine, zero], dim=1), torch.stack([sine, cosine, zero], dim=1)], dim=1)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="nearest", padding_mode="zeros", align_corners=False)


def _shifted(images: ImageBatch, draws: Tensor, border: int) -> ImageBatch:
    n, _, height, width = images.shape
    padded = functional.pad(images, (border,) * 4)
    top, left = (draws[:, :2] * (2 * border + 1)).floor().long().unbind(dim=1)
    rows = top[:, None] + torch.arange(height, device=draws.device)
    columns = left[:, None] + torch.arange(width, device=draws.device)
    each = torch.arange(n, device=draws.device)[:, None, None]
    # advanced indices around a slice come first: (n, h, w, c)
    return padded[each, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


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
