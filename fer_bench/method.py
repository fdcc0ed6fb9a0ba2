"""What a method's file registers: ``method = Method(…)``.

A method is a published way to train and predict: an architecture with named recipes. Two kinds exist. Those trained
by gradient descent give ``build``, a function that returns a ``torch.nn.Module``; the harness trains it. Those fitted
in one go give ``fit``. This module imports no torch, so that listing methods stays cheap.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

Augmentation: TypeAlias = Literal["flip", "contrast", "crop"]
"""``flip``: mirrored half of the time. ``contrast``: Keras' ``RandomContrast(0.3)``. ``crop``: shifted and scaled."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a ``torch.nn.Module`` is trained.

    Attributes:
        epochs: Passes over the training part.
        batch_size: Samples per step.
        image_size_px: Side to which pictures are resized, bilinearly, before they enter the trunk.
        optimizer: ``adam``, ``adamw`` or ``sgd`` (with Nesterov-free momentum 0.9).
        lr: Initial learning rate.
        weight_decay: Of the optimiser.
        adam_eps: Adam's epsilon (torch: 1e-8, Keras: 1e-7).
        schedule: ``constant``, or ``cosine`` to zero over all steps.
        clip_norm: Global norm to which gradients are clipped; None: not clipped.
        class_weights: ``balanced``: n / (K n_k) on each sample's loss, averaged over the batch as Keras does (divided
            by the batch size, not by the sum of the weights).
        label_smoothing: Share of the target spread evenly.
        augment: Random changes of the training pictures, in this order.
        frozen_trunk: The trunk is not trained and stays in evaluation mode.
    """

    epochs: int
    batch_size: int
    image_size_px: int
    optimizer: Literal["adam", "adamw", "sgd"]
    lr: float
    weight_decay: float = 0.0
    adam_eps: float = 1e-8
    schedule: Literal["constant", "cosine"] = "constant"
    clip_norm: float | None = None
    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: float = 0.0
    augment: tuple[Augmentation, ...] = ()
    frozen_trunk: bool = False


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One named way to carry a method out.

    Attributes:
        about: One sentence: where it comes from.
        departures: How it differs from that source, one clause each; empty means it does not.
        options: The method's own architecture options, a frozen dataclass of its file.
        weights: What the trunk starts from: ``none``, ``timm`` (timm's download of the tag named in ``options``), or
        the name of
            a file that people have to bring; ``params.yaml`` may say otherwise.
        training: Settings of gradient training; None for methods that are fitted in one go.
    """

    about: str
    departures: tuple[str, ...] = ()
    options: Any
    weights: str = "none"
    training: Training | None = None


@dataclass(frozen=True)
class Weights:
    """Where a trunk's initial weights come from.

    Attributes:
        source: ``none``, ``timm`` or ``file``.
        path: The file, where ``source`` is ``file``.
    """

    source: Literal["none", "timm", "file"]
    path: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a loss sees of a training batch.

    Attributes:
        inputs: Pictures (n, 3, h, w) in [0, 1]; or, where the trunk is frozen and its features are stored, features.
        from_features: Whether ``inputs`` are the trunk's features, to be given to ``model.head`` instead of to
        ``model``. labels: (n,) integer tensor. sample_weights: (n,) weight of each sample's loss. label_smoothing:
        From the recipe. rows: (n,) rows of the training part, for methods that remember samples. epoch: 0-based.
    """

    inputs: Any
    from_features: bool
    labels: Any
    sample_weights: Any
    label_smoothing: float
    rows: Any
    epoch: int


class Build(Protocol):
    """Return a module with children ``trunk`` and ``head``; calling it equals ``head(trunk(images))``.

    ``images`` are float32 (n, 3, h, w), RGB in [0, 1]; the module normalises them itself. The result is logits (n,
    n_classes). Nothing global is seeded; the harness seeds before it calls. Weights are loaded through
    ``fer_bench.training.weights``.
    """

    def __call__(self, options: Any, *, n_classes: int, weights: Weights) -> Any:  # noqa: ANN401 - torch stays out
        """Build the module."""


class Fit(Protocol):
    """Fit in one go and return a function from pictures to logits."""

    def __call__(
        self,
        options: Any,  # noqa: ANN401 - each method's own dataclass
        images: np.ndarray,
        labels: np.ndarray,
        *,
        n_classes: int,
        seed: int,
    ) -> Callable[[np.ndarray], np.ndarray]:
        """Fit on uint8 pictures (n, h, w) or (n, h, w, 3) and integer labels (n,)."""


def _never(_options: object) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method, as the harness knows it.

    Attributes:
        title: As the paper writes it.
        recipes: By name; every method has ``toy`` (seconds on a CPU, random weights).
        build: For methods trained by gradient descent.
        fit: For methods fitted in one go.
        loss: ``(model, batch) -> scalar tensor``; absent: cross-entropy.
        couples_batch: Whether, with these options, a sample's logits depend on its batch mates. The harness then
        predicts one
            sample at a time, and says so.
    """

    title: str
    recipes: Mapping[str, Recipe]
    build: Build | None = None
    fit: Fit | None = None
    loss: Callable[[Any, Batch], Any] | None = None
    couples_batch: Callable[[Any], bool] = field(default=_never)

    def __post_init__(self) -> None:
        """Check that the parts fit together.

        Raises:
            TypeError: If not exactly one of ``build`` and ``fit`` is given, or a recipe's ``training`` contradicts it.
        """
        if (self.build is None) == (self.fit is None):
            message = f"{self.title}: give exactly one of build and fit"
            raise TypeError(message)
        for name, recipe in self.recipes.items():
            if (recipe.training is None) != (self.build is None):
                message = f"{self.title}, recipe {name}: training settings go with build, and with nothing else"
                raise TypeError(message)
