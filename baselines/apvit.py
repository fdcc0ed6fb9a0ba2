"""APViT: a vision transformer over a face network's grid, which drops patches before it and tokens inside it.

Paper
    Xue, Wang, Tan, Ma, Guo, "Vision Transformer with Attentive Pooling for Robust Facial Expression Recognition", IEEE
    Transactions on Affective Computing, 2022, arXiv:2212.05463. What is said here of the paper comes from its page and
    the repository: its text was not read.

Code read
    youqingxiaozhua/APViT @ 9efaf971 (Apache-2.0). Nothing was copied; functions, counts and settings were taken from
    running and describing it.

What the released code does that is easily missed
    * The transformer's weights, timm's of 2020, were trained with attention scaled by 768^-0.5. The configuration gives
      no scale, so that 96^-0.5, of a head's width, is used (option ``scale``).
    * Tokens are dropped by the class token's attention before the softmax, summed over heads; behind the attention and
      before the MLP of a block. The class token always stays, and those that stay keep their order.
    * Patches are dropped by the sum of absolute values of their projection, before positions are added.
    * The linear head starts at zero (option ``zero_head``).
    * Rare classes are repeated by a factor ⌈√(0.15 / share)⌉; dropout of positions is defined and never applied.
    * The learning rate follows the cosine epoch by epoch. Pictures are BGR while they are made grey and their colours
      are changed; they are turned bilinearly, and an erased rectangle's ratio is drawn evenly, not its logarithm.
    * Both ``val`` and ``test`` are the test list, and the epoch that is best on it is kept.

Departures of ours
    Each recipe names its own. Throughout:

    * What validates is the protocol's part that selects. Seeds are fixed.
"""

import dataclasses
import math
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks.ir50 import CHANNELS, IR50, UNITS
from baselines._blocks.normalise import Normalise
from baselines._blocks.resnet import IMAGENET_MEAN, IMAGENET_STD
from fer_bench.errors import FerBenchError
from fer_bench.method import (
    Batch,
    EpochCosine,
    Erase,
    Grey,
    InBgr,
    Jitter,
    Method,
    Phase,
    Recipe,
    RepeatFactor,
    ResizedCrop,
    Rotate,
    Sometimes,
    Training,
    WarmupCosine,
    Weights,
)
from fer_bench.training import official, weight_files

