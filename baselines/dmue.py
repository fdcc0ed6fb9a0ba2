"""DMUE: a branch per class that never sees its class tells what else a picture may show; pictures alike are surer.

Paper
    She, Hu, Shi, Wang, Shen, Mei, "Dive into Ambiguity: Latent Distribution Mining and Pairwise Uncertainty Estimation
    for Facial Expression Recognition", CVPR 2021, arXiv:2104.00232. What is said here of the paper comes from the
    repository: its text was not read.

Code read
    JDAI-CV/FaceX-Zoo @ 16b793a7, addition_module/DMUE (Apache-2.0). Settings are released for AffectNet; a comment
    gives other ramps: 9 or 10 epochs for RAF-DB, 10, 12 or 14 for FERPlus. Nothing was copied; functions, counts and
    settings were taken from reading and running it.

What the released code does that is easily missed
    * The optimiser is given the trunk and the classifiers: the module of the uncertainty estimate and the neck's scale
      keep their initial values (option ``untrained``). The confidence is a fixed random function.
    * The stem has no ReLU, and pools 2 × 2.
    * Batches in which a class has fewer than two pictures are skipped (option ``small_classes``); a sampler that draws
      classes evenly makes them rare.
    * The loss couples a batch's pictures; a prediction does not. What predicts is the target branch alone
      (``from_official`` reads checkpoints of the training graph).
    * The code has AffectNet's order of classes alone. A checkpoint is read in the order of RAF-DB's labels, 1 to 7:
      hold its accuracy per expression against that before you use it.
    * The test list validates, every 200 batches and every epoch; each snapshot is kept under its accuracy.

Departures of ours
    Each recipe names its own. Throughout:

    * Where batches in which a class is short are used (``small_classes``), what cannot be computed is left out: a
      branch that would soften the labels of an absent class has none to soften, and the cosines to an absent class
      count as the smallest of the row.
    * A loss of zero stands for a batch that is skipped. The optimiser still takes its step, with zero gradients: Adam's
      moments and weight decay go on.
    * What validates is the protocol's part that selects. Seeds are fixed.
"""

import dataclasses
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks import resnet, settings
from baselines._blocks.normalise import Normalise
from fer_bench.expressions import expressions
from fer_bench.method import (
    Balanced,
    Batch,
    Crop,
    Erase,
    Method,
    Phase,
    Recipe,
    Sometimes,
    Stages,
    Training,
    WarmupCosine,
    Weights,
)
from fer_bench.training import official, weight_files
from fer_bench.training.module import cross_entropy
from fer_bench.training.weights import create_backbone

HALF = (0.5, 0.5, 0.5)
IN_FILE, LOSS = "feat_net.", "loss_layer."  # in the authors' file: the network, and the loss that it was trained with
STEADY = 1e-12  # keeps a row of equal cosines from dividing by zero


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        backbone: timm's name, with the tag of the weights; a ResNet of basic blocks.
        ramp: Epochs over which the target branch's losses rise, and after which the branches' fall.
        soft: Weight of the softened labels.
        similarity: Weight of the agreement of similarities.
        temperature: By which a branch's probabilities are sharpened.
        dropout: Share of pooled features dropped.
        untrained: What keeps its initial values: ``uncertainty`` and ``neck`` in the released code.
        small_classes: A batch in which a class has fewer than two pictures is skipped (``skip``, released code), or
            used as far as it goes (``use``).
        target_only: Build and train the target branch alone, by cross-entropy: what is deployed.
        small: Another size, for random weights only.
    """

    backbone: str = "resnet18.tv_in1k"
    ramp: int = 9
    soft: float = 0.5
    similarity: float = 1000.0
    temperature: float = 1.2
    dropout: float = 0.5
    untrained: tuple[Literal["uncertainty", "neck"], ...] = ("uncertainty", "neck")
    small_classes: Literal["skip", "use"] = "skip"
    target_only: bool = False
    small: resnet.Small | None = None


class Trunk(nn.Module):
    """A ResNet without ReLU in its stem, and with a last stage per branch; (n, 3, h, w) to the target's grid.

    Args:
        nets: From timm, one per branch; the first three stages are the first one's. The last branch is the target.
    """

    def __init__(self, nets: Sequence[Any]) -> None:
        super().__init__()
        first = nets[0]
        self.normalise = Normalise(HALF, HALF)
        self.conv1, self.bn1 = first.conv1, first.bn1
        self.maxpool = nn.MaxPool2d(2)
        self.layer1, self.layer2, self.layer3 = first.layer1, first.layer2, first.layer3
        self.layer4 = nn.ModuleList(net.layer4 for net in nets)

    def shared(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to the grid that all branches start from, (n, c, h / 16, w / 16)."""
        grid = self.maxpool(self.bn1(self.conv1(self.normalise(images))))
        return self.layer3(self.layer2(self.layer1(grid)))  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to the target's grid, (n, c, h / 32, w / 32)."""
        return self.layer4[-1](self.shared(images))  # type: ignore[no-any-return]


