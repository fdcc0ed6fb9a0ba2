"""VTFF (approximation): two ResNets, attention that chooses between them, and a transformer over places.

Paper
    Ma, Sun, Li, "Facial Expression Recognition with Visual Transformers and Attentional Selective Fusion", IEEE
    Transactions on Affective Computing, 2021, arXiv:2103.16854. What is said here of the paper comes from its abstract:
    its text was not read.

Code read
    None of the authors' is public. youqingxiaozhua/APViT @ 9efaf971 (Apache-2.0) has a sketch of the network, made to
    count operations, as described by others; nothing was copied.

This is an approximation
    Known are two branches of a CNN, attentional selective fusion of their grids by global and local attention,
    flattening into visual words, and a transformer's encoder. From the sketch: two ResNet-18 up to 512 channels, a
    fusion of 625,603 weights at that width, words of 768, eight blocks of eight heads with an inner width of three.

Missing
    * What the second branch is given: it is thought to be local binary patterns, of which kind is not known. Ours
      computes the plain ones of eight neighbours from the picture (option ``second``).
    * Initial weights of branches and transformer, optimiser, epochs, changes of pictures, selection. Ours are those of
      SCN's released code, a choice that nothing public supports.
    * Where the fusion's sigmoids stand; ours has as many weights as the sketch's.
"""

import dataclasses
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks import resnet, settings
from fer_bench.method import Method, Phase, Recipe, WarmupCosine, Weights

GREY = (0.299, 0.587, 0.114)
# the neighbours of a pixel, clockwise from above left: shifts down and to the right
NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        backbone: Both branches: timm's name, with the tag of the weights.
        second: What the second branch is given: ``lbp``, local binary patterns, or the same ``picture``.
        width: Of a visual word.
        depth: Blocks of the transformer.
        heads: Its attention heads.
        small: Another size of the branches, for random weights only.
    """

    backbone: str = "resnet18.tv_in1k"
    second: Literal["lbp", "picture"] = "lbp"
    width: int = 768
    depth: int = 8
    heads: int = 8
    small: resnet.Small | None = None


def patterns(images: Tensor) -> Tensor:
    """Return each pixel's local binary pattern: one bit per neighbour that is not darker, as grey in [0, 1].

    Args:
        images: (n, 3, h, w) in [0, 1]; beyond the border the picture goes on as it ends.

    Returns:
        (n, 3, h, w), three times the same.
    """
    grey = torch.einsum("nchw,c->nhw", images, images.new_tensor(GREY))
    height, width = grey.shape[1:]
    wide = functional.pad(grey[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    code = torch.zeros_like(grey)
    for bit, (down, right) in enumerate(NEIGHBOURS):
        neighbour = wide[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width]
        code = code + (neighbour >= grey).to(grey.dtype) * 2**bit
    return (code / 255)[:, None].expand(-1, 3, -1, -1)


class Fusion(nn.Module):
    """Attentional selective fusion: a weight in (0, 1) per channel and place chooses between two grids.

    Args:
        n_channels: Of both grids.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        n_hidden = max(n_channels // 8, 1)
        self.first = nn.Conv2d(n_channels, n_channels, 1)
        self.second = nn.Conv2d(n_channels, n_channels, 1)
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), *_squeezed(n_channels, n_hidden, n_channels))
        self.local = nn.Sequential(*_squeezed(n_channels, n_hidden, 1))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Map grids (n, c, h, w) to one."""
        both = self.first(first) + self.second(second)
        share = torch.sigmoid(self.whole(both) + self.local(both))
        return second * share + first * (1 - share)


def _squeezed(n_in: int, n_hidden: int, n_out: int) -> list[nn.Module]:
    return [
        nn.Conv2d(n_in, n_hidden, 1),
        nn.BatchNorm2d(n_hidden),
        nn.ReLU(),
        nn.Conv2d(n_hidden, n_out, 1),
        nn.BatchNorm2d(n_out),
    ]


class Words(nn.Module):
    """Two branches, their fusion, and a transformer over places and a class token.

    Args:
        options: The recipe's options.
        weights: Initial weights of both branches.
    """

    def __init__(self, options: Options, weights: Weights) -> None:
        super().__init__()
        self.second_sees = options.second
        self.first = resnet.Grid(options.backbone, options.small, weights)
        self.second = resnet.Grid(options.backbone, options.small, weights)
        self.fusion = Fusion(self.first.n_channels)
        self.project = nn.Conv2d(self.first.n_channels, options.width, 1)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, options.width))
        block = nn.TransformerEncoderLayer(
            options.width, options.heads, 3 * options.width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(
            block, options.depth, nn.LayerNorm(options.width), enable_nested_tensor=False
        )
        self.position = nn.Conv2d(options.width, options.width, 3, 1, 1, groups=options.width)

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to the class token, (n, width)."""
        seen = patterns(images) if self.second_sees == "lbp" else images
        grid = self.project(self.fusion(self.first(images), self.second(seen)))
        words = (grid + self.position(grid)).flatten(2).transpose(1, 2)
        tokens: Tensor = self.blocks(torch.cat([self.cls_token.expand(len(words), -1, -1), words], dim=1))
        return tokens[:, 0]


class Net(nn.Sequential):
    """Trunk and head, with the grid of words as the one that Grad-CAM looks at."""

    cam_layer = "trunk.project"


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: Initial weights of both branches.
    """
    return Net(OrderedDict(trunk=Words(options, weights), head=nn.Linear(options.width, n_classes)))


MISSING = (
    "an approximation: the kind of local binary patterns, all initial weights and all settings are not public",
    "positions are a convolution over the words; what the paper has was not read",
)

RECIPES = {
    "toy": Recipe(
        about="an approximation of VTFF on two ResNets of four blocks from random weights, for the demo",
        departures=(
            *MISSING,
            "another size, pictures of 48 px in batches of 32, few epochs, a higher learning rate, mirrored alone",
        ),
        options=Options(width=64, depth=2, heads=4, small=resnet.Small(layers=(1, 1, 1, 1), channels=(16, 32, 48, 64))),
        training=dataclasses.replace(
            settings.SCN,
            phases=(Phase(epochs=8, lr=2e-3, schedule=WarmupCosine(warmup_epochs=0.5)),),
            batch_size=32,
            image_size_px=48,
            augment=("flip",),
            augment_before_resize=(),
        ),
    ),
    "approximation": Recipe(
        about="an approximation of VTFF from ImageNet, with the settings of SCN's released code at a tenth of its rate",
        departures=(*MISSING, settings.UNROUNDED),
        options=Options(),
        weights="timm",
        training=dataclasses.replace(settings.SCN, phases=(dataclasses.replace(settings.SCN.phases[0], lr=1e-4),)),
    ),
}

method = Method(title="VTFF (approximation)", recipes=RECIPES, build=build)
