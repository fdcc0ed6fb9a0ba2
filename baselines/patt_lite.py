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
      leaves all of its weights frozen. Recipe ``meant`` trains them.

Departures of ours
    Each recipe names its own. Throughout:

    * Pictures are resized from the size in which a data set is prepared (FERPlus: 48 px) to 224 px in one bilinear
      step; the notebook resizes FERPlus to 120 px first.
    * Predictions are made one sample at a time, in validation too, where attention over the batch changes nothing. The
      code validates in batches of 8.
    * What validates is the protocol's part that selects; for RAF-DB the code leaves it open. The checkpoint is chosen
      over the epochs of both phases.
    * Seeds are fixed; the code sets none. A last batch of one sample is left out.
    * torch's Adam adds its epsilon after the bias correction, Keras' before it; both 1e-7.
"""

import dataclasses
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks import keras
from baselines._blocks.attention import Attention
from baselines._blocks.classifier import Classifier, Regularisation
from baselines._blocks.normalise import Normalise
from fer_bench.errors import FerBenchError
from fer_bench.method import EarlyStop, InverseTime, Method, Phase, Plateau, Recipe, Training, Weights
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

FIRST = Regularisation(dropout=0.1)
SECOND = Regularisation(spatial_dropout=0.2, dropout=0.2, attention_dropout=0.2)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        trunk: ``keras``: MobileNetV1 as Keras computes it, for Keras' weights. ``timm``: timm's, for timm's weights,
            which were trained otherwise, with symmetric padding and a batch normalisation epsilon of 1e-5.
        backbone: timm's name, with the tag of the weights; read where ``trunk`` is ``timm``.
        cut: Block after whose depthwise half the trunk ends, counted from 1; ``trunk`` ``keras`` only.
        width: Share of MobileNet's channels (its α); ``trunk`` ``keras`` only.
        attention: Over what is attended.
        phases: What the classifier drops in each phase.
    """

    trunk: Literal["keras", "timm"] = "keras"
    backbone: str = "mobilenetv1_100.ra4_e3600_r224_in1k"
    cut: int = 9
    width: float = 1.0
    attention: Attention = "batch"
    phases: tuple[Regularisation, ...] = (FIRST,)


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
    """Return patch extraction, attention and classifier, for a grid of ``n_channels``.

    Raises:
        FerBenchError: If the attention does not exist.
    """
    patches = nn.Sequential(
        keras.SeparableConv2d(n_channels, N_PATCH, kernel=4, stride=4, padding="same"),
        keras.SeparableConv2d(N_PATCH, N_PATCH, kernel=2, stride=2, padding="valid"),
        nn.Conv2d(N_PATCH, N_PATCH, 1),
        nn.ReLU(inplace=True),
    )
    classifier = Classifier(N_PATCH, n_classes, attention=options.attention, phases=options.phases)
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
        FerBenchError: If the weights do not fit the trunk, or cut or attention do not exist.
    """
    trunk = trunk_of(options, weights)
    return nn.Sequential(OrderedDict(trunk=trunk, head=head_of(options, trunk.n_channels, n_classes)))


def couples_batch(options: Options) -> bool:
    """Return whether a sample's logits depend on its batch mates."""
    return options.attention == "batch"


KERAS_WEIGHTS = "weights/mobilenet_v1_1.0_224_imagenet_notop.npz"

# the released notebook
CODE_TRAINING = Training(
    phases=(
        Phase(
            epochs=100, lr=1e-3, class_weights="balanced", trunk="frozen",
            schedule=Plateau(watch="val_accuracy", patience=3, min_delta=0.003, factor=0.1, min_lr=1e-6),
            early_stop=EarlyStop(watch="val_accuracy", patience=5, min_delta=0.003, restore=True),
        ),
        Phase(
            epochs=500, rewind=5, lr=1e-5, trunk="frozen", schedule=InverseTime(epochs=80),
            early_stop=EarlyStop(watch="train_accuracy", patience=20, min_delta=0.003, restore=True),
        ),
    ),
    batch_size=8, image_size_px=224, optimizer="adam", adam_eps=1e-7, clip_norm=3.0, augment=("flip", "contrast"),
)  # fmt: skip

