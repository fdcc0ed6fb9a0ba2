"""Conv-cut: a truncated ConvNeXt-Base, a detail extraction block of two separable convolutions, and self-attention.

Paper
    Nan, Liu, Qian, Song, "A Visual Self-attention Mechanism Facial Expression Recognition Network beyond Convnext",
    arXiv:2504.09077, 2025.

Code read
    Cross-Innovation-Lab/Conve-cut @ fbf2733 (GPL-3.0): data.py, train.py, evaluate.py, for TensorFlow 2.10.
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
    * Dropout of channels: 0.1 in the paper; 0.1 and then 0.2 in the code, and as much of features.
    * Training: 50 epochs in the paper. In the code up to 100 with early stopping, then a second phase at 1e-5; class
      weights, clipping to norm 3 and contrast changes, which the paper does not mention; the test set validates.
    * Phases: the second one is called fine-tuning of the backbone; its settings leave every weight of it frozen. It
      ends at epoch 60 in ``train.py``, at 30 in ``evaluate.py``.

Departures of ours
    Each recipe names its own. Throughout:

    * timm's weights of ``convnext_base.fb_in22k_ft_in1k`` are those that Keras converts, parameter for parameter, so
      trunk and preprocessing compute the same up to rounding.
    * Predictions are made one sample at a time, in validation too, where attention over the batch changes nothing. The
      code validates in batches of 16.
    * What validates is the protocol's part that selects, never the test set; the checkpoint is chosen over the epochs
      of both phases, in the code over those of the second.
    * Seeds are fixed; the code sets none. A last batch of one sample is left out.
    * torch's Adam adds its epsilon after the bias correction, Keras' before it; both 1e-7.
    * Recipes ``words_…`` attend over the places of a grid and pool it afterwards. Algorithm 1 pools first; the
      attention of a picture's single vector to itself changes nothing.
    * RAF-DB's pictures are 100 × 100 px, and the code resizes them to 224; FERPlus goes to 120 px first there, here to
      224 px in one step.
"""

import dataclasses
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from baselines._blocks import convnext, keras, mobilenet, stages
from baselines._blocks.attention import Attention
from baselines._blocks.classifier import Classifier, LayerNorm2d, Regularisation
from fer_bench.errors import FerBenchError
from fer_bench.method import EarlyStop, InverseTime, Method, Phase, Plateau, Recipe, Training, Weights

N_DETAIL = 256  # channels of the detail extraction block
N_LAYERS = 3  # of Table 3
SEPARABLE: tuple[tuple[int, int, keras.Padding], ...] = ((4, 4, "same"), (2, 2, "valid"))  # kernel, stride, padding
CODE_CUT = "stage3_block23_norm"  # Keras 2.10: layers[-57] = convnext_base_stage_2_block_23_layernorm

