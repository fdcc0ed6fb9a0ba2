"""CLIP's two towers, written from the paper, under the names of OpenAI's weights.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021, arXiv:2103.00020,
section 2.4: a ViT with a layer normalisation before its blocks, and a causal transformer over 77 tokens of text. They
stand here and do not come from a library, because timm has no text tower and other weights and names would have to be
translated both ways; OpenAI's and OpenCLIP's files have these names.

A file of weights is a state dict. OpenAI's own download is a TorchScript archive, which is not read; where you trust
it: ``torch.save(torch.jit.load("ViT-B-16.pt", map_location="cpu").state_dict(), "weights/clip_vit_b_16.pth")``.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from baselines._blocks import brought
from fer_bench.errors import FerBenchError

WHAT = "CLIP ViT-B/16"
N_CONTEXT = 77
N_WORDS = 49408
N_TEXT_WIDTH, N_TEXT_HEADS, N_TEXT_DEPTH = 512, 8, 12
# what an archive of OpenAI's has besides
LEFT_OVER = ("logit_scale", "input_resolution", "context_length", "vocab_size", "text_projection", "token_embedding")


START, END = 49406, 49407
WORDS = {
    "surprise": 5099,
    "fear": 5402,
    "disgust": 41977,  # disgusted
    "happiness": 900,  # happy
    "sadness": 3719,  # sad
    "anger": 6788,
    "neutral": 17011,
}
"""CLIP's number of the word by which CEPrompt's released code names each expression."""


@dataclass(frozen=True, kw_only=True)
class Vision:
    """A visual tower; the defaults are ViT-B/16.

    Attributes:
        px: Side of a picture.
        patch: Side of a patch.
        width: Of a token.
        depth: Number of blocks.
        heads: Attention heads.
        out: Width of the space that pictures and texts share.
        activation: ``quick``: x σ(1.702 x), as in OpenAI's weights; ``gelu``, as in most of OpenCLIP's.
    """

    px: int = 224
    patch: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    out: int = 512
    activation: Literal["quick", "gelu"] = "quick"


class QuickGELU(nn.Module):
    """x σ(1.702 x)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same."""
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    """A transformer's block, normalised before its branches.

    Args:
        width: Of a token.
        heads: Attention heads.
        activation: See :class:`Vision`.
    """

    def __init__(self, width: int, heads: int, activation: str) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            OrderedDict(
                c_fc=nn.Linear(width, 4 * width),
                gelu=QuickGELU() if activation == "quick" else nn.GELU(),
                c_proj=nn.Linear(4 * width, width),
            )
        )
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map (n, t, width) to the same shape."""
        normed = self.ln_1(tokens)
        tokens = tokens + self.attn(normed, normed, normed, need_weights=False, attn_mask=mask)[0]
        return tokens + self.mlp(self.ln_2(tokens))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """Blocks in a row."""

    def __init__(self, width: int, depth: int, heads: int, activation: str) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads, activation) for _ in range(depth))

    def forward(self, tokens: Tensor, mask: Tensor | None = None, prompts: Sequence[Tensor] = ()) -> Tensor:
        """Map (n, t, width) to the same shape.

        Args:
            tokens: What enters the first block.
            mask: What is added to attention's scores.
            prompts: What stands behind the first token from the second block on, (p, width) for each: before its
                block, it takes the place of what the block before gave there.
        """
        for index, block in enumerate(self.resblocks):
            if 0 < index <= len(prompts):
                tokens = replaced(tokens, prompts[index - 1])
            tokens = block(tokens, mask)
        return tokens


def replaced(tokens: Tensor, prompt: Tensor) -> Tensor:
    """Put a prompt (p, width) in the place of the p tokens behind the first of each row of (n, t, width)."""
    rest = tokens[:, 1 + len(prompt) :]
    return torch.cat([tokens[:, :1], prompt.expand(len(tokens), -1, -1), rest], dim=1)


class VisualTower(nn.Module):
    """The visual tower up to its last normalisation: normalised pictures to tokens, the class token first.

    Args:
        sizes: Its sizes.
    """

    def __init__(self, sizes: Vision) -> None:
        super().__init__()
        width = sizes.width
        n_tokens = (sizes.px // sizes.patch) ** 2 + 1
        self.class_embedding = nn.Parameter(torch.randn(width) * width**-0.5)
        self.positional_embedding = nn.Parameter(torch.randn(n_tokens, width) * width**-0.5)
        self.conv1 = nn.Conv2d(3, width, sizes.patch, sizes.patch, bias=False)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(width, sizes.depth, sizes.heads, sizes.activation)
        self.ln_post = nn.LayerNorm(width)

    def prompts(self) -> Sequence[Tensor]:
        """Return prompts (p, width) for the blocks from the second on: none, where a method does not say otherwise.

        They take the place of the first patches (:class:`Transformer`).
        """
        return ()

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, 3, px, px) to (n, 1 + patches, width)."""
        tokens = self.conv1(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_embedding.expand(len(tokens), 1, -1), tokens], dim=1)
        tokens = tokens + self.positional_embedding
        return self.ln_post(self.transformer(self.ln_pre(tokens), prompts=self.prompts()))  # type: ignore[no-any-return]

    def freeze(self, n_blocks: int) -> None:
        """Leave the embeddings, what normalises them and the first blocks as they are."""
        frozen: Sequence[nn.Module] = (self.conv1, self.ln_pre, *list(self.transformer.resblocks)[:n_blocks])
        for part in frozen:
            part.requires_grad_(requires_grad=False)
        self.class_embedding.requires_grad = False
        self.positional_embedding.requires_grad = False


@dataclass(frozen=True, kw_only=True)
class Text:
    """Sizes of the text tower; the defaults are ViT-B/16's."""

    width: int = N_TEXT_WIDTH
    depth: int = N_TEXT_DEPTH
    heads: int = N_TEXT_HEADS