class Head(nn.Module):
    """Average pooling, a neck that all branches share, a classifier per branch, an estimate of confidence.

    Args:
        n_channels: Channels of the grid.
        n_classes: Number of logits.
        options: The recipe's options.
    """

    def __init__(self, n_channels: int, n_classes: int, options: Options) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.dropout = nn.Dropout(options.dropout)
        self.bottleneck = nn.BatchNorm1d(n_channels)
        branches = 0 if options.target_only else n_classes
        sizes = (*[n_classes - 1] * branches, n_classes)
        classifiers = [nn.Linear(n_channels, n_outputs, bias=False) for n_outputs in sizes]
        for classifier in classifiers:
            nn.init.normal_(classifier.weight, std=0.001)
        self.classifiers = nn.ModuleList(classifiers)
        if options.target_only:
            return
        self.project_w = nn.Sequential(nn.Linear(2 * n_classes, n_classes), nn.PReLU(), nn.Linear(n_classes, 1))
        self.bottleneck.bias.requires_grad = False
        if "neck" in options.untrained:
            self.bottleneck.weight.requires_grad = False
        if "uncertainty" in options.untrained:
            self.project_w.requires_grad_(requires_grad=False)

    def logits(self, branch: int, pooled: Tensor) -> Tensor:
        """Map pooled features (n, c) through the neck and a branch's classifier."""
        return self.classifiers[branch](self.bottleneck(pooled))  # type: ignore[no-any-return]

    def forward(self, grid: Tensor) -> Tensor:
        """Map the target's grid (n, c, h, w) to its logits (n, n_classes)."""
        return self.logits(-1, self.dropout(grid.mean(dim=(2, 3))))


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: Initial weights of the ResNet; every branch starts from its last stage.
    """
    small = options.small
    size: dict[str, Any] = {} if small is None else {"layers": small.layers, "channels": small.channels}
    nets: list[Any] = [
        create_backbone(
            options.backbone, weights, num_classes=0, zero_init_last=False, inside=IN_FILE, left_over=(LOSS,), **size
        )
        for _ in range(1 if options.target_only else n_classes + 1)
    ]
    head = Head(nets[0].num_features, n_classes, options)
    return nn.Sequential(OrderedDict(trunk=Trunk(nets), head=head))


class Passed(NamedTuple):
    """What a training batch gives.

    Attributes:
        logits: The target's, (n, k).
        weighted: The same, multiplied by the confidence.
        confidence: (n, 1).
        branches: For each class, its branch's logits of the pictures that are not of it, (n_c, k - 1).
        others: For each class, those pictures' labels with that class left out, (n_c,).
        softening: For each class, its branch's logits of the pictures that are of it.
        similar: For each class, the row-normalised products of its branch's logits, (n_c, n_c).
        similar_target: Likewise, of the target's features.
    """

    logits: Tensor
    weighted: Tensor
    confidence: Tensor
    branches: list[Tensor]
    others: list[Tensor]
    softening: list[Tensor]
    similar: list[Tensor]
    similar_target: list[Tensor]


def passed(model: Any, images: Tensor, labels: Tensor) -> Passed:  # noqa: ANN401 - trunk and head are children
    """Carry a batch through all branches.

    The order is the released code's, because batch statistics of the neck move in it: the branches, the target, the
    branches again with the pictures of their own class; classes as RAF-DB counts them.

    Args:
        model: Trunk and head.
        images: (n, 3, h, w) in [0, 1].
        labels: (n,).
    """
    trunk, head = model.trunk, model.head
    k = head.n_classes
    grid = trunk.shared(images)
    without = [(labels != c).nonzero()[:, 0] for c in range(k)]
    of = [(labels == c).nonzero()[:, 0] for c in range(k)]
    branches = {c: head.logits(c, head.dropout(_pooled(trunk, c, grid[without[c]]))) for c in in_their_order(k)}
    pooled = _pooled(trunk, k, grid)
    features = head.bottleneck(head.dropout(pooled))
    softening = {
        c: head.logits(c, _pooled(trunk, c, grid[of[c]])) if len(of[c]) > 1 else grid.new_zeros(len(of[c]), k - 1)
        for c in in_their_order(k)
    }
    logits = head.classifiers[k](features)
    product = features @ features.T
    seen = torch.cat([scaled(cosines(pooled), of), functional.one_hot(labels, k).to(grid.dtype)], dim=1)
    confidence = torch.sigmoid(head.project_w(seen))
    return Passed(
        logits=logits,
        weighted=logits * confidence,
        confidence=confidence,
        branches=[branches[c] for c in range(k)],
        others=[labels[rows] - (labels[rows] > c).long() for c, rows in enumerate(without)],
        softening=[softening[c] for c in range(k)],
        similar=[functional.normalize(branches[c] @ branches[c].T, dim=1) for c in range(k)],
        similar_target=[functional.normalize(product[rows][:, rows], dim=1) for rows in without],
    )


def _pooled(trunk: Any, branch: int, grid: Tensor) -> Tensor:  # noqa: ANN401 - a Trunk, whose children mypy loses
    return trunk.layer4[branch](grid).mean(dim=(2, 3))  # type: ignore[no-any-return]


def in_their_order(n_classes: int) -> list[int]:
    """Return our classes in the order of RAF-DB's labels; what it lacks comes last."""
    ours = expressions(n_classes)
    return sorted(range(n_classes), key=lambda c: (*official.RAFDB, *ours).index(ours[c]))


