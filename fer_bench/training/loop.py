"""Training with mmengine's Runner: phases, seeds, validation, checkpoints, history, resuming.

Each phase is a Runner of its own, with a new optimiser. Epochs are counted over all phases.

What is added to mmengine 0.10, and why:

* ``EpochSeed``: the Runner saves no random state, so each epoch starts from a seed of its own; a resumed run then
  equals an uninterrupted one, bit for bit on the CPU.
* ``Keeper``: ``CheckpointHook`` saves before validation, overwrites in place, and stores objects that ``torch.load``
  refuses with ``weights_only=True``. Here each epoch is saved after its validation, with its history, under a temporary
  name, made durable, and then renamed; what is killed half-way leaves the epoch before intact. A run goes on after the
  last epoch up to which every checkpoint can be read and is its own.
* ``Rate``: rules for the learning rate that are functions of the epochs so far (:mod:`fer_bench.training.rules`).
* ``steps.Groups``, ``steps.train_step``: learning rates and weight decay by part, sharpness-aware minimisation.
* ``QuietRunner``: no report of the environment (2 s a run); ``run.json`` records it.
"""

import hashlib
import io
import itertools
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler
from mmengine.dist import all_reduce, barrier, get_rank, is_distributed, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import Runner
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader

from fer_bench import seeds, whole
from fer_bench.errors import FerBenchError
from fer_bench.method import Phase, Training
from fer_bench.metrics import accuracy, macro_f1
from fer_bench.training import processes, rules, steps, weight_files
from fer_bench.training.module import PREDICT_BATCH, RunnerModel
from fer_bench.training.pictures import Part
from fer_bench.training.processes import Share
from fer_bench.training.progress import Progress, say

_MOMENTUM = 0.9
_instances = itertools.count()


class DivergedError(Exception):
    """Training gave a loss that is not finite: a result of the method, not a mistake of the user."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What training leaves.

    Attributes:
        folder: Where the checkpoints lie, one per epoch.
        history: One dictionary per epoch: the columns of the history table that are not the run's key, the number of
            the ``phase``, from 0, and what the recipe's rules looked at.
        last: The epoch whose weights training ended with: the last one, or the one that was gone back to.
        n_before: Epochs that an earlier call had trained.
    """

    folder: Path
    history: list[dict[str, float]]
    last: int
    n_before: int

    def load(self, model: RunnerModel, epoch: int) -> None:
        """Load the trained weights of an epoch (1-based) into a model, and enter the phase of that epoch."""
        model.enter_phase(int(self.history[epoch - 1]["phase"]))
        _load_trained(model, _file(self.folder, epoch))

    def weights(self, epoch: int) -> bytes:
        """Return the file that :func:`restore` takes: the trained weights of an epoch (1-based), and its phase."""
        state = torch.load(_file(self.folder, epoch), map_location="cpu", weights_only=True)["state_dict"]
        file = io.BytesIO()
        torch.save({"state_dict": state, "phase": int(self.history[epoch - 1]["phase"])}, file)
        return file.getvalue()


def restore(model: RunnerModel, file: Path) -> None:
    """Put weights that a run kept into a freshly built model, and enter the phase they are of.

    Raises:
        FerBenchError: If the file is missing or is not of such a model.
    """
    fix = "carry the run out again with this version of the method"
    if not file.exists():
        raise FerBenchError(f"no trained weights at {file}", fix=fix)
    try:
        found = weight_files.read(file)
    except FerBenchError as error:
        raise FerBenchError(f"not weights of this model: {error.problem}", fix=fix) from None
    try:
        model.enter_phase(found["phase"])
        _put(model, found["state_dict"])
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise FerBenchError(f"{file}: not weights of this model: {str(error).splitlines()[0]}", fix=fix) from None


