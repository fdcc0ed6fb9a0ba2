"""DDAMFN: a MobileFaceNet of mixed kernels and coordinate attention, two heads that attend along rows and columns.

Paper
    Zhang, Zhang, Zhang, Wang, Song, "A Dual-Direction Attention Mixed Feature Network for Facial Expression
    Recognition", Electronics 12(17), 3595, 2023.

Code read
    SainingZhang/DDAMFN @ cebfe5c5 (no licence given). Nothing was copied; functions, counts and settings were taken
    from reading and running it. The folder DDAMFN++ has the same network and other settings (recipe ``code_plus``).

What the released code does that is easily missed
    * Dead parameters: each mixed convolution registers a normalisation and a PReLU, each head a second linear layer,
      and the network a normalisation of logits, which no output depends on: 81,422 of 4,187,421 parameters. A released
      checkpoint has them; ours passes them over by name (``RELEASED.unused``) and has 4,105,999.
    * The part named ``val`` is the test part, and the epoch that is best on it is kept.

Departures of ours
    Each recipe names its own. Throughout:

    * The file of the trunk's weights is a pickled module, which is not read. Where you trust it, in the authors'
      repository: ``torch.save(torch.nn.Sequential(*list(torch.load("MFN_msceleb.pth",
      weights_only=False).children())[:9]).state_dict(), "weights/MFN_msceleb.pth")``.
    * What validates is the protocol's part that selects. Seeds are fixed.
"""

import dataclasses
import itertools
import sys
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks import brought, settings
from baselines._blocks.normalise import Normalise
from baselines._blocks.resnet import IMAGENET_MEAN, IMAGENET_STD
from fer_bench.errors import FerBenchError
from fer_bench.method import (
    Batch,
    Exponential,
    Method,
    PaddedCrop,
    Phase,
    Recipe,
    Rotate,
    Sometimes,
    Step,
    Training,
    WarmupCosine,
    Weights,
)
from fer_bench.training import official

IMAGE_PX = 112
KERNELS = (3, 5, 7, 9)
SHARES = (((2, 1, 1), (3, 1)), ((2, 1, 1), (3, 1)), ((1, 1, 1, 1), (1, 1, 1)))
"""Per stage, of the first block and of those after it: how channels are shared out over kernels of 3, 5, 7, 9."""
SMALLEST = sys.float_info.epsilon  # keeps maps that agree from dividing by zero
ORDER = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")  # rafdb_test.py

_FEATURES = "features."


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        channels: Of the stem, the three stages and the last grid.
        expanded: Per stage, channels inside its first block and inside those after it.
        depths: Per stage, blocks after the first.
        side_px: Side of the last grid, a sixteenth of the pictures'.
        heads: Number of attention heads.
        attention: Weight of the loss that pushes the heads' maps apart.
    """

    channels: tuple[int, int, int, int, int] = (64, 64, 128, 256, 512)
    expanded: tuple[tuple[int, int], ...] = ((128, 128), (256, 256), (1024, 512))
    depths: tuple[int, int, int] = (9, 16, 6)
    side_px: int = 7
    heads: int = 2
    attention: float = 0.1


class Conv(nn.Module):
    """Convolution without bias, batch normalisation, and PReLU where wanted."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        size: tuple[int, int] = (1, 1),
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        prelu: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, size, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(n_out)
        self.prelu = nn.PReLU(n_out) if prelu else None

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, n_in, h, w) to (n, n_out, h', w')."""
        found: Tensor = self.bn(self.conv(grid))
        return found if self.prelu is None else self.prelu(found)


class Mixed(nn.Module):
    """Depthwise convolutions of several sizes, each of a share of the channels (Tan, Le, BMVC 2019, arXiv:1907.09595).

    Args:
        n_channels: Channels.
        shares: Of kernels of 3, 5, 7, 9; what does not divide goes to the first.
        stride: Step.
    """

    def __init__(self, n_channels: int, shares: Sequence[int], stride: int) -> None:
        super().__init__()
        self.sizes = [n_channels * share // sum(shares) for share in shares]
        self.sizes[0] += n_channels - sum(self.sizes)
        self.mixed_depthwise_conv = nn.ModuleList(
            nn.Conv2d(n, n, size, stride, size // 2, groups=n, bias=False)
            for n, size in zip(self.sizes, KERNELS, strict=False)
        )

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, c, h / stride, w / stride)."""
        parts = torch.split(grid, self.sizes, dim=1)
        return torch.cat([conv(part) for conv, part in zip(self.mixed_depthwise_conv, parts, strict=True)], dim=1)