def cosines(pooled: Tensor) -> Tensor:
    """Map (n, c) to the cosines of all pairs, (n, n)."""
    unit = functional.normalize(pooled, dim=1)
    return unit @ unit.T


def scaled(similarities: Tensor, of: Sequence[Tensor]) -> Tensor:
    """Average over each class's pictures and stretch each row to reach from 0 to 1.

    Args:
        similarities: (n, n).
        of: For each class, its rows; a class without any counts as the smallest of the row.

    Returns:
        (n, k).
    """
    present = [similarities[:, rows].mean(dim=1) for rows in of if len(rows)]
    smallest = torch.stack(present, dim=1).min(dim=1).values
    averages = iter(present)
    means = torch.stack([next(averages) if len(rows) else smallest for rows in of], dim=1)
    low, high = means.min(dim=1, keepdim=True).values, means.max(dim=1, keepdim=True).values
    return (means - low) / (high - low).clamp(min=STEADY)


def softened(softening: Sequence[Tensor], labels: Tensor, temperature: float) -> Tensor:
    """Put the branches' sharpened probabilities together, with zero at each picture's own class.

    Args:
        softening: As in :class:`Passed`.
        labels: (n,).
        temperature: See :class:`Options`.

    Returns:
        (n, k); no gradient passes.
    """
    k = len(softening)
    sharpened = [logits.detach().softmax(dim=1) ** (1 / temperature) for logits in softening]
    found = sharpened[0].new_zeros(len(labels), k)
    for c, sharp in enumerate(sharpened):
        rest = [other for other in range(k) if other != c]
        rows = (labels == c).nonzero()[:, 0]
        found[rows[:, None], rest] = sharp / sharp.sum(dim=1, keepdim=True)
    return found


