"""Batches of pictures or of stored features, and the random draws that change them.

Every draw belongs to a sample and an epoch, not to a batch or a worker: a run that was killed and goes on, a run on
another device, and a run with another batch size see the same changes. Where an epoch may have a sample more than once
(:mod:`fer_bench.training.sampling`), draws belong to its items.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import Dataset

from fer_bench import seeds
from fer_bench.arrays import ImageBatch
from fer_bench.errors import FerBenchError
from fer_bench.method import Augmentation, Interpolation, Sampling, Training
from fer_bench.training import changes, sampling

N_DRAWS = 5
"""Uniform numbers per sample and epoch: flip, contrast, scale, two shifts. Those of other changes follow."""

_CONTRAST = 0.3  # Keras RandomContrast(0.3), as in the released Conv-cut and PAtt-Lite code
_SCALE = 0.1  # crop: up to 10 % closer or farther
_SHIFT = 0.1  # crop: up to 10 % of half a side


@dataclass
class Part(Dataset[dict[str, torch.Tensor]]):
    """Samples of one part, read in whole batches from memory-mapped arrays.

    Attributes:
        images: uint8 (n, h, w) or (n, h, w, 3), the whole image store.
        rows: Rows of the image store that belong to the part, in the part's order.
        labels: (n,) their labels.
        votes: (n, K) shares of their annotators' votes, float32, where a recipe trains on them; else None.
        seed: Seed of the run.
        features: float16 (n, c, …) features that stand for the pictures, and those of the mirrored pictures.
        epoch: Set before each epoch.
        n_draws: Uniform numbers per sample and epoch, from :func:`n_draws`.
        n_second_draws: Those of the second view, which stand behind the others, from :func:`n_second_draws`.
        sampling: Which samples an epoch has; for a part that trains. Indices, and the part's length, then count items.
    """

    images: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    seed: int
    votes: np.ndarray | None = None
    features: tuple[np.ndarray, np.ndarray | None] | None = None
    epoch: int = 0
    n_draws: int = N_DRAWS
    n_second_draws: int = 0
    sampling: Sampling = "once"
    _items: np.ndarray | None = field(default=None, repr=False, init=False)
    _draws: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Count the items.

        Raises:
            FerBenchError: If a second view is asked for of stored features.
        """
        if self.features is not None and self.n_second_draws:
            raise FerBenchError(
                "a second view is made of pictures; stored features of a frozen trunk have none",
                fix="train such a recipe on pictures, or leave out its second_view",
            )
        self._items = sampling.items(self.sampling, self.labels, seed=self.seed, epoch=self.epoch)

    def set_epoch(self, epoch: int) -> None:
        """Renew the draws."""
        self.epoch = epoch
        self._items = sampling.items(self.sampling, self.labels, seed=self.seed, epoch=epoch)
        fixed = seeds.generator(self.seed, "augment", epoch).random((len(self), N_DRAWS), dtype=np.float32)
        further = seeds.generator(self.seed, "augment further", epoch)
        more = further.random((len(self), self.n_draws - N_DRAWS), dtype=np.float32)
        second = seeds.generator(self.seed, "augment second", epoch)
        apart = second.random((len(self), self.n_second_draws), dtype=np.float32)
        self._draws = np.hstack([fixed, more, apart])

    def __len__(self) -> int:
        return len(self.rows) if self._items is None else len(self._items)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """Return a batch of one."""
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        """Return a batch: ``inputs``, ``labels``, ``rows`` (positions in the part), ``draws``, and any ``votes``."""
        chosen = np.asarray(indices)
        n_draws = self.n_draws + self.n_second_draws
        draws = np.ones((len(chosen), n_draws), dtype=np.float32) if self._draws is None else self._draws[chosen]
        if self._items is not None:
            chosen = self._items[chosen]
        batch = {
            "inputs": torch.from_numpy(self._inputs(chosen, draws)),
            "labels": torch.from_numpy(self.labels[chosen].astype(np.int64)),
            "rows": torch.from_numpy(chosen.astype(np.int64)),
            "draws": torch.from_numpy(draws),
        }
        if self.votes is not None:
            batch["votes"] = torch.from_numpy(self.votes[chosen])
        return batch

    def _inputs(self, chosen: np.ndarray, draws: np.ndarray) -> np.ndarray:
        if self.features is None:
            return np.ascontiguousarray(self.images[self.rows[chosen]])
        plain, mirrored = self.features
        inputs: np.ndarray = plain[chosen]
        if mirrored is not None:
            flipped = mirrored_half(draws)
            inputs[flipped] = mirrored[chosen[flipped]]
        return inputs


def mirrored_half(draws: Any) -> Any:  # noqa: ANN401 - NumPy array or tensor
    """Return which samples are mirrored: those whose first draw is below one half."""
    return draws[:, 0] < 0.5


def as_tensor(images: torch.Tensor) -> ImageBatch:
    """Turn uint8 pictures (n, h, w) or (n, h, w, 3) into float32 (n, 3, h, w) in [0, 1]; grey is repeated."""
    return _coloured(_scaled(images))


