"""Training with mmengine's Runner: seeds, validation, checkpoints, history, resuming.

What is added to mmengine 0.10, and why:

* ``EpochSeed``: the Runner saves no random state, so each epoch starts from a seed of its own; a resumed run then
  equals an uninterrupted one, bit for bit on the CPU.
* ``Keeper``: ``CheckpointHook`` saves before validation, overwrites in place, and stores objects that ``torch.load``
  refuses with ``weights_only=True``. Here each epoch is saved after its validation, with its history, under a temporary
  name that is then renamed; what is killed half-way leaves the epoch before intact.
* ``QuietRunner``: no report of the environment (2 s a run); ``run.json`` records it.
"""

import hashlib
import itertools
import math
import pickle
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler
from mmengine.dist import is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import Runner
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader

from fer_bench import seeds
from fer_bench.errors import FerBenchError
from fer_bench.method import Training
from fer_bench.metrics import accuracy, macro_f1
from fer_bench.training.module import PREDICT_BATCH, RunnerModel
from fer_bench.training.pictures import Part
from fer_bench.training.progress import Progress

_MOMENTUM = 0.9
_instances = itertools.count()


class DivergedError(Exception):
    """Training gave a loss that is not finite: a result of the method, not a mistake of the user."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What training leaves.

    Attributes:
        folder: Where the checkpoints lie, one per epoch.
        history: One dictionary per epoch, with the columns of the history table that are not the run's key.
    """

    folder: Path
    history: list[dict[str, float]]

    def load(self, model: RunnerModel, epoch: int) -> None:
        """Load the trained weights of an epoch (1-based) into a model."""
        checkpoint = torch.load(_file(self.folder, epoch), map_location="cpu", weights_only=True)
        _load_trained(model, checkpoint["state_dict"])


def fit(
    model: RunnerModel,
    training: Training,
    train: Part,
    select: Part | None,
    *,
    n_classes: int,
    seed: int,
    folder: Path,
    amp: bool,
    launcher: str,
    title: str,
) -> Fitted:
    """Train a model, or go on where an earlier call with the same folder was stopped.

    The reported part of the data is not an argument: nothing here can look at it.

    Args:
        model: Freshly built, with its initial weights.
        training: Settings.
        train: Part that trains.
        select: Part that is validated on after each epoch; None: no validation.
        n_classes: K.
        seed: The run's seed.
        folder: Where checkpoints are kept; used by no other run.
        amp: Mixed precision.
        launcher: ``none``, or one of mmengine's (``pytorch``, ``slurm``, ``mpi``).
        title: What the progress bar says.

    Raises:
        DivergedError: If a loss is not finite.
        FerBenchError: If the folder holds a file that is not a checkpoint of this run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    resume_from = _newest(folder)
    keeper = Keeper(folder, validates=select is not None)
    progress = Progress(title, training.epochs, len(train))
    optimizer = {"type": OptimWrapper, "optimizer": _optimizer(training)}
    if amp:
        optimizer["type"] = AmpOptimWrapper
    if training.clip_norm is not None:
        optimizer["clip_grad"] = {"max_norm": training.clip_norm}
    validation: dict[str, Any] = {}
    if select is not None:
        validation = {
            "val_dataloader": _loader(select, sampler=DefaultSampler(select, shuffle=False)),
            "val_cfg": {},
            "val_evaluator": [Validation(n_classes)],
        }
    runner = QuietRunner(
        model=model,
        work_dir=str(folder / "mmengine"),
        train_dataloader=_train_loader(train, training.batch_size, seeds.derive(seed, "order"), launcher),
        train_cfg={"by_epoch": True, "max_epochs": training.epochs, "val_interval": 1},
        **validation,
        optim_wrapper=optimizer,
        param_scheduler=_schedule(training),
        default_hooks={"logger": None, "checkpoint": None},
        custom_hooks=[EpochSeed(seed, train), progress, keeper],
        load_from=None if resume_from is None else str(resume_from),
        resume=resume_from is not None,
        launcher=launcher,
        env_cfg={"dist_cfg": {"backend": "nccl" if torch.cuda.is_available() else "gloo"}},
        cfg={"model_wrapper_cfg": _wrapper()},
        log_level="ERROR",
        randomness={"seed": seeds.derive(seed, "loop"), "deterministic": True},
        # mmengine keeps its loggers and hubs by name in global tables; a name used twice would be the old one
        experiment_name=f"{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}-{next(_instances)}",
    )
    try:
        runner.train()
    finally:
        progress.close()
    return Fitted(folder=folder, history=keeper.history)


@torch.no_grad()
def predict(model: RunnerModel, part: Part) -> np.ndarray:
    """Return logits (n, k) of a part, float32, in the part's order; each sample's as if it were alone."""
    device = next(model.parameters()).device
    model.eval()
    found = [
        model(**{name: value.to(device) for name, value in batch.items()}, mode="predict").float().cpu()
        for batch in _loader(part)
    ]
    logits: np.ndarray = torch.cat(found).numpy()
    return logits


def _loader(part: Part, sampler: DefaultSampler | None = None) -> DataLoader[dict[str, torch.Tensor]]:
    """Return a loader over a part in its order, nothing dropped; a sampler deals it out to several processes."""
    return DataLoader(part, batch_size=PREDICT_BATCH, sampler=sampler, collate_fn=_as_it_is)


def _train_loader(part: Part, batch_size: int, seed: int, launcher: str) -> DataLoader[dict[str, torch.Tensor]]:
    sampler = DefaultSampler(part, shuffle=True, seed=seed, round_up=launcher != "none")
    # a last batch of one sample has no batch statistics: BatchNorm refuses it
    return DataLoader(
        part,
        batch_size=batch_size,
        sampler=sampler,
        collate_fn=_as_it_is,
        drop_last=len(part) % batch_size == 1,
    )


def _as_it_is(batch: Any) -> Any:  # noqa: ANN401 - a Part gives whole batches, not lists of samples
    return batch


def _optimizer(training: Training) -> dict[str, Any]:
    common = {"lr": training.lr, "weight_decay": training.weight_decay}
    if training.optimizer == "sgd":
        return {"type": torch.optim.SGD, "momentum": _MOMENTUM, **common}
    kind = torch.optim.Adam if training.optimizer == "adam" else torch.optim.AdamW
    return {"type": kind, "eps": training.adam_eps, "fused": True, **common}  # one pass over memory, not ten


def _schedule(training: Training) -> list[dict[str, Any]] | None:
    if training.schedule == "constant":
        return None
    settings = {"by_epoch": True, "T_max": training.epochs, "end": training.epochs, "convert_to_iter_based": True}
    return [{"type": "CosineAnnealingLR", "eta_min": 0.0, **settings}]


def _wrapper() -> dict[str, Any]:
    """On the CPU, mmengine's wrapper must be told that there is no device to pin the model to."""
    if torch.cuda.is_available():
        return {"type": "MMDistributedDataParallel"}
    return {"type": "MMDistributedDataParallel", "device_ids": None}