class Gates(nn.Module):
    """One gate per row and one per column, from a description of each (Hou, Zhou, Feng, CVPR 2021, arXiv:2103.02907).

    Args:
        n_channels: Channels.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        n_hidden = max(8, n_channels // 32)
        self.conv1 = nn.Conv2d(n_channels, n_hidden, 1)
        self.bn1 = nn.BatchNorm2d(n_hidden)
        self.conv2 = nn.Conv2d(n_hidden, n_channels, 1)
        self.conv3 = nn.Conv2d(n_hidden, n_channels, 1)

    def gates(self, of_rows: Tensor, of_columns: Tensor) -> Tensor:
        """Map descriptions (n, c, h, 1) and (n, c, 1, w) to the product of both gates, (n, c, h, w)."""
        height, width = of_rows.shape[2], of_columns.shape[3]
        hidden = self.bn1(self.conv1(torch.cat([of_rows, of_columns.transpose(2, 3)], dim=2)))
        rows, columns = torch.split(functional.hardswish(hidden), [height, width], dim=2)
        return self.conv2(rows).sigmoid() * self.conv3(columns).transpose(2, 3).sigmoid()  # type: ignore[no-any-return]


class CoordinateAttention(Gates):
    """Gates from the means of rows and columns."""

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, c, h, w) to the same shape."""
        return grid * self.gates(grid.mean(dim=3, keepdim=True), grid.mean(dim=2, keepdim=True))


class DirectedAttention(Gates):
    """Gates from a learned sum of each row and each column, with batch normalisation.

    Args:
        n_channels: Channels.
        side_px: Side of the grid.
    """

    def __init__(self, n_channels: int, side_px: int) -> None:
        super().__init__(n_channels)
        self.Linear_h = Conv(n_channels, n_channels, (1, side_px), groups=n_channels, prelu=False)
        self.Linear_w = Conv(n_channels, n_channels, (side_px, 1), groups=n_channels, prelu=False)

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, c, side, side) to a map of the same shape, with values in (0, 1)."""
        return self.gates(self.Linear_h(grid), self.Linear_w(grid))


class Block(nn.Module):
    """Widen, convolve with mixed kernels, attend, narrow.

    Args:
        n_in: Channels in.
        n_inside: Channels inside.
        n_out: Channels out.
        shares: Of the kernels.
        stride: 2 halves the grid; with 1 what comes in is added.
    """

    def __init__(self, n_in: int, n_inside: int, n_out: int, shares: Sequence[int], stride: int) -> None:
        super().__init__()
        self.adds = stride == 1
        self.conv = Conv(n_in, n_inside)
        self.conv_dw = Mixed(n_inside, shares, stride)
        self.CA = CoordinateAttention(n_inside)
        self.project = Conv(n_inside, n_out, prelu=False)

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, n_in, h, w) to (n, n_out, h / stride, w / stride)."""
        found: Tensor = self.project(self.CA(self.conv_dw(self.conv(grid))))
        return grid + found if self.adds else found


class Trunk(nn.Module):
    """The mixed feature network without its embedding; (n, 3, h, w) to (n, c, h / 16, w / 16).

    Args:
        options: The recipe's options.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        stem, *stages, last = options.channels
        self.normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD)
        layers: list[nn.Module] = [
            Conv(3, stem, (3, 3), stride=2, padding=1),
            Conv(stem, stem, (3, 3), padding=1, groups=stem),
        ]
        per_stage = zip(itertools.pairwise([stem, *stages]), options.expanded, options.depths, SHARES, strict=True)
        for (n_in, n_out), (first, after), depth, (shares, shares_after) in per_stage:
            layers.append(Block(n_in, first, n_out, shares, stride=2))
            layers.append(nn.Sequential(*(Block(n_out, after, n_out, shares_after, 1) for _ in range(depth))))
        self.features = nn.Sequential(*layers, Conv(stages[-1], last))

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to a grid of features."""
        return self.features(self.normalise(images))  # type: ignore[no-any-return]


