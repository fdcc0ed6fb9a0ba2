"""POSTER++: three grids of faces, each asked by a grid of landmarks, and a small transformer over all of them.

Paper
    Mao, Xu, Yin, Chang, Nie, Huang, "POSTER V2: A simpler and stronger facial expression recognition network", 2023,
    arXiv:2301.12149. What is said here of the paper comes from its page and the repository: its text was not read.

Code read
    Talented-Q/POSTER_V2 @ 18de5591 (MIT), 7 classes. Nothing was copied; functions, counts and settings were taken from
    running and describing it.

What the released code does that is easily missed
    * The windows of its window-based attention have the sides of the grids, 28, 14 and 7, so that each grid is one
      window and attention is global, over 784, 196 and 49 places.
    * What goes past attention is the normalised grid, not the grid.
    * What attention and the layers behind it add is scaled by trained vectors that start at 1e-5.
    * Linear layers of the transformer, the gate and the head start with weights of N(0, 0.01) and biases of zero; all
      others as torch's do.
    * Queries are the landmarks' grids as they are; a learned number per head and displacement is added.
    * Pictures of 224 px are brought to 112 px by leaving out every other pixel, for both networks.
    * The network of landmarks keeps its weights, and its batch statistics move in training (``streams.landmarks``).
    * The file of the best epoch holds the optimiser's state in place of the model's, and cannot be read.
    * 14,562,653 weights are kept and never used (IR-50's embedding, the landmarks, parts of the transformer).
    * No seed is set. Test pictures are not RAF-DB's own of 100 px.

Departures of ours
    Each recipe names its own. Throughout:

    * Weights that are never used are left out.
    * The network of landmarks is read from ``streams.landmark_weights`` where IR-50's weights are a file. With
      ``weights: none`` both start at random, and ``streams.landmarks`` should be ``trained``.
    * The released code counts classes in the order of its folders' names, which are not on record. A checkpoint is read
      in the order of RAF-DB's labels, 1 to 7: hold its accuracy per expression against that before you use it.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import torch
from timm.layers.drop import DropPath
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks import ir50, mobilefacenet, streams
from baselines._blocks.resnet import IMAGENET_MEAN
from baselines._blocks.streams import Head, Mlp, Net, Streams, TwoStreams
from fer_bench.method import Erase, Exponential, Method, Phase, Recipe, Sometimes, Training, WarmupCosine, Weights
from fer_bench.training import official

START_STD = 0.01  # of the weights of the transformer's linear layers, the gate's and the head's
EPSILON = 1e-6  # of the transformer's layer normalisations; the grids' have 1e-5


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        backbone: Network of faces: ``ir50``, or one of timm's ResNets with IR-50's channels, with the tag of its
            weights.
        streams: What the two networks are otherwise.
        heads: Attention heads of the three grids.
        drop_paths: Share of samples that skip a branch, grid by grid.
        layer_scale: What the scales of attention and of the layers behind it start at.
        dim: Width of the transformer's tokens.
        depth: Its blocks.
        dim_heads: Its attention heads.
    """

    backbone: str = "ir50"
    streams: Streams = field(default_factory=Streams)
    heads: tuple[int, int, int] = (2, 4, 8)
    drop_paths: tuple[float, float, float] = (0.0, 0.125, 0.25)
    layer_scale: float = 1e-5
    dim: int = 768
    depth: int = 2
    dim_heads: int = 8


def _displacements(side: int) -> Tensor:
    """Return the number of each pair of places' displacement, (side², side²)."""
    places = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")).flatten(1)
    apart = places[:, :, None] - places[:, None, :] + side - 1  # rows, columns
    return apart[0] * (2 * side - 1) + apart[1]