class QuietRunner(Runner):  # type: ignore[misc]  # mmengine ships no types
    """mmengine's Runner without its report of the environment, and able to run processes side by side on a CPU."""

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        """Say nothing: ``run.json`` records the environment."""

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        """Start the processes' group on a CPU, where mmengine would ask for a CUDA device."""
        if self.distributed and not torch.cuda.is_available() and not torch.distributed.is_initialized():
            torch.distributed.init_process_group("gloo")
        super().setup_env(env_cfg)


class Validation(BaseMetric):  # type: ignore[misc]  # mmengine ships no types
    """Cross-entropy, accuracy and macro-F1 on the part that selects."""

    default_prefix = "val"

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.n_classes = n_classes

    def process(self, data_batch: dict[str, torch.Tensor], data_samples: Sequence[torch.Tensor]) -> None:
        """Remember a batch's logits and labels."""
        self.results.extend(
            (logits.float().cpu(), int(label)) for logits, label in zip(data_samples, data_batch["labels"], strict=True)
        )

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """Return the values, which mmengine names ``val/…``."""
        logits = torch.stack([row for row, _ in results])
        labels = torch.tensor([label for _, label in results])
        loss = float(functional.cross_entropy(logits, labels))
        right, balanced = scores(labels.numpy(), logits.numpy(), self.n_classes)
        return {"loss": loss, "accuracy": right, "macro_f1": balanced}


def scores(labels: np.ndarray, logits: np.ndarray, n_classes: int) -> tuple[float, float]:
    """Return accuracy and macro-F1 of logits (n, k) against labels (n,)."""
    cells = labels * n_classes + logits.argmax(axis=1)
    confusion = np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)
    return float(accuracy.metric.of_confusion(confusion)), float(macro_f1.metric.of_confusion(confusion))


class EpochSeed(Hook):  # type: ignore[misc]  # mmengine ships no types
    """Starts every epoch from a seed of its own."""

    priority = "VERY_HIGH"

    def __init__(self, seed: int, part: Part) -> None:
        self.seed = seed
        self.part = part

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed every global generator that a module may draw from (dropout), and renew the pictures' draws."""
        epoch_seed = seeds.derive(self.seed, "epoch", runner.epoch)
        random.seed(epoch_seed)
        np.random.seed(epoch_seed)  # noqa: NPY002 - for third-party modules that use the global generator
        torch.manual_seed(epoch_seed)
        self.part.set_epoch(runner.epoch)
        _unwrapped(runner.model).epoch = runner.epoch


