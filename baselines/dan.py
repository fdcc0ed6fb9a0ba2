"""DAN: a ResNet-18 with four heads of spatial and channel attention that are pushed apart, and trained class centres.

Paper
    Wen, Lin, Wang, Xu, "Distract Your Attention: Multi-head Cross Attention Network for Facial Expression
    Recognition", Biomimetics 8(2), 2023, arXiv:2109.07270. What is said here of the paper comes from its page and the
    repository: its text was not read.

Code read
    yaoing/DAN @ 3872eefe (MIT). Nothing was copied; functions, counts and settings were taken from running and
    describing it.

What the released code does that is easily missed
    * The affinity loss is built for its default of eight classes on RAF-DB's seven: a centre that no picture has enters
      the variance of centres (option ``centres``).
    * The heads start with weights of their own: convolutions with He's normal ones by the number of outputs, linear
      layers with N(0, 0.001), biases zero (option ``start``).
    * The heads' log-softmax runs over heads, not over classes, and the logits pass a batch normalisation.
    * The best epoch is chosen on the test set; runs are not seeded.

Departures of ours
    Each recipe names its own. Throughout:

    * What validates is the protocol's part that selects. Seeds are fixed.
"""

import dataclasses
import sys
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks import resnet, settings, stages
from fer_bench.method import Batch, Method, Phase, Recipe, WarmupCosine, Weights
from fer_bench.training import official

KERNELS = {"conv_3x3": (3, 3), "conv_1x3": (1, 3), "conv_3x1": (3, 1)}
START_STD = 0.001  # of the weights of the heads' linear layers
SMALLEST = sys.float_info.epsilon  # keeps a variance of zero from dividing


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        backbone: timm's name, with the tag of the weights.
        heads: Number of attention heads.
        centres: Class centres of the affinity loss, at least; with more than there are classes, as in the code for
            RAF-DB, the rest are of no class and still enter the variance.
        small: Another size, for random weights only.
        start: Initial weights of the attention heads: the released code's, or torch's default ones.
        cut: The stage after which a network that is no ResNet is cut, e.g. ``blocks.6``; empty: it is not.
    """

    backbone: str = "resnet18.tv_in1k"
    heads: int = 4
    centres: int = 8
    small: resnet.Small | None = None
    start: Literal["released", "torch"] = "released"
    cut: str = ""


class SpatialAttention(nn.Module):
    """Weigh the places of a grid by one map: the sum over channels of three rectified convolutions' sum.

    Args:
        n_channels: Channels of the grid.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        n_hidden = n_channels // 2
        self.conv1x1 = nn.Sequential(nn.Conv2d(n_channels, n_hidden, 1), nn.BatchNorm2d(n_hidden))
        for name, (height, width) in KERNELS.items():
            conv = nn.Conv2d(n_hidden, n_channels, (height, width), padding=(height // 2, width // 2))
            self.add_module(name, nn.Sequential(conv, nn.BatchNorm2d(n_channels)))

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, c, h, w) to the same shape."""
        hidden = self.conv1x1(grid)
        seen = torch.stack([self.get_submodule(name)(hidden) for name in KERNELS]).sum(dim=0)
        return grid * functional.relu(seen).sum(dim=1, keepdim=True)


class ChannelAttention(nn.Module):
    """Average over places, and gate the channels.

    Args:
        n_channels: Channels of the grid.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        n_hidden = n_channels // 16
        self.attention = nn.Sequential(
            nn.Linear(n_channels, n_hidden),
            nn.BatchNorm1d(n_hidden),
            nn.ReLU(inplace=True),
            nn.Linear(n_hidden, n_channels),
            nn.Sigmoid(),
        )

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, c)."""
        pooled = grid.mean(dim=(2, 3))
        return pooled * self.attention(pooled)  # type: ignore[no-any-return]


class Head(nn.Module):
    """Attention heads, log-softmax over them, their sum, a linear layer, batch normalisation of the logits.

    Args:
        n_channels: Channels of the grid.
        n_classes: Number of logits.
        n_heads: Number of attention heads.
    """

    def __init__(self, n_channels: int, n_classes: int, n_heads: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(OrderedDict(sa=SpatialAttention(n_channels), ca=ChannelAttention(n_channels)))
            for _ in range(n_heads)
        )
        self.fc = nn.Linear(n_channels, n_classes)
        self.bn = nn.BatchNorm1d(n_classes)

    def attended(self, grid: Tensor) -> Tensor:
        """Map (n, c, h, w) to what the heads see, (n, heads, c)."""
        seen = torch.stack([head(grid) for head in self.heads], dim=1)
        return functional.log_softmax(seen, dim=1) if len(self.heads) > 1 else seen

    def classify(self, attended: Tensor) -> Tensor:
        """Map (n, heads, c) to logits (n, n_classes)."""
        return self.bn(self.fc(attended.sum(dim=1)))  # type: ignore[no-any-return]

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, c, h, w) to logits (n, n_classes)."""
        return self.classify(self.attended(grid))


