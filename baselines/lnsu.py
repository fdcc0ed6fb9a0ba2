"""LNSU-Net: EAC's agreement of mirrored class maps, weighted against imbalance, and re-balanced label smoothing.

Paper
    Zhang, Li, Qin, Liu, Deng, "Leave No Stone Unturned: Mine Extra Knowledge for Imbalanced Facial Expression
    Recognition", NeurIPS 2023. What is said here of the paper comes from its page and the repository:
    its text was not read.

Code read
    zyh-uaiaaaa/Mine-Extra-Knowledge @ 2ec823dc (no licence given; its Swin file bears Microsoft's MIT header). It ships
    the variant on Swin-T alone. Nothing was copied; functions, counts and settings were taken from running and
    describing it.

What the released code does that is easily missed
    * Its weights per class are constants, which equal N / (10 n_c) of RAF-DB's training part. Ours are computed from
      the part that trains.
    * Eight weights of the encoder (a second normalisation and a feature head, 987,136 numbers) are registered and never
      used. Ours lacks them; ``from_official`` passes over them. So the normalisation that comes with initial weights of
      the encoder is not used either: the one that is used starts without scale and shift.
    * The rate follows a cosine over all 60,000 steps, warm-up's 2,000 included, so that it drops a little where warm-up
      ends. The settings' comment has 20,000 steps for RAF-DB.
    * It tests every 1,000 steps on the test set and prints the last, the best and a moving mean.

Departures of ours
    Each recipe names its own. The weights of the trunk are to be brought in timm's names for Swin, or those of
    Microsoft's code, as the authors' file has them, which timm translates.
"""

import dataclasses
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from baselines._blocks import resnet
from baselines._blocks.class_maps import Head, disagreement
from baselines._blocks.normalise import Normalise
from fer_bench.method import (
    Batch,
    Erase,
    Method,
    Phase,
    RandAugment,
    Recipe,
    Sometimes,
    Training,
    WarmupCosine,
    Weights,
)
from fer_bench.training import module, official
from fer_bench.training.weights import create_backbone

EMBEDDING = ("feature.",)  # starts the names of layers that the authors' weights of faces have behind the network
HALF = (0.5, 0.5, 0.5)  # mean and standard deviation of the code's normalisation
N_WINDOW = 7
# blocks whose windows are shifted, with the number of their windows at 112 px
SHIFTED = {"0.blocks.1": 64, "1.blocks.1": 16, "2.blocks.1": 4, "2.blocks.3": 4, "2.blocks.5": 4}


@dataclass(frozen=True, kw_only=True)
class Swin:
    """Sizes of a Swin transformer.

    Attributes:
        image_size_px: Side of the pictures.
        patch: Side of a patch.
        dim: Channels of the first stage.
        depths: Blocks per stage.
        heads: Attention heads per stage.
        window: Side of a window.
        drop_path: Largest share of samples for which a branch is left out.
    """

    image_size_px: int = 112
    patch: int = 2
    dim: int = 96
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (3, 6, 12, 24)
    window: int = N_WINDOW
    drop_path: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Attributes:
        backbone: timm's name, with the tag of the weights; a Swin transformer, or a ResNet where ``swin`` is None.
        swin: Its sizes.
        smoothing: Share of the target that the other classes get, in proportion to their weights.
        consistency: Weight of the weighted disagreement of maps.
        small: Another size of a ResNet, for random weights only.
    """

    backbone: str = "swin_tiny_patch4_window7_224.ms_in1k"
    swin: Swin | None = Swin()
    smoothing: float = 0.3
    consistency: float = 0.1
    small: resnet.Small | None = None


class SwinGrid(nn.Module):
    """timm's Swin transformer with its last normalisation; (n, 3, h, w) to (n, c, h / 16, w / 16) with patches of 2.

    Args:
        backbone: timm's name, with the tag of the weights.
        sizes: Its sizes.
        weights: Initial weights.

    Raises:
        FerBenchError: If the weights do not fit.
    """

    def __init__(self, backbone: str, sizes: Swin, weights: Weights) -> None:
        super().__init__()
        self.normalise = Normalise(HALF, HALF)
        net: Any = create_backbone(
            backbone,
            weights,
            left_over=EMBEDDING,
            num_classes=0,
            img_size=sizes.image_size_px,
            patch_size=sizes.patch,
            embed_dim=sizes.dim,
            depths=sizes.depths,
            num_heads=sizes.heads,
            window_size=sizes.window,
            drop_path_rate=sizes.drop_path,
        )
        net.norm.reset_parameters()
        self.net = net
        self.n_channels = sizes.dim * 2 ** (len(sizes.depths) - 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures in [0, 1] to a grid of features."""
        grid: Tensor = self.net.forward_features(self.normalise(images))  # (n, h, w, c)
        return grid.movedim(-1, 1)


