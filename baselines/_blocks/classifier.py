"""From a grid of features to logits: the classification head that PAtt-Lite published and Conv-cut took over.

Pooling, a dense bottleneck of 32 with batch normalisation, Keras' ``Attention(use_scale=True)`` on the (n, 32) result,
and a dense layer. That attention gets a matrix without a token axis, so it attends over the samples of the batch. What
is normalised and dropped changes between the two phases of the released training.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from baselines._blocks import attention as kinds
from baselines._blocks import keras
from baselines._blocks.attention import Attention

BOTTLENECK = 32
LN_EPSILON = 1e-6


@dataclass(frozen=True, kw_only=True)
class Regularisation:
    """What a phase normalises and drops on the way to the logits.

    Attributes:
        layer_norm: Normalise each place of the classifier's grid over its channels (epsilon 1e-6).
        spatial_dropout: Share of whole channels dropped before pooling.
        dropout: Share of features dropped after pooling.
        attention_dropout: Share of features dropped after the attention.
    """

    layer_norm: bool = False
    spatial_dropout: float = 0.0
    dropout: float = 0.0
    attention_dropout: float = 0.0


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation of (n, c, h, w) over the channels of each place, as Keras' of (n, h, w, c)."""

    def __init__(self, n_channels: int) -> None:
        super().__init__(n_channels, eps=LN_EPSILON)

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, c, h, w) to the same shape."""
        return super().forward(grid.movedim(1, -1)).movedim(-1, 1)


class Classifier(nn.Module):
    """Classify a grid of features.

    Args:
        n_channels: Channels of the grid.
        n_classes: Number of logits.
        attention: Over what is attended.
        phases: What each phase of training normalises and drops; the last entry holds for later phases too.
        bottleneck: Whether there is the dense bottleneck with batch normalisation.

    Raises:
        FerBenchError: If there is no such attention.
    """

    def __init__(
        self,
        n_channels: int,
        n_classes: int,
        *,
        attention: Attention,
        phases: tuple[Regularisation, ...],
        bottleneck: bool = True,
    ) -> None:
        super().__init__()
        kinds.check(attention)
        self.phases = phases
        self.norm = LayerNorm2d(n_channels) if any(phase.layer_norm for phase in phases) else None
        self.spatial = _spatial(attention, n_channels)
        self.spatial_dropout = nn.Dropout2d()
        self.dropout = nn.Dropout()
        self.bottleneck = nn.Sequential()
        if bottleneck:
            self.bottleneck.extend(
                [nn.Linear(n_channels, BOTTLENECK), nn.ReLU(inplace=True), keras.BatchNorm1d(BOTTLENECK)]
            )
        self.attention = _of_vectors(attention)
        self.attention_dropout = nn.Dropout()
        self.logits = nn.Linear(BOTTLENECK if bottleneck else n_channels, n_classes)
        self.enter_phase(0)

    def enter_phase(self, phase: int) -> None:
        """Normalise and drop as in one phase of training, counted from 0."""
        now = self.phases[min(phase, len(self.phases) - 1)]
        self.normalises = now.layer_norm
        self.spatial_dropout.p = now.spatial_dropout
        self.dropout.p = now.dropout
        self.attention_dropout.p = now.attention_dropout
        if self.norm is not None:
            self.norm.requires_grad_(now.layer_norm)

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, n_channels, h, w) to logits (n, n_classes)."""
        if self.norm is not None and self.normalises:
            grid = self.norm(grid)
        pooled = self.spatial_dropout(self.spatial(grid)).mean(dim=(2, 3))
        attended = self.attention(self.bottleneck(self.dropout(pooled)))
        return self.logits(self.attention_dropout(attended))  # type: ignore[no-any-return]


def _spatial(attention: Attention, n_channels: int) -> nn.Module:
    if attention in ("spatial", "projected"):
        return kinds.SpatialAttention(n_channels, projections=attention == "projected")
    return nn.Identity()


def _of_vectors(attention: Attention) -> nn.Module:
    if attention == "batch":
        return kinds.BatchAttention()
    return kinds.FeatureAttention() if attention == "feature" else nn.Identity()
