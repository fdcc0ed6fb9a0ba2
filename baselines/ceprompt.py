"""CEPrompt's first stage: CLIP's visual tower, whose patches and class token are compared with seven sentences.

Paper
    Zhou, Huang, Zhang, Xu, "CEPrompt: Cross-Modal Emotion-Aware Prompting for Facial Expression Recognition", IEEE
    Transactions on Circuits and Systems for Video Technology, 2024, doi 10.1109/TCSVT.2024.3424777. What is said here
    of the paper comes from its page and the repository: its text was not read.

Code read
    HaoliangZhou/CEPrompt @ 7c502b02 (no licence given; bundles OpenAI's CLIP, MIT). Nothing was copied; functions,
    counts and settings were taken from running and describing it.

Missing here
    The second stage, in which both towers are frozen and learned prompts are trained in nine of their blocks. The
    published number is the second stage's, so that none of these recipes stands for it.

What the released code does that is easily missed
    * The scores of patches, and those of the class token, are divided by their length over the expressions, and no
      temperature follows, so that cross-entropy cannot fall below about 1.1.
    * The student's class feature of length one is drawn to the teacher's feature of whatever length.
    * Sentences' embeddings have length one in training and not in the test (option ``text_in_test``).
    * Pictures are normalised by ImageNet's statistics, not CLIP's.
    * Embeddings and the first two blocks are frozen. The code's learning rate falls by 0.65 with each block below the
      last.
    * The upload does not run: its test stops at a name that is not defined. Its accuracy is a mean over batches of
      unlike size. The test set is evaluated every epoch.

Departures of ours
    Each recipe names its own. Throughout:

    * The teacher is what the trunk started from, which is what the code loads from the same file.
    * Without a file of CLIP's weights there is no text: each expression is a direction drawn at random, and a run of a
      recipe but ``toy`` then means little. Contempt has no sentence on record, so eight expressions need ``weights:
      none``.
"""

import dataclasses
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from baselines._blocks import brought, clip
from baselines._blocks.normalise import Normalise
from baselines._blocks.resnet import IMAGENET_MEAN, IMAGENET_STD
from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.method import Batch, Method, Phase, Recipe, Training, WarmupCosine, Weights
from fer_bench.training import official

BEFORE = (320, 1125, 539, 320)  # a photo of a
AFTER = (11909, 11357, 267, 320, 3877, 539, 11909, 11357, 269)  # facial expression, a type of facial expression.


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        vision: The visual tower.
        top: How many patches an expression's score is averaged over: those that fit it best.
        patch_share: Share of the patches' score; the rest is the class token's.
        text_in_test: Whether sentences' embeddings are taken as they are (``raw``, released code) or with length one
            (``unit``) outside training.
        frozen_blocks: Blocks that are left as they are, with the embeddings; None: all is trained.
        distillation: Weight of the distance to the teacher; 0: there is none.
    """

    vision: clip.Vision = field(default_factory=clip.Vision)
    top: int = 16
    patch_share: float = 0.5
    text_in_test: Literal["raw", "unit"] = "raw"
    frozen_blocks: int | None = 2
    distillation: float = 1.0


class Trunk(clip.VisualTower):
    """CLIP's visual tower on pictures in [0, 1].

    Args:
        options: The recipe's options.
        path: A file of CLIP's weights.

    Raises:
        FerBenchError: If the file is not CLIP's.
    """

    def __init__(self, options: Options, path: Path | None) -> None:
        super().__init__(options.vision)
        if path is not None:
            clip.load_visual(self, path)
        self.normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD)
        if options.frozen_blocks is not None:
            self.freeze(options.frozen_blocks)

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, 3, px, px) to tokens (n, 1 + patches, width)."""
        return super().forward(self.normalise(images))


