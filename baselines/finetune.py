"""A plain fine-tuned backbone: any of timm's networks with one linear layer, trained as a whole by cross-entropy.

No paper: it is the control without which a method's number cannot be told from its backbone's and its training's. With
the same face-pretrained ResNet-18, a thread at kaiwang960112/Self-Cure-Network (issue 58) reports 88 to 89.3 % on
RAF-DB with no method at all.

Recipes named ``as_…`` train as the released code of a method does, without what that method adds. ``resnet18`` is ours.
Another network: ``methods.finetune.options: {backbone: …}`` in ``params.yaml``, with any name that timm knows, or
``dlib_face_resnet_v1``, dlib's network for face recognition. Mean, standard deviation and range of the input come with
the network.
"""

import dataclasses
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from baselines._blocks import dlib_face, resnet, settings
from baselines._blocks.normalise import Normalise
from fer_bench.method import Method, Phase, Recipe, Training, Weights
from fer_bench.training.weights import create_backbone


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        backbone: timm's name, with the tag of the weights; or :data:`dlib_face.NAME`.
        small: Another size, for ResNets and random weights only.
    """

    backbone: str = "resnet18.tv_in1k"
    small: resnet.Small | None = None


class Pooled(nn.Module):
    """One of timm's networks without its classifier; (n, 3, h, w) to (n, d).

    Args:
        net: timm's network.
    """

    def __init__(self, net: Any) -> None:  # noqa: ANN401 - timm is untyped
        super().__init__()
        self.normalise = Normalise(net.pretrained_cfg["mean"], net.pretrained_cfg["std"])
        self.net = net
        self.n_features: int = net.head_hidden_size

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to one vector each."""
        return self.net(self.normalise(images))  # type: ignore[no-any-return]


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: Initial weights of the trunk.

    Raises:
        FerBenchError: If weights are asked for that do not fit.
    """
    trunk: Pooled | dlib_face.DlibFace
    if options.backbone == dlib_face.NAME:
        trunk = dlib_face.DlibFace(weights)
    elif options.small is None:
        trunk = Pooled(create_backbone(options.backbone, weights, num_classes=0))
    else:
        trunk = Pooled(resnet.Grid(options.backbone, options.small, weights).net)
    return nn.Sequential(OrderedDict(trunk=trunk, head=nn.Linear(trunk.n_features, n_classes)))


def control(of: str, training: Training, *departures: str, **options: Any) -> Recipe:  # noqa: ANN401 - of Options
    """Return the training of a method's released code without the method."""
    return Recipe(
        about=f"trained as the released code of {of}, without what {of} adds",
        departures=departures,
        options=Options(**options),
        weights="timm",
        training=training,
    )


RESNET18 = Recipe(
    about="ResNet-18 from ImageNet; settings of our choice",
    options=Options(),
    weights="timm",
    training=Training(
        phases=(Phase(epochs=20, lr=1e-4, schedule="cosine"),), batch_size=64, image_size_px=224, optimizer="adamw",
        weight_decay=0.05, augment=("flip", "crop"),
    ),
)  # fmt: skip

LITE0 = Recipe(
    about="EfficientNet-Lite0 from ImageNet at 112 px; settings of our choice, for two CPU cores",
    options=Options(backbone=settings.LITE0),
    weights=settings.LITE0_WEIGHTS,
    training=settings.PRETRAINED,
)

RECIPES = {
    "toy": Recipe(
        about="a ResNet of four blocks from random weights, for the demo",
        departures=("another size, random weights, pictures of 48 px, few epochs",),
        options=Options(small=resnet.SMALL),
        training=dataclasses.replace(
            RESNET18.training or settings.SCN,
            phases=(Phase(epochs=8, lr=1e-3, schedule="cosine"),),
            batch_size=32,
            image_size_px=48,
            augment=("flip",),
        ),
    ),
    "resnet18": RESNET18,
    "face": dataclasses.replace(
        RESNET18,
        about="as resnet18, from weights of a ResNet-18 trained on faces (MS-Celeb-1M)",
        weights="weights/resnet18_msceleb.pth",
    ),
    "lite0": LITE0,
    "lite0_votes": dataclasses.replace(
        LITE0,
        about="as lite0, trained on the shares of the annotators' votes instead of labels",
        training=dataclasses.replace(settings.PRETRAINED, targets="votes"),
    ),
    "dlib_face": dataclasses.replace(
        LITE0,
        about="dlib's network for face recognition at 112 px; settings of our choice, for two CPU cores",
        options=Options(backbone=dlib_face.NAME),
        weights=f"weights/{dlib_face.NAME}.safetensors",
    ),
    "cpu": Recipe(
        about="a small ResNet from random weights at a scale that two cores carry: the control of all recipes cpu",
        departures=settings.CPU_DEPARTURES,
        options=Options(small=settings.CPU_NET),
        training=settings.CPU,
    ),
    "as_scn": control("SCN", settings.SCN, settings.UNROUNDED),
    "as_eac": control(
        "EAC",
        settings.EAC,
        settings.UNROUNDED,
        "ImageNet weights, with strides in the second convolution of a block, instead of VGGFace2's",
        backbone="resnet50.tv_in1k",
    ),
    "as_dan": control("DAN", settings.DAN, "ImageNet weights instead of MS-Celeb-1M's"),
}

method = Method(title="Plain fine-tuning", recipes=RECIPES, build=build)
