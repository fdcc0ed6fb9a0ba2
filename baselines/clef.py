"""CLEF (approximation): the second of its two stages alone, CLIP's visual tower drawn to the names of expressions.

Paper
    Zhang, Wang, Li, Yang, Yin, "Weakly-Supervised Text-Driven Contrastive Learning for Facial Behavior Understanding",
    ICCV 2023, arXiv:2304.00058. What is said here of the paper comes from its abstract: its text was not read.

Code read
    None: no code of the authors' is public. Nothing was copied.

This is an approximation
    Known is that a second stage trains vision and text so that a picture is most like the text of its label's name.
    Ours trains CLIP's visual tower by cross-entropy over cosines with the names' embeddings, times a learned
    temperature, as CLIP itself is trained; the text tower is left as it is.

Missing
    * The first stage: contrastive learning from descriptions of activities on data sets of a laboratory, which are
      given out under licence. Ours starts from CLIP instead.
    * Backbone, temperature, texts, optimiser, epochs, changes of pictures, selection. Ours are choices that nothing
      public supports; expressions have the words of CEPrompt's released code, because their numbers in CLIP's
      vocabulary are on record.
    * A word for contempt: eight expressions need ``weights: none``, with a direction drawn at random for each.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks import brought, clip
from baselines._blocks.normalise import Normalise
from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.method import Method, Phase, Recipe, Training, WarmupCosine, Weights

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
TEMPERATURE = 0.07  # CLIP's first one


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        vision: The visual tower.
        frozen_blocks: Blocks that are left as they are, with the embeddings; None: all is trained.
    """

    vision: clip.Vision = field(default_factory=clip.Vision)
    frozen_blocks: int | None = None


class Trunk(clip.VisualTower):
    """CLIP's visual tower on pictures in [0, 1].

    Args:
        options: The recipe's options.
        weights: CLIP's.

    Raises:
        FerBenchError: If the file is not CLIP's.
    """

    def __init__(self, options: Options, weights: Weights) -> None:
        super().__init__(options.vision)
        if weights.path is not None:
            clip.load_visual(self, weights.path)
        self.normalise = Normalise(CLIP_MEAN, CLIP_STD)
        if options.frozen_blocks is not None:
            self.freeze(options.frozen_blocks)

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, 3, px, px) to tokens (n, 1 + patches, width)."""
        return super().forward(self.normalise(images))


class Head(nn.Module):
    """Cosines of the class token with the embedding of each name, times a learned temperature.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: CLIP's.

    Raises:
        FerBenchError: If the file is not CLIP's, or an expression has no word.
    """

    text: Tensor

    def __init__(self, options: Options, n_classes: int, weights: Weights) -> None:
        super().__init__()
        self.joint = nn.Identity()
        vision, path = options.vision, weights.path
        self.proj = nn.Parameter(torch.randn(vision.width, vision.out) * vision.width**-0.5)
        text = torch.randn(n_classes, vision.out)
        if path is not None:
            brought.load(self, path, what=clip.WHAT, name_of=lambda _: "visual.proj", left_over=("",))
            text = clip.embed_texts(path, clip.texts(expressions(n_classes)), vision)
        self.register_buffer("text", functional.normalize(text, dim=-1))
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / TEMPERATURE)))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (n, 1 + p, width) to logits (n, n_classes)."""
        features = self.joint(functional.normalize(tokens[:, 0] @ self.proj, dim=-1))
        logits: Tensor = self.logit_scale.exp() * features @ self.text.T
        return logits


class Network(nn.Sequential):
    """Trunk and head; names decide by cosines, so features are what enters the space shared with them."""

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
    trunk = Trunk(options, weights)
    return Network(OrderedDict(trunk=trunk, head=Head(options, n_classes, weights)))


MISSING = "an approximation: the second stage alone; the first, and all settings, are not public or need licensed data"

RECIPES = {
    "toy": Recipe(
        about="an approximation of CLEF's second stage on a small tower from random weights, for the demo",
        departures=(
            MISSING,
            "a tower of two blocks on pictures of 48 px, and random directions instead of the embeddings of names",
        ),
        options=Options(vision=clip.Vision(px=48, patch=8, width=64, depth=2, heads=4, out=64)),
        training=Training(
            phases=(Phase(epochs=15, lr=2e-3, schedule=WarmupCosine(warmup_epochs=1)),),
            batch_size=32,
            image_size_px=48,
            optimizer="adamw",
            weight_decay=5e-4,
            undecayed=("vectors",),
            augment=("flip",),
        ),
    ),
    "approximation": Recipe(
        about="an approximation of CLEF's second stage from OpenAI's CLIP ViT-B/16, with settings of our choice",
        departures=(MISSING,),
        options=Options(),
        weights="weights/clip_vit_b_16.pth",
        training=Training(
            phases=(Phase(epochs=30, lr=1e-5, schedule=WarmupCosine(warmup_epochs=2)),),
            batch_size=64,
            image_size_px=224,
            optimizer="adamw",
            weight_decay=0.05,
            undecayed=("vectors",),
            augment=("flip",),
        ),
    ),
}

method = Method(title="CLEF (approximation)", recipes=RECIPES, build=build)
