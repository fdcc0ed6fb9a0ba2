"""What a method's file registers: ``method = Method(…)``.

A method is a published way to train and predict: an architecture with named recipes. Two kinds exist. Those trained
by gradient descent give ``build``, a function that returns a ``torch.nn.Module``; the harness trains it. Those fitted
in one go give ``fit``. This module imports no torch, so that listing methods stays cheap.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """Mirror the picture; by chance inside :class:`Sometimes` or :class:`Either`."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Add Gaussian noise to every pixel and channel; the result stays in [0, 1].

    Attributes:
        std: Standard deviation, of pictures in [0, 1].
    """

    std: float


@dataclass(frozen=True, kw_only=True)
class Erase:
    """Overwrite a rectangle, as torchvision's ``RandomErasing``; one that does not fit is cut at the border.

    Attributes:
        area: Smallest and largest share of the picture.
        aspect: Smallest and largest ratio of height to width.
        drawn: What of the ratio is drawn evenly: its ``logarithm``, as torchvision does, or the ``ratio`` itself.
        mean: What is written, per channel, in [0, 1]. The mean by which a trunk normalises is zero to the trunk.
        std: Per channel, of noise around it, pixel by pixel.
    """

    area: tuple[float, float]
    aspect: tuple[float, float] = (0.3, 3.3)
    drawn: Literal["logarithm", "ratio"] = "logarithm"
    mean: tuple[float, float, float]
    std: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Rotate:
    """Rotate by an angle drawn evenly; what comes in from outside is black.

    Attributes:
        degrees: Largest angle to either side.
        interpolation: Between pixels: the ``nearest`` one, as torchvision by default, or ``bilinear``, as OpenCV.
    """

    degrees: float
    interpolation: Literal["nearest", "bilinear"] = "nearest"


@dataclass(frozen=True, kw_only=True)
class PaddedCrop:
    """Pad with black and cut the size out again: a shift by whole pixels.

    Attributes:
        padding: Width of the border, as a share of the side.
    """

    padding: float


@dataclass(frozen=True, kw_only=True)
class Crop:
    """Cut out a square at whole pixels, anywhere: 224 px out of pictures of ``Training.resize_px`` 256.

    Attributes:
        side_px: Its side.
    """

    side_px: int


@dataclass(frozen=True, kw_only=True)
class ResizedCrop:
    """Cut a rectangle out and resize it to the picture's size, as torchvision's ``RandomResizedCrop``.

    One that does not fit is cut at the border, where torchvision draws again.

    Attributes:
        area: Smallest and largest share of the picture.
        aspect: Smallest and largest ratio of width to height; its logarithm is drawn evenly.
    """

    area: tuple[float, float]
    aspect: tuple[float, float] = (3 / 4, 4 / 3)


@dataclass(frozen=True, kw_only=True)
class Grey:
    """Make the picture grey, in three equal channels (torchvision's ``rgb_to_grayscale``)."""


@dataclass(frozen=True, kw_only=True)
class Jitter:
    """Change brightness, contrast, saturation and hue in an order that is drawn (torchvision's ``ColorJitter``).

    Attributes:
        brightness: Largest distance of the factor from 1; 0: left alone. So for the next two.
        contrast: Likewise.
        saturation: Likewise.
        hue: Largest turn to either side, as a share of the circle of colours.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0


@dataclass(frozen=True, kw_only=True)
class RandAugment:
    """Make a few changes that timm draws from its list (``rand_augment_transform``), one picture after the other.

    Pictures pass through 8 bits, and through the processor; several times slower than the other changes.

    Attributes:
        config: timm's text: magnitude, its standard deviation, whether severity rises with it.
        mean: What comes in from outside, per channel, in [0, 1].
        bicubic: Interpolate bicubically, instead of by a rule that timm draws.
    """

    config: str = "rand-m9-mstd0.5-inc1"
    mean: tuple[float, float, float]
    bicubic: bool = False


@dataclass(frozen=True, kw_only=True)
class Sometimes:
    """Make all of some changes, or none.

    Attributes:
        p: Probability.
        changes: Which, in this order.
    """

    p: float
    changes: "tuple[Change, ...]"


@dataclass(frozen=True, kw_only=True)
class Either:
    """Make one of some changes, or none.

    Attributes:
        p: Probability of making one.
        changes: Which; each as likely as another.
    """

    p: float
    changes: "tuple[Change, ...]"


@dataclass(frozen=True, kw_only=True)
class InBgr:
    """Make all of some changes to the picture with its channels turned round, as code that holds BGR does.

    Attributes:
        changes: Which, in this order.
    """

    changes: "tuple[Change, ...]"


Change: TypeAlias = (
    Mirror
    | Noise
    | Erase
    | Rotate
    | PaddedCrop
    | Crop
    | ResizedCrop
    | Grey
    | Jitter
    | RandAugment
    | Sometimes
    | Either
    | InBgr
)

Augmentation: TypeAlias = Literal["flip", "contrast", "crop"] | Change
"""``flip``: mirrored half of the time. ``contrast``: Keras' ``RandomContrast(0.3)``. ``crop``: shifted and scaled. Or a
:data:`Change`."""


Watched: TypeAlias = Literal["val_accuracy", "train_accuracy"]
"""``val_accuracy``: of the part that selects. ``train_accuracy``: of the training batches as they were trained on, with
dropout and before each step, which is what Keras calls ``accuracy``."""


@dataclass(frozen=True, kw_only=True)
class EarlyStop:
    """When a phase stops before its last epoch (Keras 2.10 ``EarlyStopping``).

    Attributes:
        watch: What has to rise.
        patience: Epochs in a row without a rise after which the phase stops.
        min_delta: A rise counts if it is larger than this.
        restore: Go back to the weights of the last epoch that counted as a rise; only where the phase stops early.
    """

    watch: Watched
    patience: int
    min_delta: float
    restore: bool


@dataclass(frozen=True, kw_only=True)
class Plateau:
    """A learning rate that falls when nothing rises (Keras 2.10 ``ReduceLROnPlateau``, no cooldown).

    Attributes:
        watch: What has to rise.
        patience: Epochs in a row without a rise after which the rate falls.
        min_delta: A rise counts if it is larger than this.
        factor: By which the rate is multiplied.
        min_lr: Below which it does not fall.
    """

    watch: Watched
    patience: int
    min_delta: float
    factor: float
    min_lr: float


@dataclass(frozen=True, kw_only=True)
class InverseTime:
    """A learning rate lr / (1 + epoch / ``epochs``), constant within an epoch (Keras ``InverseTimeDecay`` per epoch).

    Attributes:
        epochs: After which the rate is half of the initial one.
    """

    epochs: float


@dataclass(frozen=True, kw_only=True)
class Exponential:
    """A learning rate lr · ``factor`` ** epoch (torch's ``ExponentialLR`` per epoch).

    Attributes:
        factor: By which the rate is multiplied after each epoch.
    """

    factor: float


@dataclass(frozen=True, kw_only=True)
class Step:
    """A learning rate that falls every few epochs (torch's ``StepLR``).

    Attributes:
        epochs: After how many it falls.
        factor: By which the rate is multiplied then.
    """

    epochs: int
    factor: float


@dataclass(frozen=True, kw_only=True)
class EpochCosine:
    """A learning rate that falls along half a cosine to zero, epoch by epoch (torch's ``CosineAnnealingLR``)."""


@dataclass(frozen=True, kw_only=True)
class WarmupCosine:
    """A learning rate that rises linearly and falls along half a cosine, step by step.

    Attributes:
        warmup_epochs: Over which it rises; parts of an epoch are allowed.
        start_lr: Rate of the first step.
        end_lr: Where it ends.
        counts_warmup: The cosine starts with the first step, and is followed from where warm-up ends (timm's
            ``CosineLRScheduler``), so that the rate drops there; otherwise it starts where warm-up ends.
    """

    warmup_epochs: float
    start_lr: float = 0.0
    end_lr: float = 0.0
    counts_warmup: bool = False


@dataclass(frozen=True, kw_only=True)
class Stages:
    """Learning rates that a table gives, of the trunk and of all other weights; one optimiser goes through all of it.

    Attributes:
        table: Stages, one after the other: epochs, the trunk's rate, that of all other weights.
    """

    table: tuple[tuple[int, float, float], ...]


Schedule: TypeAlias = (
    Literal["constant", "cosine"] | InverseTime | Plateau | Exponential | Step | Stages | EpochCosine | WarmupCosine
)
"""``constant``; ``cosine``: to zero over all steps of the phase; or a rule. All act once an epoch but ``cosine`` and
:class:`WarmupCosine`."""

Trunk: TypeAlias = Literal["trained", "tuned", "frozen"]
"""``trained``: as all other weights. ``tuned``: trained, but in evaluation mode, so that batch normalisation keeps its
statistics (Keras: ``base(x, training=False)``). ``frozen``: neither trained nor moved, in evaluation mode."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of training with one optimiser.

    A module of the method that computes otherwise in another phase has ``enter_phase(phase)``; the harness calls it
    with the phase's number, from 0, before it trains or predicts.

    Attributes:
        epochs: Passes over the training part, at most.
        lr: Initial learning rate.
        trunk_lr_factor: By which the trunk's learning rate differs from ``lr``; 1: it does not, unless by
            :class:`Stages`.
        schedule: How it changes.
        class_weights: ``balanced``: n / (K n_k) on each sample's loss, averaged over the batch as Keras does (divided
            by the batch size, not by the sum of the weights).
        trunk: Whether the trunk is trained.
        early_stop: When the phase stops before its last epoch; None: it does not.
        rewind: None: epochs are counted from 0. A number r: they are counted from where the phase before it was r
            epochs before its end, as by Keras' ``fit(initial_epoch=history.epoch[-r])``; so many fewer are left, and
            :class:`InverseTime` starts further down.
    """

    epochs: int
    lr: float
    trunk_lr_factor: float = 1.0
    schedule: Schedule = "constant"
    class_weights: Literal["none", "balanced"] = "none"
    trunk: Trunk = "trained"
    early_stop: EarlyStop | None = None
    rewind: int | None = None

    def __post_init__(self) -> None:
        """Check that a table of rates fits the phase.

        Raises:
            TypeError: If it ends before the phase, starts at another rate, or the trunk's rate is given twice.
        """
        if not isinstance(self.schedule, Stages):
            return
        table = self.schedule.table
        if sum(epochs for epochs, _, _ in table) < self.epochs:
            message = f"the stages of a phase of {self.epochs} epochs end before it"
            raise TypeError(message)
        if self.lr != table[0][2] or self.trunk_lr_factor != 1:
            message = "a phase with stages has the lr of the first one, and no trunk_lr_factor, which they stand for"
            raise TypeError(message)

    @property
    def watched(self) -> set[Watched]:
        """What the phase's rules look at."""
        rules = (self.early_stop, self.schedule)
        return {rule.watch for rule in rules if isinstance(rule, EarlyStop | Plateau)}


Interpolation: TypeAlias = Literal["bilinear", "bicubic"]


@dataclass(frozen=True, kw_only=True)
class Balanced:
    """Draw samples with replacement, each class as likely as another; as many as the training part has."""


@dataclass(frozen=True, kw_only=True)
class RepeatFactor:
    """Repeat every sample of a rare class, ⌈max(1, √(``threshold`` / share of the class))⌉ times in an epoch.

    Attributes:
        threshold: Share from which on a class is not rare.
    """

    threshold: float


Sampling: TypeAlias = Literal["once"] | Balanced | RepeatFactor
"""``once``: an epoch has each training sample once. Or a rule that favours rare classes."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a ``torch.nn.Module`` is trained.

    Attributes:
        phases: One after the other, each with a new optimiser, on the weights that the one before it ended with.
        batch_size: Samples per step.
        image_size_px: Side to which pictures are resized before they enter the trunk.
        resize_px: Side to which pictures are resized instead, where ``image_size_px`` are cut out of them: by a
            :class:`Crop` in ``augment`` of those that train, in the middle of others.
        interpolation: How pictures are resized: ``bilinear``, without antialiasing, or ``bicubic``, with it, as by
            Pillow.
        optimizer: ``adam``, ``adamw`` or ``sgd`` (with Nesterov-free momentum 0.9).
        weight_decay: Of the optimiser.
        undecayed: Which weights it spares: ``vectors`` (those of fewer than two dimensions: biases and
            normalisations), and those in whose name one of the other words occurs.
        layer_lr_decay: By which the learning rate is multiplied once for each layer that a weight lies below the
            topmost, as the method's ``depth`` counts them; 1: all layers have one rate.
        sam_rho: Length ρ of the step up that sharpness-aware minimisation takes before each step of the optimiser
            (Foret et al., ICLR 2021, arXiv:2010.01412); None: it takes none. Each step then costs two.
        adam_eps: Adam's epsilon (torch: 1e-8, Keras: 1e-7).
        clip_norm: Global norm to which gradients are clipped; None: not clipped.
        label_smoothing: Share of the target spread evenly.
        targets: What cross-entropy is taken against: ``labels``, or ``votes``, the shares of the annotators' votes
            (Barsoum et al., ICMI 2016, arXiv:1608.01041, their cross-entropy loss). Samples are chosen by their labels
            in any case.
        sampling: Which samples an epoch has.
        augment: Random changes of the training pictures, in this order.
        augment_before_resize: Likewise, made before, at the size in which the data set was prepared.
        second_view: What makes a second picture of each sample for the loss, as ``Batch.second``: random changes of the
            resized picture, which none of the others has touched, with draws of their own. None: there is none.
    """

    phases: tuple[Phase, ...]
    batch_size: int
    image_size_px: int
    optimizer: Literal["adam", "adamw", "sgd"]
    resize_px: int | None = None
    interpolation: Interpolation = "bilinear"
    weight_decay: float = 0.0
    undecayed: tuple[str, ...] = ()
    layer_lr_decay: float = 1.0
    sam_rho: float | None = None
    adam_eps: float = 1e-8
    clip_norm: float | None = None
    label_smoothing: float = 0.0
    targets: Literal["labels", "votes"] = "labels"
    sampling: Sampling = "once"
    augment: tuple[Augmentation, ...] = ()
    augment_before_resize: tuple[Augmentation, ...] = ()
    second_view: tuple[Augmentation, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One named way to carry a method out.

    Attributes:
        about: One sentence: where it comes from.
        departures: How it differs from that source, one clause each; empty means it does not.
        options: The method's own architecture options, a frozen dataclass of its file.
        weights: What the trunk starts from: ``none``, ``timm`` (timm's download of the tag named in ``options``), or
            the name of a file that people have to bring; ``params.yaml`` may say otherwise.
        training: Settings of gradient training; None for methods that are fitted in one go.
    """

    about: str
    departures: tuple[str, ...] = ()
    options: Any
    weights: str = "none"
    training: Training | None = None


@dataclass(frozen=True)
class Weights:
    """Where a trunk's initial weights come from.

    Attributes:
        source: ``none``, ``timm`` or ``file``.
        path: The file, where ``source`` is ``file``.
        before_checkpoint: Whether a checkpoint is loaded afterwards, so that the file is for what that lacks, and no
            other file is read.
    """

    source: Literal["none", "timm", "file"]
    path: Path | None = None
    before_checkpoint: bool = False


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a loss sees of a training batch.

    Attributes:
        inputs: Pictures (n, 3, h, w) in [0, 1]; or, where the trunk is frozen and its features are stored, features.
        from_features: Whether ``inputs`` are the trunk's features, to be given to ``model.head`` instead of to
            ``model``.
        labels: (n,) integer tensor.
        sample_weights: (n,) weight of each sample's loss.
        label_smoothing: From the recipe.
        rows: (n,) rows of the training part, for methods that remember samples.
        epoch: 0-based, counted over all phases.
        second: The samples' second pictures, like ``inputs``, where the recipe has a ``second_view``; else None.
        votes: (n, K) shares of the annotators' votes, where the recipe's ``targets`` are votes; else None.
    """

    inputs: Any
    from_features: bool
    labels: Any
    sample_weights: Any
    label_smoothing: float
    rows: Any
    epoch: int
    second: Any = None
    votes: Any = None


class Build(Protocol):
    """Return a module with children ``trunk`` and ``head``; calling it equals ``head(trunk(images))``.

    ``images`` are float32 (n, 3, h, w), RGB in [0, 1]; the module normalises them itself. The result is logits (n,
    n_classes). Nothing global is seeded; the harness seeds before it calls. Weights are loaded through
    ``fer_bench.training.weights``.
    """

    def __call__(self, options: Any, *, n_classes: int, weights: Weights) -> Any:  # noqa: ANN401 - torch stays out
        """Build the module."""


class BuildLoss(Protocol):
    """Return a module that is the loss: called with ``(model, batch)``, it returns a scalar tensor.

    For losses that follow the recipe's options or the training part, have weights of their own, or remember samples.
    Its parameters are trained with the model's; they and its buffers are kept with every epoch's weights, so a run
    that was killed goes on with them. ``labels`` are those of the training part, (n,); ``batch.rows`` counts in them.
    """

    def __call__(self, options: Any, *, labels: np.ndarray, n_classes: int) -> Any:  # noqa: ANN401 - torch stays out
        """Build the loss."""


class Fit(Protocol):
    """Fit in one go and return a function from pictures to logits."""

    def __call__(
        self,
        options: Any,  # noqa: ANN401 - each method's own dataclass
        images: np.ndarray,
        labels: np.ndarray,
        *,
        n_classes: int,
        seed: int,
    ) -> Callable[[np.ndarray], np.ndarray]:
        """Fit on uint8 pictures (n, h, w) or (n, h, w, 3) and integer labels (n,)."""


def _no_files(_options: object, _weights: Weights) -> tuple[Path, ...]:
    return ()


def _never(_options: object) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method, as the harness knows it.

    Attributes:
        title: As the paper writes it.
        recipes: By name; every method has ``toy`` (seconds on a CPU, random weights).
        build: For methods trained by gradient descent.
        fit: For methods fitted in one go.
        features: ``(options, pictures) -> (n, d)``: what such a method fits on, each picture's own, for
            ``fer-bench explain``; absent: nothing that could be shown.
        loss: ``(model, batch) -> scalar tensor``; absent: cross-entropy.
        build_loss: Instead of ``loss``, where it is not such a plain function.
        from_official: Takes what a released checkpoint holds, as ``fer_bench.training.weight_files`` reads it, and
            returns the state dict of the network that ``build`` returns for the recipe of the released code, logits in
            the order of ``expressions.py``; absent: none is read. ``fer_bench.training.official`` reads and loads.
        files: ``(options, weights) -> paths``: what ``build`` reads beside the file of ``weights``; the harness digests
            them, and records them with it.
        depth: ``(options, name) -> layer`` of a weight of the network that ``build`` returns, by its name there
            (``trunk.…``, ``head.…``), counted upwards; for recipes whose rates fall with depth
            (``Training.layer_lr_decay``).
        couples_batch: Whether, with these options, a sample's logits depend on its batch mates. The harness then
            predicts one sample at a time, and says so.
    """

    title: str
    recipes: Mapping[str, Recipe]
    build: Build | None = None
    fit: Fit | None = None
    features: Callable[[Any, np.ndarray], np.ndarray] | None = None
    loss: Callable[[Any, Batch], Any] | None = None
    build_loss: BuildLoss | None = None
    from_official: Callable[[object], dict[str, Any]] | None = None
    files: Callable[[Any, Weights], tuple[Path, ...]] = field(default=_no_files)
    depth: Callable[[Any, str], int] | None = None
    couples_batch: Callable[[Any], bool] = field(default=_never)

    def __post_init__(self) -> None:
        """Check that the parts fit together.

        Raises:
            TypeError: If not exactly one of ``build`` and ``fit`` is given, or a recipe's ``training`` contradicts it,
                or watches the training accuracy of a loss whose logits the harness does not see, or gives it votes; or
                two losses are given; or rates fall with a depth that the method does not give.
        """
        if self.loss is not None and self.build_loss is not None:
            message = f"{self.title}: give loss or build_loss, not both"
            raise TypeError(message)
        if (self.build is None) == (self.fit is None):
            message = f"{self.title}: give exactly one of build and fit"
            raise TypeError(message)
        for name, recipe in self.recipes.items():
            if (recipe.training is None) != (self.build is None):
                message = f"{self.title}, recipe {name}: training settings go with build, and with nothing else"
                raise TypeError(message)
            watched = {what for phase in recipe.training.phases for what in phase.watched} if recipe.training else set()
            own = self.loss is not None or self.build_loss is not None
            if own and "train_accuracy" in watched:
                message = f"{self.title}, recipe {name}: a loss of its own gives no train_accuracy to watch"
                raise TypeError(message)
            if own and recipe.training and recipe.training.targets != "labels":
                message = f"{self.title}, recipe {name}: a loss of its own is taken against labels"
                raise TypeError(message)
            if recipe.training and recipe.training.layer_lr_decay != 1 and self.depth is None:
                message = f"{self.title}, recipe {name}: layer_lr_decay needs the method's depth"
                raise TypeError(message)
