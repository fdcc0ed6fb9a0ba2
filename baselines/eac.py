"""EAC: a ResNet-50 whose class maps of an erased picture and of its mirror image have to agree.

Paper
    Zhang, Wang, Ling, Deng, "Learn From All: Erasing Attention Consistency for Noisy Label Facial Expression
    Recognition", ECCV 2022, arXiv:2207.10299. What is said here of the paper comes from its page and the repository:
    its text was not read.

Code read
    zyh-uaiaaaa/Erasing-Attention-Consistency @ 61efdfd3 (no licence given). RAF-DB only. Nothing was copied; functions,
    counts and settings were taken from running and describing it.

What the released code does that is easily missed
    * For clean labels (those of the release's own list) the second view is the mirror image of the very same picture,
      noise and erasing included. For noisy ones (any other list) it is the mirror image of the clean picture, without
      noise and with an erasing of its own. These are two algorithms: recipes ``code`` and ``code_noisy``.
    * Pictures are not mirrored at random.
    * The ResNet-50 is Caffe's, with strides in a block's first convolution and a pooling that rounds up. Its weights
      (VGGFace2) were trained on BGR pictures minus a mean; they are given RGB with ImageNet's mean and standard
      deviation.
    * There is no selection: test accuracies are written to a file, epoch by epoch.

Departures of ours
    Each recipe names its own. Throughout:

    * Maps are mirrored exactly; the code samples them on a float32 grid, 5e-8 apart.
    * VGGFace2's file is a pickle of arrays, which is not read. Where you trust it: ``torch.save({name:
      torch.from_numpy(array) for name, array in pickle.load(open("resnet50_ft_weight.pkl", "rb"),
      encoding="latin1").items()}, "weights/resnet50_ft_weight.pth")``.
    * Without it, ``weights: timm`` starts recipe ``code_imagenet`` from ImageNet.
"""

import dataclasses
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks import resnet, settings, stages
from baselines._blocks.class_maps import Head, disagreement
from fer_bench.method import Batch, Exponential, Method, Mirror, Phase, Recipe, WarmupCosine, Weights
from fer_bench.training import official


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        backbone: timm's name, with the tag of the weights.
        caffe: Caffe's order of strides, as VGGFace2's weights need it; for ResNet-50 and deeper.
        consistency: Weight λ of the disagreement of maps.
        small: Another size, for random weights only.
    """

    backbone: str = "resnet50.tv_in1k"
    caffe: bool = True
    consistency: float = 5.0
    small: resnet.Small | None = None


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: Initial weights of the trunk.
    """
    trunk = (
        resnet.Grid(options.backbone, options.small, weights, caffe=True)
        if options.caffe
        else stages.grid(options.backbone, options.small, weights)
    )
    return nn.Sequential(OrderedDict(trunk=trunk, head=Head(trunk.n_channels, n_classes)))


class Loss(nn.Module):
    """Cross-entropy of the first view, and λ times the mean disagreement of both views' maps.

    The second view is the recipe's (``Training.second_view``), a mirrored one; or else the first view's mirror image.

    Args:
        options: The recipe's options.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.consistency = options.consistency

    def forward(self, model: Any, batch: Batch) -> Tensor:  # noqa: ANN401 - trunk and head are children
        """Return the loss of a batch. Both views go through the trunk, so batch statistics move twice."""
        mirrored = batch.inputs.flip(-1) if batch.second is None else batch.second
        first, second = model.trunk(batch.inputs), model.trunk(mirrored)
        losses = functional.cross_entropy(
            model.head(first), batch.labels, reduction="none", label_smoothing=batch.label_smoothing
        )
        disagreements = disagreement(model.head.maps(first), model.head.maps(second))
        loss: Tensor = (losses * batch.sample_weights).mean() + self.consistency * disagreements.mean()
        return loss


def build_loss(options: Options, *, labels: np.ndarray, n_classes: int) -> nn.Module:  # noqa: ARG001 - BuildLoss
    """Build the loss."""
    return Loss(options)


def _name_of(name: str) -> str:
    child, _, rest = name.partition(".")
    return resnet.numbered(rest) if child == "trunk" else rest


# the released code writes no checkpoint; whoever adds torch.save(model.state_dict(), …) gets these names
RELEASED = official.Released(name_of=_name_of, of_classes=("head.fc.weight", "head.fc.bias"))


def from_official(checkpoint: object) -> dict[str, Tensor]:
    """Return weights under the names of the released code as a state dict of :func:`build`."""
    return RELEASED.state_dict(checkpoint, lambda n: build(Options(), n_classes=n, weights=Weights("none")))


CODE = Recipe(
    about="the released code for clean labels: VGGFace2's ResNet-50, no random mirroring",
    departures=(settings.UNROUNDED,),
    options=Options(),
    weights="weights/resnet50_ft_weight.pth",
    training=settings.EAC,
)

RECIPES = {
    "toy": Recipe(
        about="EAC on a ResNet of four blocks from random weights, for the demo",
        departures=(
            "another size, strides in the second convolution, random weights, pictures of 48 px, few epochs",
            "a higher learning rate with warm-up; nothing is erased",
            "a tenth of the weight of disagreement: from random weights, maps that agree by being nothing come first",
        ),
        options=Options(caffe=False, consistency=0.5, small=resnet.SMALL),
        training=dataclasses.replace(
            settings.EAC,
            phases=(Phase(epochs=8, lr=2e-3, schedule=WarmupCosine(warmup_epochs=0.5)),),
            image_size_px=48,
            augment=(),
        ),
    ),
    "cpu": Recipe(
        about="EAC with the released code's weight of disagreement at a scale that two cores carry",
        departures=(*settings.CPU_DEPARTURES, "strides in the second convolution of a block, basic blocks"),
        options=Options(backbone="resnet18.tv_in1k", caffe=False, small=settings.CPU_NET),
        training=settings.CPU,
    ),
    "lite0": Recipe(
        about="EAC with the released code's weight of disagreement on EfficientNet-Lite0, for two CPU cores",
        departures=settings.LITE0_DEPARTURES,
        options=Options(backbone=settings.LITE0, caffe=False),
        weights=settings.LITE0_WEIGHTS,
        training=settings.PRETRAINED,
    ),
    "code": CODE,
    "code_imagenet": dataclasses.replace(
        CODE,
        about="as code, from ImageNet",
        departures=(*CODE.departures, "ImageNet weights, with strides in the second convolution of a block"),
        options=Options(caffe=False),
        weights="timm",
    ),
    "code_noisy": dataclasses.replace(
        CODE,
        about="the released code for noisy labels: the second view has an erasing of its own and no noise",
        departures=(*CODE.departures, "the labels are the data set's own: none is flipped"),
        training=dataclasses.replace(settings.EAC, second_view=(Mirror(), settings.ERASE)),
    ),
    "code_resnet18": dataclasses.replace(
        CODE,
        about="the released code's ResNet-18, from weights trained on faces (MS-Celeb-1M), at twice the learning rate",
        options=Options(backbone="resnet18.tv_in1k", caffe=False),
        weights="weights/resnet18_msceleb.pth",
        training=dataclasses.replace(
            settings.EAC, phases=(Phase(epochs=60, lr=2e-4, schedule=Exponential(factor=0.9)),)
        ),
    ),
}

method = Method(title="EAC", recipes=RECIPES, build=build, build_loss=build_loss, from_official=from_official)
