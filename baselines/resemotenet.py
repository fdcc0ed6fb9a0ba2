"""ResEmoteNet: convolutions, squeeze and excitation, three residual blocks, four dense layers, from scratch.

Paper
    Roy, Kathania, Sharma, Dey, Ansari, "ResEmoteNet: Bridging Accuracy and Loss Reduction in Facial Emotion
    Recognition", IEEE Signal Processing Letters, 2024, arXiv:2409.10545. What is said here of the paper comes from the
    copy in the repository, by description: its text was not read.

Code read
    ArnabKumarRoy02/ResEmoteNet @ fabbe680 (MIT). Nothing was copied; functions, counts and settings were taken from
    running and describing it.

Departures of the released code from the paper
    * The paper lowers the learning rate on a plateau; the code has no schedule.
    * The paper has no validation part; the code has one, which the authors made by augmentation.
    * Pictures are mirrored at random in validation and test too, so the code's own scores are random. Ours are not.
    * One picture of each part is lost between writing and reading its list.

Departures of ours
    Each recipe names its own. What the code drops, and where, is not on record here: ours drops 0.2 and 0.5 behind the
    first two dense layers.
"""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks.normalise import Normalise
from baselines._blocks.resnet import IMAGENET_MEAN, IMAGENET_STD
from fer_bench.errors import FerBenchError
from fer_bench.method import EarlyStop, Method, Phase, Recipe, Training, Weights
from fer_bench.training import official

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
ORDER = ("happiness", "surprise", "anger", "sadness", "disgust", "fear", "neutral")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        width: Share of all channels.
        dropout: Shares dropped behind the first and the second dense layer.
    """

    width: float = 1.0
    dropout: tuple[float, float] = (0.2, 0.5)


class Excitation(nn.Module):
    """Squeeze and excitation: channels gated by their means (Hu et al., CVPR 2018, arXiv:1709.01507).

    Args:
        n_channels: Channels of the grid.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        n_hidden = n_channels // 16
        self.fc = nn.Sequential(
            nn.Linear(n_channels, n_hidden, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(n_hidden, n_channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, c, h, w) to the same shape."""
        gates: Tensor = self.fc(grid.mean(dim=(2, 3)))
        return grid * gates[:, :, None, None]


class Residual(nn.Module):
    """Two 3 × 3 convolutions, the first with stride 2, beside one of 1 × 1.

    Args:
        n_in: Channels in.
        n_out: Channels out.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, 2, padding=1)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.shortcut = nn.Sequential(nn.Conv2d(n_in, n_out, 1, 2), nn.BatchNorm2d(n_out))

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, n_in, h, w) to (n, n_out, h / 2, w / 2)."""
        inner = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(grid)))))
        return functional.relu(inner + self.shortcut(grid))


class Trunk(nn.Module):
    """Grey pictures to one vector each; (n, 3, h, w) to (n, 2048).

    Args:
        width: Share of all channels.
    """

    luminance: Tensor

    def __init__(self, width: float) -> None:
        super().__init__()
        channels = [3, *(int(width * n) for n in (64, 128, 256))]
        self.normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD)
        self.register_buffer("luminance", torch.tensor(LUMINANCE).view(1, 3, 1, 1), persistent=False)
        for number, (n_in, n_out) in enumerate(pairwise(channels), start=1):
            self.add_module(f"conv{number}", nn.Conv2d(n_in, n_out, 3, padding=1))
            self.add_module(f"bn{number}", nn.BatchNorm2d(n_out))
        self.se = Excitation(channels[-1])
        for number in (1, 2, 3):
            n_in = channels[-1] * 2 ** (number - 1)
            self.add_module(f"res_block{number}", Residual(n_in, 2 * n_in))
        self.n_features = 8 * channels[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to one vector each."""
        grey = (images * self.luminance).sum(dim=1, keepdim=True).expand_as(images)
        return self.of_normalised(self.normalise(grey))

    def of_normalised(self, grid: Tensor) -> Tensor:
        """Map what enters the first convolution to one vector each."""
        for number in (1, 2, 3):
            convolved = self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(grid))
            grid = functional.max_pool2d(functional.relu(convolved), 2)
        grid = self.se(grid)
        for number in (1, 2, 3):
            grid = self.get_submodule(f"res_block{number}")(grid)
        return grid.mean(dim=(2, 3))


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: ``none``: the network is trained from scratch.

    Raises:
        FerBenchError: If there are to be weights.
    """
    if weights.source != "none":
        raise FerBenchError(
            "resemotenet is trained from scratch; there is no trunk that weights could initialise",
            fix="remove methods.resemotenet.weights, or set it to none",
        )
    trunk = Trunk(options.width)
    sizes = [trunk.n_features // 2**halvings for halvings in range(4)]
    head = nn.Sequential(
        OrderedDict(
            fc1=nn.Linear(sizes[0], sizes[1]),
            relu1=nn.ReLU(inplace=True),
            dropout1=nn.Dropout(options.dropout[0]),
            fc2=nn.Linear(sizes[1], sizes[2]),
            relu2=nn.ReLU(inplace=True),
            dropout2=nn.Dropout(options.dropout[1]),
            fc3=nn.Linear(sizes[2], sizes[3]),
            relu3=nn.ReLU(inplace=True),
            fc4=nn.Linear(sizes[3], n_classes),
        )
    )
    return nn.Sequential(OrderedDict(trunk=trunk, head=head))


RELEASED = official.Released(
    wrapper=None,
    name_of=lambda name: name.partition(".")[2],
    of_classes=("head.fc4.weight", "head.fc4.bias"),
    order=ORDER,
)


def from_official(checkpoint: object) -> dict[str, Tensor]:
    """Return a checkpoint of the released code as a state dict of :func:`build`."""
    return RELEASED.state_dict(checkpoint, lambda n: build(Options(), n_classes=n, weights=Weights("none")))


RECIPES = {
    "toy": Recipe(
        about="ResEmoteNet with an eighth of its channels, for the demo",
        departures=("fewer channels, pictures of 48 px in batches of 32, few epochs, Adam, nothing dropped",),
        options=Options(width=1 / 8, dropout=(0.0, 0.0)),
        training=Training(
            phases=(Phase(epochs=8, lr=2e-3, schedule="cosine"),), batch_size=32, image_size_px=48, optimizer="adam",
            augment=("flip",),
        ),
    ),
    "code": Recipe(
        about="the released code: from scratch, a constant learning rate, until validation has not risen for 15 epochs",
        departures=(
            "validated on the part that selects, not on the authors' augmented one, without random mirroring",
            "no copies of augmented pictures are added to even out the classes",
        ),
        options=Options(),
        training=Training(
            phases=(
                Phase(
                    epochs=80, lr=1e-3,
                    early_stop=EarlyStop(watch="val_accuracy", patience=15, min_delta=0.0, restore=False),
                ),
            ),
            batch_size=16, image_size_px=64, optimizer="sgd", weight_decay=1e-4, augment=("flip",),
        ),
    ),
}  # fmt: skip

method = Method(title="ResEmoteNet", recipes=RECIPES, build=build, from_official=from_official)
