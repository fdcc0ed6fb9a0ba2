"""ConvNeXt, whole or cut, from timm.

Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, "A ConvNet for the 2020s", CVPR 2022, arXiv:2201.03545. timm's
``convnext_base.fb_in22k_ft_in1k`` and Keras' ``ConvNeXtBase(weights="imagenet")`` are the same weights, pretrained on
ImageNet-22k and fine-tuned on ImageNet-1k.
"""

import re
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from baselines._blocks.normalise import Normalise
from fer_bench.errors import FerBenchError
from fer_bench.method import Weights
from fer_bench.training.weights import create_backbone

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Small:
    """A ConvNeXt small enough to be trained on a CPU in seconds; no pretrained weights fit it.

    Its weights start He-normal and its branches at full strength: the published start (standard deviation 0.02, layer
    scale 1e-6) is made for hundreds of channels and epochs, and a network like this does not leave it in ten epochs.

    Attributes:
        depths: Blocks per stage.
        dims: Channels per stage.
        kernel: Side of the depthwise kernels (published: 7).
        patch: Side of the stem's patches (published: 4).
    """

    depths: tuple[int, int, int, int]
    dims: tuple[int, int, int, int]
    kernel: int = 3
    patch: int = 4


def create(backbone: str, small: Small | None, weights: Weights) -> Any:  # noqa: ANN401 - timm is untyped
    """Create timm's ConvNeXt without its classifier.

    Args:
        backbone: timm's name, with the tag of the weights.
        small: Another size.
        weights: Initial weights.

    Raises:
        FerBenchError: If weights are asked for that do not fit.
    """
    if small is None:
        return create_backbone(backbone, weights, num_classes=0)
    net = create_backbone(
        backbone,
        weights,
        num_classes=0,
        depths=small.depths,
        dims=small.dims,
        kernel_sizes=small.kernel,
        patch_size=small.patch,
        ls_init_value=1.0,
    )
    if weights.source == "none":
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    return net


class Whole(nn.Module):
    """All of ConvNeXt: four stages, average pooling, layer normalisation; (n, 3, h, w) to (n, d).

    Args:
        net: From :func:`create`.
    """

    def __init__(self, net: Any) -> None:  # noqa: ANN401 - timm is untyped
        super().__init__()
        self.normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD)
        self.net = net
        self.n_features: int = net.num_features

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to one vector each."""
        return self.net(self.normalise(images))  # type: ignore[no-any-return]


class Cut(nn.Module):
    """The first part of a ConvNeXt; (n, 3, h, w) to (n, c, h', w').

    Args:
        net: From :func:`create`. What lies behind the cut is not kept.
        where: ``stem``, ``stage1`` … ``stage4`` (the end of that stage), or ``stage3_block23_norm`` and the like:
            after depthwise convolution and layer normalisation of that block (counted from 0), before its MLP, without
            its residual.

    Raises:
        FerBenchError: If there is no such place in this network.
    """

    def __init__(self, net: Any, where: str) -> None:  # noqa: ANN401 - timm is untyped
        super().__init__()
        n_stages, inside = _place(net, where)
        self.normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD)
        self.stem = net.stem
        self.stages = nn.Sequential(*net.stages[:n_stages])
        self.last = nn.Identity() if inside is None else _UpToNorm(net.stages[n_stages], inside)
        self.n_channels: int = net.feature_info[max(n_stages - (inside is None), 0)]["num_chs"]

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to a grid of features."""
        return self.last(self.stages(self.stem(self.normalise(images))))  # type: ignore[no-any-return]


class _UpToNorm(nn.Module):
    """A stage up to and including the normalisation of one of its blocks."""

    def __init__(self, stage: Any, block: int) -> None:  # noqa: ANN401 - timm is untyped
        super().__init__()
        self.downsample = stage.downsample
        self.blocks = nn.Sequential(*stage.blocks[:block])
        self.conv_dw = stage.blocks[block].conv_dw
        self.norm = stage.blocks[block].norm

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_dw(self.blocks(self.downsample(x)))
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)  # type: ignore[no-any-return]


def _place(net: Any, where: str) -> tuple[int, int | None]:  # noqa: ANN401 - timm is untyped
    """Return how many stages stay whole, and the block of the next one that is cut inside."""
    depths = [len(stage.blocks) for stage in net.stages]
    found = re.fullmatch(r"stem|stage(\d)(?:_block(\d+)_norm)?", where)
    stage = int(found[1]) if found and found[1] else 0
    block = int(found[2]) if found and found[2] else None
    known = found is not None and (where == "stem" or 1 <= stage <= len(depths))
    if not known or (block is not None and block >= depths[stage - 1]):
        raise FerBenchError(
            f"this ConvNeXt, with {' + '.join(map(str, depths))} blocks, has no cut '{where}'",
            fix="one of: stem, stage1 … stage4, or stage<1 to 4>_block<from 0>_norm, e.g. stage3_block23_norm",
        )
    return (stage, None) if block is None else (stage - 1, block)