FIRST = Regularisation(layer_norm=True, spatial_dropout=0.1, dropout=0.1, attention_dropout=0.1)
SECOND = Regularisation(spatial_dropout=0.2, dropout=0.2, attention_dropout=0.2)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        backbone: timm's name, with the tag of the weights; or :data:`mobilenet.NAME`.
        cut: Where the trunk ends. Of a ConvNeXt: ``code``, ``stage2``, ``stage3``, or any other of
            :class:`convnext.Cut`. Of timm's other networks: a stage by timm's name (:class:`stages.Cut`). Of Keras'
            MobileNetV1: ``conv_dw_9`` and the like, the block after whose depthwise half it ends.
        layers: Layers of the detail extraction block, 0 to 3: two separable convolutions as in the released code, then
            a 1 × 1 convolution, PAtt-Lite's third layer; the paper does not say what its third one is.
        input_norm: Layer normalisation of the detail extraction block's input (Algorithm 1; not in the code).
        bottleneck: The dense bottleneck with batch normalisation (code; not in the paper).
        attention: Over what is attended.
        phases: What the head normalises and drops in each phase.
        small: Another size of the backbone, for random weights only.
    """

    backbone: str = "convnext_base.fb_in22k_ft_in1k"
    cut: str = "code"
    layers: int = 2
    input_norm: bool = False
    bottleneck: bool = True
    attention: Attention = "batch"
    phases: tuple[Regularisation, ...] = (FIRST,)
    small: convnext.Small | None = None


def trunk_of(options: Options, weights: Weights) -> convnext.Cut | stages.Cut | mobilenet.KerasMobileNet:
    """Return the truncated backbone.

    Raises:
        FerBenchError: If the backbone cannot be cut there, or the weights are another network's.
    """
    if options.backbone == mobilenet.NAME:
        return mobilenet.create(mobilenet.block_of(options.cut), 1.0, weights)
    if not options.backbone.startswith("convnext"):
        return stages.Cut(options.backbone, options.cut, weights)
    net = convnext.create(options.backbone, options.small, weights)
    return convnext.Cut(net, CODE_CUT if options.cut == "code" else options.cut)


def head_of(options: Options, n_channels: int, n_classes: int) -> nn.Module:
    """Return detail extraction, attention and classifier, for a grid of ``n_channels``.

    Raises:
        FerBenchError: If the detail extraction block is asked for more layers than it has, or an attention does not
            exist.
    """
    if not 0 <= options.layers <= N_LAYERS:
        raise FerBenchError(
            f"conv_cut has no detail extraction block of {options.layers} layers",
            fix=f"choose 0 to {N_LAYERS} in the recipe's options",
        )
    detail = nn.Sequential()
    if options.input_norm:
        detail.append(LayerNorm2d(n_channels))
    n_out = n_channels
    for kernel, stride, padding in SEPARABLE[: options.layers]:
        detail.append(keras.SeparableConv2d(n_out, N_DETAIL, kernel=kernel, stride=stride, padding=padding))
        n_out = N_DETAIL
    if options.layers == N_LAYERS:
        detail.extend([nn.Conv2d(N_DETAIL, N_DETAIL, 1), nn.ReLU(inplace=True)])
    classifier = Classifier(
        n_out, n_classes, attention=options.attention, phases=options.phases, bottleneck=options.bottleneck
    )
    head = nn.Sequential(OrderedDict(detail=detail, classifier=classifier))
    keras.initialise(head)
    return head


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: Initial weights of the trunk.

    Raises:
        FerBenchError: If cut, attention or number of layers do not exist.
    """
    trunk = trunk_of(options, weights)
    return nn.Sequential(OrderedDict(trunk=trunk, head=head_of(options, trunk.n_channels, n_classes)))


def couples_batch(options: Options) -> bool:
    """Return whether a sample's logits depend on its batch mates."""
    return options.attention == "batch"


TOY_TRAINING = Training(
    phases=(Phase(epochs=8, lr=3e-3, schedule="cosine"),), batch_size=16, image_size_px=48, optimizer="adamw",
    weight_decay=0.02, augment=("flip",),
)  # fmt: skip

# the paper's Section 4
PAPER_TRAINING = Training(
    phases=(Phase(epochs=50, lr=1e-3, trunk="frozen"),), batch_size=16, image_size_px=224, optimizer="adam",
    adam_eps=1e-7, augment=("flip",),
)  # fmt: skip

WHOLE = {"convnext": "stage4", "mobilenet": "conv_dw_13"}
"""Cuts of the backbones that leave them whole."""

CPU_EPOCHS = 12  # what two CPU cores carry of 50, in eight rows and three seeds

# train.py of the released code
CODE_TRAINING = Training(
    phases=(
        Phase(
            epochs=100, lr=1e-3, class_weights="balanced", trunk="frozen",
            schedule=Plateau(watch="val_accuracy", patience=3, min_delta=0.003, factor=0.1, min_lr=1e-6),
            early_stop=EarlyStop(watch="val_accuracy", patience=5, min_delta=0.003, restore=True),
        ),
        Phase(
            epochs=60, rewind=5, lr=1e-5, trunk="frozen", schedule=InverseTime(epochs=80),
            early_stop=EarlyStop(watch="train_accuracy", patience=20, min_delta=0.003, restore=True),
        ),
    ),
    batch_size=16, image_size_px=224, optimizer="adam", adam_eps=1e-7, clip_norm=3.0, augment=("flip", "contrast"),
)  # fmt: skip

TOY_CODE_TRAINING = dataclasses.replace(
    TOY_TRAINING,
    phases=(
        dataclasses.replace(CODE_TRAINING.phases[0], epochs=10, lr=3e-3, trunk="trained"),
        dataclasses.replace(CODE_TRAINING.phases[1], epochs=8, lr=3e-4),
    ),
    clip_norm=3.0,
    augment=("flip", "contrast"),
)

