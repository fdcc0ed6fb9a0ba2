"""Conv-cut: a truncated ConvNeXt-Base, a detail extraction block of two separable convolutions, and self-attention.

Paper
    Nan, Liu, Qian, Song, "A Visual Self-attention Mechanism Facial Expression Recognition Network beyond Convnext",
    arXiv:2504.09077, 2025.

Code read
    Cross-Innovation-Lab/Conve-cut @ fbf2733 (no licence given): data.py, train.py, evaluate.py, for TensorFlow 2.10.
    RAF-DB only, no weights. Its head is PAtt-Lite's, which its README acknowledges. Nothing was copied; shapes and
    counts were taken from running it.

Departures of the released code from the paper
    * Cut: the paper truncates "the third and fourth stages" in two places and retains "the first three stages" in
      another. The code cuts inside stage 3: after the layer normalisation of its 24th block of 27, before that block's
      MLP, without its residual. Its index, ``layers[-57]``, is another layer in Keras 3.
    * Attention: softmax(QKᵀ/√d)V in the paper. In the code no projections, no √d, one learned scale, and the tokens
      are the samples of the batch.
    * A dense bottleneck of 32 with batch normalisation before the attention, which the paper does not mention.
    * Normalisation: the paper's Algorithm 1 normalises the block's input; the code normalises its output (layer
      normalisation), and only in its first phase.
    * Training: 50 epochs in the paper. In the code up to 100 with early stopping, then a second phase at 1e-5; class
      weights, clipping to norm 3 and contrast changes, which the paper does not mention; the test set validates.

Departures of ours
    Each recipe names its own. Throughout: timm's weights of ``convnext_base.fb_in22k_ft_in1k`` are those that Keras
    converts, parameter for parameter, so trunk and preprocessing compute the same up to rounding. Predictions
    are made one sample at a time, where attention over the batch changes nothing.
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from baselines._blocks import convnext, keras
from baselines._blocks.classifier import Attention, Classifier
from fer_bench.errors import FerBenchError
from fer_bench.method import Method, Recipe, Training, Weights

N_DETAIL = 256  # channels of the detail extraction block
DETAIL: tuple[tuple[int, int, keras.Padding], ...] = ((4, 4, "same"), (2, 2, "valid"))  # kernel, stride, padding
CODE_CUT = "stage3_block23_norm"  # Keras 2.10: layers[-57] = convnext_base_stage_2_block_23_layernorm


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        backbone: timm's name, with the tag of the weights.
        cut: Where the trunk ends: ``code``, ``stage2``, ``stage3``, or any other of :class:`convnext.Cut`.
        layers: Separable convolutions of the detail extraction block, 0 to 2.
        attention: Over what the bottleneck attends.
        layer_norm: Layer normalisation after the detail extraction block (released code: in phase 1 only).
        dropout: Of channels before pooling, of features after it, and after the attention.
        small: Another size of the backbone, for random weights only.
    """

    backbone: str = "convnext_base.fb_in22k_ft_in1k"
    cut: str = "code"
    layers: int = 2
    attention: Attention = "batch"
    layer_norm: bool = True
    dropout: float = 0.1
    small: convnext.Small | None = None


def trunk_of(options: Options, weights: Weights) -> convnext.Cut:
    """Return the truncated backbone."""
    net = convnext.create(options.backbone, options.small, weights)
    return convnext.Cut(net, CODE_CUT if options.cut == "code" else options.cut)


def head_of(options: Options, n_channels: int, n_classes: int) -> nn.Module:
    """Return detail extraction, attention and classifier, for a grid of ``n_channels``.

    Raises:
        FerBenchError: If the detail extraction block is asked for more layers than it has.
    """
    if not 0 <= options.layers <= len(DETAIL):
        raise FerBenchError(
            f"conv_cut has no detail extraction block of {options.layers} layers",
            fix=f"choose 0 to {len(DETAIL)} in the recipe's options",
        )
    channels = (n_channels, *[N_DETAIL] * options.layers)
    detail = [
        keras.SeparableConv2d(n_in, N_DETAIL, kernel=kernel, stride=stride, padding=padding)
        for n_in, (kernel, stride, padding) in zip(channels, DETAIL[: options.layers], strict=False)
    ]
    classifier = Classifier(
        channels[-1],
        n_classes,
        attention=options.attention,
        layer_norm=options.layer_norm,
        spatial_dropout=options.dropout,
        dropout=options.dropout,
        attention_dropout=options.dropout,
    )
    head = nn.Sequential(OrderedDict(detail=nn.Sequential(*detail), classifier=classifier))
    keras.initialise(head)
    return head


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: Initial weights of the trunk.

    Raises:
        FerBenchError: If cut or number of layers do not exist.
    """
    trunk = trunk_of(options, weights)
    return nn.Sequential(OrderedDict(trunk=trunk, head=head_of(options, trunk.n_channels, n_classes)))


def couples_batch(options: Options) -> bool:
    """Return whether a sample's logits depend on its batch mates."""
    return options.attention == "batch"


RECIPES = {
    "toy": Recipe(
        about="Conv-cut's head on the first two stages of a small ConvNeXt from random weights, for the demo",
        departures=(
            "another size, random weights, a trained trunk, pictures of 48 px, few epochs",
            "no layer normalisation: on the single place that 48 px leave of the grid, it kept the head from learning",
        ),
        options=Options(
            cut="stage2", layer_norm=False, small=convnext.Small(depths=(1, 1, 1, 1), dims=(24, 64, 64, 96))
        ),
        training=Training(
            epochs=8, batch_size=16, image_size_px=48, optimizer="adamw", lr=3e-3, weight_decay=0.02,
            schedule="cosine", augment=("flip",),
        ),
    ),
    "paper": Recipe(
        about="Section 4 of the paper: 50 epochs, batch 16, Adam 1e-3, mirrored pictures, frozen backbone",
        departures=(
            "cut as in the released code: the paper contradicts itself, and this is the one that was run",
            "dense bottleneck of 32 and attention over the batch, as in the released code",
            "layer normalisation after the detail extraction block, as in the released code's first phase",
        ),
        options=Options(),
        weights="timm",
        training=Training(
            epochs=50, batch_size=16, image_size_px=224, optimizer="adam", lr=1e-3, adam_eps=1e-7, augment=("flip",),
            frozen_trunk=True,
        ),
    ),
}  # fmt: skip

method = Method(title="Conv-cut", recipes=RECIPES, build=build, couples_batch=couples_batch)
