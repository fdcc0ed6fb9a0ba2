"""Attention over the samples of a batch: Keras' ``Attention(use_scale=True)`` on a matrix.

Keras 2.10 takes a (n, d) matrix without complaint and computes ``softmax(s X Xᵀ) X``: sample i becomes a mean of all
samples of the batch, weighted by likeness. There are no projections and no division by the square root of d; s is one
learned number that starts at 1. A batch of one sample passes unchanged.
"""

import torch
from torch import Tensor, nn


class BatchAttention(nn.Module):
    """Let every sample attend to its batch mates."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, d) to (n, d)."""
        return torch.softmax(self.scale * (x @ x.T), dim=-1) @ x