def build(options: Options, *, n_classes: int, weights: Weights) -> nn.Module:
    """Build trunk and head.

    Args:
        options: The recipe's options.
        n_classes: Number of logits.
        weights: Initial weights of the trunk.
    """
    trunk: SwinGrid | resnet.Grid
    if options.swin is None:
        trunk = resnet.Grid(options.backbone, options.small, weights)
    else:
        trunk = SwinGrid(options.backbone, options.swin, weights)
    return nn.Sequential(OrderedDict(trunk=trunk, head=Head(trunk.n_channels, n_classes)))


def smoothed(logits: Tensor, labels: Tensor, weights: Tensor, smoothing: float) -> Tensor:
    """Compute the cross-entropy of each sample against 1 − s on its label and s on the others by their weights.

    Args:
        logits: (n, k).
        labels: (n,).
        weights: (k,) of the classes.
        smoothing: s.

    Returns:
        (n,).
    """
    own = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    others = weights * (1 - own)
    targets = (1 - smoothing) * own + smoothing * others / others.sum(dim=1, keepdim=True)
    return -(targets * logits.log_softmax(dim=1)).sum(dim=1)


class Loss(nn.Module):
    """Re-balanced smoothed cross-entropy, and the weighted disagreement of class maps under mirroring.

    Args:
        options: The recipe's options.
        weights: (k,) of the classes.
    """

    weights: Tensor

    def __init__(self, options: Options, weights: Tensor) -> None:
        super().__init__()
        self.options = options
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, model: Any, batch: Batch) -> Tensor:  # noqa: ANN401 - trunk and head are children
        """Return the loss of a batch."""
        first, second = model.trunk(batch.inputs), model.trunk(batch.inputs.flip(-1))
        losses = smoothed(model.head(first), batch.labels, self.weights, self.options.smoothing)
        disagreements = disagreement(model.head.maps(first), model.head.maps(second)) @ self.weights
        loss: Tensor = (losses * batch.sample_weights).mean() + self.options.consistency * disagreements.mean()
        return loss


def build_loss(options: Options, *, labels: np.ndarray, n_classes: int) -> nn.Module:
    """Build the loss, with w_c = N / (10 n_c) of the training part.

    Raises:
        FerBenchError: If an expression has no training sample.
    """
    return Loss(options, module.class_weights(labels, n_classes, "balanced") * n_classes / 10)


def _name_of(name: str) -> str:
    rest = name.removeprefix("trunk.net.")
    if rest.startswith("head."):
        return rest.replace("head.fc.", "head.")
    if rest.startswith("norm."):
        return rest
    # timm merges patches at the start of a stage, the code at the end of the one before
    return re.sub(
        r"^encoder\.layers\.(\d)\.downsample",
        lambda found: f"encoder.layers.{int(found[1]) - 1}.downsample",
        f"encoder.{rest}",
    )