def _start(part: nn.Module) -> None:
    if isinstance(part, nn.Conv2d):
        nn.init.kaiming_normal_(part.weight, mode="fan_out")
    elif isinstance(part, nn.Linear):
        nn.init.normal_(part.weight, std=START_STD)
    if isinstance(part, nn.Conv2d | nn.Linear) and part.bias is not None:
        nn.init.zeros_(part.bias)


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: Initial weights of the trunk.
    """
    trunk = stages.grid(options.backbone, options.small, weights, cut=options.cut)
    head = Head(trunk.n_channels, n_classes, options.heads)
    if options.start == "released":
        head.heads.apply(_start)
    return nn.Sequential(OrderedDict(trunk=trunk, head=head))


def affinity(features: Tensor, labels: Tensor, centres: Tensor) -> Tensor:
    """Compute the mean squared distance to the own class's centre, divided by the summed variance of centres.

    Args:
        features: (n, c).
        labels: (n,).
        centres: (at least k, c).
    """
    distances = (features - centres[labels]).square().sum(dim=1)
    return distances.mean() / centres.var(dim=0).sum()


def partition(attended: Tensor) -> Tensor:
    """Compute log(1 + heads / variance over heads), the variance averaged over samples and channels.

    Args:
        attended: (n, heads, c), heads ≥ 2.
    """
    return torch.log1p(attended.shape[1] / (attended.var(dim=1).mean() + SMALLEST))


class Loss(nn.Module):
    """Cross-entropy, affinity to trained centres, partition of heads.

    Args:
        n_channels: Of the grid.
        n_centres: Number of centres.
    """

    def __init__(self, n_channels: int, n_centres: int) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.randn(n_centres, n_channels))

    def forward(self, model: Any, batch: Batch) -> Tensor:  # noqa: ANN401 - trunk and head are children
        """Return the loss of a batch."""
        grid = batch.inputs if batch.from_features else model.trunk(batch.inputs)
        attended = model.head.attended(grid)
        losses = functional.cross_entropy(
            model.head.classify(attended), batch.labels, reduction="none", label_smoothing=batch.label_smoothing
        )
        near = affinity(grid.mean(dim=(2, 3)), batch.labels, self.centers)
        loss: Tensor = (losses * batch.sample_weights).mean() + near
        return loss + partition(attended) if attended.shape[1] > 1 else loss


def build_loss(options: Options, *, labels: np.ndarray, n_classes: int) -> nn.Module:  # noqa: ARG001 - BuildLoss
    """Build the loss."""
    n_channels = stages.n_channels(options.backbone, options.small, cut=options.cut)
    return Loss(n_channels, max(options.centres, n_classes))


def _name_of(name: str) -> str:
    child, _, rest = name.partition(".")
    if child == "trunk":
        return resnet.numbered(rest)
    return f"cat_head{rest.removeprefix('heads.')}" if rest.startswith("heads.") else rest


RELEASED = official.Released(
    name_of=_name_of,
    of_classes=(
        "head.fc.weight",
        "head.fc.bias",
        *(f"head.bn.{name}" for name in ("weight", "bias", "running_mean", "running_var")),
    ),
)


def from_official(checkpoint: object) -> dict[str, Tensor]:
    """Return a checkpoint of the released code as a state dict of :func:`build`."""
    return RELEASED.state_dict(checkpoint, lambda n: build(Options(), n_classes=n, weights=Weights("none")))


CODE = Recipe(
    about="the released code for RAF-DB: a ResNet-18 trained on faces (MS-Celeb-1M), eight centres",
    options=Options(),
    weights="weights/resnet18_msceleb.pth",
    training=settings.DAN,
)

TORCH_START = "the attention heads start with torch's default weights"

RECIPES = {
    "toy": Recipe(
        about="DAN with two heads on a ResNet of four blocks from random weights, for the demo",
        departures=(
            "another size, random weights, pictures of 48 px in batches of 32, few epochs",
            "Adam with warm-up instead of stochastic gradient descent; mirrored pictures alone",
            TORCH_START,
        ),
        options=Options(heads=2, small=resnet.Small(layers=(1, 1, 1, 1), channels=(16, 32, 64, 64)), start="torch"),
        training=dataclasses.replace(
            settings.DAN,
            phases=(Phase(epochs=10, lr=4e-3, schedule=WarmupCosine(warmup_epochs=0.5)),),
            optimizer="adam",
            batch_size=32,
            image_size_px=48,
            augment=("flip",),
        ),
    ),
    "cpu": Recipe(
        about="DAN with the released code's four heads at a scale that two cores carry",
        departures=(*settings.CPU_DEPARTURES, TORCH_START),
        options=Options(small=settings.CPU_NET, start="torch"),
        training=settings.CPU,
    ),
    "lite0": Recipe(
        about="DAN with the released code's four heads on EfficientNet-Lite0, for two CPU cores",
        departures=(
            *settings.LITE0_DEPARTURES,
            "the heads stand on the last stage, of 320 channels, before the convolution that makes 1,280 of them",
        ),
        options=Options(backbone=settings.LITE0, cut="blocks.6"),
        weights=settings.LITE0_WEIGHTS,
        training=settings.PRETRAINED,
    ),
    "code": CODE,
    "code_imagenet": dataclasses.replace(
        CODE, about="as code, from ImageNet", departures=("ImageNet weights instead of MS-Celeb-1M's",), weights="timm"
    ),
    "code_centres": dataclasses.replace(
        CODE, about="as code, with as many centres as classes", options=Options(centres=0)
    ),
}

method = Method(title="DAN", recipes=RECIPES, build=build, build_loss=build_loss, from_official=from_official)