TOY = Recipe(
    about="Conv-cut's head on the first two stages of a small ConvNeXt from random weights, for the demo",
    departures=(
        "another size, random weights, a trained trunk, pictures of 48 px, few epochs",
        "no layer normalisation: on the single place that 48 px leave of the grid, it kept the head from learning",
    ),
    options=Options(
        cut="stage2",
        phases=(dataclasses.replace(FIRST, layer_norm=False),),
        small=convnext.Small(depths=(1, 1, 1, 1), dims=(24, 64, 64, 96)),
    ),
    training=TOY_TRAINING,
)

CODE = Recipe(
    about="the released code: two phases on a frozen backbone, with its class weights, stopping and learning rates",
    departures=("the part that selects validates, not the test set",),
    options=Options(phases=(FIRST, SECOND)),
    weights="timm",
    training=CODE_TRAINING,
)

TOY_CODE = dataclasses.replace(
    TOY,
    about="the released code's two phases and rules at toy size, for the demo",
    departures=(
        *TOY.departures,
        "higher learning rates; the trunk is trained in the first phase, and with class weights learns little in it",
    ),
    options=dataclasses.replace(TOY.options, phases=(*TOY.options.phases, SECOND)),
    training=TOY_CODE_TRAINING,
)


def toy(about: str, *departures: str, **options: Any) -> Recipe:  # noqa: ANN401 - fields of Options
    """Return a row of the ablations at toy size."""
    chosen = dataclasses.replace(TOY.options, phases=(Regularisation(),), input_norm=True)
    return dataclasses.replace(
        TOY,
        about=f"{about}; at toy size, for the demo",
        departures=(
            TOY.departures[0],
            "the block's input is normalised, not its output; nothing is dropped; a third of toy's learning rate",
            *departures,
        ),
        options=dataclasses.replace(chosen, **options),
        training=dataclasses.replace(TOY_TRAINING, phases=(Phase(epochs=8, lr=1e-3, schedule="cosine"),)),
    )


def paper(about: str, *departures: str, **options: Any) -> Recipe:  # noqa: ANN401 - fields of Options
    """Return a recipe with Section 4's training and some architecture, with what of it is not Section 3's."""
    chosen = dataclasses.replace(Options(), **options)
    return Recipe(
        about=about, departures=(*departures, *against_paper(chosen)), options=chosen, weights="timm",
        training=PAPER_TRAINING,
    )  # fmt: skip


def on_mobilenet(about: str, *departures: str, cut: str = "code", **options: Any) -> Recipe:  # noqa: ANN401 - Options
    """Return :func:`paper`'s recipe on Keras' MobileNetV1, which two CPU cores carry with all of FERPlus."""
    places = {"code": "conv_dw_9", WHOLE["convnext"]: WHOLE["mobilenet"]}
    network = "Conv-cut's head on Keras' MobileNetV1 from ImageNet instead of ConvNeXt-Base"
    grid = {
        "code": f"{network}, cut at a grid of 14 × 14 × 512 for 224 px, as ConvNeXt-Base has at the code's cut",
        WHOLE["convnext"]: f"{network}, whole but for its last 1 × 1 convolution",
    }
    found = paper(
        f"{about}; on MobileNetV1", grid[cut], *departures, backbone=mobilenet.NAME, cut=places[cut], **options
    )
    training = dataclasses.replace(
        PAPER_TRAINING, phases=(dataclasses.replace(PAPER_TRAINING.phases[0], epochs=CPU_EPOCHS),)
    )
    return dataclasses.replace(
        found,
        departures=(*found.departures, f"{CPU_EPOCHS} epochs instead of 50"),
        weights=mobilenet.WEIGHTS,
        training=training,
    )


