"""MobileNetV1 as Keras applications computes it, cut at a block, with Keras' names and weights.

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017,
arXiv:1704.04861. Weights are Keras' file (alpha 1, 224, ImageNet) as arrays under Keras' names.
"""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks import keras
from baselines._blocks.normalise import Normalise
from fer_bench.errors import FerBenchError
from fer_bench.method import Weights
from fer_bench.training.weights import keras_arrays

WEIGHTS = "weights/mobilenet_v1_1.0_224_imagenet_notop.npz"
NAME = "keras_mobilenet_v1"
"""As ``backbone`` of recipes that can be put on it."""

N_STEM = 32
# (channels, stride) of MobileNetV1's 13 blocks (Howard et al. 2017, arXiv:1704.04861, Table 1)
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
KERAS_BN = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


class _Unit(nn.Module):
    """A convolution with TensorFlow's padding, batch normalisation, ReLU6."""

    def __init__(self, n_in: int, n_out: int, *, kernel: int, stride: int, depthwise: bool = False) -> None:
        super().__init__()
        # stride 2: Keras pads (0, 1) itself and convolves VALID, whatever the size; stride 1: SAME, kernel // 2 a side
        self.pads_itself = stride == 2
        padding = 0 if self.pads_itself else kernel // 2
        groups = n_in if depthwise else 1
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(n_out, eps=keras.BN_EPSILON, momentum=keras.BN_MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        padded = functional.pad(x, (0, 1, 0, 1)) if self.pads_itself else x
        return functional.relu6(self.bn(self.conv(padded)), inplace=True)


class KerasMobileNet(nn.Module):
    """MobileNetV1 as in Keras applications, up to the depthwise half of one block; (n, 3, h, w) to (n, c, h', w').

    Children bear Keras' layer names: ``conv1``, ``conv_dw_1``, ``conv_pw_1``, …

    Args:
        cut: The block, counted from 1.
        width: Share of the channels.

    Raises:
        FerBenchError: If there is no such block.
    """

    def __init__(self, cut: int, width: float) -> None:
        super().__init__()
        if not 1 <= cut <= len(BLOCKS):
            raise FerBenchError(f"MobileNetV1 has no block {cut}", fix=f"choose a cut from 1 to {len(BLOCKS)}")
        self.normalise = Normalise((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # Keras: x / 127.5 − 1
        n_in = int(N_STEM * width)
        layers: OrderedDict[str, nn.Module] = OrderedDict(conv1=_Unit(3, n_in, kernel=3, stride=2))
        for block, (n_out, stride) in enumerate(BLOCKS[:cut], start=1):
            layers[f"conv_dw_{block}"] = _Unit(n_in, n_in, kernel=3, stride=stride, depthwise=True)
            if block < cut:
                layers[f"conv_pw_{block}"] = _Unit(n_in, int(n_out * width), kernel=1, stride=1)
                n_in = int(n_out * width)
        self.layers = nn.Sequential(layers)
        self.n_channels = n_in

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to a grid of features."""
        return self.layers(self.normalise(images))  # type: ignore[no-any-return]

    def load_keras(self, arrays: dict[str, Any]) -> None:
        """Take over Keras' weights.

        Args:
            arrays: By Keras' names, in Keras' layouts: kernels (h, w, in, out), depthwise ones (h, w, channels, 1).

        Raises:
            FerBenchError: If an array is missing or has another size.
        """
        for name, layer in self.layers.named_children():
            depthwise = name.startswith("conv_dw")
            kernel = f"{name}/depthwise_kernel" if depthwise else f"{name}/kernel"
            axes = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
            places = layer.state_dict()  # shares memory with the layer
            self._take(arrays, kernel, places["conv.weight"], axes=axes)
            for theirs, ours in KERAS_BN.items():
                self._take(arrays, f"{name}_bn/{theirs}", places[f"bn.{ours}"], axes=(0,))

    @staticmethod
    def _take(arrays: dict[str, Any], key: str, place: Tensor, *, axes: tuple[int, ...]) -> None:
        fix = "bring Keras' MobileNet weights (alpha 1, 224, ImageNet) and name the file in params.yaml"
        if key not in arrays:
            raise FerBenchError(f"the weights file lacks {key}", fix=fix)
        array = arrays[key]
        if array.ndim != len(axes) or array.transpose(axes).shape != tuple(place.shape):
            raise FerBenchError(f"{key} of sizes {array.shape} does not fit the trunk's {tuple(place.shape)}", fix=fix)
        place.copy_(torch.from_numpy(array.transpose(axes).copy()))


def block_of(cut: str) -> int:
    """Return the block after whose depthwise half a cut lies, from Keras' name of that half.

    Raises:
        FerBenchError: If there is no such layer.

    Examples:
        >>> block_of("conv_dw_9")
        9
    """
    names = [f"conv_dw_{block}" for block in range(1, len(BLOCKS) + 1)]
    if cut not in names:
        raise FerBenchError(f"MobileNetV1 has no layer '{cut}' to be cut at", fix=f"one of: {', '.join(names)}")
    return names.index(cut) + 1


def create(cut: int, width: float, weights: Weights) -> KerasMobileNet:
    """Create the cut network and give it its initial weights.

    Args:
        cut: Block after whose depthwise half it ends, counted from 1.
        width: Share of the channels.
        weights: Initial weights; none: Keras' random start.

    Raises:
        FerBenchError: If the weights do not fit, or there is no such block.
    """
    if weights.source == "timm":
        raise FerBenchError(
            "timm has no weights for MobileNetV1 as Keras computes it",
            fix="name a file with Keras' weights (.npz) in params.yaml, or choose a recipe with trunk timm",
        )
    trunk = KerasMobileNet(cut, width)
    keras.initialise(trunk)
    if weights.path is not None:
        trunk.load_keras(keras_arrays(weights.path))
    return trunk
