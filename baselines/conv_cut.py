"""Conv-cut: a truncated ConvNeXt-Base with a detail extraction block and self-attention."""

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
        departures=("another size, random weights, a trained trunk, pictures of 48 px, few epochs",),
        options=Options(cut="stage2", small=convnext.Small(depths=(1, 2, 1, 1), dims=(24, 48, 96, 128))),
        training=Training(
            epochs=10, batch_size=16, image_size_px=48, optimizer="adamw", lr=1e-3, adam_eps=1e-7,
            schedule="cosine", augment=("flip",),
        ),
    ),
    "paper": Recipe(
        about="Section 4 of the paper: 50 epochs, batch 16, Adam 1e-3, mirrored pictures, frozen backbone",
        departures=(),
        options=Options(),
        weights="timm",
        training=Training(
            epochs=50, batch_size=16, image_size_px=224, optimizer="adam", lr=1e-3, adam_eps=1e-7, augment=("flip",),
            frozen_trunk=True,
        ),
    ),
}  # fmt: skip

method = Method(title="Conv-cut", recipes=RECIPES, build=build, couples_batch=couples_batch)
