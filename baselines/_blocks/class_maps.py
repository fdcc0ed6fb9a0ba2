"""A linear classifier with class maps, and the consistency of maps under mirroring, as EAC and LNSU use them.

A class map is a grid of features weighted by one class's row of the classifier: Zhou, Khosla, Lapedriza, Oliva,
Torralba, "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv:1512.04150. The mean of a map over
its places, plus the bias, is that class's logit.
"""

import torch
from torch import Tensor, nn


class Head(nn.Module):
    """Average pooling and one linear layer.

    Args:
        n_channels: Channels of the grid.
        n_classes: Number of logits.
    """

    def __init__(self, n_channels: int, n_classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(n_channels, n_classes)

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, c, h, w) to logits (n, n_classes)."""
        return self.fc(grid.mean(dim=(2, 3)))  # type: ignore[no-any-return]

    def maps(self, grid: Tensor) -> Tensor:
        """Map (n, c, h, w) to class maps (n, n_classes, h, w); no gradient reaches the classifier."""
        return torch.einsum("nchw,kc->nkhw", grid, self.fc.weight.detach())


def disagreement(maps: Tensor, of_mirrored: Tensor) -> Tensor:
    """Return the squared difference of each map and the mirrored map of the mirrored picture, averaged over places.

    Args:
        maps: (n, k, h, w).
        of_mirrored: (n, k, h, w), not yet mirrored back.

    Returns:
        (n, k).
    """
    return (maps - of_mirrored.flip(-1)).square().mean(dim=(2, 3))
