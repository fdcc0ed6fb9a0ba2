"""The first stages of any of timm's networks, whose grid a method's head is put on."""

from typing import Any

from torch import Tensor, nn

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
