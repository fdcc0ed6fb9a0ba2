"""Layers that compute what Keras 2.10's do, for methods whose released code is written in it.

The differences from torch that change numbers: ``SAME`` padding depends on the input's size and may be uneven; weights
start Glorot-uniform and biases at zero; batch normalisation has epsilon 1e-3, moves its averages by 0.01 per step and
keeps the batch's *biased* variance (torch: the unbiased one, 8/7 of it at a batch of 8).
"""

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from fer_bench.errors import FerBenchError

Padding: TypeAlias = Literal["same", "valid"]

BN_EPSILON = 1e-3
BN_MOMENTUM = 0.01  # torch's convention; Keras writes 0.99


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return how many zeros TensorFlow's ``SAME`` puts before and after one axis.

    Args:
        size: Length of the axis.
        kernel: Length of the kernel.
        stride: Step.

    Examples:
        >>> same_padding(14, 4, 4), same_padding(7, 4, 4), same_padding(28, 4, 4)
        ((1, 1), (0, 1), (0, 0))
    """
    n_steps = -(-size // stride)
    total = max((n_steps - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SeparableConv2d(nn.Module):
    """A depthwise convolution without bias, a pointwise one with bias, then ReLU (Keras' ``SeparableConv2D``).

    Args:
        n_in: Channels in.
        n_out: Channels out.
        kernel: Side of the depthwise kernel.
        stride: Its step.
        padding: ``same`` pads with zeros as TensorFlow does; ``valid`` does not pad, and drops an incomplete last step.
    """

    def __init__(self, n_in: int, n_out: int, *, kernel: int, stride: int, padding: Padding) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = stride
        self.padding = padding
        self.depthwise = nn.Conv2d(n_in, n_in, kernel, stride, groups=n_in, bias=False)
        self.pointwise = nn.Conv2d(n_in, n_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, n_in, h, w) to (n, n_out, h', w').

        Raises:
            FerBenchError: If ``valid`` leaves no place for the kernel.
        """
        height, width = x.shape[-2:]
        if self.padding == "same":
            rows = same_padding(height, self.kernel, self.stride)
            columns = same_padding(width, self.kernel, self.stride)
            x = functional.pad(x, (*columns, *rows))
        elif min(height, width) < self.kernel:
            raise FerBenchError(
                f"a {self.kernel}×{self.kernel} convolution without padding was given a grid of {height}×{width}",
                fix="give larger pictures (image_size_px), or cut the trunk earlier",
            )
        # the pointwise convolution as a matrix product: a third of the time of torch's on a CPU
        weight, bias = self.pointwise.weight[:, :, 0, 0], self.pointwise.bias
        mixed = functional.linear(self.depthwise(x).permute(0, 2, 3, 1), weight, bias)
        return functional.relu(mixed).permute(0, 3, 1, 2)


class BatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation of (n, c) with Keras' constants and Keras' running variance."""

    def __init__(self, n_features: int) -> None:
        super().__init__(n_features, eps=BN_EPSILON, momentum=BN_MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise by the batch in training mode, by the running averages in evaluation mode.

        Raises:
            FerBenchError: In training mode, for a batch of one, whose variance is zero.
        """
        if not self.training:
            return super().forward(x)
        if len(x) < 2:
            raise FerBenchError(
                "batch normalisation was given a training batch of one sample",
                fix="choose batch_size so that the last batch of an epoch has two samples or more",
            )
        with torch.no_grad():
            variance, mean = torch.var_mean(x, dim=0, correction=0)
            for running, now in ((self.running_mean, mean), (self.running_var, variance)):
                if running is not None:
                    running.lerp_(now.to(running.dtype), BN_MOMENTUM)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        return functional.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)


def initialise(module: nn.Module) -> None:
    """Start every convolution and dense layer as Keras does: Glorot-uniform weights, zero biases.

    A depthwise kernel has fan in k² C and fan out k² in Keras, k² and k² C in torch; only their sum counts, so torch's
    ``xavier_uniform_`` gives Keras' bound for it too.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
