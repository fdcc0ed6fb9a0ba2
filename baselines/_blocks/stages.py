"""Grids of any of timm's networks, whole or cut after a stage, on which a method's head is put."""

from typing import Any

import torch
from torch import Tensor, nn

from baselines._blocks import resnet
from baselines._blocks.normalise import Normalise
from fer_bench.errors import FerBenchError
from fer_bench.method import Weights
from fer_bench.training.weights import create_backbone


class Cut(nn.Module):
    """A network up to the end of one stage; (n, 3, h, w) to (n, c, h', w').

    Mean and standard deviation of the input are those of the network's weights.

    Args:
        backbone: timm's name.
        where: timm's name of the stage (``feature_info``), e.g. ``blocks.4`` or ``layer3``. What lies behind is not
            kept.
        weights: Initial weights.

    Raises:
        FerBenchError: If the network has no such stage, or the weights are another network's.
    """

    def __init__(self, backbone: str, where: str, weights: Weights) -> None:
        super().__init__()
        net: Any = create_backbone(backbone, weights, num_classes=0)
        stages = [info["module"] for info in net.feature_info]
        if where not in stages:
            raise FerBenchError(f"{backbone} has no stage '{where}' to be cut at", fix=f"one of: {', '.join(stages)}")
        self.index = stages.index(where)
        self.n_channels: int = net.feature_info[self.index]["num_chs"]
        self.normalise = Normalise(net.pretrained_cfg["mean"], net.pretrained_cfg["std"])
        net.prune_intermediate_layers([self.index], prune_norm=True, prune_head=True)
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to a grid of features."""
        grids: list[Tensor] = self.net.forward_intermediates(
            self.normalise(images), indices=[self.index], stop_early=True, intermediates_only=True
        )
        return grids[0]


class Whole(nn.Module):
    """A network without pooling and classifier; (n, 3, h, w) to (n, c, h', w').

    Args:
        backbone: timm's name.
        weights: Initial weights.

    Raises:
        FerBenchError: If the weights are another network's, or it gives no grid.
    """

    def __init__(self, backbone: str, weights: Weights) -> None:
        super().__init__()
        net: Any = create_backbone(backbone, weights, num_classes=0, global_pool="")
        self.normalise = Normalise(net.pretrained_cfg["mean"], net.pretrained_cfg["std"])
        self.net = net
        self.n_channels: int = net.head_hidden_size

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to a grid of features."""
        return self.net.forward_features(self.normalise(images))  # type: ignore[no-any-return]


def grid(
    backbone: str, small: resnet.Small | None, weights: Weights, *, cut: str = "", left_over: tuple[str, ...] = ()
) -> "resnet.Grid | Cut | Whole":
    """Build the trunk of a method whose head takes a grid.

    Args:
        backbone: timm's name; a ResNet's gives :class:`resnet.Grid`.
        small: Another size, for ResNets and random weights only.
        weights: Initial weights.
        cut: The stage after which a network that is no ResNet is cut; empty: it is not.
        left_over: As :class:`resnet.Grid`.

    Raises:
        FerBenchError: If weights do not fit, or the network has no such stage.
    """
    if backbone.startswith("resnet"):
        return resnet.Grid(backbone, small, weights, left_over=left_over)
    return Cut(backbone, cut, weights) if cut else Whole(backbone, weights)


def n_channels(backbone: str, small: resnet.Small | None, *, cut: str = "") -> int:
    """Return the channels of a :func:`grid` without building its weights."""
    with torch.device("meta"):
        return grid(backbone, small, Weights("none"), cut=cut).n_channels