ORDER = ("anger", "disgust", "fear", "sadness", "happiness", "surprise", "neutral")
EPSILON = 1e-6  # of layer normalisation
RARE = 0.15  # share below which a class is repeated


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        units: Residual units per stage of the face network.
        channels: Channels per stage.
        side: Side of its last grid, an eighth of the pictures'.
        dim: Width of a token.
        heads: Attention heads.
        mlp: Width of a block's MLP, in widths of a token.
        patches: Kept of the grid's places.
        keep: Per block, share kept of the tokens other than the class token; as many blocks as shares.
        scale: What the attention's scale is the root of: width of a ``head`` (released code), or of the ``token``, as
            the transformer's weights were trained.
        zero_head: Start the linear head at zero.
        repeats: Weigh each picture's loss by the factor by which the released sampler repeats its class; for training
            that has each picture once an epoch.
        transformer: File of the transformer's weights, timm's of 2020, read where the face network's are read from a
            file; None: it starts from random weights.
    """

    units: tuple[int, ...] = UNITS
    channels: tuple[int, ...] = CHANNELS
    side: int = 14
    dim: int = 768
    heads: int = 8
    mlp: int = 3
    patches: int = 160
    keep: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 0.9, 0.9, 0.9, 0.9)
    scale: Literal["head", "token"] = "head"
    zero_head: bool = True
    repeats: bool = False
    transformer: str | None = None


def kept(scores: Tensor, n: int) -> Tensor:
    """Return the places of the n largest scores of each row, in ascending order.

    Args:
        scores: (b, t).
        n: How many.
    """
    return scores.topk(n, dim=1).indices.sort(dim=1).values


def kept_tokens(scores: Tensor, share: float) -> Tensor:
    """Return the places of the class token and of a share of the others, rounded down, in ascending order.

    Args:
        scores: (b, t), the class token's first, which has no say.
        share: Of the t - 1 others.
    """
    chosen = 1 + kept(scores[:, 1:], math.floor(share * (scores.shape[1] - 1)))
    return torch.cat([torch.zeros_like(chosen[:, :1]), chosen], dim=1)


def taken(tokens: Tensor, places: Tensor) -> Tensor:
    """Return tokens (b, t, c) at places (b, s), as (b, s, c)."""
    return tokens.gather(1, places[:, :, None].expand(-1, -1, tokens.shape[2]))


class Attention(nn.Module):
    """Multi-head self-attention without biases of queries, keys and values; also returns the class token's scores.

    Args:
        options: The recipe's options.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.heads = options.heads
        width = options.dim // options.heads if options.scale == "head" else options.dim
        self.scale = width**-0.5
        self.qkv = nn.Linear(options.dim, 3 * options.dim, bias=False)
        self.proj = nn.Linear(options.dim, options.dim)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Map (b, t, c) to the same shape, and to (b, t): the class token's attention before the softmax."""
        b, t, c = tokens.shape
        query, key, value = self.qkv(tokens).view(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(2, 3) * self.scale
        attended = scores.softmax(dim=3) @ value
        return self.proj(attended.transpose(1, 2).reshape(b, t, c)), scores[:, :, 0].sum(dim=1)


class Block(nn.Module):
    """Attention, dropping of tokens, MLP.

    Args:
        options: The recipe's options.
        share: Of the tokens that are kept.
    """

    def __init__(self, options: Options, share: float) -> None:
        super().__init__()
        dim = options.dim
        self.share = share
        self.norm1 = nn.LayerNorm(dim, eps=EPSILON)
        self.attn = Attention(options)
        self.norm2 = nn.LayerNorm(dim, eps=EPSILON)
        self.mlp = nn.Sequential(
            OrderedDict(fc1=nn.Linear(dim, options.mlp * dim), act=nn.GELU(), fc2=nn.Linear(options.mlp * dim, dim))
        )

    def attend(self, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        """Map (b, t, c) to tokens behind the attention, and the places of those that are kept; None: all."""
        attended, scores = self.attn(self.norm1(tokens))
        return tokens + attended, None if self.share == 1 else kept_tokens(scores, self.share)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (b, t, c) to (b, s, c)."""
        tokens, places = self.attend(tokens)
        if places is not None:
            tokens = taken(tokens, places)
        return tokens + self.mlp(self.norm2(tokens))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """Projection, dropping of patches, blocks, layer normalisation; (n, c, side, side) to (n, dim).

    Args:
        options: The recipe's options.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        dim = options.dim
        self.patches = options.patches
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.cls_pos_embed = nn.Parameter(torch.zeros(1, 1, dim))
        self.patch_pos_embed = nn.Parameter(torch.zeros(1, options.side**2, dim))
        self.projs = nn.ModuleList([nn.Conv2d(options.channels[-1], dim, 1)])
        self.blocks = nn.Sequential(*(Block(options, share) for share in options.keep))
        self.norm = nn.LayerNorm(dim, eps=EPSILON)
        for each in (self.cls_token, self.cls_pos_embed, self.patch_pos_embed):
            nn.init.trunc_normal_(each, std=0.02)

    def embed(self, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Map (n, c, side, side) to tokens (n, 1 + patches, dim), the class token first, and the places kept."""
        patches = self.projs[0](grid).flatten(2).transpose(1, 2)
        places = kept(patches.abs().sum(dim=2), self.patches)
        chosen = taken(patches + self.patch_pos_embed, places)
        first = (self.cls_token + self.cls_pos_embed).expand(len(grid), -1, -1)
        return torch.cat([first, chosen], dim=1), places

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, c, side, side) to the class token, (n, dim)."""
        return self.norm(self.blocks(self.embed(grid)[0]))[:, 0]  # type: ignore[no-any-return]


class Trunk(nn.Module):
    """Three stages of IR-50 and the transformer; (n, 3, h, w) to (n, dim).

    Args:
        options: The recipe's options.
        path: File of the face network's weights.
    """

    def __init__(self, options: Options, path: Path | None) -> None:
        super().__init__()
        self.normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD)
        self.extractor = IR50(options.units, options.channels, path)
        self.vit = Transformer(options)

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to one vector each."""
        return self.vit(self.extractor(self.normalise(images))[-1])  # type: ignore[no-any-return]


class Head(nn.Module):
    """A linear layer.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
    """

    def __init__(self, options: Options, n_classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(options.dim, n_classes)
        if options.zero_head:
            nn.init.zeros_(self.fc.weight)
            nn.init.zeros_(self.fc.bias)

    def forward(self, vectors: Tensor) -> Tensor:
        """Map (n, dim) to logits (n, n_classes)."""
        return self.fc(vectors)  # type: ignore[no-any-return]


class Net(nn.Sequential):
    """Trunk and head; behind the projection there is no grid any more."""

    cam_layer = "trunk.vit.projs.0"


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: Initial weights of the face network.

    Raises:
        FerBenchError: If the weights do not fit.
    """
    if weights.source == "timm":
        raise FerBenchError(
            "timm has no weights of IR-50", fix="set methods.<method>.weights to none, or to face.evoLVe's IR-50"
        )
    trunk = Trunk(options, weights.path)
    for path in files(options, weights):
        load_transformer(trunk.vit, path)
    return Net(OrderedDict(trunk=trunk, head=Head(options, n_classes)))


def files(options: Options, weights: Weights) -> tuple[Path, ...]:
    """Return the transformer's file, where it is read."""
    path = options.transformer
    asked = weights.source == "file" and not weights.before_checkpoint
    return (Path(path),) if path is not None and asked else ()


def load_transformer(vit: Transformer, path: Path) -> None:
    """Give the blocks, the class token and the positions timm's weights ``vit_small_p16_224-15ec54c9.pth``.

    The projection of the grid has none, and keeps its random ones.

    Raises:
        FerBenchError: If the file lacks a weight, or has it in another size.
    """
    state = weight_files.tensors(weight_files.read(path), source=str(path))
    wanted = {name: value.shape for name, value in vit.state_dict().items() if not name.startswith("projs.")}
    positions = state.get("pos_embed")
    if positions is not None and positions.ndim == 3:
        state |= {"cls_pos_embed": positions[:, :1], "patch_pos_embed": positions[:, 1:]}
    wrong = [name for name, shape in wanted.items() if name not in state or state[name].shape != shape]
    if wrong:
        raise FerBenchError(
            f"{path}: not the weights of this transformer: it lacks, or has in another size, {', '.join(wrong[:3])}",
            fix="give timm's vit_small_p16_224-15ec54c9.pth, or leave option transformer out",
        )
    vit.load_state_dict({name: state[name] for name in wanted}, strict=False)


def repeat_factors(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Return by how much the released sampler repeats each class: the root of 0.15 over its share, rounded up.

    Args:
        labels: Of the training part, (n,).
        n_classes: K.

    Returns:
        (K,); 1 for a class without a picture.

    Examples:
        RAF-DB, from surprise to neutral in its own order:

        >>> counts = np.array([1290, 281, 717, 4772, 1982, 705, 2524])
        >>> repeat_factors(np.repeat(np.arange(7), counts), 7).tolist()
        [2.0, 3.0, 2.0, 1.0, 1.0, 2.0, 1.0]
    """
    shares = np.bincount(labels, minlength=n_classes) / len(labels)
    factors: np.ndarray = np.ceil(np.sqrt(RARE / np.where(shares > 0, shares, 1.0)).clip(min=1.0))
    return factors


class Loss(nn.Module):
    """Cross-entropy, weighted by the factors by which classes are repeated, over their mean.

    Args:
        options: The recipe's options.
        labels: Of the training part, (n,).
        n_classes: K.
    """

    factors: Tensor

    def __init__(self, options: Options, labels: np.ndarray, n_classes: int) -> None:
        super().__init__()
        factors = repeat_factors(labels, n_classes) if options.repeats else np.ones(n_classes)
        factors = factors / factors[labels].mean()
        self.register_buffer("factors", torch.from_numpy(factors).float())

    def forward(self, model: Any, batch: Batch) -> Tensor:  # noqa: ANN401 - trunk and head are children
        """Return the loss of a batch."""
        logits = model.head(batch.inputs) if batch.from_features else model(batch.inputs)
        losses = functional.cross_entropy(logits, batch.labels, reduction="none", label_smoothing=batch.label_smoothing)
        loss: Tensor = (losses * batch.sample_weights * self.factors[batch.labels]).mean()
        return loss


def build_loss(options: Options, *, labels: np.ndarray, n_classes: int) -> nn.Module:
    """Build the loss."""
    return Loss(options, labels, n_classes)


RELEASED = official.Released(
    name_of=lambda name: name.removeprefix("trunk."),
    of_classes=("head.fc.weight", "head.fc.bias"),
    order=ORDER,
)


def from_official(checkpoint: object) -> dict[str, Tensor]:
    """Return a checkpoint of the released code as a state dict of :func:`build`."""
    return RELEASED.state_dict(checkpoint, lambda n: build(Options(), n_classes=n, weights=Weights("none")))


TRAINING = Training(
    phases=(Phase(epochs=40, lr=1e-3, schedule=EpochCosine()),), batch_size=128, image_size_px=112, optimizer="sgd",
    weight_decay=5e-4, undecayed=("pos_embed", "cls_token"), clip_norm=10.0,
    sampling=RepeatFactor(threshold=RARE),
    augment=(
        Sometimes(p=0.5, changes=(Rotate(degrees=6, interpolation="bilinear"),)),
        ResizedCrop(area=(0.8, 1.0), aspect=(1.0, 1.0)), "flip",
        InBgr(
            changes=(
                Sometimes(p=0.2, changes=(Grey(),)),
                Sometimes(p=0.8, changes=(Jitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),)),
            ),
        ),
        Sometimes(p=0.5, changes=(Erase(area=(0.02, 0.33), drawn="ratio", mean=IMAGENET_MEAN, std=IMAGENET_STD),)),
    ),
)  # fmt: skip

CODE = Recipe(
    about="the released code for RAF-DB: IR-50 trained on faces (MS-Celeb-1M), timm's transformer of 2020",
    departures=(
        "pictures are turned and cropped at 112 px, the code's at their own 224",
        "an erased rectangle that does not fit is cut at the border; the code draws again",
    ),
    options=Options(transformer="weights/vit_small_p16_224-15ec54c9.pth"),
    weights="weights/backbone_ir50_ms1m_epoch120.pth",
    training=TRAINING,
)

RECIPES = {
    "toy": Recipe(
        about="APViT of four blocks on a face network of three units from random weights, for the demo",
        departures=(
            "another size, random weights, pictures of 48 px in batches of 32, few epochs, mirrored pictures alone",
            "rare classes do not weigh more, the head does not start at zero",
            "Adam with warm-up instead of stochastic gradient descent",
        ),
        options=Options(
            units=(1, 1, 1), channels=(16, 32, 64), side=6, dim=64, heads=4, mlp=2, patches=30,
            keep=(1.0, 1.0, 0.9, 0.9), zero_head=False, repeats=False,
        ),
        training=dataclasses.replace(
            TRAINING,
            phases=(Phase(epochs=8, lr=2e-3, schedule=WarmupCosine(warmup_epochs=1)),),
            optimizer="adam",
            batch_size=32,
            image_size_px=48,
            sampling="once",
            augment=("flip",),
        ),
    ),
    "code": CODE,
    "code_scratch": dataclasses.replace(
        CODE,
        about="as code, from random weights",
        departures=(*CODE.departures, "random weights throughout"),
        options=Options(),
        weights="none",
    ),
    "code_scale": dataclasses.replace(
        CODE,
        about="as code, with attention scaled as the transformer's weights were trained",
        options=Options(transformer="weights/vit_small_p16_224-15ec54c9.pth", scale="token"),
    ),
}  # fmt: skip

method = Method(
    title="APViT",
    recipes=RECIPES,
    build=build,
    build_loss=build_loss,
    from_official=from_official,
    files=files,
)
