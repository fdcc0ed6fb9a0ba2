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

from torch import Tensor, nn

from baselines._blocks import keras, mobilenet
from baselines._blocks.attention import Attention
from baselines._blocks.classifier import Classifier, Regularisation
from baselines._blocks.normalise import Normalise
from fer_bench.method import EarlyStop, InverseTime, Method, Phase, Plateau, Recipe, Training, Weights
from fer_bench.training.weights import create_backbone

N_PATCH = 256  # channels of the patch extraction block
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


def trunk_of(options: Options, weights: Weights) -> mobilenet.KerasMobileNet | TimmMobileNet:
    """Return the truncated MobileNetV1.

    Raises:
        FerBenchError: If the weights are of the other framework, or do not fit.
    """
    if options.trunk == "timm":
        return TimmMobileNet(create_backbone(options.backbone, weights, num_classes=0))
    return mobilenet.create(options.cut, options.width, weights)


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
    weights=mobilenet.WEIGHTS,
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
        weights=mobilenet.WEIGHTS,
        training=Training(
            phases=(Phase(epochs=6, lr=1e-3, schedule="cosine", class_weights="balanced", trunk="frozen"),),
            batch_size=8, image_size_px=224, optimizer="adam", adam_eps=1e-7, clip_norm=3.0, augment=("flip",),
        ),
    ),
}  # fmt: skip

method = Method(title="PAtt-Lite", recipes=RECIPES, build=build, couples_batch=couples_batch)