def fit(
    model: RunnerModel,
    train: Sequence[Part],
    select: Sequence[Part] | None,
    *,
    n_classes: int,
    seed: int,
    folder: Path,
    key: str,
    amp: bool,
    title: str,
) -> Fitted:
    """Train a model, or go on where an earlier call with the same folder and key was stopped.

    In a group of processes (:func:`fer_bench.training.processes.start`) they train together.

    The reported part of the data is not an argument: nothing here can look at it.

    Args:
        model: Freshly built, with its initial weights and the recipe's settings.
        train: For each phase, the part that trains: as pictures, or as features.
        select: Likewise, the part that is validated on after each epoch; None: no validation, which the rules of the
            recipe must not look at.
        n_classes: K.
        seed: The run's seed.
        folder: Where checkpoints are kept; used by no other run.
        key: Says what the run is computed from; checkpoints carry it, and none with another one is taken up.
        amp: Mixed precision.
        title: What the progress bar says.

    Raises:
        DivergedError: If a loss is not finite.
        FerBenchError: If the folder is a link or a file.
    """
    training = model.training_settings
    _make(folder)
    history = _history(folder, key)
    n_before = len(history)
    for index, phase in enumerate(training.phases):
        own = rules.of_phase(history, index)
        first = rules.first_index(training, index, history)
        if rules.is_over(phase, own, first):
            continue
        model.enter_phase(index)
        before = rules.ends_with(training, history)
        if not own and before is not None:
            _load_trained(model, _file(folder, before))
        before_phase = history[: len(history) - len(own)]
        keeper = Keeper(folder, key, index, first, before_phase, validates=select is not None)
        progress = Progress(_titled(title, index, len(training.phases)), phase.epochs - first, len(train[index]))
        runner = _runner(
            model,
            train[index],
            None if select is None else select[index],
            keeper,
            n_classes=n_classes,
            seed=seed,
            amp=amp,
            resume_from=_file(folder, len(history)) if own else None,
        )
        runner.register_hook(progress)
        try:
            runner.train()
        finally:
            progress.close()
        if is_distributed():
            barrier()  # the main process has written what the others read next
        history = keeper.history
    last = rules.ends_with(training, history)
    assert last is not None  # noqa: S101 - for the type checker; a first phase has an epoch
    return Fitted(folder=folder, history=history, last=last, n_before=n_before)


def _titled(title: str, index: int, n_phases: int) -> str:
    return title if n_phases == 1 else f"{title}, phase {index + 1} of {n_phases}"


def _runner(
    model: RunnerModel,
    train: Part,
    select: Part | None,
    keeper: "Keeper",
    *,
    n_classes: int,
    seed: int,
    amp: bool,
    resume_from: Path | None,
) -> Runner:
    """Return the Runner of the phase that the model is in."""
    training, phase = model.training_settings, model.phase_settings
    optimizer = {
        "type": OptimWrapper,
        "optimizer": _optimizer(training, phase),
        "constructor": steps.Groups,
        "paramwise_cfg": {"training": training, "phase": phase},
    }
    if amp:
        optimizer["type"] = AmpOptimWrapper
    if training.clip_norm is not None:
        optimizer["clip_grad"] = {"max_norm": training.clip_norm}
    validation: dict[str, Any] = {}
    if select is not None:
        validation = {
            "val_dataloader": _loader(select, sampler=DefaultSampler(select, shuffle=False)),
            "val_cfg": {},
            "val_evaluator": [Validation(n_classes, keeper.folder / "validated")],
        }
    order = seeds.derive(seed, "order") + keeper.n_before  # the sampler adds the phase's epoch
    return QuietRunner(
        model=model,
        work_dir=str(keeper.folder / "mmengine"),
        train_dataloader=_train_loader(train, training.batch_size, order),
        train_cfg={"by_epoch": True, "max_epochs": phase.epochs - keeper.first, "val_interval": 1},
        **validation,
        optim_wrapper=optimizer,
        param_scheduler=_schedule(phase),
        default_hooks={"logger": None, "checkpoint": None},
        custom_hooks=[EpochSeed(seed, train, keeper.n_before), Rate(keeper), keeper],
        load_from=None if resume_from is None else str(resume_from),
        resume=resume_from is not None,
        launcher="pytorch" if is_distributed() else "none",  # the group has started, however it was
        cfg={"model_wrapper_cfg": _wrapper()},
        log_level="ERROR",
        randomness={"seed": seeds.derive(seed, "loop"), "deterministic": True},
        # mmengine keeps its loggers and hubs by name in global tables; a name used twice would be the old one
        experiment_name=f"{hashlib.sha256(str(keeper.folder).encode()).hexdigest()[:8]}-{next(_instances)}",
    )


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


