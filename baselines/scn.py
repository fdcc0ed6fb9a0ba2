"""SCN: a ResNet-18, logits multiplied by a learned importance that is ranked within the batch, labels overwritten.

Paper
    Wang, Peng, Yang, Lu, Qiao, "Suppressing Uncertainties for Large-Scale Facial Expression Recognition", CVPR 2020,
    arXiv:2002.10392. What is said here of the paper comes from the repository's README and from threads there: its text
    was not read.

Code read
    kaiwang960112/Self-Cure-Network @ 9f4c3ad8 (no licence given). Nothing was copied; functions, counts and settings
    were taken from running and describing it.

Departures of the released code from the paper
    * Relabelling: the paper restricts it to the group of low importance; the code relabels anywhere in the batch
      (option ``relabels``).
    * ``--lr`` has no effect with Adam, which trains at its default of 1e-3.
    * The margin is 0.15 by default; the README advises 0.07 for the default batch of 64.
    * What validates is the test list, and every epoch above 87 % is saved.

Departures of ours
    Each recipe names its own. Throughout:

    * A sample has its new label from its next epoch on. In the code the dataset's labels are overwritten at once, and
      are read again when workers start for the next epoch, which comes to the same.
    * What validates is the protocol's part that selects. Seeds are fixed.
"""

import dataclasses
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks import resnet, settings, stages
from fer_bench.method import Batch, Exponential, Method, Phase, Recipe, Weights
from fer_bench.training import official, processes

EMBEDDING = "feature."
"""Starts the names of a layer that the authors' weights of faces have behind the network."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        backbone: timm's name, with the tag of the weights; torchvision's, as in the code.
        margin: By which the mean importance of the high group has to exceed the low group's.
        high_share: Share of the batch in the high group.
        relabels: Which samples may get another label: ``anywhere`` in the batch (code), the ``low`` group (paper), or
            none.
        relabel_margin: By which the largest probability has to exceed the label's.
        relabel_from: First epoch that relabels, counted from 1.
        small: Another size, for random weights only.
    """

    backbone: str = "resnet18.tv_in1k"
    margin: float = 0.15
    high_share: float = 0.7
    relabels: Literal["anywhere", "low", "never"] = "anywhere"
    relabel_margin: float = 0.2
    relabel_from: int = 10
    small: resnet.Small | None = None


