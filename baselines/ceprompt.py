"""CEPrompt: CLIP's patches and class token are compared with seven sentences; then prompts are learned for both towers.

The first stage trains the visual tower (recipe ``code``). The second freezes both towers and trains prompts in nine of
their blocks (recipe ``code_stage2``, which starts from weights of the first).

Paper
    Zhou, Huang, Zhang, Xu, "CEPrompt: Cross-Modal Emotion-Aware Prompting for Facial Expression Recognition", IEEE
    Transactions on Circuits and Systems for Video Technology, 2024, doi 10.1109/TCSVT.2024.3424777. What is said here
    of the paper comes from its page and the repository: its text was not read.

Code read
    HaoliangZhou/CEPrompt @ 7c502b02 (no licence given; bundles OpenAI's CLIP, MIT). Nothing was copied; functions,
    counts and settings were taken from running and describing it.

The second stage
    Prompts follow Khattak et al., "MaPLe: Multi-modal Prompt Learning", CVPR 2023, arXiv:2210.03117, section 3: two
    vectors for each of the first nine blocks of the text tower, in the place of the two tokens that follow the first
    one, and a linear map of each to the visual tower. In the released code (models/cat.py, clip_vit.py, stage2.sh):

    * The text is "a photo of NAME.", whose words "a photo" are the first prompts' place and start. Deeper prompts start
      from a normal distribution of standard deviation 0.02. The maps to the visual tower start as one map, copied.
    * The visual tower's first block has no prompt: the map of the first prompts is computed, given to the optimiser,
      and has no gradient. Ours lacks it: 25 tensors of 3,161,088 numbers are trained, of 27 of 3,555,072.
    * In blocks 2 to 9 visual prompts take the place of the first two patches, so that there are 197 tokens throughout,
      and 196 behind the class token are scored, two of them prompts'.
    * The score is the first stage's. Texts have length one in training and in the test. There is no teacher:
      cross-entropy alone.

What the released code does that is easily missed
    * The scores of patches, and those of the class token, are divided by their length over the expressions, and no
      temperature follows, so that cross-entropy cannot fall below about 1.1.
    * The student's class feature of length one is drawn to the teacher's feature of whatever length.
    * Sentences' embeddings have length one in training and not in the test (option ``text_in_test``).
    * Pictures are normalised by ImageNet's statistics, not CLIP's.
    * Embeddings and the first two blocks are frozen. The learning rate falls by 0.65 with each block: the last has 0.65
      of the projection's and of the last normalisation's. It rises from zero.
    * The upload does not run: the first stage's test, and the second stage's network and engine, stop at names that
      are not defined. Its accuracy is a mean over batches of unlike size. The test set is evaluated every epoch, and
      the second stage starts from the epoch of the first that was best on the test set.

Departures of ours
    Each recipe names its own. Throughout:

    * The teacher is what the trunk started from, which is what the code loads from the same file.
    * Without a file of CLIP's weights there is no text: each expression is a direction drawn at random, and a run of a
      recipe but ``toy`` then means little. Contempt has no sentence on record, so eight expressions need ``weights:
      none``.
"""

import copy
import dataclasses
from collections import OrderedDict
from collections.abc import Sequence
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
from fer_bench.training import official, weight_files

BEFORE = (320, 1125, 539, 320)  # a photo of a
AFTER = (11909, 11357, 267, 320, 3877, 539, 11909, 11357, 269)  # facial expression, a type of facial expression.
BEFORE_STAGE2, AFTER_STAGE2 = (320, 1125, 539), (269,)  # a photo of …, and the full stop
LEARNER = "trunk.prompt_learner."


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """What the second stage learns.

    Attributes:
        n_tokens: Vectors for each block.
        depth: Blocks that get them, from the first on; of the visual tower, from the second on.
        text: Sizes of the text tower.
        from_phase: The phase of training in which they come in; before it, the visual tower is trained without them.
    """

    n_tokens: int = 2
    depth: int = 9
    text: clip.Text = field(default_factory=clip.Text)
    from_phase: int = 0


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
        prompts: The second stage; None: the first.
        stage1: File with the visual tower that the second stage starts from: weights that a run of ours kept, or a
            checkpoint of the released code's first stage.
    """

    vision: clip.Vision = field(default_factory=clip.Vision)
    top: int = 16
    patch_share: float = 0.5
    text_in_test: Literal["raw", "unit"] = "raw"
    frozen_blocks: int | None = 2
    distillation: float = 1.0
    prompts: Prompts | None = None
    stage1: str | None = None


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


class PromptLearner(nn.Module):
    """Prompts of the text tower and their maps to the visual tower, under MaPLe's names.

    Args:
        prompts: Number and depth.
        width: Of the visual tower.
    """

    def __init__(self, prompts: Prompts, width: int) -> None:
        super().__init__()
        sizes = (prompts.n_tokens, prompts.text.width)
        self.ctx = nn.Parameter(0.02 * torch.randn(sizes))
        self.compound_prompts_text = nn.ParameterList(0.02 * torch.randn(sizes) for _ in range(prompts.depth - 1))
        first = nn.Linear(prompts.text.width, width)
        self.compound_prompt_projections = nn.ModuleList(copy.deepcopy(first) for _ in range(prompts.depth - 1))

    def of_text(self) -> list[Tensor]:
        """Return the text tower's prompts, (p, text width) for each block."""
        return [self.ctx, *self.compound_prompts_text]

    def of_pictures(self) -> list[Tensor]:
        """Return the visual tower's prompts, (p, width) for each block from the second on."""
        maps, prompts = self.compound_prompt_projections, self.compound_prompts_text
        return [to_vision(prompt) for to_vision, prompt in zip(maps, prompts, strict=True)]


