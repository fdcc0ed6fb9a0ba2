"""ConvNeXt-Base, whole: the baseline row of the Conv-cut paper, and what the same network gives when it is trained.

Paper
    Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, "A ConvNet for the 2020s", CVPR 2022, arXiv:2201.03545. The claims are
    those of the Conv-cut paper (arXiv:2504.09077, Table 2, first row), whose baseline it is.

Code read
    facebookresearch/ConvNeXt (MIT) as timm carries it (Apache-2.0): ``convnext_base.fb_in22k_ft_in1k``. No code of
    Conv-cut's baseline row is released.

Departures of ours from the paper
    The Conv-cut paper says "full" and "same training" of this row, and its training freezes the backbone. How the last
    stage's 7 × 7 × 1024 grid becomes logits is not said; ours is ConvNeXt's own end: average pooling, layer
    normalisation, one dense layer. Recipe ``table2_baseline`` of ``conv_cut`` is the other reading of the row: the end
    that the other rows of its table have.
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from baselines._blocks import convnext, keras
from fer_bench.method import Method, Phase, Recipe, Training, Weights


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        backbone: timm's name, with the tag of the weights.
        small: Another size, for random weights only.
    """

    backbone: str = "convnext_base.fb_in22k_ft_in1k"
    small: convnext.Small | None = None


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: Initial weights of the trunk.
    """
    trunk = convnext.Whole(convnext.create(options.backbone, options.small, weights))
    head = nn.Linear(trunk.n_features, n_classes)
    keras.initialise(head)
    return nn.Sequential(OrderedDict(trunk=trunk, head=head))


RECIPES = {
    "toy": Recipe(
        about="a ConvNeXt of four blocks from random weights, for the demo",
        departures=("another size, random weights, a trained trunk, pictures of 48 px, few epochs",),
        options=Options(small=convnext.Small(depths=(1, 1, 1, 1), dims=(16, 32, 64, 96))),
        training=Training(
            phases=(Phase(epochs=10, lr=3e-3, schedule="cosine"),), batch_size=32, image_size_px=48, optimizer="adamw",
            weight_decay=0.05, augment=("flip",),
        ),
    ),
    "paper": Recipe(
        about="Conv-cut paper, Table 2, first row: frozen ConvNeXt-Base, training of Section 4",
        departures=(
            "average pooling, layer normalisation and one dense layer as the end: the paper does not say",
            "recipe table2_baseline of conv_cut reads the row otherwise: it ends as the table's other rows do",
        ),
        options=Options(),
        weights="timm",
        training=Training(
            phases=(Phase(epochs=50, lr=1e-3, trunk="frozen"),), batch_size=16, image_size_px=224, optimizer="adam",
            adam_eps=1e-7, augment=("flip",),
        ),
    ),
    "finetune": Recipe(
        about="all weights trained, settings of the ConvNeXt paper's fine-tuning from ImageNet-22k (its Table 5)",
        departures=(
            "batch 32 instead of 512 at the same learning rate, and 20 epochs instead of 30: our choice",
            "flip and crop instead of RandAugment and random erasing: our choice",
            "no decay of the learning rate by layer, no stochastic depth, no moving average of the weights",
        ),
        options=Options(),
        weights="timm",
        training=Training(
            phases=(Phase(epochs=20, lr=5e-5, schedule="cosine"),), batch_size=32, image_size_px=224,
            optimizer="adamw", weight_decay=1e-8, label_smoothing=0.1, augment=("flip", "crop"),
        ),
    ),
}  # fmt: skip

method = Method(title="ConvNeXt-Base", recipes=RECIPES, build=build)