def resized(images: torch.Tensor, side: int, interpolation: Interpolation = "bilinear") -> ImageBatch:
    """Turn uint8 pictures as :func:`as_tensor` does, resized; a grey one is resized once, then repeated."""
    return _coloured(resize(_scaled(images), side, interpolation))


def _scaled(images: torch.Tensor) -> torch.Tensor:
    found = images.unsqueeze(-1) if images.ndim == 3 else images
    return found.permute(0, 3, 1, 2).to(torch.float32).div(255)


def _coloured(images: torch.Tensor) -> ImageBatch:
    return channels_last(images.expand(-1, 3, -1, -1))


def channels_last(images: torch.Tensor) -> torch.Tensor:
    """Return pictures (n, c, h, w) with the channels of a pixel side by side in memory.

    Convolutions by depth, and whatever the processor's library has to reorder otherwise, are faster so; ``RunnerModel``
    keeps weights likewise.
    """
    return images.contiguous(memory_format=torch.channels_last)


def resize(images: ImageBatch, side: int, interpolation: Interpolation = "bilinear") -> ImageBatch:
    """Resize to ``side`` × ``side`` px.

    ``bilinear`` is without antialiasing (Keras ``Resizing``, OpenCV's default), ``bicubic`` with it (Pillow's).
    """
    if images.shape[-2:] == (side, side):
        return images
    if interpolation == "bicubic":
        found = functional.interpolate(images, size=(side, side), mode="bicubic", align_corners=False, antialias=True)
        return found.clamp(0, 1)  # it overshoots at edges
    return functional.interpolate(images, size=(side, side), mode="bilinear", align_corners=False)


def n_draws(training: Training) -> int:
    """Return how many uniform numbers per sample and epoch a recipe's changes of pictures use."""
    return _first_of(training.augment, _first_of(training.augment_before_resize, N_DRAWS))


def n_second_draws(training: Training) -> int:
    """Return how many more a recipe's second view uses."""
    return 0 if training.second_view is None else _first_of(training.second_view, N_DRAWS)


def _first_of(asked: Sequence[Augmentation], first: int) -> int:
    return first + sum(changes.n_draws(change) for change in asked if not isinstance(change, str))


def prepare(images: torch.Tensor, draws: torch.Tensor | None, training: Training) -> ImageBatch:
    """Turn pictures of the image store into what enters a trunk.

    Args:
        images: uint8 (n, h, w) or (n, h, w, 3).
        draws: (n, at least :func:`n_draws`) uniform numbers in [0, 1); None: nothing is changed at random.
        training: The recipe's settings.
    """
    side = training.resize_px or training.image_size_px
    if draws is None:
        return channels_last(_middle(resized(images, side, training.interpolation), training.image_size_px))
    if training.augment_before_resize:
        found = augment(as_tensor(images), draws, training.augment_before_resize)
        found = resize(found, side, training.interpolation)
    else:
        found = resized(images, side, training.interpolation)
    first = _first_of(training.augment_before_resize, N_DRAWS)
    return channels_last(augment(found, draws, training.augment, first=first))


def second(images: torch.Tensor, draws: torch.Tensor, training: Training) -> ImageBatch | None:
    """Make the second view of pictures of the image store; None where a recipe has none.

    Args:
        images: uint8 (n, h, w) or (n, h, w, 3).
        draws: (n, :func:`n_draws` + :func:`n_second_draws`) uniform numbers in [0, 1).
        training: The recipe's settings.
    """
    if training.second_view is None:
        return None
    found = resized(images, training.resize_px or training.image_size_px, training.interpolation)
    return channels_last(augment(found, draws[:, n_draws(training) :], training.second_view))


def _middle(images: ImageBatch, side: int) -> ImageBatch:
    first = (images.shape[-1] - side) // 2
    return images[..., first : first + side, first : first + side]


def augment(
    images: ImageBatch, draws: torch.Tensor, asked: Sequence[Augmentation], *, first: int = N_DRAWS
) -> ImageBatch:
    """Change training pictures at random.

    Args:
        images: (n, 3, h, w) in [0, 1].
        draws: Uniform numbers in [0, 1): the :data:`N_DRAWS` of changes named by a word, then the others'.
        asked: Which changes, in order.
        first: Column of the first number that a :data:`fer_bench.method.Change` of these uses.

    Returns:
        Pictures of the same shape, but for :class:`fer_bench.method.Crop`.
    """
    for change in asked:
        if not isinstance(change, str):
            images = changes.apply(change, images, draws[:, first:])
            first += changes.n_draws(change)
        elif change == "flip":
            images = torch.where(mirrored_half(draws)[:, None, None, None], images.flip(-1), images)
        elif change == "contrast":
            factor = 1 + _CONTRAST * (2 * draws[:, 1] - 1)
            mean = images.mean(dim=(2, 3), keepdim=True)
            images = (mean + (images - mean) * factor[:, None, None, None]).clamp(0, 1)
        else:
            images = _shifted(images, draws)
    return images


def _shifted(images: ImageBatch, draws: torch.Tensor) -> ImageBatch:
    scale = 1 + _SCALE * (2 * draws[:, 2] - 1)
    shift = _SHIFT * (2 * draws[:, 3:5] - 1)
    theta = images.new_zeros(len(images), 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = scale
    theta[:, :, 2] = shift
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
