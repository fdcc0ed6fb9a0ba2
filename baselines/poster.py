"""POSTER: a network of faces and one of landmarks, which query each other at three widths.

Paper
    Zheng, Mendieta, Chen, "POSTER: A Pyramid Cross-Fusion Transformer Network for Facial Expression Recognition", ICCV
    workshops 2023, arXiv:2204.04083. What is said here of the paper comes from its page and the repository: its text
    was not read.

Code read
    zczcwh/POSTER @ ba2e3e98 (Apache-2.0 in the licence file, MIT in the README). RAF-DB only. Nothing was copied;
    functions, counts and settings were taken from running and describing it.

What the released code does that is easily missed
    * The 49 image tokens are no patches. A grid (256, 14, 14) is read as (49, 1024) in memory's order, so that a token
      is five channels and a part of a sixth, over all places (option ``tokens``).
    * Pictures are BGR, normalised by ImageNet's statistics of RGB (option ``bgr``).
    * Pictures of 224 px are brought to 112 px by leaving out every other pixel, for both networks.
    * The network of landmarks keeps its weights, and its batch statistics move in training (``streams.landmarks``).
    * Queries are not projected. Positions are learned for the image's tokens alone, from zero. A class token starts as
      the mean of its stream's tokens. Behind each block one convolution mixes the tokens of both streams, with nothing
      past it.
    * IR-50's embedding, the landmarks and one class token are computed or kept and never used: 12,944,144 weights, read
      from a checkpoint by nobody.

Departures of ours
    Each recipe names its own. Throughout:

    * Weights that are never used are left out.
    * The network of landmarks is read from ``streams.landmark_weights`` where IR-50's weights are a file. With
      ``weights: none`` both start at random, and ``streams.landmarks`` should be ``trained``.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from timm.layers.drop import DropPath
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks import ir50, mobilefacenet, settings, streams
from baselines._blocks.resnet import IMAGENET_MEAN
from baselines._blocks.streams import Head, Mlp, Net, Streams, TwoStreams
from fer_bench.method import (
    Batch,
    Either,
    Erase,
    Exponential,
    Method,
    Mirror,
    Phase,
    Recipe,
    Sometimes,
    Training,
    WarmupCosine,
    Weights,
)
from fer_bench.training import official

EPSILON = 1e-6
PATCH = 2  # places of the image's grid per side of a token


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        backbone: Network of faces: ``ir50``, or one of timm's ResNets, with the tag of its weights.
        streams: What the two networks are otherwise.
        bgr: Whether channels are turned round before they are normalised by RGB's statistics (released code).
        dim: Width of the widest level; the others have a half and a quarter.
        depth: Blocks of each level: 8 is the code's "large", 6 and 4 its "base" and "small".
        heads: Attention heads.
        drop_path: Share of samples that skip a branch in the last block; in between it rises evenly from 0.
        tokens: ``view``: memory's order (released code); ``patches``: 2 × 2 places of all channels.
        smoothing: Of the smoothed cross-entropy.
        smoothed_weight: Its weight beside the plain one.
    """

    backbone: str = "ir50"
    streams: Streams = field(default_factory=Streams)
    bgr: bool = True
    dim: int = 512
    depth: int = 8
    heads: int = 8
    drop_path: float = 0.1
    tokens: Literal["view", "patches"] = "view"
    smoothing: float = 0.2
    smoothed_weight: float = 2.0


class CrossAttention(nn.Module):
    """Attention over one stream, asked by the other's tokens as they are.

    Args:
        dim: Width of a token.
        heads: Number of heads.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor, queries: Tensor) -> Tensor:
        """Map tokens (n, t, c) and queries (n, t, c) to (n, t, c)."""
        key, value = (self._split(part) for part in self.kv(tokens).chunk(2, dim=-1))
        attended = functional.scaled_dot_product_attention(self._split(queries), key, value)
        return self.proj(attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def _split(self, tokens: Tensor) -> Tensor:
        n, t, c = tokens.shape
        return tokens.reshape(n, t, self.heads, c // self.heads).transpose(1, 2)


class Block(nn.Module):
    """Both streams at one width: each asked by the other, then one convolution over all tokens.

    Args:
        dim: Width of a token.
        heads: Number of attention heads.
        n_tokens: Of both streams together.
        drop_path: Share of samples that skip a branch.
    """

    def __init__(self, dim: int, heads: int, n_tokens: int, drop_path: float) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(dim, eps=EPSILON) for _ in range(4))
        self.attn_img, self.attn_lm = CrossAttention(dim, heads), CrossAttention(dim, heads)
        self.mlp1, self.mlp2 = Mlp(dim, 2 * dim), Mlp(dim, 2 * dim)
        self.conv = nn.Conv1d(n_tokens, n_tokens, 1)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (n, t, c), the image's tokens first, to the same shape."""
        image, marks = tokens.chunk(2, dim=1)
        of_image = image + self.drop_path(self.attn_img(self.norm1(image), self.norm1(marks)))
        of_image = of_image + self.drop_path(self.mlp1(self.norm2(of_image)))
        of_marks = marks + self.drop_path(self.attn_lm(self.norm3(marks), self.norm3(image)))
        of_marks = of_marks + self.drop_path(self.mlp2(self.norm4(of_marks)))
        return self.conv(torch.cat([of_image, of_marks], dim=1))  # type: ignore[no-any-return]