CODE = Recipe(
    about="the released code: two phases on a frozen trunk, with its class weights, stopping and learning rates",
    options=Options(phases=(FIRST, SECOND)),
    weights=KERAS_WEIGHTS,
    training=CODE_TRAINING,
)

CODE_FLIP = dataclasses.replace(
    CODE,
    about="the released code with stored features",
    departures=("pictures are mirrored only, their contrast is not changed",),
    training=dataclasses.replace(CODE_TRAINING, augment=("flip",)),
)

TOY = Recipe(
    about="PAtt-Lite's head on four blocks of a narrow MobileNetV1 from random weights, for the demo",
    departures=("another size and cut, random weights, a trained trunk, pictures of 48 px, few epochs, no dropout",),
    options=Options(cut=4, width=0.5, phases=(Regularisation(),)),
    training=Training(
        phases=(Phase(epochs=12, lr=2e-3, schedule="cosine"),), batch_size=16, image_size_px=48, optimizer="adam",
        adam_eps=1e-7, clip_norm=3.0, augment=("flip",),
    ),
)  # fmt: skip

TOY_CODE_TRAINING = dataclasses.replace(
    CODE_TRAINING,
    phases=(
        dataclasses.replace(CODE_TRAINING.phases[0], epochs=12, lr=2e-3, trunk="trained"),
        dataclasses.replace(CODE_TRAINING.phases[1], epochs=10, lr=2e-4),
    ),
    batch_size=16,
    image_size_px=48,
)

RECIPES = {
    "toy": TOY,
    "toy_code": dataclasses.replace(
        TOY,
        about="the released code's two phases and rules at toy size, for the demo",
        departures=(
            "another size and cut, random weights, pictures of 48 px in batches of 16, few epochs",
            "higher learning rates; the trunk is trained in the first phase, in which nothing is dropped",
        ),
        options=dataclasses.replace(TOY.options, phases=(Regularisation(), SECOND)),
        training=TOY_CODE_TRAINING,
    ),
    "code": CODE,
    "code_flip": CODE_FLIP,
    **{
        f"code_flip_{attention}": dataclasses.replace(
            CODE_FLIP,
            about=f"the released code with stored features and, for attention over the batch: {attention}",
            departures=(*CODE_FLIP.departures, "attention within one picture, or none"),
            options=dataclasses.replace(CODE.options, attention=attention),
        )
        for attention in ("none", "feature", "spatial", "projected")
    },
    "code_timm": dataclasses.replace(
        CODE,
        about="the released code on timm's MobileNetV1",
        departures=("weights of another training on ImageNet, with symmetric padding and an epsilon of 1e-5",),
        options=dataclasses.replace(CODE.options, trunk="timm"),
        weights="timm",
    ),
    "meant": dataclasses.replace(
        CODE,
        about="the released code with the fine-tuning that it means to do: the second phase trains the whole trunk",
        departures=("in the released code the second phase leaves the trunk frozen",),
        training=dataclasses.replace(
            CODE_TRAINING,
            phases=(CODE_TRAINING.phases[0], dataclasses.replace(CODE_TRAINING.phases[1], trunk="tuned")),
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
        weights=KERAS_WEIGHTS,
        training=Training(
            phases=(Phase(epochs=6, lr=1e-3, schedule="cosine", class_weights="balanced", trunk="frozen"),),
            batch_size=8, image_size_px=224, optimizer="adam", adam_eps=1e-7, clip_norm=3.0, augment=("flip",),
        ),
    ),
}  # fmt: skip

method = Method(title="PAtt-Lite", recipes=RECIPES, build=build, couples_batch=couples_batch)
