r"""Grad-CAM: which places of a picture speak for the expression that a network answers.

.. math:: L_{ij} = \max\left(0, \sum_c \alpha_c A_{cij}\right), \qquad
          \alpha_c = \frac{1}{hw} \sum_{ij} \frac{\partial z_{\hat y}}{\partial A_{cij}}

A is a grid of features, z the logits. One picture is asked at a time.

Which grid: the last one that the trunk computes with more than one place. Pictures are square, so a grid of features
(n, c, h, w) is known by h = w. A trunk that returns tokens (n, t, c) is read as a grid of the last :math:`p^2` tokens,
p being the largest number whose square is at most t; what comes before them is a class token or registers. A network
for which neither is right names its layer: an attribute ``cam_layer``, the dotted name of one of its modules, and where
that module's output is not (n, c, h, w), a method ``cam_grid`` that makes it so.

captum's ``LayerGradCam`` computes the same for (n, c, h, w), which a test holds this to; it takes no tokens, and is a
dependency of the tests only.

References:
    Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra, "Grad-CAM: Visual Explanations from Deep Networks via
    Gradient-Based Localization", ICCV 2017, arXiv:1610.02391.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


class Layer(NamedTuple):
    """Where a network's grid of features is.

    Attributes:
        name: The module's dotted name.
        module: The module.
    """

    name: str
    module: nn.Module


class Map(NamedTuple):
    """What one picture gives.

    Attributes:
        y_pred: The expression that the map is of.
        places: float32 (h, w), zero or more.
    """

    y_pred: int
    places: Tensor


@torch.no_grad()
def find_layer(net: Any, picture: Tensor) -> Layer | str:  # noqa: ANN401 - trunk and head are children
    """Find a network's last grid of features.

    Args:
        net: With children ``trunk`` and ``head``, in evaluation mode.
        picture: (1, 3, h, w), prepared.

    Returns:
        The layer; or, where there is none, why.
    """
    named = getattr(net, "cam_layer", None)
    if named is not None:
        return Layer(named, net.get_submodule(named))
    seen = _outputs(net.trunk, picture)
    if seen and len(seen[-1].shape) == 3 and seen[-1].shape[1] > 1:
        return seen[-1].layer
    grids = [place for place, (_, shape) in enumerate(seen) if len(shape) == 4 and shape[2] == shape[3] > 1]
    tokens = [place for place, (_, shape) in enumerate(seen) if len(shape) == 3]
    if not grids:
        return "its trunk computes no grid of features"
    if tokens and tokens[-1] > grids[-1]:
        return "its trunk computes tokens behind its last grid and names none of its layers (cam_layer)"
    return seen[grids[-1]].layer


class _Output(NamedTuple):
    layer: Layer
    shape: tuple[int, ...]


def _outputs(trunk: nn.Module, picture: Tensor) -> list[_Output]:
    """Return the modules of a trunk in the order in which they are done, with the shapes of what they return."""
    seen: list[_Output] = []

    def note(name: str, module: nn.Module) -> RemovableHandle:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor):
                seen.append(_Output(Layer(name, module), tuple(output.shape)))

        return module.register_forward_hook(hook)

    handles = [note(f"trunk.{name}".rstrip("."), module) for name, module in trunk.named_modules()]
    try:
        trunk(picture)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def grid_of(net: Any, output: Tensor) -> Tensor:  # noqa: ANN401 - the method's own module
    """Return a layer's output as (n, c, h, w)."""
    if hasattr(net, "cam_grid"):
        return net.cam_grid(output)  # type: ignore[no-any-return]
    if output.ndim == 4:
        return output
    side = math.isqrt(output.shape[1])
    places = output[:, -side * side :].transpose(1, 2)
    return places.reshape(*places.shape[:2], side, side)


def grad_cam(net: Any, layer: Layer, picture: Tensor) -> Map:  # noqa: ANN401 - the method's own module
    """Compute the map of the predicted expression for one picture.

    Args:
        net: The network, in evaluation mode.
        layer: From :func:`find_layer`.
        picture: (1, 3, h, w), prepared.
    """
    held: list[Tensor] = []

    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        held[:] = [output.detach().requires_grad_()]
        return held[0].clone()  # what follows may change it in place

    handle = layer.module.register_forward_hook(hook)
    try:
        with torch.enable_grad():
            logits = net(picture)[0]
            y_pred = int(logits.argmax())
            (slope,) = torch.autograd.grad(logits[y_pred], held)
    finally:
        handle.remove()
    grid, slopes = (grid_of(net, tensor)[0].float() for tensor in (held[0].detach(), slope))
    places = torch.relu((slopes.mean(dim=(1, 2), keepdim=True) * grid).sum(dim=0))
    return Map(y_pred, places.cpu())