class Pyramid(nn.Module):
    """A block at each of three widths; the narrow ones are widened and added to the next.

    Args:
        dim: The widest.
        heads: Number of attention heads.
        n_tokens: Of both streams together.
        drop_path: Share of samples that skip a branch.
    """

    def __init__(self, dim: int, heads: int, n_tokens: int, drop_path: float) -> None:
        super().__init__()
        self.block_l = Block(dim, heads, n_tokens, drop_path)
        self.block_m = Block(dim // 2, heads, n_tokens, drop_path)
        self.block_s = Block(dim // 4, heads, n_tokens, drop_path)
        self.upsample_m = nn.ConvTranspose1d(n_tokens, n_tokens, 2, 2)
        self.upsample_s = nn.ConvTranspose1d(n_tokens, n_tokens, 2, 2)

    def forward(self, large: Tensor, medium: Tensor, small: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map tokens (n, t, c), (n, t, c / 2), (n, t, c / 4) to the same shapes."""
        small = self.block_s(small)
        medium = self.block_m(medium) + self.upsample_s(small)
        return self.block_l(large) + self.upsample_m(medium), medium, small


class Fusion(TwoStreams):
    """Both networks, and the pyramid over their tokens; pictures to (n, dim).

    Args:
        options: The recipe's options.
        weights: Initial weights of the network of faces.

    Raises:
        FerBenchError: If weights do not fit.
    """

    def __init__(self, options: Options, weights: Weights) -> None:
        super().__init__(options.backbone, options.streams, weights, bgr=options.bgr)
        self.options = options
        self.side = options.streams.px // 16  # of the landmarks' last grid
        n_tokens = 2 * (self.side**2 + 1)
        self.ir_layer = nn.Linear(PATCH**2 * self.image.channels[-1], options.dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, self.side**2 + 1, options.dim))
        self.downsample_m = nn.Conv1d(n_tokens, n_tokens, 2, 2)
        self.downsample_s = nn.Conv1d(n_tokens, n_tokens, 4, 4)
        self.blocks = nn.ModuleList(
            Pyramid(options.dim, options.heads, n_tokens, float(rate))
            for rate in np.linspace(0, options.drop_path, options.depth)
        )
        self.norm = nn.LayerNorm(options.dim, eps=EPSILON)

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to the image's class token."""
        faces, marks = self.grids(images)
        image = _with_mean(self.ir_layer(self.image_tokens(faces[-1]))) + self.pos_embed
        large = torch.cat([image, _with_mean(marks[-1].flatten(2).transpose(1, 2))], dim=1)
        medium, small = self.downsample_m(large), self.downsample_s(large)
        for block in self.blocks:
            large, medium, small = block(large, medium, small)
        return self.norm(large[:, 0])  # type: ignore[no-any-return]

    def image_tokens(self, grid: Tensor) -> Tensor:
        """Read a grid (n, c, 2 s, 2 s) as tokens (n, s², 4 c)."""
        if self.options.tokens == "patches":
            return functional.pixel_unshuffle(grid, PATCH).flatten(2).transpose(1, 2)
        return grid.reshape(len(grid), self.side**2, -1)


def _with_mean(tokens: Tensor) -> Tensor:
    return torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1)


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: Initial weights of the network of faces.
    """
    return Net(Fusion(options, weights), Head(options.dim, n_classes))


class Loss(nn.Module):
    """Cross-entropy, plain and smoothed.

    Args:
        options: The recipe's options.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options

    def forward(self, model: Any, batch: Batch) -> Tensor:  # noqa: ANN401 - trunk and head are children
        """Return the loss of a batch."""
        logits = model.head(batch.inputs) if batch.from_features else model(batch.inputs)
        losses = mixed(logits, batch.labels, self.options.smoothing, self.options.smoothed_weight)
        loss: Tensor = (losses * batch.sample_weights).mean()
        return loss


def mixed(logits: Tensor, labels: Tensor, smoothing: float, smoothed_weight: float) -> Tensor:
    """Compute each sample's cross-entropy plus ``smoothed_weight`` times the smoothed one.

    Args:
        logits: (n, k).
        labels: (n,).
        smoothing: Share of the target spread evenly over all classes.
        smoothed_weight: Of the smoothed one.

    Returns:
        (n,).
    """
    plain = functional.cross_entropy(logits, labels, reduction="none")
    return plain + smoothed_weight * functional.cross_entropy(
        logits, labels, reduction="none", label_smoothing=smoothing
    )


def build_loss(options: Options, *, labels: np.ndarray, n_classes: int) -> nn.Module:  # noqa: ARG001 - BuildLoss
    """Build the loss."""
    return Loss(options)


def _name_of(name: str) -> str:
    child, _, rest = name.partition(".")
    if child == "head":
        return rest if rest.startswith("se_block.") else f"head.{rest}"
    part, _, inner = rest.partition(".")
    return {"image": f"ir_back.{ir50.counted(inner)}", "landmarks": f"face_landback.{inner}", "ir_layer": rest}.get(
        part, f"pyramid_fuse.{rest}"
    )


RELEASED = official.Released(
    name_of=_name_of,
    of_classes=("head.linear.weight", "head.linear.bias"),
    unused={
        **{f"ir_back.{name}": shape for name, shape in ir50.UNUSED.items()},
        **{f"face_landback.{name}": shape for name, shape in mobilefacenet.UNUSED.items()},
        "pyramid_fuse.cls_token": (1, 1, 512),
    },
)


def from_official(checkpoint: object) -> dict[str, Tensor]:
    """Return a checkpoint of the released code as a state dict of :func:`build`."""
    return RELEASED.state_dict(checkpoint, lambda n: build(Options(), n_classes=n, weights=Weights("none")))


# after normalisation, where zero is the mean; that of BGR by the statistics of RGB
ERASE = Erase(area=(0.02, 0.1), mean=(IMAGENET_MEAN[2], IMAGENET_MEAN[1], IMAGENET_MEAN[0]))

TRAINING = Training(
    phases=(Phase(epochs=300, lr=4e-5, schedule=Exponential(factor=0.98)),),
    batch_size=200,
    image_size_px=224,
    optimizer="adam",
    sam_rho=0.05,
    augment=("flip", Sometimes(p=0.5, changes=(ERASE,))),
    augment_before_resize=(Either(p=0.5, changes=(Mirror(), settings.NOISE)),),
)

CODE = Recipe(
    about="the released code's large network: IR-50 trained on faces (MS-Celeb-1M), frozen landmarks, BGR",
    departures=(
        settings.UNROUNDED,
        "one device: batch statistics over 200 samples, where the code's are over 100 on each of two",
    ),
    options=Options(),
    weights="weights/ir50.pth",
    training=TRAINING,
)

RECIPES = {
    "toy": Recipe(
        about="POSTER on two small networks from random weights, for the demo",
        departures=(
            "another size: three widths of 32, 16 and 8, two blocks; random weights, landmarks trained with the rest",
            "pictures of 48 px in batches of 32, few epochs, a higher learning rate with warm-up, RGB, none erased",
        ),
        options=Options(
            streams=Streams(
                px=48,
                units=(1, 1, 1),
                channels=(8, 16, 32),
                landmark_channels=(8, 16, 32, 32),
                landmark_depths=(1, 1, 1),
                landmarks="trained",
            ),
            bgr=False,
            dim=32,
            depth=2,
            heads=2,
            drop_path=0.0,
        ),
        training=dataclasses.replace(
            TRAINING,
            phases=(Phase(epochs=7, lr=3e-3, schedule=WarmupCosine(warmup_epochs=0.5)),),
            batch_size=32,
            image_size_px=48,
            augment=("flip",),
            augment_before_resize=(),
        ),
    ),
    "code": CODE,
    "code_repaired": dataclasses.replace(
        CODE,
        about="as code, with RGB, tokens that are patches, and landmarks whose batch statistics stay",
        options=Options(streams=Streams(landmarks="frozen"), bgr=False, tokens="patches"),
        training=dataclasses.replace(
            TRAINING, augment=("flip", Sometimes(p=0.5, changes=(dataclasses.replace(ERASE, mean=IMAGENET_MEAN),)))
        ),
    ),
    "code_imagenet": dataclasses.replace(
        CODE,
        about="as code, with three stages of a ResNet-18 from ImageNet, and landmarks' network trained from nothing",
        departures=(
            *CODE.departures,
            "a ResNet-18 from ImageNet, on pictures of 224 px, instead of IR-50; RGB",
            "the second network has seen no landmarks",
        ),
        options=Options(
            backbone="resnet18.tv_in1k", streams=Streams(landmark_weights=None, landmarks="trained"), bgr=False
        ),
        weights="timm",
        training=dataclasses.replace(
            TRAINING, augment=("flip", Sometimes(p=0.5, changes=(dataclasses.replace(ERASE, mean=IMAGENET_MEAN),)))
        ),
    ),
}


def files(options: Options, weights: Weights) -> tuple[Path, ...]:
    """Return what is read beside IR-50's weights."""
    return streams.files(options.streams, weights)


method = Method(
    title="POSTER",
    recipes=RECIPES,
    build=build,
    build_loss=build_loss,
    from_official=from_official,
    files=files,
)