class TextEncoder(nn.Module):
    """The text tower behind its table of words: embedded words to embeddings of texts, not of unit length.

    Args:
        out: Width of the space that pictures and texts share.
        activation: See :class:`Vision`.
        sizes: Its sizes.
    """

    mask: Tensor

    def __init__(self, out: int = 512, activation: str = "quick", sizes: Text | None = None) -> None:
        super().__init__()
        sizes = sizes or Text()
        self.positional_embedding = nn.Parameter(torch.zeros(N_CONTEXT, sizes.width))
        self.transformer = Transformer(sizes.width, sizes.depth, sizes.heads, activation)
        self.ln_final = nn.LayerNorm(sizes.width)
        self.text_projection = nn.Parameter(torch.randn(sizes.width, out) * sizes.width**-0.5)
        self.register_buffer(
            "mask", torch.full((N_CONTEXT, N_CONTEXT), -torch.inf).triu(1), persistent=False
        )  # a token sees those before it

    def encode(self, tokens: Tensor, last: Tensor, prompts: Sequence[Tensor] = ()) -> Tensor:
        """Map embedded words (k, t, width), t up to 77, to the states at the last token of each text, (k, out).

        Args:
            tokens: The words.
            last: (k,) where each text ends.
            prompts: For the blocks from the second on (:class:`Transformer`).
        """
        n_tokens = tokens.shape[1]
        mask = self.mask[:n_tokens, :n_tokens].to(tokens.dtype)
        states = self.ln_final(self.transformer(tokens + self.positional_embedding[:n_tokens], mask, prompts))
        found: Tensor = states[torch.arange(len(last)), last] @ self.text_projection
        return found


class TextTower(TextEncoder):
    """The text tower: tokens' numbers to embeddings of texts, not of unit length.

    Args:
        out: Width of the space that pictures and texts share.
        activation: See :class:`Vision`.
    """

    def __init__(self, out: int = 512, activation: str = "quick") -> None:
        super().__init__(out, activation)
        self.token_embedding = nn.Embedding(N_WORDS, N_TEXT_WIDTH)

    def forward(self, words: Tensor) -> Tensor:
        """Map numbers of tokens (k, 77), filled up with 0, to (k, out): the state at the last token, the largest."""
        return self.encode(self.token_embedding(words), words.argmax(dim=1))


def fix(net: nn.Module) -> None:
    """Turn a network's parameters into buffers that are not kept with its weights: it goes along and is not trained."""
    for part in net.modules():
        for name, value in list(part.named_parameters(recurse=False)):
            delattr(part, name)
            part.register_buffer(name, value.detach(), persistent=False)


def load_visual(tower: nn.Module, path: Path) -> None:
    """Give a visual tower the weights of a CLIP file.

    Args:
        tower: The tower.
        path: The file.

    Raises:
        FerBenchError: If the file is not CLIP's.
    """
    left_over = (*LEFT_OVER, "visual.proj", "positional_embedding", "transformer.", "ln_final.")
    brought.load(tower, path, what=WHAT, name_of=lambda name: f"visual.{name}", left_over=left_over)


def read_text(path: Path, vision: Vision) -> TextTower:
    """Return the text tower of a CLIP file.

    Args:
        path: The file.
        vision: The visual tower beside it.

    Raises:
        FerBenchError: If the file is not CLIP's.
    """
    tower = TextTower(vision.out, vision.activation).eval()
    brought.load(tower, path, what=WHAT, left_over=("visual.", *LEFT_OVER[:4]))
    return tower


@torch.no_grad()
def embed_texts(path: Path, words: Sequence[Sequence[int]], vision: Vision) -> Tensor:
    """Return the embeddings that the text tower of a CLIP file gives texts, (k, out).

    Args:
        path: The file.
        words: Numbers of each text's tokens, start and end included.
        vision: The visual tower beside it.

    Raises:
        FerBenchError: If the file is not CLIP's.
    """
    return read_text(path, vision)(padded(words))  # type: ignore[no-any-return]


def padded(words: Sequence[Sequence[int]]) -> Tensor:
    """Fill up numbers of tokens with 0, (k, 77)."""
    return torch.tensor([[*text, *[0] * (N_CONTEXT - len(text))] for text in words])


def texts(names: Sequence[str], *, before: Sequence[int] = (), after: Sequence[int] = ()) -> list[list[int]]:
    """Return the numbers of the tokens of a text for each expression.

    Args:
        names: Of expressions.
        before: Numbers of what stands before the expression's word.
        after: Numbers of what stands after it.

    Raises:
        FerBenchError: If an expression has no word on record.
    """
    lacking = [name for name in names if name not in WORDS]
    if lacking:
        raise FerBenchError(
            f"CLIP's number of a word for {', '.join(lacking)} is not on record",
            fix="set n_classes: 7, or start from random weights (`weights: none`)",
        )
    return [[START, *before, WORDS[name], *after, END] for name in names]
