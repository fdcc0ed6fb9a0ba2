"""Training settings of released code that a method and the plain fine-tuning beside it share.

They stand once, so that a method and its control cannot drift apart. Numbers are those of the repositories that the
methods' files name; changes of pictures that code makes at the size of the file stand before the resize.
"""

import math

from baselines._blocks import resnet
from fer_bench.method import (
    Either,
    Erase,
    Exponential,
    Mirror,
    Noise,
    PaddedCrop,
    Phase,
    Rotate,
    Sometimes,
    Step,
    Training,
    WarmupCosine,
)

NOISE = Noise(std=math.sqrt(30) / 255)  # variance 30 of 255 grey levels
# after normalisation, where zero is the mean
ERASE = Sometimes(p=0.5, changes=(Erase(area=(0.02, 0.25), mean=resnet.IMAGENET_MEAN),))

SCN = Training(
    phases=(Phase(epochs=70, lr=1e-3, schedule=Exponential(factor=0.9)),), batch_size=64, image_size_px=224,
    optimizer="adam", weight_decay=1e-4, augment=(ERASE,),
    augment_before_resize=(Either(p=0.5, changes=(Mirror(), NOISE)),),
)  # fmt: skip

EAC = Training(
    phases=(Phase(epochs=60, lr=1e-4, schedule=Exponential(factor=0.9)),), batch_size=32, image_size_px=224,
    optimizer="adam", weight_decay=1e-4, augment=(ERASE,), augment_before_resize=(Sometimes(p=0.5, changes=(NOISE,)),),
)  # fmt: skip

DAN = Training(
    phases=(Phase(epochs=40, lr=0.1, schedule=Step(epochs=10, factor=0.1)),), batch_size=256, image_size_px=224,
    optimizer="sgd", weight_decay=1e-4,
    augment=("flip", Sometimes(p=0.2, changes=(Rotate(degrees=20), PaddedCrop(padding=32 / 224))), ERASE),
)  # fmt: skip

CPU = Training(
    phases=(Phase(epochs=12, lr=1e-3, schedule=WarmupCosine(warmup_epochs=1)),), batch_size=64, image_size_px=80,
    optimizer="adamw", weight_decay=0.05, augment=("flip", "crop", ERASE),
)  # fmt: skip
"""Of every recipe ``cpu``: what two cores carry on real faces. It is nobody's published training, and the same for all,
so that such runs differ in the method alone."""

CPU_NET = resnet.Small(layers=(1, 1, 1, 1), channels=(32, 64, 128, 256))
"""Its network, from random weights: half as wide and half as deep as ResNet-18."""

CPU_DEPARTURES = (
    "a ResNet of four blocks, half as wide as ResNet-18, from random weights; pictures of 80 px",
    "the training of all recipes cpu: 12 epochs of AdamW, mirrored, shifted and scaled pictures, erasing",
)

PRETRAINED = Training(
    phases=(Phase(epochs=12, lr=1e-3, schedule=WarmupCosine(warmup_epochs=1)),), batch_size=64, image_size_px=112,
    optimizer="adamw", weight_decay=0.05, augment=("flip", "crop", ERASE),
)  # fmt: skip
"""Of every recipe ``lite0`` and ``dlib_face``: pretrained networks that two cores carry. It is nobody's published
training, and the same for all, so that such runs differ in the method alone."""

LITE0 = "tf_efficientnet_lite0"
LITE0_WEIGHTS = f"weights/{LITE0}.safetensors"

LITE0_DEPARTURES = (
    "EfficientNet-Lite0 from ImageNet in place of the ResNet; pictures of 112 px",
    "the training of all recipes lite0: 12 epochs of AdamW, mirrored, shifted and scaled pictures, erasing",
)

UNROUNDED = "noise is not rounded to whole grey levels"
"""A departure of every recipe with :data:`NOISE`: the released code adds it to uint8 pictures."""