class PromptedTrunk(Trunk):
    """The visual tower with prompts, frozen while they are there.

    Args:
        options: The recipe's options, with prompts.
        path: A file of CLIP's weights.
        prompts: The same prompts.

    Raises:
        FerBenchError: If the file is not CLIP's.
    """

    def __init__(self, options: Options, path: Path | None, prompts: Prompts) -> None:
        super().__init__(options, path)
        self.from_phase = prompts.from_phase
        self.prompt_learner = PromptLearner(prompts, options.vision.width)
        self.enter_phase(0)

    def enter_phase(self, phase: int) -> None:
        """Train the tower before the prompts' phase, and the prompts from then on."""
        self.prompted = phase >= self.from_phase
        self.requires_grad_(requires_grad=not self.prompted)
        self.prompt_learner.requires_grad_(requires_grad=self.prompted)

    def prompts(self) -> Sequence[Tensor]:
        """Return the prompts of the blocks from the second on, (p, width) each."""
        return self.prompt_learner.of_pictures() if self.prompted else ()


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
            brought.load(self, path, what="CLIP", name_of=lambda _: "visual.proj", left_over=("",))
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

    def embeddings(self) -> Tensor:
        """Return the sentences' embeddings (n_classes, out), of whatever length."""
        return self.text

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (n, 1 + p, width) to scores (n, n_classes)."""
        raw = self.options.text_in_test == "raw" and not self.training
        text = self.embeddings()
        return self.score(*self.project(tokens), text if raw else functional.normalize(text, dim=-1))


class PromptedHead(Head):
    """The head with a text tower instead of embeddings; its prompts are the trunk's.

    The tower and the words are what the file has, and are not kept with the weights. Without a file, both are random:
    the sentence of each expression is then a row of vectors of its own.

    Args:
        options: The recipe's options, with prompts.
        n_classes: Number of logits.
        path: A file of CLIP's weights.
        trunk: The trunk; where there is a file, its first prompts are set to the words that they stand for.

    Raises:
        FerBenchError: If the file is not CLIP's, or an expression has no sentence.
    """

    words: Tensor
    last: Tensor

    def __init__(self, options: Options, n_classes: int, path: Path | None, trunk: PromptedTrunk) -> None:
        super().__init__(options, n_classes, path)
        assert options.prompts is not None  # noqa: S101 - for the type checker; build looks at it
        self.from_phase, vision, text = options.prompts.from_phase, options.vision, options.prompts.text
        self._trunk = (trunk,)  # in a tuple: its weights are none of the head's
        n_words = 1 + len(BEFORE_STAGE2) + 1 + len(AFTER_STAGE2) + 1
        if path is None:
            self.tower = clip.TextEncoder(vision.out, vision.activation, text)
            words = torch.randn(n_classes, n_words, text.width)
        else:
            tower = clip.read_text(path, vision)
            with torch.no_grad():
                words = tower.token_embedding(torch.tensor(sentences_of_stage2(n_classes)))
                trunk.prompt_learner.ctx.copy_(words[0, 1 : 1 + options.prompts.n_tokens])
            del tower.token_embedding  # of 49,408 words few are used
            self.tower = tower
        clip.fix(self.tower)
        self.register_buffer("words", words, persistent=False)
        self.register_buffer("last", torch.full((n_classes,), n_words - 1), persistent=False)
        self.enter_phase(0)

    def enter_phase(self, phase: int) -> None:
        """Train the projection before the prompts' phase."""
        self.projection_dist.requires_grad = phase < self.from_phase

    def embeddings(self) -> Tensor:
        """Return the embeddings of the sentences as the prompts make them, (n_classes, out)."""
        (trunk,) = self._trunk
        if not trunk.prompted:
            return self.tower.encode(self.words, self.last)
        first, *later = trunk.prompt_learner.of_text()
        return self.tower.encode(clip.replaced(self.words, first), self.last, later)


