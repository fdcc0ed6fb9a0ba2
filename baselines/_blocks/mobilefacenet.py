"""MobileFaceNet as a network that finds 68 landmarks, without its output, as POSTER and POSTER++ use it.

Chen, Liu, Gao, Han, "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on Mobile Devices", 2018,
arXiv:1804.07573, Table 1: inverted bottlenecks with PReLU. Weights trained on landmarks are those of
cunjian/pytorch_face_landmark, a file that has to be brought; names of layers are that file's.
"""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from baselines._blocks import brought

CHANNELS = (64, 128, 128, 512)
DEPTHS = (4, 6, 2)
UNUSED = {
    "output_layer.conv_6_dw.conv.weight": (512, 1, 7, 7),
    **{f"output_layer.conv_6_dw.bn.{name}": (512,) for name in ("weight", "bias", "running_mean", "running_var")},
    "output_layer.conv_6_dw.bn.num_batches_tracked": (),
    "output_layer.linear.weight": (136, 512),
    **{f"output_layer.bn.{name}": (136,) for name in ("weight", "bias", "running_mean", "running_var")},
    "output_layer.bn.num_batches_tracked": (),
}
"""The landmarks themselves, which the expression networks compute and do not use."""


class Conv(nn.Module):
    """Convolution without bias, batch normalisation, and PReLU where wanted."""

    def __init__(
        self, n_in: int, n_out: int, size: int = 1, *, stride: int = 1, groups: int = 1, prelu: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, size, stride, size // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(n_out)
        self.prelu = nn.PReLU(n_out) if prelu else None

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, n_in, h, w) to (n, n_out, h / stride, w / stride)."""
        normalised = self.bn(self.conv(grid))
        return normalised if self.prelu is None else self.prelu(normalised)  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """Widen, convolve each channel, narrow without PReLU; added to its input where ``residual``."""

    def __init__(self, n_in: int, n_out: int, n_hidden: int, *, stride: int = 1, residual: bool = False) -> None:
        super().__init__()
        self.conv = Conv(n_in, n_hidden)
        self.conv_dw = Conv(n_hidden, n_hidden, 3, stride=stride, groups=n_hidden)
        self.project = Conv(n_hidden, n_out, prelu=False)
        self.residual = residual

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, n_in, h, w) to (n, n_out, h / stride, w / stride)."""
        out: Tensor = self.project(self.conv_dw(self.conv(grid)))
        return grid + out if self.residual else out


class Residuals(nn.Module):
    """Bottlenecks in a row that keep the size."""

    def __init__(self, n_channels: int, n_hidden: int, depth: int) -> None:
        super().__init__()
        self.model = nn.Sequential(*(Bottleneck(n_channels, n_channels, n_hidden, residual=True) for _ in range(depth)))

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, n_channels, h, w) to the same shape."""
        return self.model(grid)  # type: ignore[no-any-return]


class MobileFaceNet(nn.Module):
    """All layers up to the last grid.

    Args:
        channels: Of the three stages and of the last grid.
        depths: Bottlenecks per stage.
        path: A file of weights of the landmark network.

    Raises:
        FerBenchError: If the file is not that.
    """

    def __init__(
        self, channels: Sequence[int] = CHANNELS, depths: Sequence[int] = DEPTHS, path: Path | None = None
    ) -> None:
        super().__init__()
        first, second, third, last = channels
        self.conv1 = Conv(3, first, 3, stride=2)
        self.conv2_dw = Conv(first, first, 3, groups=first)
        self.conv_23 = Bottleneck(first, first, 2 * first, stride=2)
        self.conv_3 = Residuals(first, 2 * first, depths[0])
        self.conv_34 = Bottleneck(first, second, 2 * second, stride=2)
        self.conv_4 = Residuals(second, 2 * second, depths[1])
        self.conv_45 = Bottleneck(second, third, 4 * third, stride=2)
        self.conv_5 = Residuals(third, 2 * third, depths[2])
        self.conv_6_sep = Conv(third, last)
        if path is not None:
            brought.load(
                self,
                path,
                what="MobileFaceNet for 68 landmarks (cunjian/pytorch_face_landmark)",
                left_over=("output_layer.",),
            )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map normalised pictures (n, 3, h, w) to grids of sides h / 4, h / 8 and h / 16."""
        first = self.conv_3(self.conv_23(self.conv2_dw(self.conv1(images))))
        second = self.conv_4(self.conv_34(first))
        last = self.conv_6_sep(self.conv_5(self.conv_45(second)))
        return [first, second, last]