class Asked(nn.Module):
    """Attention over a grid's places, asked by another grid as it is.

    Args:
        n_channels: Of both grids.
        side: Of both grids.
        heads: Number of heads.
    """

    relative_position_index: Tensor

    def __init__(self, n_channels: int, side: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(
            nn.init.trunc_normal_(torch.empty((2 * side - 1) ** 2, heads), std=0.02)
        )
        self.register_buffer("relative_position_index", _displacements(side), persistent=False)
        self.qkv = nn.Linear(n_channels, 2 * n_channels)
        self.proj = nn.Linear(n_channels, n_channels)

    def forward(self, tokens: Tensor, grid: Tensor) -> Tensor:
        """Map tokens (n, h w, c), asked by a grid (n, c, h, w), to (n, h w, c)."""
        n, t, c = tokens.shape
        key, value = self.qkv(tokens).reshape(n, t, 2, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        query = grid.reshape(n, self.heads, c // self.heads, t).transpose(2, 3)
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.proj(attended.transpose(1, 2).reshape(n, t, c))  # type: ignore[no-any-return]


class Level(nn.Module):
    """A grid of faces, asked by one of landmarks.

    Args:
        n_channels: Of both grids.
        side: Of the grid of landmarks; that of faces has twice as many places per side and is halved.
        heads: Number of attention heads.
        drop_path: Share of samples that skip a branch.
        scale: What the scales of the branches start at.
    """

    def __init__(self, n_channels: int, side: int, heads: int, drop_path: float, scale: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_channels, n_channels, 3, 2, 1)
        self.window = nn.LayerNorm(n_channels)
        self.attn = Asked(n_channels, side, heads)
        self.gamma1 = nn.Parameter(torch.full((n_channels,), scale))
        self.gamma2 = nn.Parameter(torch.full((n_channels,), scale))
        self.norm = nn.LayerNorm(n_channels)
        self.mlp = Mlp(n_channels, 4 * n_channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, faces: Tensor, marks: Tensor) -> Tensor:
        """Map grids (n, c, 2 s, 2 s) and (n, c, s, s) to (n, c, s, s)."""
        tokens = self.window(self.conv(faces).flatten(2).transpose(1, 2))
        tokens = tokens + self.drop_path(self.gamma1 * self.attn(tokens, marks))
        tokens = tokens + self.drop_path(self.gamma2 * self.mlp(self.norm(tokens)))
        return tokens.transpose(1, 2).reshape(marks.shape)  # type: ignore[no-any-return]


class SelfAttention(nn.Module):
    """Attention of tokens to one another.

    Args:
        dim: Width of a token.
        heads: Number of heads.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (n, t, c) to the same shape."""
        n, t, c = tokens.shape
        query, key, value = self.qkv(tokens).reshape(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(attended.transpose(1, 2).reshape(n, t, c))  # type: ignore[no-any-return]


class Block(nn.Module):
    """A transformer's block, normalised before its branches."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=EPSILON)
        self.attn = SelfAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=EPSILON)
        self.mlp = Mlp(dim, 4 * dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (n, t, c) to the same shape."""
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))  # type: ignore[no-any-return]


class Fusion(TwoStreams):
    """Both networks, the three grids, and the transformer; pictures to (n, dim).

    Args:
        options: The recipe's options.
        weights: Initial weights of the network of faces.

    Raises:
        FerBenchError: If weights do not fit.
    """

    def __init__(self, options: Options, weights: Weights) -> None:
        super().__init__(options.backbone, options.streams, weights)
        channels, dim = self.image.channels, options.dim
        side = options.streams.px // 16  # of the coarsest grid
        self.last_face_conv = nn.Conv2d(options.streams.landmark_channels[-1], channels[-1], 3, 1, 1)
        self.levels = nn.ModuleList(
            Level(n, side * 2 ** (2 - i), options.heads[i], options.drop_paths[i], options.layer_scale)
            for i, n in enumerate(channels)
        )
        self.embed_q = nn.Sequential(nn.Conv2d(channels[0], dim, 3, 2, 1), nn.Conv2d(dim, dim, 3, 2, 1))
        self.embed_k = nn.Sequential(nn.Conv2d(channels[1], dim, 3, 2, 1))
        self.embed_v = nn.Conv2d(channels[2], dim, 1)
        self.cls_token = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, 1, dim), std=0.02))
        self.pos_embed = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, 3 * side**2 + 1, dim), std=0.02))
        self.blocks = nn.Sequential(*(Block(dim, options.dim_heads) for _ in range(options.depth)))
        self.norm = nn.LayerNorm(dim, eps=EPSILON)
        self.blocks.apply(_start)

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to the class token."""
        faces, marks = self.grids(images)
        marks[-1] = self.last_face_conv(marks[-1])
        grids = [level(face, mark) for level, face, mark in zip(self.levels, faces, marks, strict=True)]
        embedded = [embed(grid) for embed, grid in zip((self.embed_q, self.embed_k, self.embed_v), grids, strict=True)]
        tokens = torch.cat([grid.flatten(2) for grid in embedded], dim=2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1) + self.pos_embed
        return self.norm(self.blocks(tokens))[:, 0]  # type: ignore[no-any-return]


def _start(part: nn.Module) -> None:
    if isinstance(part, nn.Linear):
        nn.init.normal_(part.weight, std=START_STD)
        nn.init.zeros_(part.bias)


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: Initial weights of the network of faces.
    """
    return Net(Fusion(options, weights), Head(options.dim, n_classes).apply(_start))