class Keeper(Hook):  # type: ignore[misc]  # mmengine ships no types
    """Keeps each epoch's trained weights and the history so far."""

    priority = "LOWEST"  # after the schedules have stepped

    def __init__(self, folder: Path, *, validates: bool) -> None:
        self.folder = folder
        self.validates = validates
        self.history: list[dict[str, float]] = []
        self._losses: list[torch.Tensor] = []
        self._lr = math.nan
        self._start = 0.0

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Take up the history of the epochs before, and restore the parameters that are not trained."""
        self.history = checkpoint["history"]
        state = _unwrapped(runner.model).state_dict()
        checkpoint["state_dict"] = {**state, **checkpoint["state_dict"]}

    def before_train_epoch(self, runner: Runner) -> None:
        """Start the clock."""
        self._losses = []
        self._lr = runner.optim_wrapper.get_lr()["lr"][0]
        self._start = time.monotonic()

    def after_train_iter(
        self,
        runner: Runner,  # noqa: ARG002 - the hook's form
        batch_idx: int,  # noqa: ARG002
        data_batch: object = None,  # noqa: ARG002
        outputs: dict[str, torch.Tensor] | None = None,
    ) -> None:
        """Remember the loss without waiting for the device."""
        if outputs is not None:
            self._losses.append(outputs["loss"].detach())

    def after_train_epoch(self, runner: Runner) -> None:
        """Stop at a loss that is not finite; save here where nothing is validated."""
        losses = torch.stack(self._losses)
        if not torch.isfinite(losses).all():
            step = int((~torch.isfinite(losses)).to(torch.int8).argmax())
            message = f"the loss of epoch {runner.epoch + 1}, step {step + 1}, is {float(losses[step])}"
            raise DivergedError(message)
        if not self.validates:
            self._keep(runner, runner.epoch + 1, {})

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Save after validation."""
        found = {name.replace("val/", "val_"): value for name, value in (metrics or {}).items()}
        self._keep(runner, runner.epoch, found)

    def _keep(self, runner: Runner, epoch: int, metrics: dict[str, float]) -> None:
        seconds = time.monotonic() - self._start
        train_loss = float(torch.stack(self._losses).mean())
        self.history = [
            *self.history,
            {"epoch": epoch, "lr": self._lr, "train_loss": train_loss, **metrics, "seconds": seconds},
        ]
        if not is_main_process():
            return
        meta = {"epoch": epoch, "iter": epoch * len(runner.train_dataloader)}
        file = _file(self.folder, epoch)
        runner.save_checkpoint(str(self.folder), f"{file.name}.part", meta=meta)
        (self.folder / f"{file.name}.part").replace(file)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Leave out what is not trained, and what ``torch.load`` would refuse."""
        checkpoint["state_dict"] = _trained(_unwrapped(runner.model), checkpoint["state_dict"])
        checkpoint["message_hub"] = {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}}
        checkpoint["history"] = self.history


def _unwrapped(model: nn.Module) -> RunnerModel:
    inner = getattr(model, "module", model)
    assert isinstance(inner, RunnerModel)  # noqa: S101 - for the type checker; fit builds it
    return inner


def _trained(model: RunnerModel, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A frozen trunk is the same in every epoch and can be hundreds of megabytes."""
    if not model.training_settings.frozen_trunk:
        return state
    return {name: value for name, value in state.items() if not name.startswith("model.trunk.")}


def _load_trained(model: RunnerModel, state: dict[str, torch.Tensor]) -> None:
    missing, unexpected = model.load_state_dict(state, strict=False)
    untrained = [name for name in missing if not (model.training_settings.frozen_trunk and "model.trunk." in name)]
    if untrained or unexpected:
        message = f"checkpoint does not fit the model: missing {untrained}, unexpected {unexpected}"
        raise RuntimeError(message)


def _file(folder: Path, epoch: int) -> Path:
    return folder / f"epoch_{epoch:04d}.pth"


def _newest(folder: Path) -> Path | None:
    """Return the newest checkpoint; renaming is atomic, so a file of ours with this name is whole."""
    newest = max(folder.glob("epoch_*.pth"), default=None)
    if newest is None:
        return None
    try:
        found = torch.load(newest, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise _not_ours(newest, str(error).splitlines()[0]) from None
    if not isinstance(found, dict) or not {"history", "state_dict", "meta"} <= found.keys():
        raise _not_ours(newest, "it has no history")
    return newest


def _not_ours(path: Path, why: str) -> FerBenchError:
    return FerBenchError(
        f"{path} is not a checkpoint of this run: {why}",
        fix=f"remove the folder {path.parent}; training then starts anew",
    )
