"""Two networks side by side on one picture, as POSTER and POSTER++ have them: one of faces, one of landmarks."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks import ir50, mobilefacenet
from baselines._blocks.normalise import Normalise
from baselines._blocks.resnet import IMAGENET_MEAN, IMAGENET_STD
from fer_bench.errors import FerBenchError
from fer_bench.method import Weights
from fer_bench.training.weights import create_backbone


@dataclass(frozen=True, kw_only=True)
class Streams:
    """What the two networks are.

    Attributes:
        px: Side to which pictures are brought for the network of landmarks, each place taken from the nearest pixel;
            for IR-50 too.
        resnet_px: Likewise for a ResNet in IR-50's place, whose stem halves the sides once more.
        units: IR-50's units per stage.
        channels: IR-50's channels per stage.
        landmark_channels: MobileFaceNet's.
        landmark_depths: MobileFaceNet's.
        landmark_weights: File of weights of MobileFaceNet, read where IR-50's are read from a file; None: it starts
            from random weights.
        landmarks: ``drifting``: MobileFaceNet's weights stay, and its batch statistics move with the training pictures
            (released code); ``frozen``: they stay too; ``trained``: both are trained.
    """

    px: int = 112
    resnet_px: int = 224
    units: tuple[int, ...] = ir50.UNITS
    channels: tuple[int, ...] = ir50.CHANNELS
    landmark_channels: tuple[int, int, int, int] = mobilefacenet.CHANNELS
    landmark_depths: tuple[int, int, int] = mobilefacenet.DEPTHS
    landmark_weights: str | None = "weights/mobilefacenet_model_best.pth.tar"
    landmarks: Literal["drifting", "frozen", "trained"] = "drifting"


def files(streams: Streams, weights: Weights) -> tuple[Path, ...]:
    """Return the file of the network of landmarks, where it is read."""
    path = streams.landmark_weights
    asked = weights.source == "file" and not weights.before_checkpoint
    return (Path(path),) if path is not None and asked else ()


class Reversed(Normalise):
    """Turn the order of channels round, then normalise."""

    def forward(self, images: Tensor) -> Tensor:
        """Map RGB in [0, 1] to normalised BGR."""
        return super().forward(images.flip(1))


class ResNetStages(nn.Module):
    """The first three stages of one of timm's ResNets."""

    def __init__(self, backbone: str, weights: Weights) -> None:
        super().__init__()
        net: Any = create_backbone(backbone, weights, num_classes=0, zero_init_last=False)
        net.layer4 = nn.Identity()
        self.net: Any = net
        self.channels = tuple(info["num_chs"] for info in net.feature_info[1:4])

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map normalised pictures (n, 3, h, w) to grids of sides h / 4, h / 8 and h / 16."""
        grids: list[Tensor] = self.net.forward_intermediates(images, indices=[1, 2, 3], intermediates_only=True)
        return grids


class TwoStreams(nn.Module):
    """Both networks; a trunk begins with them.

    Args:
        backbone: Network of faces: ``ir50``, or one of timm's ResNets, with the tag of its weights.
        streams: What else they are.
        weights: Initial weights of the network of faces.
        bgr: Whether channels are turned round before they are normalised by RGB's statistics.

    Raises:
        FerBenchError: If a file of weights is missing or is not the network's.
    """

    def __init__(self, backbone: str, streams: Streams, weights: Weights, *, bgr: bool = False) -> None:
        super().__init__()
        self.streams = streams
        self.normalise = (Reversed if bgr else Normalise)(IMAGENET_MEAN, IMAGENET_STD)
        self.image: ir50.IR50 | ResNetStages
        if backbone == "ir50":
            if weights.source == "timm":
                raise FerBenchError(
                    "there is no download of IR-50's weights",
                    fix="bring the file and name it in params.yaml (methods.<method>.weights), or take recipe "
                    "code_imagenet",
                )
            self.image = ir50.IR50(streams.units, streams.channels, weights.path)
        else:
            self.image = ResNetStages(backbone, weights)
        self.face_px = streams.px if backbone == "ir50" else streams.resnet_px
        self.landmarks = mobilefacenet.MobileFaceNet(
            streams.landmark_channels, streams.landmark_depths, next(iter(files(streams, weights)), None)
        )
        if streams.landmarks != "trained":
            self.landmarks.requires_grad_(requires_grad=False)

    def train(self, mode: bool = True) -> Any:  # noqa: ANN401, FBT001, FBT002 - torch's signature
        """Enter training or evaluation; frozen landmarks stay in evaluation."""
        super().train(mode)
        if self.streams.landmarks == "frozen":
            self.landmarks.eval()
        return self

    def grids(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Map pictures in [0, 1] to grids of faces and grids of landmarks, from fine to coarse."""
        normalised = self.normalise(images)
        return self.image(_nearest(normalised, self.face_px)), self.landmarks(_nearest(normalised, self.streams.px))


def _nearest(images: Tensor, px: int) -> Tensor:
    return images if images.shape[-1] == px else functional.interpolate(images, size=(px, px))


class Net(nn.Sequential):
    """Trunk and head, with the grid of faces as the one that Grad-CAM looks at."""

    def __init__(self, trunk: TwoStreams, head: nn.Module) -> None:
        super().__init__(OrderedDict(trunk=trunk, head=head))
        self.cam_layer = "trunk.image.body.2" if isinstance(trunk.image, ir50.IR50) else "trunk.image.net.layer3"


class Gate(nn.Module):
    """Multiply features by a sigmoid of two linear layers of them.

    Args:
        n_channels: Number of features.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(n_channels, n_channels)
        self.linear2 = nn.Linear(n_channels, n_channels)

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, c) to (n, c)."""
        return features * torch.sigmoid(self.linear2(functional.relu(self.linear1(features))))


class Head(nn.Module):
    """A gate of features by themselves, and a linear layer.

    Args:
        n_channels: Number of features.
        n_classes: Number of logits.
    """

    def __init__(self, n_channels: int, n_classes: int) -> None:
        super().__init__()
        self.se_block = Gate(n_channels)
        self.linear = nn.Linear(n_channels, n_classes)

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, c) to logits (n, n_classes)."""
        return self.linear(self.se_block(features))  # type: ignore[no-any-return]


class Mlp(nn.Module):
    """Two linear layers with GELU between them."""

    def __init__(self, n_channels: int, n_hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(n_channels, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (..., c) to the same shape."""
        return self.fc2(functional.gelu(self.fc1(tokens)))  # type: ignore[no-any-return]