class Head(nn.Module):
    """The largest of the heads' maps weighs the grid; one learned sum over places; a linear layer.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
    """

    def __init__(self, options: Options, n_classes: int) -> None:
        super().__init__()
        n_channels, side = options.channels[-1], options.side_px
        self.heads = nn.ModuleList(DirectedAttention(n_channels, side) for _ in range(options.heads))
        self.Linear = Conv(n_channels, n_channels, (side, side), groups=n_channels, prelu=False)
        self.fc = nn.Linear(n_channels, n_classes)

    def maps(self, grid: Tensor) -> Tensor:
        """Map (n, c, side, side) to each head's map, (heads, n, c, side, side)."""
        return torch.stack([head(grid) for head in self.heads])

    def classify(self, grid: Tensor, maps: Tensor) -> Tensor:
        """Map a grid and the heads' maps to logits (n, n_classes)."""
        return self.fc(self.Linear(grid * maps.amax(dim=0)).flatten(1))  # type: ignore[no-any-return]

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, c, side, side) to logits (n, n_classes)."""
        return self.classify(grid, self.maps(grid))


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: Initial weights of the trunk.

    Raises:
        FerBenchError: If the weights do not fit.
    """
    if weights.source == "timm":
        raise FerBenchError(
            "timm has no weights of DDAMFN's trunk",
            fix="set methods.<method>.weights to none, or to a file of the trunk's weights",
        )
    trunk = Trunk(options)
    if weights.path is not None:
        unused = (name.removeprefix(_FEATURES) for name in _unused(options, n_classes) if name.startswith(_FEATURES))
        brought.load(
            trunk.features,
            weights.path,
            what="DDAMFN's trunk",
            name_of=lambda name: _name_of(f"trunk.{_FEATURES}{name}").removeprefix(_FEATURES),
            left_over=tuple(unused),
        )
    return nn.Sequential(OrderedDict(trunk=trunk, head=Head(options, n_classes)))


def agreement(maps: Tensor) -> Tensor:
    """Compute one over the mean, over pairs of heads, of their maps' mean squared difference.

    Args:
        maps: (heads, n, c, h, w), heads ≥ 2.
    """
    pairs = [functional.mse_loss(*pair) for pair in itertools.combinations(maps, 2)]
    return 1 / (torch.stack(pairs).mean() + SMALLEST)