def sentences(n_classes: int) -> list[list[int]]:
    """Return the numbers of the tokens of each expression's sentence, in our order.

    Raises:
        FerBenchError: If an expression has none.
    """
    return clip.texts(expressions(n_classes), before=BEFORE, after=AFTER)


def sentences_of_stage2(n_classes: int) -> list[list[int]]:
    """Return the numbers of the tokens of the second stage's text for each expression, in our order.

    Raises:
        FerBenchError: If an expression has none.
    """
    return clip.texts(expressions(n_classes), before=BEFORE_STAGE2, after=AFTER_STAGE2)


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
        FerBenchError: If weights do not fit, a download is asked for, or the second stage has nothing to start from.
    """
    if weights.source == "timm":
        raise FerBenchError(
            "timm's CLIP has no text tower",
            fix="bring a state dict of CLIP ViT-B/16 and name it in params.yaml (methods.<method>.weights)",
        )
    if options.prompts is None:
        head = Head(options, n_classes, weights.path)
        return Network(OrderedDict(trunk=Trunk(options, weights.path), head=head))
    trunk = PromptedTrunk(options, weights.path, options.prompts)
    net = Network(OrderedDict(trunk=trunk, head=PromptedHead(options, n_classes, weights.path, trunk)))
    for path in files(options, weights):
        start(net, path)
    return net


def files(options: Options, weights: Weights) -> tuple[Path, ...]:
    """Return the file of the first stage, where it is read.

    Raises:
        FerBenchError: If the second stage has nothing to start from.
    """
    if options.prompts is None or options.prompts.from_phase > 0 or weights.source == "none":
        return ()
    if weights.before_checkpoint:
        return ()
    if options.stage1 is None:
        raise FerBenchError(
            "CEPrompt's second stage starts from weights of its first, and none are named",
            fix="train recipe `code` and name a file of its run's folder weights/, or a checkpoint of the released "
            "first stage, in params.yaml (methods.<method>.options: {stage1: PATH})",
        )
    return (Path(options.stage1),)


def start(net: nn.Module, path: Path) -> None:
    """Give the visual tower and its projection the weights of a first stage.

    Args:
        net: A network of the second stage.
        path: Weights that a run kept, or a checkpoint of the released code's first stage.

    Raises:
        FerBenchError: If the file is neither.
    """
    given = weight_files.tensors(weight_files.read(path), source=str(path))
    ours = {name.removeprefix("model."): value for name, value in given.items() if name.startswith("model.")}
    own = {name: value for name, value in net.state_dict().items() if not name.startswith(LEARNER)}
    found = brought.matched(
        own, ours or given, source=str(path), what="CEPrompt's first stage",
        name_of=str if ours else _name_of, fix="name weights that a run of the first stage kept, or the released ones",
    )  # fmt: skip
    net.load_state_dict(found, strict=False)


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
        scores = model.head.score(of_class, of_patches, functional.normalize(model.head.embeddings(), dim=-1))
        losses = functional.cross_entropy(scores, batch.labels, reduction="none", label_smoothing=batch.label_smoothing)
        loss: Tensor = (losses * batch.sample_weights).mean()
        if self.weight > 0:
            teacher = self._teacher(model, batch.inputs)
            loss = loss + self.weight * functional.l1_loss(functional.normalize(of_class, dim=-1), teacher)
        return loss


def build_loss(options: Options, *, labels: np.ndarray, n_classes: int) -> nn.Module:  # noqa: ARG001 - BuildLoss
    """Build the loss."""
    return Loss(options)


def depth(options: Options, name: str) -> int:
    """Return the layer of a weight: embeddings, blocks, and what follows them."""
    block = name.removeprefix("trunk.transformer.resblocks.")
    if block != name:
        return 1 + int(block.partition(".")[0])
    embeds = name.startswith(("trunk.conv1.", "trunk.class_", "trunk.positional_", "trunk.ln_pre."))
    return 0 if embeds else 1 + options.vision.depth


def _name_of(name: str) -> str:
    return name.partition(".")[2]


RELEASED = official.Released(name_of=_name_of, of_classes=())


def from_official(checkpoint: object) -> dict[str, Tensor]:
    """Return a checkpoint of the released code as a state dict of :func:`build`, of the stage that it is of.

    The first stage's holds the visual tower alone, and nothing in either has an order of classes. Build with CLIP's
    file: without it the sentences are missing. No file of the second stage was at hand: it is taken to be the first's
    with the prompts under MaPLe's names. The map that has no gradient, the text tower and MaPLe's copies of embedded
    words are passed over, the latter two for CLIP's file's.
    """
    state = weight_files.tensors(checkpoint)
    second = any(name.startswith("prompt_learner.") for name in state)
    with torch.device("meta"):
        net = build(
            Options(prompts=Prompts() if second else None), n_classes=len(RELEASED.order), weights=Weights("none")
        )
    return brought.matched(
        net.state_dict(), state, source="the checkpoint", what=f"CEPrompt's {'second' if second else 'first'} stage",
        name_of=_name_of, fix="give a file as the released training code writes it",
        left_over=("prompt_learner.proj.", "prompt_learner.token_", "text_encoder.", "logit_scale") if second else (),
    )  # fmt: skip


TRAINING = Training(
    phases=(Phase(epochs=50, lr=1e-4, schedule=WarmupCosine(warmup_epochs=5, end_lr=1e-8)),),
    batch_size=128,
    image_size_px=224,
    optimizer="adamw",
    weight_decay=5e-4,
    undecayed=("vectors",),
    augment=("flip",),
)

CODE = Recipe(
    about="the released code's first stage, from OpenAI's CLIP ViT-B/16",
    departures=("the first stage alone; the published number is the second's (`code_stage2`)",),
    options=Options(),
    weights="weights/clip_vit_b_16.pth",
    training=dataclasses.replace(TRAINING, layer_lr_decay=0.65, interpolation="bicubic"),
)

STAGE2 = Recipe(
    about="the released code's second stage: prompts in both towers, from weights of the first stage",
    departures=(
        "the first stage is the one that is named: the code's is the epoch that was best on the test set",
        "the released code does not run, so no figures of it were at hand to hold ours to",
    ),
    options=Options(text_in_test="unit", frozen_blocks=None, distillation=0.0, prompts=Prompts()),
    weights="weights/clip_vit_b_16.pth",
    training=dataclasses.replace(
        TRAINING,
        phases=(Phase(epochs=10, lr=2e-3, schedule=WarmupCosine(warmup_epochs=2, end_lr=1e-8)),),
        optimizer="sgd",
        undecayed=(),
        interpolation="bicubic",
    ),
)

RECIPES = {
    "toy": Recipe(
        about="CEPrompt's scores on a small tower from random weights, for the demo",
        departures=(
            "the first stage alone, on a tower of two blocks, random directions instead of sentences, no teacher",
            "pictures of 48 px in patches of 8, batches of 32, few epochs, a higher learning rate, nothing frozen",
            "one learning rate for all layers",
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
    "toy_stage2": Recipe(
        about="both stages of CEPrompt in one training, on small towers from random weights",
        departures=(
            "towers of two blocks from random weights, random sentences, no teacher, prompts in both blocks",
            "pictures of 48 px in patches of 8, the best patch alone, batches of 32, few epochs",
            "higher learning rates, one for all layers",
            "AdamW in the second stage too, which goes on from the last epoch of the first",
        ),
        options=Options(
            vision=clip.Vision(px=48, patch=8, width=64, depth=2, heads=4, out=64),
            top=1,
            text_in_test="unit",
            frozen_blocks=None,
            distillation=0.0,
            prompts=Prompts(depth=2, text=clip.Text(width=64, depth=2, heads=4), from_phase=1),
        ),
        training=dataclasses.replace(
            TRAINING,
            phases=(
                Phase(epochs=28, lr=1e-3, schedule=WarmupCosine(warmup_epochs=3)),
                Phase(epochs=4, lr=1e-2, schedule=WarmupCosine(warmup_epochs=1)),
            ),
            batch_size=32,
            image_size_px=48,
        ),
    ),
    "code": CODE,
    "code_stage2": STAGE2,
    "code_unit_text": dataclasses.replace(
        CODE,
        about="as code, with sentences' embeddings of length one in the test as in training",
        options=Options(text_in_test="unit"),
    ),
}

method = Method(
    title="CEPrompt",
    recipes=RECIPES,
    build=build,
    build_loss=build_loss,
    from_official=from_official,
    files=files,
    depth=depth,
)
