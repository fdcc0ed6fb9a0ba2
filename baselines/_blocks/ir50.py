"""IR-50, a ResNet for face recognition, without its last stage, as POSTER, POSTER++ and APViT use it.

Deng, Guo, Xue, Zafeiriou, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019,
arXiv:1801.07698: the improved residual unit, batch normalisation, convolution, PReLU, convolution, batch normalisation,
with the stride in the second convolution and 3 × 3 with stride 1 as stem. The full network has stages of 3, 4, 14 and 3
units; weights trained on MS-Celeb-1M are face.evoLVe's, a file that has to be brought. Names of layers are that file's,
units counted stage by stage.
"""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from baselines._blocks import brought

UNITS = (3, 4, 14)
CHANNELS = (64, 128, 256)
UNUSED = {
    "output_layer.0.weight": (512,),
    "output_layer.0.bias": (512,),
    "output_layer.0.running_mean": (512,),
    "output_layer.0.running_var": (512,),
    "output_layer.0.num_batches_tracked": (),
    "output_layer.3.weight": (512, 25088),
    "output_layer.3.bias": (512,),
    "output_layer.4.weight": (512,),
    "output_layer.4.bias": (512,),
    "output_layer.4.running_mean": (512,),
    "output_layer.4.running_var": (512,),
    "output_layer.4.num_batches_tracked": (),
}
"""The embedding that face recognition ends in, as released checkpoints of other networks carry it along."""


class Unit(nn.Module):
    """A residual unit.

    Args:
        n_in: Channels before.
        n_out: Channels after.
        stride: Of the second convolution, and of the way past it.
    """

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if n_in != n_out:
            self.shortcut_layer = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(n_in),
            nn.Conv2d(n_in, n_out, 3, 1, 1, bias=False),
            nn.PReLU(n_out),
            nn.Conv2d(n_out, n_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(n_out),
        )

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, n_in, h, w) to (n, n_out, h / stride, w / stride)."""
        return self.res_layer(grid) + self.shortcut_layer(grid)  # type: ignore[no-any-return]


class IR50(nn.Module):
    """Stem and stages, each of which halves the sides.

    Args:
        units: Per stage.
        channels: Per stage; the stem has the first stage's.
        path: A file of weights of the full network.

    Raises:
        FerBenchError: If the file is not that.
    """

    def __init__(
        self, units: Sequence[int] = UNITS, channels: Sequence[int] = CHANNELS, path: Path | None = None
    ) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, channels[0], 3, 1, 1, bias=False), nn.BatchNorm2d(channels[0]), nn.PReLU(channels[0])
        )
        before = (channels[0], *channels)
        self.body = nn.ModuleList(
            nn.Sequential(*(Unit(before[i] if j == 0 else n_out, n_out, 2 if j == 0 else 1) for j in range(units[i])))
            for i, n_out in enumerate(channels)
        )
        self.channels = tuple(channels)
        if path is not None:
            left_over = ("output_layer.", *(f"body.{i}." for i in range(sum(units), sum(units) + 3)))
            brought.load(self, path, what="IR-50 (face.evoLVe)", name_of=counted, left_over=left_over)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map normalised pictures (n, 3, h, w) to the grids that the stages end in."""
        grid, grids = self.input_layer(images), []
        for stage in self.body:
            grid = stage(grid)
            grids.append(grid)
        return grids


def counted(name: str) -> str:
    """Return the name of a layer where units are counted over all stages, as in face.evoLVe's files.

    Examples:
        >>> counted("body.1.0.res_layer.0.weight")
        'body.3.res_layer.0.weight'
    """
    if not name.startswith("body."):
        return name
    _, stage, unit, rest = name.split(".", 3)
    return f"body.{sum(UNITS[: int(stage)]) + int(unit)}.{rest}"