def _train_loader(part: Part, batch_size: int, seed: int) -> DataLoader[dict[str, torch.Tensor]]:
    return DataLoader(part, batch_size=batch_size, sampler=Share(part, batch_size, seed), collate_fn=_as_it_is)


def _as_it_is(batch: Any) -> Any:  # noqa: ANN401 - a Part gives whole batches, not lists of samples
    return batch


def _optimizer(training: Training, phase: Phase) -> dict[str, Any]:
    common = {"lr": phase.lr, "weight_decay": training.weight_decay}
    if training.optimizer == "sgd":
        return {"type": torch.optim.SGD, "momentum": _MOMENTUM, **common}
    kind = torch.optim.Adam if training.optimizer == "adam" else torch.optim.AdamW
    return {"type": kind, "eps": training.adam_eps, "fused": True, **common}  # one pass over memory, not ten


def _schedule(phase: Phase) -> list[dict[str, Any]] | None:
    """Return what mmengine schedules by the step; ``Rate`` does what Keras does by the epoch."""
    if phase.schedule != "cosine":
        return None
    settings = {"by_epoch": True, "T_max": phase.epochs, "end": phase.epochs, "convert_to_iter_based": True}
    return [{"type": "CosineAnnealingLR", "eta_min": 0.0, **settings}]


def _wrapper() -> dict[str, Any]:
    """On the CPU, mmengine's wrapper must be told that there is no device to pin the model to."""
    if torch.cuda.is_available():
        return {"type": steps.WRAPPER}
    return {"type": steps.WRAPPER, "device_ids": None}


class QuietRunner(Runner):  # type: ignore[misc]  # mmengine ships no types
    """mmengine's Runner without its report of the environment."""

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        """Say nothing: ``run.json`` records the environment."""


class Validation(BaseMetric):  # type: ignore[misc]  # mmengine ships no types
    """Cross-entropy, accuracy and macro-F1 on the part that selects.

    Args:
        n_classes: K.
        folder: Where several processes hand over what they found; removed again.
    """

    default_prefix = "val"

    def __init__(self, n_classes: int, folder: Path) -> None:
        super().__init__(collect_dir=str(folder))
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

    def __init__(self, seed: int, part: Part, n_before: int) -> None:
        self.seed = seed
        self.part = part
        self.n_before = n_before

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed every global generator that a module may draw from (dropout), and renew the pictures' draws."""
        epoch = self.n_before + runner.epoch
        others = (get_rank(),) if get_rank() else ()  # processes draw apart: dropout, noise
        epoch_seed = seeds.derive(self.seed, "epoch", epoch, *others)
        random.seed(epoch_seed)
        np.random.seed(epoch_seed)  # noqa: NPY002 - for third-party modules that use the global generator
        torch.manual_seed(epoch_seed)
        self.part.set_epoch(epoch)
        _unwrapped(runner.model).epoch = epoch