def against_paper(options: Options) -> tuple[str, ...]:
    """Return how an architecture differs from the paper's words, a clause each."""
    clauses = {
        "cut as in the released code: the paper contradicts itself, and this is the one that was run": (
            options.cut == "code"
        ),
        "the activation of the separable convolutions, which the paper does not name, is the code's ReLU": (
            options.layers > 0
        ),
        "the third layer is PAtt-Lite's 1 × 1 convolution: the paper does not say which it is": options.layers == 3,
        "a dense bottleneck of 32 with batch normalisation, as in the released code": options.bottleneck,
        "attention over the batch with one learned scale, as in the released code": options.attention == "batch",
        "attention over features, which is neither the paper's nor the code's": options.attention == "feature",
        "attention over the places of a picture's grid, which is pooled after it: Algorithm 1 pools first": (
            options.attention in ("spatial", "projected")
        ),
        "the whole backbone ends as the other rows do: the paper does not say; convnext_full has ConvNeXt's own end": (
            options.cut in WHOLE.values()
        ),
        "features are dropped by 0.1 after pooling and after the attention too, as in the released code": (
            options.phases[0].dropout > 0 or options.phases[0].attention_dropout > 0
        ),
        "layer normalisation of the classifier's grid, as in the released code's first phase": (
            options.phases[0].layer_norm
        ),
        "no layer normalisation of the detail extraction block's input": not options.input_norm,
    }
    return tuple(clause for clause, holds in clauses.items() if holds)


def ablation(recipe: Callable[..., Recipe], prefix: str) -> dict[str, Recipe]:
    """Return the rows of the paper's Tables 2 and 3 as recipes, each by its name behind ``prefix``.

    The paper's baseline is the whole network. One row is added that its Table 2 does not have: the cut alone, without
    which a difference to the baseline is that of two changes.
    """
    unsaid = "on the cut backbone: the paper does not say which one this row has"
    rows = {
        "table2_baseline": recipe("Table 2: the whole backbone", cut=WHOLE["convnext"], layers=0, attention="none"),
        "table2_cut": recipe("Table 2, a row that the paper lacks: the cut alone", layers=0, attention="none"),
        "table2_attention": recipe("Table 2: self-attention alone", unsaid, layers=0),
        "table2_detail": recipe("Table 2: detail extraction alone", unsaid, attention="none"),
        "table2_both": recipe("Table 2: detail extraction and self-attention"),
    }
    for layers, said in ((1, "one layer"), (2, "two layers"), (3, "three layers")):
        rows[f"table3_layers{layers}"] = recipe(f"Table 3: {said} of detail extraction", layers=layers)
    return {f"{prefix}{name}": row for name, row in rows.items()}


WORDS: dict[str, Any] = {
    "input_norm": True,
    "bottleneck": False,
    "attention": "spatial",
    "phases": (Regularisation(spatial_dropout=0.1),),
}
TRAINED = "trained as in Section 4: 50 epochs, batch 16, Adam 1e-3, mirrored pictures, frozen backbone"

RECIPES = {
    "toy": TOY,
    "toy_code": TOY_CODE,
    **ablation(toy, "toy_"),
    "paper": paper(f"the released code's network, {TRAINED}"),
    "paper_none": paper("as paper, without attention", attention="none"),
    "paper_feature": paper("as paper, with attention over the features of one picture", attention="feature"),
    "paper_spatial": paper("as paper, with attention over the grid of one picture", attention="spatial"),
    "paper_projected": paper(
        "as paper, with learned queries, keys and values over the grid of one picture", attention="projected"
    ),
    "paper_stage2": paper('as paper, cut by "truncating the third and fourth stages"', cut="stage2"),
    "paper_stage3": paper('as paper, cut by "the first three stages being retained"', cut="stage3"),
    "words_stage2": paper(f'Section 3, "truncating the third and fourth stages", {TRAINED}', cut="stage2", **WORDS),
    "words_stage3": paper(f'Section 3, "the first three stages being retained", {TRAINED}', cut="stage3", **WORDS),
    **ablation(paper, ""),
    **ablation(on_mobilenet, "mobilenet_"),
    "mobilenet_spatial": on_mobilenet("as paper, with attention over the grid of one picture", attention="spatial"),
    "code": CODE,
    "code_flip": dataclasses.replace(
        CODE,
        about="the released code with stored features",
        departures=(*CODE.departures, "pictures are mirrored only, their contrast is not changed"),
        training=dataclasses.replace(CODE_TRAINING, augment=("flip",)),
    ),
}

method = Method(title="Conv-cut", recipes=RECIPES, build=build, couples_batch=couples_batch)