def _name_of(name: str) -> str:
    child, _, rest = name.partition(".")
    if child == "head":
        return f"VIT.{rest}" if rest.startswith("se_block.") else f"VIT.head.{rest}"
    part, _, inner = rest.partition(".")
    if part == "image":
        return f"ir_back.{_numbered(inner)}"
    if part == "levels":
        return _of_level(inner)
    known = {"landmarks": f"face_landback.{inner}", "embed_v": f"embed_v.proj.{inner}"}
    if part in {"last_face_conv", "embed_q", "embed_k"}:
        return rest
    return known.get(part, f"VIT.{rest}")


def _numbered(name: str) -> str:
    """Return a layer of IR-50's name where each stage is a body of its own, numbered from 1."""
    body, _, rest = name.partition(".")
    stage, _, inner = rest.partition(".")
    return f"body{int(stage) + 1}.{inner}" if body == "body" else name


def _of_level(name: str) -> str:
    level, part, *_ = name.split(".")
    rest = name.removeprefix(f"{level}.{part}")
    number = int(level) + 1
    whole = {"conv": f"conv{number}", "window": f"window{number}.norm", "attn": f"attn{number}"}
    return f"{whole.get(part, f'ffn{number}.{part}')}{rest}"


SIDES = (28, 14, 7)

RELEASED = official.Released(
    name_of=_name_of,
    of_classes=("head.linear.weight", "head.linear.bias"),
    unused={
        **{f"ir_back.{name}": shape for name, shape in ir50.UNUSED.items()},
        **{f"face_landback.{name}": shape for name, shape in mobilefacenet.UNUSED.items()},
        "VIT.patch_embed.proj.weight": (768, 256, 1, 1),
        "VIT.patch_embed.proj.bias": (768,),
        "VIT.eca_block.conv.weight": (1, 1, 5),
        "VIT.CON1.weight": (768, 256, 1, 1),
        "VIT.IRLinear1.weight": (768, 1024),
        "VIT.IRLinear1.bias": (768,),
        "VIT.IRLinear2.weight": (512, 768),
        "VIT.IRLinear2.bias": (512,),
        **{f"VIT.blocks.{block}.conv.weight": (148, 148, 1) for block in range(2)},
        **{f"VIT.blocks.{block}.conv.bias": (148,) for block in range(2)},
        # follow from the sizes alone
        **{f"attn{i}.relative_position_index": (side**2, side**2) for i, side in enumerate(SIDES, start=1)},
    },
)


def from_official(checkpoint: object) -> dict[str, Tensor]:
    """Return a checkpoint of the released code as a state dict of :func:`build`."""
    return RELEASED.state_dict(checkpoint, lambda n: build(Options(), n_classes=n, weights=Weights("none")))


TRAINING = Training(
    phases=(Phase(epochs=200, lr=3.5e-5, schedule=Exponential(factor=0.98)),),
    batch_size=144,
    image_size_px=224,
    optimizer="adam",
    sam_rho=0.05,
    augment=("flip", Sometimes(p=0.5, changes=(Erase(area=(0.02, 0.1), mean=IMAGENET_MEAN),))),
)

CODE = Recipe(
    about="the released code for RAF-DB: IR-50 trained on faces (MS-Celeb-1M), frozen landmarks",
    options=Options(),
    weights="weights/ir50.pth",
    training=TRAINING,
)

RECIPES = {
    "toy": Recipe(
        about="POSTER++ on two small networks from random weights, for the demo",
        departures=(
            "another size: grids of 8, 16 and 32 channels, tokens of 32, one block; random weights, landmarks trained",
            "branches scaled by 1 from the start, none skipped",
            "pictures of 48 px in batches of 32, few epochs, a higher learning rate with warm-up, none erased",
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
            heads=(1, 2, 4),
            drop_paths=(0.0, 0.0, 0.0),
            layer_scale=1.0,
            dim=32,
            depth=1,
            dim_heads=2,
        ),
        training=dataclasses.replace(
            TRAINING,
            phases=(Phase(epochs=7, lr=3e-3, schedule=WarmupCosine(warmup_epochs=0.5)),),
            batch_size=32,
            image_size_px=48,
            augment=("flip",),
        ),
    ),
    "code": CODE,
    "code_imagenet": dataclasses.replace(
        CODE,
        about="as code, with three stages of a ResNet-18 from ImageNet, and landmarks' network trained from nothing",
        departures=(
            "a ResNet-18 from ImageNet, on pictures of 224 px, instead of IR-50",
            "the second network has seen no landmarks",
        ),
        options=Options(backbone="resnet18.tv_in1k", streams=Streams(landmark_weights=None, landmarks="trained")),
        weights="timm",
    ),
}


def files(options: Options, weights: Weights) -> tuple[Path, ...]:
    """Return what is read beside IR-50's weights."""
    return streams.files(options.streams, weights)


method = Method(
    title="POSTER++",
    recipes=RECIPES,
    build=build,
    from_official=from_official,
    files=files,
)