class Keeper(Hook):  # type: ignore[misc]  # mmengine ships no types
    """Keeps each epoch's trained weights and the history so far, and ends a phase that stops early.

    Args:
        folder: Where checkpoints are kept.
        key: As :func:`fit`.
        phase: Which phase it is.
        first: From :func:`rules.first_index`.
        before: Epochs of the phases before.
        validates: Whether there is a part that selects.
    """

    priority = "LOWEST"  # after the schedules have stepped

    def __init__(
        self, folder: Path, key: str, phase: int, first: int, before: list[dict[str, float]], *, validates: bool
    ) -> None:
        self.folder = folder
        self.key = key
        self.phase = phase
        self.first = first
        self.history = before
        self.n_before = len(before)
        self.validates = validates
        self._losses: list[torch.Tensor] = []
        self._right: list[torch.Tensor] = []
        self._n_seen = 0
        self._lr = self._train_loss = math.nan
        self._start = 0.0

    @property
    def own(self) -> list[dict[str, float]]:
        """The phase's epochs so far."""
        return self.history[self.n_before :]

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Take up the history of the epochs before, and restore the parameters that are not trained."""
        self.history = checkpoint["history"]
        state = _unwrapped(runner.model).state_dict()
        checkpoint["state_dict"] = {**state, **checkpoint["state_dict"]}

    def before_train_epoch(self, runner: Runner) -> None:
        """Start the clock."""
        self._losses, self._right, self._n_seen = [], [], 0
        self._lr = runner.optim_wrapper.get_lr()["lr"][0]
        self._start = time.monotonic()

    def after_train_iter(
        self,
        runner: Runner,  # noqa: ARG002 - the hook's form
        batch_idx: int,  # noqa: ARG002
        data_batch: dict[str, torch.Tensor] | None = None,
        outputs: dict[str, torch.Tensor] | None = None,
    ) -> None:
        """Remember the loss without waiting for the device."""
        if outputs is not None and data_batch is not None:
            self._losses.append(outputs["loss"].detach())
            self._n_seen += len(data_batch["labels"])
            if "n_right" in outputs:
                self._right.append(outputs["n_right"])

    def after_train_epoch(self, runner: Runner) -> None:
        """Stop at a loss that is not finite; save here where nothing is validated."""
        losses = processes.mean(torch.stack(self._losses))  # all processes must stop at the same step
        processes.share_buffers(_unwrapped(runner.model))
        self._train_loss = float(losses.mean())
        if not torch.isfinite(losses).all():
            step = int((~torch.isfinite(losses)).to(torch.int8).argmax())
            message = f"the loss of epoch {self.n_before + runner.epoch + 1}, step {step + 1}, is {float(losses[step])}"
            raise DivergedError(message)
        if not self.validates:
            self._keep(runner, runner.epoch + 1, {})

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Save after validation."""
        found = {name.replace("val/", "val_"): value for name, value in (metrics or {}).items()}
        self._keep(runner, runner.epoch, found)

    def _keep(self, runner: Runner, own_epoch: int, metrics: dict[str, float]) -> None:
        seconds = time.monotonic() - self._start
        epoch = self.n_before + own_epoch
        row = {"phase": self.phase, "epoch": epoch, "lr": self._lr, "train_loss": self._train_loss}
        self.history = [*self.history, {**row, **self._train_accuracy(), **metrics, "seconds": seconds}]
        if is_main_process():
            meta = {"epoch": own_epoch, "iter": own_epoch * len(runner.train_dataloader)}
            file = _file(self.folder, epoch)
            part = file.with_name(f"{file.name}.part")
            try:
                with whole.naming(part):
                    runner.save_checkpoint(str(part.parent), part.name, meta=meta)
                whole.put(part, file)
            except OSError:
                part.unlink(missing_ok=True)
                raise
        phase = _unwrapped(runner.model).phase_settings
        runner.train_loop.stop_training = rules.stopped_early(phase, self.own)

    def _train_accuracy(self) -> dict[str, float]:
        if not self._right:
            return {}
        counts = torch.stack([torch.stack(self._right).sum().cpu(), torch.tensor(float(self._n_seen))])
        all_reduce(counts)  # all processes must stop at the same epoch
        return {"train_accuracy": float(counts[0] / counts[1])}

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Leave out what is not trained, and what ``torch.load`` would refuse."""
        checkpoint["state_dict"] = _trained(_unwrapped(runner.model), checkpoint["state_dict"])
        checkpoint["message_hub"] = {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}}
        checkpoint["history"] = self.history
        checkpoint["key"] = self.key


class Rate(Hook):  # type: ignore[misc]  # mmengine ships no types
    """Sets the learning rate of each epoch, or step, where a rule gives it."""

    priority = "HIGH"  # before Keeper reads the rate

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper

    def before_train_epoch(self, runner: Runner) -> None:
        """Look at the epochs so far."""
        phase = _unwrapped(runner.model).phase_settings
        rate = rules.learning_rate(phase, self.keeper.own, self.keeper.first)
        if rate is not None:
            self._set(runner, rate, rules.learning_rate_of_trunk(phase, self.keeper.own, self.keeper.first))

    def before_train_iter(
        self,
        runner: Runner,
        batch_idx: int,  # noqa: ARG002 - the hook's form
        data_batch: dict[str, torch.Tensor] | None = None,  # noqa: ARG002
    ) -> None:
        """Set the rate of a step, where it changes from step to step."""
        phase = _unwrapped(runner.model).phase_settings
        rate = rules.learning_rate_of_step(phase, runner.iter, len(runner.train_dataloader))
        if rate is not None:
            self._set(runner, rate)

    @staticmethod
    def _set(runner: Runner, rate: float, of_trunk: float | None = None) -> None:
        for group in runner.optim_wrapper.param_groups:
            own = of_trunk if of_trunk is not None and group.get("of_trunk", False) else rate
            group["lr"] = own * group.get("lr_factor", 1.0)


def _unwrapped(model: nn.Module) -> RunnerModel:
    inner = getattr(model, "module", model)
    assert isinstance(inner, RunnerModel)  # noqa: S101 - for the type checker; fit builds it
    return inner


def _keeps_trunk(model: RunnerModel) -> bool:
    """A trunk that no phase trains is the same in every epoch and can be hundreds of megabytes."""
    return any(phase.trunk != "frozen" for phase in model.training_settings.phases)


def _trained(model: RunnerModel, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    if _keeps_trunk(model):
        return state
    return {name: value for name, value in state.items() if not name.startswith("model.trunk.")}


def _load_trained(model: RunnerModel, file: Path) -> None:
    _put(model, torch.load(file, map_location="cpu", weights_only=True)["state_dict"])


def _put(model: RunnerModel, state: dict[str, torch.Tensor]) -> None:
    missing, unexpected = model.load_state_dict(state, strict=False)
    untrained = [name for name in missing if _keeps_trunk(model) or not name.startswith("model.trunk.")]
    if untrained or unexpected:
        message = f"checkpoint does not fit the model: missing {untrained}, unexpected {unexpected}"
        raise RuntimeError(message)


def _file(folder: Path, epoch: int) -> Path:
    return folder / f"epoch_{epoch:04d}.pth"


def _make(folder: Path) -> None:
    for path in (folder.parent, folder):
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise FerBenchError(f"{path} is a link or a file; checkpoints need a folder", fix=f"remove it: rm {path}")
    folder.mkdir(parents=True, exist_ok=True)


def _history(folder: Path, key: str) -> list[dict[str, float]]:
    """Return the epochs up to which every checkpoint is whole and this run's, and remove what is after them.

    Every epoch is needed in the end, when all are scored on the reported part.
    """
    history: list[dict[str, float]] = []
    said = ""
    there = sorted(folder.glob("epoch_*.pth"))
    for epoch in range(1, len(there) + 1):
        try:
            history = _read(_file(folder, epoch), key, epoch)
        except ValueError as error:
            said = str(error)
            break
    kept = {_file(folder, epoch) for epoch in range(1, len(history) + 1)}
    left_out = [file for file in there if file not in kept]
    if left_out and is_main_process():
        say(f"{said}; training {f'goes on after epoch {len(history)}' if history else 'starts anew'}")
        for file in left_out:
            _remove(file)
    return history


def _remove(file: Path) -> None:
    if file.is_dir() and not file.is_symlink():
        raise FerBenchError(f"{file} is a folder; a checkpoint is to stand there", fix=f"move it away: {file}")
    file.unlink(missing_ok=True)


def _read(file: Path, key: str, epoch: int) -> list[dict[str, float]]:
    """Return the history that a checkpoint carries.

    Raises:
        ValueError: If it is not a whole checkpoint of this run and epoch.
    """
    try:
        # mapped: whether a file is whole is seen from its directory, without reading its tensors
        found = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
        history: list[dict[str, float]] = found["history"]
        complete = found["key"] == key and len(history) == epoch and {"state_dict", "optimizer", "meta"} <= found.keys()
    except Exception as error:  # noqa: BLE001 - what a damaged file raises depends on where it is damaged
        raise ValueError(f"{file} cannot be read ({[*str(error).splitlines(), type(error).__name__][0]})") from None
    if not complete:
        raise ValueError(f"{file} is not a checkpoint of this run and epoch")
    return history