class Head(nn.Module):
    """Projection into the space shared with text, and cosines with each expression's sentence.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        path: A file of CLIP's weights.

    Raises:
        FerBenchError: If the file is not CLIP's, or an expression has no sentence.
    """

    text: Tensor

    def __init__(self, options: Options, n_classes: int, path: Path | None) -> None:
        super().__init__()
        self.joint = nn.Identity()
        vision = options.vision
        self.options = options
        self.projection_dist = nn.Parameter(torch.randn(vision.width, vision.out) * vision.width**-0.5)
        text = torch.randn(n_classes, vision.out)
        if path is not None:
            brought.load(
                self, path, what="CLIP", name_of=lambda _: "visual.proj", wrapper="state_dict", left_over=("",)
            )
            text = clip.embed_texts(path, sentences(n_classes), vision)
        # not kept with the weights, of which released checkpoints have no text
        self.register_buffer("text", text, persistent=False)

    def project(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Map tokens (n, 1 + p, width) to features of the class token (n, out) and of patches (n, p, out)."""
        features = tokens @ self.projection_dist
        return self.joint(features[:, 0]), features[:, 1:]

    def score(self, of_class: Tensor, of_patches: Tensor, text: Tensor) -> Tensor:
        """Map features (n, out) and (n, p, out) to scores (n, n_classes)."""
        share = self.options.patch_share
        whole = functional.normalize(of_class, dim=-1) @ text.T
        parts = (functional.normalize(of_patches, dim=-1) @ text.T).topk(self.options.top, dim=1).values.mean(dim=1)
        return share * functional.normalize(parts, dim=-1) + (1 - share) * functional.normalize(whole, dim=-1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (n, 1 + p, width) to scores (n, n_classes)."""
        raw = self.options.text_in_test == "raw" and not self.training
        return self.score(*self.project(tokens), self.text if raw else functional.normalize(self.text, dim=-1))


def sentences(n_classes: int) -> list[list[int]]:
    """Return the numbers of the tokens of each expression's sentence, in our order.

    Raises:
        FerBenchError: If an expression has none.
    """
    return clip.texts(expressions(n_classes), before=BEFORE, after=AFTER)


class Network(nn.Sequential):
    """Trunk and head; sentences decide by cosines, so features are the class token's in the space shared with them."""

    classifier_layer = "head.joint"


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: CLIP's, both towers.

    Raises:
        FerBenchError: If weights do not fit, or a download is asked for.
    """
    if weights.source == "timm":
        raise FerBenchError(
            "timm's CLIP has no text tower",
            fix="bring a state dict of CLIP ViT-B/16 and name it in params.yaml (methods.<method>.weights)",
        )
    head = Head(options, n_classes, weights.path)
    return Network(OrderedDict(trunk=Trunk(options, weights.path), head=head))


class Loss(nn.Module):
    """Cross-entropy of the scores, and the mean absolute distance of class features to the teacher's.

    The teacher is kept as buffers, so that it goes where the loss goes, is kept with every epoch and is not trained.

    Args:
        options: The recipe's options.
    """

    filled: Tensor
    projection: Tensor

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.weight = options.distillation
        self.names: dict[str, str] = {}
        if self.weight > 0:
            with torch.device("meta"):
                tower = Trunk(options, None).eval()
            self.names = {f"teacher__{name.replace('.', '__')}": name for name in tower.state_dict()}
            for ours, name in self.names.items():
                self.register_buffer(ours, torch.zeros(tower.state_dict()[name].shape))
            self.register_buffer("projection", torch.zeros(options.vision.width, options.vision.out))
            self.register_buffer("filled", torch.tensor(data=False))
            self._tower = (tower,)  # in a tuple: its own weights are none of the loss's

    @torch.no_grad()
    def fill(self, tower: dict[str, Tensor], projection: Tensor) -> None:
        """Make a tower the teacher.

        Args:
            tower: Its weights, by the names in the trunk.
            projection: (width, out).
        """
        for ours, name in self.names.items():
            self.get_buffer(ours).copy_(tower[name])
        self.projection.copy_(projection)
        self.filled.fill_(value=True)

    @torch.no_grad()
    def _teacher(self, model: Any, images: Tensor) -> Tensor:  # noqa: ANN401
        if not self.filled:
            self.fill(model.trunk.state_dict(), model.head.projection_dist)
        tower = {name: self.get_buffer(ours) for ours, name in self.names.items()}
        # what the tower normalises by is no part of its state
        constants = {f"normalise.{name}": value for name, value in model.trunk.normalise.named_buffers()}
        self._tower[0].normalise = model.trunk.normalise
        tokens: Tensor = functional_call(self._tower[0], {**tower, **constants}, (images,))
        return tokens[:, 0] @ self.projection

    def forward(self, model: Any, batch: Batch) -> Tensor:  # noqa: ANN401 - trunk and head are children
        """Return the loss of a batch."""
        of_class, of_patches = model.head.project(model.trunk(batch.inputs))
        scores = model.head.score(of_class, of_patches, functional.normalize(model.head.text, dim=-1))
        losses = functional.cross_entropy(scores, batch.labels, reduction="none", label_smoothing=batch.label_smoothing)
        loss: Tensor = (losses * batch.sample_weights).mean()
        if self.weight > 0:
            teacher = self._teacher(model, batch.inputs)
            loss = loss + self.weight * functional.l1_loss(functional.normalize(of_class, dim=-1), teacher)
        return loss


def build_loss(options: Options, *, labels: np.ndarray, n_classes: int) -> nn.Module:  # noqa: ARG001 - BuildLoss
    """Build the loss."""
    return Loss(options)


def _name_of(name: str) -> str:
    return name.partition(".")[2]


RELEASED = official.Released(wrapper=None, name_of=_name_of, of_classes=())


def from_official(checkpoint: object) -> dict[str, Tensor]:
    """Return a checkpoint of the released code's first stage as a state dict of :func:`build`.

    It holds the visual tower alone, and nothing in it has an order of classes. Build with CLIP's file: without it the
    sentences are missing.
    """
    with torch.device("meta"):
        own = build(Options(), n_classes=len(RELEASED.order), weights=Weights("none")).state_dict()
    return brought.matched(
        own, official.tensors(checkpoint, None), source="the checkpoint", what="CEPrompt's first stage",
        name_of=_name_of, fix="give a file as the released training code of the first stage writes it",
    )  # fmt: skip


TRAINING = Training(
    phases=(Phase(epochs=50, lr=1e-4, trunk_lr_factor=0.65**5.5, schedule=WarmupCosine(warmup_epochs=5, end_lr=1e-8)),),
    batch_size=128,
    image_size_px=224,
    optimizer="adamw",
    weight_decay=5e-4,
    undecayed=("vectors",),
    augment=("flip",),
)

CODE = Recipe(
    about="the released code's first stage, from OpenAI's CLIP ViT-B/16",
    departures=(
        "the first stage alone; the published number is the second's",
        "one learning rate for all trained blocks, the middle of the code's, which falls by 0.65 with each block",
        "pictures are resized bilinearly, not bicubically; the rate starts at zero: where the code's does was not read",
    ),
    options=Options(),
    weights="weights/clip_vit_b_16.pth",
    training=TRAINING,
)

RECIPES = {
    "toy": Recipe(
        about="CEPrompt's scores on a small tower from random weights, for the demo",
        departures=(
            "the first stage alone, on a tower of two blocks, random directions instead of sentences, no teacher",
            "pictures of 48 px in patches of 8, batches of 32, few epochs, a higher learning rate, nothing frozen",
        ),
        options=Options(
            vision=clip.Vision(px=48, patch=8, width=64, depth=2, heads=4, out=64),
            top=4,
            frozen_blocks=None,
            distillation=0.0,
        ),
        training=dataclasses.replace(
            TRAINING,
            phases=(Phase(epochs=15, lr=2e-3, schedule=WarmupCosine(warmup_epochs=1)),),
            batch_size=32,
            image_size_px=48,
        ),
    ),
    "code": CODE,
    "code_unit_text": dataclasses.replace(
        CODE,
        about="as code, with sentences' embeddings of length one in the test as in training",
        options=Options(text_in_test="unit"),
    ),
}

method = Method(title="CEPrompt", recipes=RECIPES, build=build, build_loss=build_loss, from_official=from_official)