class Head(nn.Module):
    """Average pooling, an importance in (0, 1) per picture, and logits multiplied by it.

    Args:
        n_channels: Channels of the grid.
        n_classes: Number of logits.
    """

    def __init__(self, n_channels: int, n_classes: int) -> None:
        super().__init__()
        self.alpha = nn.Linear(n_channels, 1)
        self.fc = nn.Linear(n_channels, n_classes)

    def weighted(self, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Map (n, c, h, w) to importances (n, 1) and weighted logits (n, n_classes)."""
        pooled = grid.mean(dim=(2, 3))
        alpha = torch.sigmoid(self.alpha(pooled))
        return alpha, alpha * self.fc(pooled)

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, c, h, w) to weighted logits (n, n_classes)."""
        return self.weighted(grid)[1]


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: Initial weights of the trunk.
    """
    trunk = stages.grid(options.backbone, options.small, weights, left_over=(EMBEDDING,))
    return nn.Sequential(OrderedDict(trunk=trunk, head=Head(trunk.n_channels, n_classes)))


def rank_regularisation(alpha: Tensor, *, margin: float, high_share: float) -> Tensor:
    """Compute max(0, margin − (mean importance of the high group − mean of the low group)).

    Args:
        alpha: (n, 1) importances, n ≥ 2.
        margin: See :class:`Options`.
        high_share: See :class:`Options`.
    """
    ranked = alpha.flatten().sort(descending=True).values
    n_high = int(high_share * len(ranked))
    return functional.relu(margin - (ranked[:n_high].mean() - ranked[n_high:].mean()))


def relabelled(logits: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Return labels, replaced by the likeliest expression where p_max − p_label exceeds a margin.

    Args:
        logits: (n, k).
        labels: (n,).
        margin: See :class:`Options`.
    """
    probabilities = logits.softmax(dim=1)
    largest, likeliest = probabilities.max(dim=1)
    of_label = probabilities.gather(1, labels[:, None])[:, 0]
    return torch.where(largest - of_label > margin, likeliest, labels)


class Loss(nn.Module):
    """Cross-entropy of the weighted logits, rank regularisation, and a memory of labels.

    Args:
        options: The recipe's options.
        labels: Of the training part, (n,).
    """

    labels: Tensor

    def __init__(self, options: Options, labels: np.ndarray) -> None:
        super().__init__()
        self.options = options
        self.register_buffer("labels", torch.from_numpy(labels.astype(np.int64)))

    def forward(self, model: Any, batch: Batch) -> Tensor:  # noqa: ANN401 - trunk and head are children
        """Return the loss of a batch, and overwrite labels."""
        options = self.options
        alpha, logits = model.head.weighted(batch.inputs if batch.from_features else model.trunk(batch.inputs))
        labels = self.labels[batch.rows]
        losses = functional.cross_entropy(logits, labels, reduction="none", label_smoothing=batch.label_smoothing)
        ranks = rank_regularisation(alpha, margin=options.margin, high_share=options.high_share)
        if options.relabels != "never" and batch.epoch + 1 >= options.relabel_from:
            self._remember(batch.rows, self._new_labels(alpha, logits, labels))
        loss: Tensor = (losses * batch.sample_weights).mean() + ranks
        return loss

    @torch.no_grad()
    def _new_labels(self, alpha: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        new = relabelled(logits, labels, self.options.relabel_margin)
        if self.options.relabels == "low":
            n_high = int(self.options.high_share * len(alpha))
            high = alpha.flatten().argsort(descending=True)[:n_high]
            new[high] = labels[high]
        return new

    def _remember(self, rows: Tensor, labels: Tensor) -> None:
        self.labels[processes.gathered(rows)] = processes.gathered(labels)


def build_loss(options: Options, *, labels: np.ndarray, n_classes: int) -> nn.Module:  # noqa: ARG001 - BuildLoss
    """Build the loss."""
    return Loss(options, labels)


def _name_of(name: str) -> str:
    child, _, rest = name.partition(".")
    return resnet.numbered(rest) if child == "trunk" else rest.replace("alpha.", "alpha.0.")


RELEASED = official.Released(name_of=_name_of, of_classes=("head.fc.weight", "head.fc.bias"))


def from_official(checkpoint: object) -> dict[str, Tensor]:
    """Return a checkpoint of the released code as a state dict of :func:`build`."""
    return RELEASED.state_dict(checkpoint, lambda n: build(Options(), n_classes=n, weights=Weights("none")))


CODE = Recipe(
    about="the released code with its defaults: ImageNet weights, relabelling anywhere in the batch, Adam at 1e-3",
    departures=(settings.UNROUNDED,),
    options=Options(),
    weights="timm",
    training=settings.SCN,
)

RECIPES = {
    "toy": Recipe(
        about="SCN on a ResNet of four blocks from random weights, for the demo",
        departures=(
            "another size, random weights, pictures of 48 px in batches of 32, few epochs, no erasing",
            "labels are overwritten from epoch 7 on",
        ),
        options=Options(small=resnet.SMALL, relabel_from=7),
        training=dataclasses.replace(
            settings.SCN,
            phases=(Phase(epochs=8, lr=1e-3, schedule=Exponential(factor=0.9)),),
            batch_size=32,
            image_size_px=48,
            augment=(),
        ),
    ),
    "cpu": Recipe(
        about="SCN with the released code's settings at a scale that two cores carry",
        departures=settings.CPU_DEPARTURES,
        options=Options(small=settings.CPU_NET),
        training=settings.CPU,
    ),
    "lite0": Recipe(
        about="SCN with the released code's settings on EfficientNet-Lite0, for two CPU cores",
        departures=settings.LITE0_DEPARTURES,
        options=Options(backbone=settings.LITE0),
        weights=settings.LITE0_WEIGHTS,
        training=settings.PRETRAINED,
    ),
    "code": CODE,
    "code_low": dataclasses.replace(
        CODE,
        about="as code, relabelling in the group of low importance alone, as the paper has it",
        options=Options(relabels="low"),
    ),
    "code_margin": dataclasses.replace(
        CODE,
        about="as code, with the margin of 0.07 that the README advises for batches of 64 and gives for its 87.03 %",
        options=Options(margin=0.07),
    ),
    "code_face": dataclasses.replace(
        CODE,
        about="as code, from the authors' weights of a ResNet-18 trained on faces (MS-Celeb-1M)",
        departures=(
            *CODE.departures,
            "the file is loaded; the code looks for other names than it has (module.conv1.…), and loads nothing of it",
        ),
        weights="weights/ijba_res18_naive.pth.tar",
    ),
}

method = Method(title="SCN", recipes=RECIPES, build=build, build_loss=build_loss, from_official=from_official)
