"""Attention without a token axis, over other axes, and over the places of a grid.

Keras 2.10's ``Attention(use_scale=True)`` given a (n, d) matrix takes it without complaint and computes
``softmax(s X Xᵀ) X``: sample i becomes a mean of all samples of the batch, weighted by likeness. There are no
projections and no division by the square root of d; s is one learned number that starts at 1. A batch of one sample
passes unchanged. The other kinds keep to one sample.
"""

import math
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from fer_bench.errors import FerBenchError

Attention: TypeAlias = Literal["batch", "none", "feature", "spatial", "projected"]
"""Over what a classifier attends.

``batch``: the samples of the batch, as published. ``none``: nothing, which is what ``batch`` does to one sample.
``feature``: the features of one sample. ``spatial``: the places of its grid, ``softmax(Y Yᵀ / √d) Y`` (Conv-cut's
Algorithm 1). ``projected``: likewise with learned queries, keys and values, ``softmax(Q Kᵀ / √d) V``.
"""


def check(attention: str) -> None:
    """Check that an attention exists.

    Raises:
        FerBenchError: If it does not.
    """
    known = get_args(Attention)
    if attention not in known:
        raise FerBenchError(f"no attention over '{attention}'", fix=f"choose one of: {', '.join(known)}")


class BatchAttention(nn.Module):
    """Let every sample attend to its batch mates."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, d) to (n, d)."""
        return torch.softmax(self.scale * (x @ x.T), dim=-1) @ x


class FeatureAttention(nn.Module):
    """Let every feature of a sample attend to the sample's other features: d tokens of one number each.

    It is what Keras' layer does to (n, d, 1), the repair in federicamato00/PAtt-Lite @ bc4828f.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, d) to (n, d)."""
        tokens = x.unsqueeze(-1)
        weights = torch.softmax(self.scale * (tokens @ tokens.transpose(1, 2)), dim=-1)
        return (weights @ tokens).squeeze(-1)


class SpatialAttention(nn.Module):
    """Let every place of a grid attend to the other places of the same picture.

    Args:
        n_channels: d.
        projections: Learn queries, keys and values; otherwise the grid itself is all three.
    """

    def __init__(self, n_channels: int, *, projections: bool) -> None:
        super().__init__()
        self.projections = nn.Linear(n_channels, 3 * n_channels, bias=False) if projections else None

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, d, h, w) to (n, d, h, w)."""
        tokens = grid.flatten(2).transpose(1, 2)
        query = key = value = tokens
        if self.projections is not None:
            query, key, value = self.projections(tokens).chunk(3, dim=-1)
        weights = torch.softmax(query @ key.transpose(1, 2) / math.sqrt(tokens.shape[-1]), dim=-1)
        return (weights @ value).transpose(1, 2).reshape(grid.shape)