RELEASED = official.Released(
    name_of=_name_of,
    of_classes=("head.fc.weight", "head.fc.bias"),
    unused={
        "encoder.norm.weight": (768,),
        "encoder.norm.bias": (768,),
        "encoder.feature.0.weight": (768, 768),
        "encoder.feature.2.weight": (512, 768),
        **{
            f"encoder.feature.{layer}.{name}": (size,)
            for layer, size in ((1, 768), (3, 512))
            for name in ("weight", "bias", "running_mean", "running_var")
        },
        "encoder.feature.1.num_batches_tracked": (),
        "encoder.feature.3.num_batches_tracked": (),
        # follow from the sizes alone
        **{
            f"encoder.layers.{stage}.blocks.{block}.attn.relative_position_index": (N_WINDOW**2, N_WINDOW**2)
            for stage, depth in enumerate(Swin().depths)
            for block in range(depth)
        },
        **{f"encoder.layers.{block}.attn_mask": (n, N_WINDOW**2, N_WINDOW**2) for block, n in SHIFTED.items()},
    },
)


def from_official(checkpoint: object) -> dict[str, Tensor]:
    """Return a checkpoint of the released code as a state dict of :func:`build`."""
    return RELEASED.state_dict(checkpoint, lambda n: build(Options(), n_classes=n, weights=Weights("none")))


N_STEPS, N_WARMUP, N_EPOCH = 60_000, 2_000, 384  # steps; an epoch of RAF-DB in batches of 32

CODE = Recipe(
    about="the released code: Swin-T trained on faces (MS-Celeb-1M), 112 px",
    departures=(
        "pictures of the test are resized bicubically, as those of training; the code's are bilinearly",
        "60,000 steps are 156 epochs of RAF-DB, and 2,000 steps of warm-up 5.2 of them, whatever the data set",
    ),
    options=Options(),
    weights="weights/start_0.pt",
    training=Training(
        phases=(
            Phase(
                epochs=round(N_STEPS / N_EPOCH), lr=5e-4 * 32 / 512,
                schedule=WarmupCosine(
                    warmup_epochs=N_WARMUP / N_EPOCH, start_lr=5e-7 * 32 / 512, end_lr=5e-6 * 32 / 512,
                    counts_warmup=True,
                ),
            ),
        ),
        batch_size=32, image_size_px=112, interpolation="bicubic", optimizer="adamw", weight_decay=0.05, clip_norm=5.0,
        augment=(
            "flip", RandAugment(mean=HALF, bicubic=True),  # timm's create_transform, which flips unasked
            Sometimes(p=0.25, changes=(Erase(area=(0.02, 1 / 3), aspect=(0.3, 1 / 0.3), mean=HALF, std=HALF),)),
        ),
    ),
)  # fmt: skip

RECIPES = {
    "toy": Recipe(
        about="LNSU on a ResNet of four blocks from random weights, for the demo",
        departures=(
            "a ResNet instead of Swin-T, random weights, pictures of 48 px, few epochs, a higher learning rate",
            "nothing is erased: so small a network does not learn from what is left",
        ),
        options=Options(backbone="resnet18", swin=None, small=resnet.SMALL),
        training=dataclasses.replace(
            CODE.training or Training(phases=(), batch_size=32, image_size_px=48, optimizer="adamw"),
            phases=(Phase(epochs=8, lr=2e-3, schedule=WarmupCosine(warmup_epochs=0.5)),),
            image_size_px=48,
            interpolation="bilinear",
            augment=(),
        ),
    ),
    "code": CODE,
    "code_imagenet": dataclasses.replace(
        CODE,
        about="as code, on timm's Swin-T from ImageNet at 224 px in patches of 4",
        departures=(*CODE.departures, "ImageNet weights, with their patches of 4 at twice the side"),
        options=Options(swin=Swin(image_size_px=224, patch=4)),
        weights="timm",
        training=dataclasses.replace(CODE.training, image_size_px=224) if CODE.training else None,
    ),
}

method = Method(title="LNSU-Net", recipes=RECIPES, build=build, build_loss=build_loss, from_official=from_official)
