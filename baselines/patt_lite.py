"""PAtt-Lite: a truncated MobileNetV1, a patch extraction block of three convolutions, and an attention classifier.

Paper
    Ngwe, Lim, Lee, Ong, Alqahtani, "PAtt-Lite: Lightweight Patch and Attention MobileNet for Challenging Facial
    Expression Recognition", IEEE Access, 2024, arXiv:2306.09626. What is said here of the paper comes from its
    abstract, its figures and pages that cite it: its full text was not read.

Code read
    JLREx/PAtt-Lite @ cae0e53 (MIT): patt-lite-notebook.ipynb, data-compile.ipynb, README. Nothing was copied; shapes
    and counts were taken from running it.

Departures of the released code from the paper
    * Attention: the classifier's attention is given a (batch, 32) matrix, so its tokens are the samples of the batch.
      The authors' README says so since June 2024, and that it was not intended.
    * Fine-tuning: the second phase is meant to train the trunk's last 59 layers. The trunk has 58, and the arithmetic
      leaves all of its weights frozen.

Departures of ours
    Each recipe names its own. Throughout: pictures are resized from the size in which a data set is prepared (FERPlus:
    48 px) to 224 px in one bilinear step; the notebook resizes FERPlus to 120 px first. Predictions
    are made one sample at a time, where attention over the batch changes nothing.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks import keras
from baselines._blocks.classifier import Attention, Classifier
from baselines._blocks.normalise import Normalise
from fer_bench.errors import FerBenchError
from fer_bench.method import Method, Recipe, Training, Weights
from fer_bench.training.weights import create_backbone, keras_arrays

N_PATCH = 256  # channels of the patch extraction block
N_STEM = 32
# (channels, stride) of MobileNetV1's 13 blocks (Howard et al. 2017, arXiv:1704.04861, Table 1)
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
KERAS_BN = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
TIMM_CUT = (3, 3)  # timm's block that is Keras' block 9


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        trunk: ``keras``: MobileNetV1 as Keras computes it, for Keras' weights. ``timm``: timm's, for timm's weights,
            which were trained otherwise, with symmetric padding and a batch normalisation epsilon of 1e-5.
        backbone: timm's name, with the tag of the weights; read where ``trunk`` is ``timm``.
        cut: Block after whose depthwise half the trunk ends, counted from 1; ``trunk`` ``keras`` only.
        width: Share of MobileNet's channels (its α); ``trunk`` ``keras`` only.
        attention: Over what the bottleneck attends.
        dropout: Of features after pooling.
    """

    trunk: Literal["keras", "timm"] = "keras"
    backbone: str = "mobilenetv1_100.ra4_e3600_r224_in1k"
    cut: int = 9
    width: float = 1.0
    attention: Attention = "batch"
    dropout: float = 0.1


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


class TimmMobileNet(nn.Module):
    """timm's MobileNetV1 up to the depthwise half of block 9; (n, 3, h, w) to (n, 512, h / 16, w / 16).

    Args:
        net: timm's network.
    """

    def __init__(self, net: Any) -> None:  # noqa: ANN401 - timm is untyped
        super().__init__()
        stage, block = TIMM_CUT
        self.normalise = Normalise(net.pretrained_cfg["mean"], net.pretrained_cfg["std"])
        self.stem = nn.Sequential(net.conv_stem, net.bn1)
        self.stages = nn.Sequential(*net.blocks[:stage], *net.blocks[stage][:block])
        self.last = nn.Sequential(net.blocks[stage][block].conv_dw, net.blocks[stage][block].bn1)
        self.n_channels: int = net.blocks[stage][block].conv_dw.out_channels

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to a grid of features."""
        return self.last(self.stages(self.stem(self.normalise(images))))  # type: ignore[no-any-return]


def trunk_of(options: Options, weights: Weights) -> KerasMobileNet | TimmMobileNet:
    """Return the truncated MobileNetV1.

    Raises:
        FerBenchError: If the weights are of the other framework, or do not fit.
    """
    if options.trunk == "timm":
        return TimmMobileNet(create_backbone(options.backbone, weights, num_classes=0))
    if weights.source == "timm":
        raise FerBenchError(
            "timm has no weights for MobileNetV1 as Keras computes it",
            fix="name a file with Keras' weights (.npz) in params.yaml, or choose a recipe with trunk timm",
        )
    trunk = KerasMobileNet(options.cut, options.width)
    keras.initialise(trunk)
    if weights.path is not None:
        trunk.load_keras(keras_arrays(weights.path))
    return trunk


def head_of(options: Options, n_channels: int, n_classes: int) -> nn.Module:
    """Return patch extraction, attention and classifier, for a grid of ``n_channels``."""
    patches = nn.Sequential(
        keras.SeparableConv2d(n_channels, N_PATCH, kernel=4, stride=4, padding="same"),
        keras.SeparableConv2d(N_PATCH, N_PATCH, kernel=2, stride=2, padding="valid"),
        nn.Conv2d(N_PATCH, N_PATCH, 1),
        nn.ReLU(inplace=True),
    )
    classifier = Classifier(N_PATCH, n_classes, attention=options.attention, dropout=options.dropout)
    head = nn.Sequential(OrderedDict(patches=patches, classifier=classifier))
    keras.initialise(head)
    return head


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: Initial weights of the trunk.

    Raises:
        FerBenchError: If the weights do not fit the trunk, or the cut does not exist.
    """
    trunk = trunk_of(options, weights)
    return nn.Sequential(OrderedDict(trunk=trunk, head=head_of(options, trunk.n_channels, n_classes)))


def couples_batch(options: Options) -> bool:
    """Return whether a sample's logits depend on its batch mates."""
    return options.attention == "batch"


RECIPES = {
    "toy": Recipe(
        about="PAtt-Lite's head on four blocks of a narrow MobileNetV1 from random weights, for the demo",
        departures=("another size and cut, random weights, a trained trunk, pictures of 48 px, few epochs",),
        options=Options(cut=4, width=0.5, dropout=0.0),
        training=Training(
            epochs=12, batch_size=16, image_size_px=48, optimizer="adam", lr=2e-3, adam_eps=1e-7, clip_norm=3.0,
            schedule="cosine", augment=("flip",),
        ),
    ),
    "head": Recipe(
        about="first phase of the released code: the head on a frozen trunk",
        departures=(
            "pictures are mirrored only, their contrast is not changed, so that the trunk's features can be stored",
            "a fixed 6 epochs with a cosine schedule; no early stopping, no plateau rule",
            "no second phase",
        ),
        options=Options(),
        weights="weights/mobilenet_v1_1.0_224_imagenet_notop.npz",
        training=Training(
            epochs=6, batch_size=8, image_size_px=224, optimizer="adam", lr=1e-3, adam_eps=1e-7, clip_norm=3.0,
            schedule="cosine", class_weights="balanced", augment=("flip",), frozen_trunk=True,
        ),
    ),
}  # fmt: skip

method = Method(title="PAtt-Lite", recipes=RECIPES, build=build, couples_batch=couples_batch)
