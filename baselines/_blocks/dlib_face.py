"""dlib's network for face recognition: a ResNet of 29 convolutions whose batch normalisation has become one affine map.

King, "Dlib-ml: A Machine Learning Toolkit", JMLR 10 (2009); the network and its training (about three million faces of
7,485 persons) are described in dlib's example ``dnn_face_recognition_ex``. The weights are in the public domain (CC0).
Faces there are aligned and cut to 150 × 150 px; one of less than 103 px leaves no grid to pool from.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks import brought
from baselines._blocks.normalise import Normalise
from fer_bench.errors import FerBenchError
from fer_bench.method import Weights

NAME = "dlib_face_resnet_v1"
"""As ``backbone`` of recipes that can start from it."""

GROUPS = ((3, 32), (4, 64), (3, 128), (3, 256), (1, 256))
"""Blocks and channels; the first block of every group but the first halves the grid."""

MEAN = (122.782, 117.001, 104.298)  # of 255, subtracted before the division by 256
SMALLEST_PX = 103

_EMBEDDING = ("fc.",)  # 256 to 128 numbers, which faces are compared by


class Scale(nn.Module):
    """A weight and a bias per channel: batch normalisation with its statistics folded in.

    Args:
        n_channels: Number of channels.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_channels))
        self.bias = nn.Parameter(torch.zeros(n_channels))

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, c, h, w) to the same shape."""
        return grid * self.weight.view(-1, 1, 1) + self.bias.view(-1, 1, 1)


class Block(nn.Module):
    """A residual block; the way past it pools instead of convolving, and what is smaller is padded with zeros.

    Args:
        n_in: Channels before.
        n_out: Channels after.
        halves: Whether the grid is halved.
    """

    def __init__(self, n_in: int, n_out: int, *, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.conv1 = nn.Conv2d(n_in, n_out, 3, 2, 0) if halves else nn.Conv2d(n_in, n_out, 3, 1, 1)
        self.scale1 = Scale(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1)
        self.scale2 = Scale(n_out)

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, n_in, h, w) to (n, n_out, h', w')."""
        new = self.scale2(self.conv2(functional.relu(self.scale1(self.conv1(grid)))))
        past = functional.avg_pool2d(grid, 2) if self.halves else grid
        size = [max(a, b) for a, b in zip(new.shape[1:], past.shape[1:], strict=True)]
        return functional.relu(_padded(new, size) + _padded(past, size))


def _padded(grid: Tensor, size: list[int]) -> Tensor:
    """Append zeros behind the channels, below and at the right."""
    missing = [wanted - there for wanted, there in zip(size, grid.shape[1:], strict=True)]
    return functional.pad(grid, (0, missing[2], 0, missing[1], 0, missing[0])) if any(missing) else grid


class DlibFace(nn.Module):
    """Stem, blocks and the mean over the grid; (n, 3, h, w) to (n, 256).

    Normalisation comes with the network: pictures in [0, 1] are brought to 0–255, less the channels' means, by 256.

    Args:
        weights: Initial weights.

    Raises:
        FerBenchError: If the file is not this network's, or a download is asked for.
    """

    n_features = GROUPS[-1][1]

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.normalise = Normalise([value / 255 for value in MEAN], [256 / 255] * 3)
        self.stem = nn.Conv2d(3, GROUPS[0][1], 7, 2)
        self.scale = Scale(GROUPS[0][1])
        blocks, n_in = [], GROUPS[0][1]
        for group, (n_blocks, n_out) in enumerate(GROUPS):
            for i in range(n_blocks):
                blocks.append(Block(n_in, n_out, halves=group > 0 and i == 0))
                n_in = n_out
        self.blocks = nn.Sequential(*blocks)
        if weights.source == "timm":
            raise FerBenchError(
                f"timm has no download of {NAME}",
                fix="bring the file and name it in params.yaml (methods.<method>.weights), or ask for `weights: none`",
            )
        if weights.path is not None:
            brought.load(self, weights.path, what=NAME, left_over=_EMBEDDING)

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to one vector each.

        Raises:
            FerBenchError: If pictures are smaller than the network can take.
        """
        if min(images.shape[-2:]) < SMALLEST_PX:
            raise FerBenchError(
                f"{NAME} was given pictures of {images.shape[-2]} × {images.shape[-1]} px",
                fix=f"choose image_size_px of {SMALLEST_PX} or more; it was trained on 150 px",
            )
        grid = functional.relu(self.scale(self.stem(self.normalise(images))))
        return self.blocks(functional.max_pool2d(grid, 3, 2)).mean((2, 3))  # type: ignore[no-any-return]
