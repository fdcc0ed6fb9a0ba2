"""One step of training: which weights move at which rate, and sharpness-aware minimisation.

Sharpness-aware minimisation (Foret, Kleiner, Mobahi, Neyshabur, "Sharpness-Aware Minimization for Efficiently
Improving Generalization", ICLR 2021, arXiv:2010.01412, eq. 2 and Algorithm 1) goes up by ρ g / ‖g‖, takes the gradient
there, goes back, and takes the optimiser's step with it. Batch statistics move in both passes. It stands here and
does not come from a library because the step has to be mmengine's: mixed precision, clipping, several processes.
"""

from typing import Any

import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import MODEL_WRAPPERS
from torch import nn

from fer_bench.method import Phase, Stages, Training

WRAPPER = "FerBenchDistributed"
"""Name of :class:`Distributed` in mmengine's configuration, which is text."""

_MODEL = "model."  # where a RunnerModel holds the method's network
_TRUNK = f"{_MODEL}trunk."
_SMALL = 1e-12  # keeps a gradient of zero from dividing


class Groups(DefaultOptimWrapperConstructor):  # type: ignore[misc]  # mmengine ships no types
    """Builds the optimiser with as many groups of weights as a recipe sets apart; mostly one.

    Args:
        optim_wrapper_cfg: mmengine's.
        paramwise_cfg: The recipe's ``training`` and the ``phase``.
    """

    def __init__(self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: dict[str, Any]) -> None:
        super().__init__(optim_wrapper_cfg)
        self.training: Training = paramwise_cfg["training"]
        self.phase: Phase = paramwise_cfg["phase"]

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Return the wrapper around the optimiser."""
        trunk_apart = self.phase.trunk_lr_factor != 1 or isinstance(self.phase.schedule, Stages)
        if trunk_apart or self.training.undecayed or self.training.layer_lr_decay != 1:
            self.paramwise_cfg = {"of": "a recipe"}  # anything that is true sends mmengine to add_params
        return super().__call__(model)

    def add_params(self, params: list[dict[str, Any]], module: nn.Module) -> None:
        """Append the groups; those at the full rate come first."""
        below = layers_below(module) if self.training.layer_lr_decay != 1 else {}
        groups: dict[tuple[int, bool, bool], list[nn.Parameter]] = {}
        for name, parameter in module.named_parameters():
            spared = is_spared(name, parameter, self.training.undecayed)
            groups.setdefault((below.get(name, 0), name.startswith(_TRUNK), spared), []).append(parameter)
        for (depth, of_trunk, spared), members in sorted(groups.items(), key=lambda item: item[0]):
            factor = (self.phase.trunk_lr_factor if of_trunk else 1.0) * self.training.layer_lr_decay**depth
            decay = 0.0 if spared else self.training.weight_decay
            group = {"params": members, "lr": self.phase.lr * factor, "weight_decay": decay, "lr_factor": factor}
            if isinstance(self.phase.schedule, Stages):
                group["of_trunk"] = of_trunk
            params.append(group)


def layers_below(model: Any) -> dict[str, int]:  # noqa: ANN401 - a RunnerModel
    """Return how many layers each weight of a method's network lies below the topmost; a loss's weights lie nowhere.

    Weights that are not trained count as layers: a frozen part moves no other's rate.
    """
    depths = {
        name: model.depth(name.removeprefix(_MODEL)) for name, _ in model.named_parameters() if name.startswith(_MODEL)
    }
    top = max(depths.values())
    return {name: top - depth for name, depth in depths.items()}


def is_spared(name: str, parameter: nn.Parameter, undecayed: tuple[str, ...]) -> bool:
    """Whether a recipe's ``undecayed`` keeps weight decay from a parameter."""
    return any(parameter.ndim < 2 if word == "vectors" else word in name for word in undecayed)


def train_step(
    model: Any,  # noqa: ANN401 - a RunnerModel, or one in mmengine's wrapper
    inner: Any,  # noqa: ANN401 - the RunnerModel
    data: dict[str, torch.Tensor],
    optim_wrapper: OptimWrapper,
) -> dict[str, torch.Tensor]:
    """Take one step.

    Args:
        model: What is called.
        inner: The model itself, with the recipe's settings.
        data: A batch.
        optim_wrapper: mmengine's.

    Returns:
        What the first pass found, for the history.
    """
    loss, found = _forward(model, inner, data, optim_wrapper)
    rho = inner.training_settings.sam_rho
    if rho is not None:
        optim_wrapper.backward(optim_wrapper.scale_loss(loss))
        moved = climb(optim_wrapper.optimizer, rho)
        optim_wrapper.zero_grad()
        loss, _ = _forward(model, inner, data, optim_wrapper)
        optim_wrapper.backward(optim_wrapper.scale_loss(loss))
        go_back(moved)
        optim_wrapper.step()
        optim_wrapper.zero_grad()
    else:
        optim_wrapper.update_params(loss)
    return found


def _forward(
    model: Any,  # noqa: ANN401
    inner: Any,  # noqa: ANN401
    data: dict[str, torch.Tensor],
    optim_wrapper: OptimWrapper,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    with optim_wrapper.optim_context(model):
        losses = model._run_forward(inner.data_preprocessor(data, training=True), mode="loss")
    loss, found = inner.parse_losses(losses)
    return loss, found


@torch.no_grad()
def climb(optimizer: torch.optim.Optimizer, rho: float) -> list[tuple[nn.Parameter, torch.Tensor]]:
    """Move every weight by ρ g / ‖g‖, the norm taken over all of them.

    Returns:
        The weights, with what they were before.
    """
    moving = [
        parameter for group in optimizer.param_groups for parameter in group["params"] if parameter.grad is not None
    ]
    norm = torch.stack([parameter.grad.norm() for parameter in moving]).norm()
    before = [(parameter, parameter.detach().clone()) for parameter in moving]
    for parameter in moving:
        parameter.add_(parameter.grad * (rho / (norm + _SMALL)))
    return before


@torch.no_grad()
def go_back(before: list[tuple[nn.Parameter, torch.Tensor]]) -> None:
    """Undo :func:`climb`."""
    for parameter, value in before:
        parameter.copy_(value)


@MODEL_WRAPPERS.register_module(name=WRAPPER)
class Distributed(MMDistributedDataParallel):  # type: ignore[misc]  # mmengine ships no types
    """mmengine's wrapper for several processes, with our step."""

    def train_step(self, data: dict[str, torch.Tensor], optim_wrapper: OptimWrapper) -> dict[str, torch.Tensor]:
        """Take one step."""
        return train_step(self, self.module, data, optim_wrapper)
