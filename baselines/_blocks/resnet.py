"""ResNets from timm as grids of features, and the names that other code gives their layers.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv:1512.03385. timm's networks
compute what torchvision's do, under the same names.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from baselines._blocks.normalise import Normalise
from fer_bench.method import Weights
from fer_bench.training.weights import create_backbone

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# children of torchvision's ResNet in their order, as `nn.Sequential(*children)` numbers them
CHILDREN = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}


@dataclass(frozen=True, kw_only=True)
class Small:
    """A ResNet small enough to be trained on a CPU in seconds; no pretrained weights fit it.

    Attributes:
        layers: Blocks per stage.
        channels: Channels per stage.
    """

    layers: tuple[int, int, int, int]
    channels: tuple[int, int, int, int]


SMALL = Small(layers=(1, 1, 1, 1), channels=(16, 32, 64, 128))


class Grid(nn.Module):
    """A ResNet without pooling and classifier; (n, 3, h, w) to (n, c, h / 32, w / 32).

    Args:
        backbone: timm's name, with the tag of the weights.
        small: Another size.
        weights: Initial weights.
        caffe: The order of strides of Caffe's ResNets, in which VGGFace2's weights were trained: a stage's first block
            skips places in its first convolution, 1 × 1, instead of its second, and the stem's pooling rounds up
            without padding. The weights have the same sizes.
        left_over: As :func:`~fer_bench.training.weights.create_backbone`.

    Raises:
        FerBenchError: If the weights do not fit.
    """

    def __init__(
        self,
        backbone: str,
        small: Small | None,
        weights: Weights,
        *,
        caffe: bool = False,
        left_over: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        size: dict[str, Any] = {} if small is None else {"layers": small.layers, "channels": small.channels}
        # with torch's initial weights, not with branches that start at zero
        net: Any = create_backbone(backbone, weights, num_classes=0, zero_init_last=False, left_over=left_over, **size)
        if caffe:
            net.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
            for stage in (net.layer2, net.layer3, net.layer4):
                stage[0].conv1.stride, stage[0].conv2.stride = stage[0].conv2.stride, stage[0].conv1.stride
        self.normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD)
        self.net: Any = net
        self.n_channels: int = net.num_features

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to a grid of features."""
        return self.net.forward_features(self.normalise(images))  # type: ignore[no-any-return]


def numbered(name: str) -> str:
    """Return the name that ``features = nn.Sequential(*children)`` gives a layer of :class:`Grid`.

    Args:
        name: Ours, below the grid.

    Examples:
        >>> numbered("net.layer1.0.conv1.weight")
        'features.4.0.conv1.weight'
    """
    child, _, rest = name.removeprefix("net.").partition(".")
    return f"features.{CHILDREN[child]}.{rest}"
