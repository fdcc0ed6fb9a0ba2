"""ResEmoteNet: three convolutions, a squeeze-and-excitation gate, three residual blocks, from scratch on grey pictures.

Paper
    Roy, Kathania, Sharma, Dey, Ansari, "ResEmoteNet: Bridging Accuracy and Loss Reduction in Facial Emotion
    Recognition", IEEE Signal Processing Letters, 2024, arXiv:2409.10545.

Code read
    ArnabKumarRoy02/ResEmoteNet @ fabbe680 (MIT). Nothing was copied; functions, counts and settings were taken from
    reading and running it.

Departures of the released code from the paper
    * The paper lowers the learning rate tenfold where the loss stays level; the code has no schedule (recipe
      ``code``; recipe ``paper`` has one).
    * The paper knows a training and a test part. The code stops by a ``valid`` part, which its author made from the
      training pictures by augmentation.
    * Pictures are mirrored at random when validating and when testing too, so that the code's test accuracy is itself
      random (option ``mirrors_when_predicting``).
    * A script writes changed copies into the data folder until each class has 1,000 pictures; another writes tables
      without a header that are read with one, so that each part lacks its first picture.
    * The classifier has 7 outputs at the commit of the figures, 6 at others.
    * The README lists the classes in another order than the scripts that write and evaluate labels; checkpoints follow
      the scripts.

Departures of ours
    Each recipe names its own. Throughout:

    * No copies are written and no picture is dropped: the pictures are the release's.
    * With ``mirrors_when_predicting``, the same half of the pictures is mirrored whenever they are predicted: a
      prediction remains a function of the picture.
    * What validates is the protocol's part that selects. Seeds are fixed.
"""

import dataclasses
import itertools
from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks.normalise import Normalise
from baselines._blocks.resnet import IMAGENET_MEAN, IMAGENET_STD
from fer_bench.errors import FerBenchError
from fer_bench.method import EarlyStop, Method, Phase, Plateau, Recipe, Training, WarmupCosine, Weights
from fer_bench.training import official

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's conversion to grey
ORDER = ("happiness", "surprise", "sadness", "anger", "disgust", "fear", "neutral")  # data_preprocessing/data_csv.py
COINS = 64.0  # mean brightness in 64 steps: the lower half of a step is heads


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        stem: Channels of the three convolutions.
        blocks: Channels of the three residual blocks.
        hidden: Widths of the classifier's hidden layers.
        squeeze: By which the gate narrows the channels.
        dropout: Share dropped of grids between the convolutions, and of vectors in the classifier.
        mirrors_when_predicting: Mirror half of the pictures when predicting too, as the released code does by chance.
    """

    stem: tuple[int, int, int] = (64, 128, 256)
    blocks: tuple[int, int, int] = (512, 1024, 2048)
    hidden: tuple[int, int, int] = (1024, 512, 256)
    squeeze: int = 16
    dropout: tuple[float, float] = (0.2, 0.5)
    mirrors_when_predicting: bool = False


class Grey(nn.Module):
    """Three equal channels of brightness."""

    weights: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", torch.tensor(LUMA).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, 3, h, w) to the same shape."""
        return (images * self.weights).sum(dim=1, keepdim=True).expand_as(images)


def mirrored_by_chance(images: Tensor) -> Tensor:
    """Mirror about half of the pictures: those whose mean brightness, in 64 steps, lies in the lower half of a step.

    Args:
        images: (n, 3, h, w) in [0, 1].
    """
    steps = COINS * images.double().mean(dim=(1, 2, 3))
    heads = steps - steps.floor() < 1 / 2
    return torch.where(heads[:, None, None, None], images.flip(-1), images)


class Gate(nn.Module):
    """Weigh channels by a function of their means (squeeze and excitation: Hu, Shen, Sun, CVPR 2018).

    Args:
        n_channels: Channels of the grid.
        squeeze: See :class:`Options`.
    """

    def __init__(self, n_channels: int, squeeze: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(n_channels, n_channels // squeeze, bias=False),
            nn.ReLU(),
            nn.Linear(n_channels // squeeze, n_channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, c, h, w) to the same shape."""
        return grid * self.fc(grid.mean(dim=(2, 3)))[:, :, None, None]  # type: ignore[no-any-return]


class Residual(nn.Module):
    """Two convolutions, the first of which halves the grid, beside a projection of what comes in.

    Args:
        n_in: Channels in.
        n_out: Channels out.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.shortcut = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride=2), nn.BatchNorm2d(n_out))

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, n_in, h, w) to (n, n_out, h / 2, w / 2)."""
        inner = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(grid)))))
        return functional.relu(inner + self.shortcut(grid))