def soft_loss(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Compute the mean squared difference of probabilities, without the label's, and softened labels.

    Args:
        logits: (n, k).
        labels: (n,).
        targets: (n, k), from :func:`softened`.
    """
    others = 1 - functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    return (logits.softmax(dim=1) * others - targets).square().mean()


def similarity_loss(similar: Sequence[Tensor], similar_target: Sequence[Tensor]) -> Tensor:
    """Compute the mean over branches of the mean squared difference of similarities."""
    differences = [functional.mse_loss(*pair) for pair in zip(similar, similar_target, strict=True)]
    return torch.stack(differences).mean()


def ramps(epoch: int, ramp: int) -> tuple[float, float]:
    """Return the weights of the target's losses and of the branches', at an epoch counted from 0.

    Examples:
        >>> ramps(9, 9)
        (1.0, 1.0)
    """
    if epoch <= ramp:
        return math.exp(-5 * (1 - epoch / ramp) ** 2), 1.0
    return 1.0, math.exp(-((1 - ramp / epoch) ** 2))


class Loss(nn.Module):
    """Weighted cross-entropy, softened labels, agreement of similarities; and cross-entropy of the branches.

    Args:
        options: The recipe's options.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options

    def forward(self, model: Any, batch: Batch) -> Tensor:  # noqa: ANN401 - trunk and head are children
        """Return the loss of a batch; zero where it is skipped."""
        options, labels, head = self.options, batch.labels, model.head
        if options.target_only or batch.from_features:
            return cross_entropy(model, batch)[0]
        counts = torch.bincount(labels, minlength=head.n_classes)
        too_few = int(counts.min()) < 2 and options.small_classes == "skip"
        if too_few or len(labels) - int(counts.max()) < 2:  # some branch would have no batch
            return _nothing(model)
        found = passed(model, batch.inputs, labels)
        up, down = ramps(batch.epoch, options.ramp)
        losses = functional.cross_entropy(
            found.weighted, labels, reduction="none", label_smoothing=batch.label_smoothing
        )
        similarity = options.similarity * similarity_loss(found.similar, found.similar_target)
        target: Tensor = (losses * batch.sample_weights).mean() + similarity
        some = (
            counts[labels] > 1
        )  # a picture alone in its class has no batch statistics of it: nothing softens its label
        if bool(some.any()):
            targets = softened(found.softening, labels, options.temperature)
            target = target + options.soft * soft_loss(found.logits[some], labels[some], targets[some])
        auxiliary = [functional.cross_entropy(*pair) for pair in zip(found.branches, found.others, strict=True)]
        return up * target + down * torch.stack(auxiliary).mean()


def _nothing(model: nn.Module) -> Tensor:
    """Return a loss of zero whose gradients are zero."""
    return torch.stack([0 * parameter.sum() for parameter in model.parameters() if parameter.requires_grad]).sum()


def build_loss(options: Options, *, labels: np.ndarray, n_classes: int) -> nn.Module:  # noqa: ARG001 - BuildLoss
    """Build the loss."""
    return Loss(options)


# of our class with the same index; the target, behind all classes, stays
THEIRS = (*(official.RAFDB.index(name) for name in expressions(len(official.RAFDB))), len(official.RAFDB))


def _name_of(name: str) -> str:
    child, _, rest = name.partition(".")
    for ours, theirs in (("layer4.", "layer4_"), ("classifiers.", "classifiers.")):
        if rest.startswith(ours):
            branch, _, inner = rest.removeprefix(ours).partition(".")
            rest = f"{theirs}{THEIRS[int(branch)]}.{inner}"
    return f"base.{rest}" if child == "trunk" else rest


def _deployed_name_of(name: str) -> str:
    child, _, rest = name.partition(".")
    return f"base.{rest.replace('layer4.0.', 'layer4.')}" if child == "trunk" else rest


RELEASED = official.Released(name_of=_name_of, of_classes=("head.classifiers.7.weight",))
DEPLOYED = official.Released(name_of=_deployed_name_of, of_classes=("head.classifiers.0.weight",))


def from_official(checkpoint: object) -> dict[str, Tensor]:
    """Return a checkpoint of the released code as a state dict of :func:`build`.

    One of the training graph is for recipe ``code``, one of the deployed target branch for recipe ``target``.
    """
    deployed = "base.layer4.0.conv1.weight" in weight_files.tensors(checkpoint)
    released = DEPLOYED if deployed else RELEASED
    options = Options(target_only=deployed)
    state = released.state_dict(checkpoint, lambda n: build(options, n_classes=n, weights=Weights("none")))
    return state if deployed else _reordered(state)


def _reordered(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Bring what else counts in classes into our order: the branches' logits, and what is known of a picture."""
    k = len(THEIRS) - 1
    for branch in range(k):
        name = f"head.classifiers.{branch}.weight"
        rows = [THEIRS[c] - (THEIRS[c] > THEIRS[branch]) for c in range(k) if c != branch]
        state[name] = state[name][rows]
    columns = [half * k + THEIRS[c] for half in (0, 1) for c in range(k)]
    state["head.project_w.0.weight"] = state["head.project_w.0.weight"][:, columns]
    return state


RATES = (
    (4, 1e-4, 1e-3), (2, 1e-4, 5e-4), (2, 5e-5, 5e-4), (4, 5e-5, 1e-4), (2, 1e-5, 1e-4), (8, 1e-5, 1e-5),
    (3, 5e-5, 5e-5), (11, 1e-5, 1e-5),
)  # fmt: skip
"""Epochs, learning rate of the trunk, of the classifiers (config.py)."""

TRAINING = Training(
    phases=(Phase(epochs=36, lr=1e-3, schedule=Stages(table=RATES)),), batch_size=72, image_size_px=224, resize_px=256,
    optimizer="adam", weight_decay=1e-4, sampling=Balanced(),
    augment=(
        Sometimes(p=0.25, changes=(settings.NOISE,)),  # of variance 30, at 256 px
        Crop(side_px=224), "flip", Sometimes(p=0.5, changes=(Erase(area=(0.02, 0.25), mean=HALF),)),
    ),
)  # fmt: skip

CODE = Recipe(
    about="the released code with its comment for RAF-DB, from a ResNet-18 trained on faces (MS-Celeb-1M)",
    departures=(settings.UNROUNDED,),
    options=Options(),
    weights="weights/mv_epoch_17.pt",
    training=TRAINING,
)

RECIPES = {
    "toy": Recipe(
        about="DMUE on a ResNet of four blocks from random weights, for the demo",
        departures=(
            "another size, random weights, pictures of 48 px, few epochs, a shorter ramp, less dropout",
            "Adam at one rate with warm-up; mirrored pictures alone",
            "batches in which a class has fewer than two pictures are used as far as they go",
            "a hundredth of the weight of similarities",
        ),
        options=Options(
            ramp=3,
            similarity=10.0,
            dropout=0.1,
            small_classes="use",
            small=resnet.Small(layers=(1, 1, 1, 1), channels=(16, 32, 64, 64)),
        ),
        training=dataclasses.replace(
            TRAINING,
            phases=(Phase(epochs=8, lr=2e-3, schedule=WarmupCosine(warmup_epochs=0.5)),),
            batch_size=48,
            image_size_px=48,
            resize_px=None,
            sampling="once",
            augment=("flip",),
        ),
    ),
    "code": CODE,
    "code_ferplus": dataclasses.replace(
        CODE,
        about="the released code with its comment for FERPlus: a longer ramp",
        departures=(*CODE.departures, "a ramp of 12 epochs: the comment has 10, 12 and 14"),
        options=Options(ramp=12),
    ),
    "code_use": dataclasses.replace(
        CODE,
        about="as code, on all batches, as far as they go",
        departures=(*CODE.departures, "no batch is skipped"),
        options=Options(small_classes="use"),
    ),
    "code_trained": dataclasses.replace(
        CODE,
        about="as code, with the uncertainty estimate and the neck's scale trained",
        departures=(*CODE.departures, "the optimiser is given all weights"),
        options=Options(untrained=()),
    ),
    "code_imagenet": dataclasses.replace(
        CODE,
        about="as code, from ImageNet",
        departures=(*CODE.departures, "ImageNet weights, which a stem with ReLU and another pooling had"),
        weights="timm",
    ),
    "target": dataclasses.replace(
        CODE,
        about="the target branch alone, as deployed, trained by cross-entropy: a control",
        options=Options(target_only=True),
    ),
}

method = Method(title="DMUE", recipes=RECIPES, build=build, build_loss=build_loss, from_official=from_official)
