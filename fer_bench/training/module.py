"""A method's module as mmengine's runner wants it: losses while training, logits while validating."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch.nn import functional

from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.method import Batch, Phase, Training
from fer_bench.training import pictures, steps

PREDICT_BATCH = 64
"""Samples per step when predicting. It changes rounding only: logits may not depend on batch mates."""


def cross_entropy(model: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:  # noqa: ANN401 - see RunnerModel
    """Compute the mean over the batch of each sample's weighted cross-entropy (divided by n, as Keras does).

    Returns:
        The loss, and the number of samples whose largest logit is the label's.
    """
    logits = model.head(batch.inputs) if batch.from_features else model(batch.inputs)
    targets = batch.labels if batch.votes is None else batch.votes
    losses = functional.cross_entropy(logits, targets, reduction="none", label_smoothing=batch.label_smoothing)
    loss: torch.Tensor = (losses * batch.sample_weights).mean()
    return loss, (logits.detach().argmax(dim=1) == batch.labels).sum()


def class_weights(labels: np.ndarray, n_classes: int, kind: str) -> torch.Tensor:
    """Return the weight of each expression's loss.

    Args:
        labels: (n,) labels of the training part.
        n_classes: K.
        kind: ``none`` (all 1) or ``balanced`` (n / (K n_k)).

    Returns:
        (K,) float32.

    Raises:
        FerBenchError: If weights are to be balanced and an expression has no training sample.
    """
    if kind == "none":
        return torch.ones(n_classes)
    counts = np.bincount(labels, minlength=n_classes)
    if (counts == 0).any():
        absent = ", ".join(expressions(n_classes)[index] for index in np.flatnonzero(counts == 0))
        raise FerBenchError(
            f"class weights cannot be balanced: no training sample of {absent}",
            fix="raise run.train_share, or choose a recipe whose class_weights are 'none'",
        )
    return torch.tensor(len(labels) / (n_classes * counts), dtype=torch.float32)


class RunnerModel(BaseModel):  # type: ignore[misc]  # mmengine ships no types
    """Wraps a method's module.

    Args:
        model: With children ``trunk`` and ``head``.
        training: The recipe's settings.
        weights: For each phase, (K,) weight of each expression's loss.
        loss: ``(model, batch) -> scalar``; None: :func:`cross_entropy`. One that is a module is trained along.
        couples_batch: Predict one sample at a time.
        depth: Layer of a weight of ``model`` by its name, counted upwards; for rates that fall with depth.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - trunk and head are children, which nn.Module does not declare
        training: Training,
        *,
        weights: Sequence[torch.Tensor],
        loss: Callable[[Any, Batch], torch.Tensor] | None,
        couples_batch: bool,
        depth: Callable[[str], int] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.training_settings = training
        self.loss = loss
        self.couples_batch = couples_batch
        self.depth = depth
        self.epoch = 0
        self.register_buffer("class_weights", torch.stack(list(weights)), persistent=False)
        self.left_alone = [weight for weight in model.trunk.parameters() if not weight.requires_grad]
        self.to(memory_format=torch.channels_last)  # as pictures come: see pictures.channels_last
        self.enter_phase(0)

    @property
    def phase_settings(self) -> Phase:
        """Settings of the phase that the model is in."""
        return self.training_settings.phases[self.phase]

    def enter_phase(self, phase: int) -> None:
        """Train and compute as in one phase of the recipe, counted from 0; what ``build`` froze stays so."""
        self.phase = phase
        self.model.trunk.requires_grad_(self.phase_settings.trunk != "frozen")
        for weight in self.left_alone:
            weight.requires_grad = False
        for part in self.model.modules():
            if hasattr(part, "enter_phase"):
                part.enter_phase(phase)

    def train(self, mode: bool = True) -> "RunnerModel":  # noqa: FBT001, FBT002 - torch's signature
        """Set the mode; a trunk that is not trained freely stays in evaluation mode, batch statistics included."""
        super().train(mode)
        if self.phase_settings.trunk != "trained":
            self.model.trunk.eval()
        return self

    def forward(
        self,
        inputs: torch.Tensor,
        labels: torch.Tensor,
        rows: torch.Tensor,
        draws: torch.Tensor,
        *,
        votes: torch.Tensor | None = None,
        mode: str = "predict",
    ) -> torch.Tensor | dict[str, torch.Tensor]:
        """Return losses (``mode="loss"``) or logits (n, k)."""
        prepared = self._prepare(inputs, draws if mode == "loss" else None)
        if mode != "loss":
            return self._predict(prepared if _are_features(inputs) else self.model.trunk(prepared))
        batch = Batch(
            inputs=prepared,
            from_features=_are_features(inputs),
            labels=labels,
            sample_weights=self.class_weights[self.phase, labels],
            label_smoothing=self.training_settings.label_smoothing,
            rows=rows,
            epoch=self.epoch,
            second=None if _are_features(inputs) else pictures.second(inputs, draws, self.training_settings),
            votes=votes,
        )
        if self.loss is not None:
            return {"loss": self.loss(self.model, batch)}
        loss, n_right = cross_entropy(self.model, batch)
        return {"loss": loss, "n_right": n_right.float()}

    def train_step(self, data: dict[str, torch.Tensor], optim_wrapper: OptimWrapper) -> dict[str, torch.Tensor]:
        """Take one step of the optimiser, after a step up where the recipe asks for it."""
        return steps.train_step(self, self, data, optim_wrapper)

    def _prepare(self, inputs: torch.Tensor, draws: torch.Tensor | None) -> torch.Tensor:
        if _are_features(inputs):
            return inputs.to(torch.float32)
        images: torch.Tensor = pictures.prepare(inputs, draws, self.training_settings)
        return images

    def _predict(self, features: torch.Tensor) -> torch.Tensor:
        if not self.couples_batch:
            logits: torch.Tensor = self.model.head(features)
            return logits
        # one sample at a time in meaning; vmap carries the batches of one out side by side
        alone: torch.Tensor = torch.func.vmap(lambda one: self.model.head(one.unsqueeze(0)).squeeze(0))(features)
        return alone


def _are_features(inputs: torch.Tensor) -> bool:
    """Pictures come as uint8 from the image store, stored features as float16."""
    return inputs.dtype != torch.uint8
