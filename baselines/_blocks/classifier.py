"""From a grid of features to logits: the classification head that PAtt-Lite published and Conv-cut took over.

Pooling, a dense bottleneck of 32 with batch normalisation, Keras' ``Attention(use_scale=True)`` on the (n, 32) result,
and a dense layer. That attention gets a matrix without a token axis, so it attends over the samples of the batch.
"""

from typing import Literal, TypeAlias

from torch import Tensor, nn

from baselines._blocks import keras
from baselines._blocks.attention import BatchAttention

Attention: TypeAlias = Literal["batch", "none"]
"""``batch``: over the samples of the batch, as published. ``none``: left out, which is what ``batch`` does to one."""

BOTTLENECK = 32


class Classifier(nn.Module):
    """Classify a grid of features.

    Args:
        n_channels: Channels of the grid.
        n_classes: Number of logits.
        attention: Over what the bottleneck attends.
        layer_norm: Normalise each place of the grid over its channels first (epsilon 1e-6).
        spatial_dropout: Share of whole channels dropped before pooling.
        dropout: Share of features dropped after pooling.
        attention_dropout: Share of features dropped after the attention.
    """

    def __init__(
        self,
        n_channels: int,
        n_classes: int,
        *,
        attention: Attention,
        layer_norm: bool = False,
        spatial_dropout: float = 0.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(n_channels, eps=1e-6) if layer_norm else None
        self.spatial_dropout = nn.Dropout2d(spatial_dropout)
        self.dropout = nn.Dropout(dropout)
        self.bottleneck = nn.Sequential(
            nn.Linear(n_channels, BOTTLENECK), nn.ReLU(inplace=True), keras.BatchNorm1d(BOTTLENECK)
        )
        self.attention = BatchAttention() if attention == "batch" else nn.Identity()
        self.attention_dropout = nn.Dropout(attention_dropout)
        self.logits = nn.Linear(BOTTLENECK, n_classes)

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, n_channels, h, w) to logits (n, n_classes)."""
        if self.norm is not None:
            grid = self.norm(grid.movedim(1, -1)).movedim(-1, 1)
        pooled = self.spatial_dropout(grid).mean(dim=(2, 3))
        attended = self.attention(self.bottleneck(self.dropout(pooled)))
        return self.logits(self.attention_dropout(attended))  # type: ignore[no-any-return]