class Loss(nn.Module):
    """Cross-entropy, and a weight times :func:`agreement`.

    Args:
        options: The recipe's options.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.weight = options.attention

    def forward(self, model: Any, batch: Batch) -> Tensor:  # noqa: ANN401 - trunk and head are children
        """Return the loss of a batch."""
        grid = batch.inputs if batch.from_features else model.trunk(batch.inputs)
        maps = model.head.maps(grid)
        losses = functional.cross_entropy(
            model.head.classify(grid, maps), batch.labels, reduction="none", label_smoothing=batch.label_smoothing
        )
        loss: Tensor = (losses * batch.sample_weights).mean()
        return loss + self.weight * agreement(maps) if len(maps) > 1 else loss


def build_loss(options: Options, *, labels: np.ndarray, n_classes: int) -> nn.Module:  # noqa: ARG001 - BuildLoss
    """Build the loss."""
    return Loss(options)


def _name_of(name: str) -> str:
    child, _, rest = name.partition(".")
    if child == "trunk":
        # what stands in stages behind their first blocks is a sequence called model
        parts = rest.split(".")
        return ".".join([*parts[:2], "model", *parts[2:]]) if parts[2].isdecimal() else rest
    if rest.startswith("heads."):
        _, index, inner = rest.split(".", 2)
        return f"cat_head{index}.CoordAtt.{inner}"
    return rest


def _unused(options: Options, n_classes: int) -> dict[str, tuple[int, ...]]:
    """Return names and sizes of what a released checkpoint has and no output depends on."""
    n_channels, side = options.channels[-1], options.side_px
    found: dict[str, tuple[int, ...]] = {}

    def norm(name: str, size: int) -> None:
        found.update({f"{name}.{each}": (size,) for each in ("weight", "bias", "running_mean", "running_var")})
        found[f"{name}.num_batches_tracked"] = ()

    for stage, ((first, after), depth) in enumerate(zip(options.expanded, options.depths, strict=True)):
        place = 2 + 2 * stage
        blocks = {f"features.{place}": first, **{f"features.{place + 1}.model.{i}": after for i in range(depth)}}
        for block, size in blocks.items():
            norm(f"{block}.conv_dw.bn", size)
            found[f"{block}.conv_dw.prelu.weight"] = (size,)
    for head in range(options.heads):
        found[f"cat_head{head}.CoordAtt.Linear.conv.weight"] = (n_channels, 1, side, side)
        norm(f"cat_head{head}.CoordAtt.Linear.bn", n_channels)
    norm("bn", n_classes)
    return found


RELEASED = official.Released(
    name_of=_name_of,
    of_classes=("head.fc.weight", "head.fc.bias"),
    order=ORDER,
    unused=_unused(Options(), len(ORDER)),
)


def from_official(checkpoint: object) -> dict[str, Tensor]:
    """Return a checkpoint of the released code as a state dict of :func:`build`."""
    return RELEASED.state_dict(checkpoint, lambda n: build(Options(), n_classes=n, weights=Weights("none")))


TRAINING = Training(
    phases=(Phase(epochs=40, lr=0.01, schedule=Step(epochs=10, factor=0.1)),), batch_size=256,
    image_size_px=IMAGE_PX, optimizer="sgd", weight_decay=1e-4,
    augment=("flip", Sometimes(p=0.2, changes=(Rotate(degrees=5), PaddedCrop(padding=8 / IMAGE_PX))), settings.ERASE),
)  # fmt: skip

CODE = Recipe(
    about="the released code for RAF-DB: a trunk trained on faces (MS-Celeb-1M), stochastic gradient descent",
    options=Options(),
    weights="weights/MFN_msceleb.pth",
    training=TRAINING,
)

RECIPES = {
    "toy": Recipe(
        about="DDAMFN with one block behind each stage's first from random weights, for the demo",
        departures=(
            "another size, random weights, pictures of 48 px in batches of 32, few epochs",
            "Adam with warm-up instead of stochastic gradient descent; mirrored pictures alone",
            "a hundredth of the weight of agreement: from random weights, maps start out alike",
        ),
        options=Options(
            channels=(16, 16, 32, 64, 64),
            expanded=((32, 32), (64, 64), (128, 128)),
            depths=(1, 1, 1),
            side_px=3,
            attention=0.001,
        ),
        training=dataclasses.replace(
            TRAINING,
            phases=(Phase(epochs=8, lr=4e-3, schedule=WarmupCosine(warmup_epochs=0.5)),),
            optimizer="adam",
            batch_size=32,
            image_size_px=48,
            augment=("flip",),
        ),
    ),
    "code": CODE,
    "code_ferplus": dataclasses.replace(
        CODE,
        about="the released code for FERPlus: twice as long, turned and shifted twice as far",
        training=dataclasses.replace(
            TRAINING,
            phases=(Phase(epochs=80, lr=0.01, schedule=Step(epochs=10, factor=0.1)),),
            augment=(  # the script also names a jitter of colours, of no strength
                "flip",
                Sometimes(p=0.2, changes=(Rotate(degrees=10), PaddedCrop(padding=16 / IMAGE_PX))),
                settings.ERASE,
            ),
        ),
    ),
    "code_scratch": dataclasses.replace(
        CODE,
        about="as code, from random weights",
        departures=("random weights instead of MS-Celeb-1M's",),
        weights="none",
    ),
    "code_plus": dataclasses.replace(
        CODE,
        about="DDAMFN++ as released: sharpness-aware minimisation over Adam",
        training=dataclasses.replace(
            TRAINING,
            phases=(Phase(epochs=60, lr=5e-4, schedule=Exponential(factor=0.9)),),
            batch_size=128,
            optimizer="adam",
            weight_decay=0.0,
            sam_rho=0.05,
            augment=(
                "flip",
                Sometimes(p=0.5, changes=(Rotate(degrees=5), PaddedCrop(padding=8 / IMAGE_PX))),
                settings.ERASE,
            ),
        ),
    ),
}

method = Method(title="DDAMFN", recipes=RECIPES, build=build, build_loss=build_loss, from_official=from_official)