class Trunk(nn.Module):
    """Grey pictures, three convolutions with pooling, gate, three residual blocks; (n, 3, h, w) to (n, c, h/64, w/64).

    Args:
        options: The recipe's options.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.mirrors = options.mirrors_when_predicting
        self.normalise = nn.Sequential(Grey(), Normalise(IMAGENET_MEAN, IMAGENET_STD))
        for index, (n_in, n_out) in enumerate(itertools.pairwise((3, *options.stem)), start=1):
            self.add_module(f"conv{index}", nn.Conv2d(n_in, n_out, 3, padding=1))
            self.add_module(f"bn{index}", nn.BatchNorm2d(n_out))
        self.dropout = nn.Dropout(options.dropout[0])
        self.se = Gate(options.stem[-1], options.squeeze)
        widths = (options.stem[-1], *options.blocks)
        for index, (n_in, n_out) in enumerate(itertools.pairwise(widths), start=1):
            self.add_module(f"res_block{index}", Residual(n_in, n_out))

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to a grid of features."""
        grid = self.normalise(mirrored_by_chance(images) if self.mirrors and not self.training else images)
        for index in (1, 2, 3):
            convolved = self.get_submodule(f"bn{index}")(self.get_submodule(f"conv{index}")(grid))
            grid = functional.max_pool2d(functional.relu(convolved), 2)
            if index < 3:  # the third is gated instead
                grid = self.dropout(grid)
        grid = self.se(grid)
        for index in (1, 2, 3):
            grid = self.get_submodule(f"res_block{index}")(grid)
        return grid  # type: ignore[no-any-return]


class Head(nn.Module):
    """Average pooling and four linear layers.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
    """

    def __init__(self, options: Options, n_classes: int) -> None:
        super().__init__()
        widths = (options.blocks[-1], *options.hidden, n_classes)
        for index, (n_in, n_out) in enumerate(itertools.pairwise(widths), start=1):
            self.add_module(f"fc{index}", nn.Linear(n_in, n_out))
        self.dropout = nn.Dropout(options.dropout[1])

    def forward(self, grid: Tensor) -> Tensor:
        """Map (n, c, h, w) to logits (n, n_classes)."""
        vectors = grid.mean(dim=(2, 3))
        for index in (1, 2, 3):
            vectors = self.dropout(functional.relu(self.get_submodule(f"fc{index}")(vectors)))
        return self.get_submodule("fc4")(vectors)  # type: ignore[no-any-return]


class Net(nn.Sequential):
    """Trunk and head; the last grid is a single place, so maps of what was looked at are made at the gate."""

    cam_layer = "trunk.se"


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: Initial weights of the trunk; there are none but random ones.

    Raises:
        FerBenchError: If weights are asked for.
    """
    if weights.source != "none":
        raise FerBenchError(
            "ResEmoteNet is trained from scratch; it has no trunk that weights were published for",
            fix="leave methods.<method>.weights out of params.yaml",
        )
    return Net(OrderedDict(trunk=Trunk(options), head=Head(options, n_classes)))


RELEASED = official.Released(
    name_of=lambda name: name.partition(".")[2],
    of_classes=("head.fc4.weight", "head.fc4.bias"),
    order=ORDER,
)


def from_official(checkpoint: object) -> dict[str, Tensor]:
    """Return a checkpoint of the released code as a state dict of :func:`build`."""
    return RELEASED.state_dict(checkpoint, lambda n: build(Options(), n_classes=n, weights=Weights("none")))


# the code counts epochs without a rise and stops when there are more than 15
EPOCHS, LR, STOP = 80, 1e-3, EarlyStop(watch="val_accuracy", patience=16, min_delta=0.0, restore=False)

TRAINING = Training(
    phases=(Phase(epochs=EPOCHS, lr=LR, early_stop=STOP),), batch_size=16, image_size_px=64, optimizer="sgd",
    weight_decay=1e-4, augment=("flip",),
)  # fmt: skip

CODE = Recipe(
    about="the released code on the release's pictures: no schedule, stopped by the part that selects",
    departures=("the pictures are the release's, without copies", "nothing is mirrored when predicting"),
    options=Options(),
    training=TRAINING,
)

RECIPES = {
    "toy": Recipe(
        about="ResEmoteNet at an eighth of its width, for the demo",
        departures=(
            "another size, pictures of 48 px in batches of 32, few epochs, a fifth of the dropout",
            "Adam with warm-up instead of stochastic gradient descent; nothing stops early",
        ),
        options=Options(stem=(16, 32, 64), blocks=(64, 128, 128), hidden=(128, 64, 64), squeeze=4, dropout=(0.04, 0.1)),
        training=dataclasses.replace(
            TRAINING,
            phases=(Phase(epochs=8, lr=2e-3, schedule=WarmupCosine(warmup_epochs=0.5)),),
            batch_size=32,
            image_size_px=48,
            optimizer="adam",
        ),
    ),
    "code": CODE,
    "code_mirrored": dataclasses.replace(
        CODE,
        about="as code, with half of the pictures mirrored when predicting, as in the released code",
        departures=("the pictures are the release's, without copies", "the same half is mirrored every time"),
        options=Options(mirrors_when_predicting=True),
    ),
    "paper": Recipe(
        about="the paper: as the code, with a learning rate that falls tenfold where the loss stays level",
        departures=(
            "accuracy of the part that selects is watched; the paper watches the loss, and has no such part",
            "for how long the paper does not say: ten epochs, torch's default",
            "the number of epochs is the code's",
        ),
        options=Options(),
        training=dataclasses.replace(
            TRAINING,
            phases=(
                Phase(
                    epochs=EPOCHS,
                    lr=LR,
                    schedule=Plateau(watch="val_accuracy", patience=10, min_delta=0.0, factor=0.1, min_lr=0.0),
                ),
            ),
        ),
    ),
}

method = Method(title="ResEmoteNet", recipes=RECIPES, build=build, from_official=from_official)
