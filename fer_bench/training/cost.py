"""What a network costs by counting: multiply-accumulates for one picture.

Counted are convolutions and products of matrices, attention's among them, by torch's own counter
(``torch.utils.flop_counter``), at two floating-point operations each. Additions of vectors, normalisations, activations
and resizing are not, as in the counts that papers print; for the released networks of POSTER, POSTER++, EAC, DAN, SCN,
APViT, DMUE, LNSU-Net, DDAMFN and ResEmoteNet the figure is the one that their own modules give.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def macs(build: Callable[[], Any], image_size_px: int) -> int:
    """Count the multiply-accumulates of predicting one picture.

    The network is built once more without storage: nothing is computed, and no weights are read. On a device torch may
    take kernels for attention that its counter does not know.

    Args:
        build: Returns the network, with random weights.
        image_size_px: Side of the picture.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        net = build().eval()
        picture = torch.zeros(1, 3, image_size_px, image_size_px)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter, sdpa_kernel(SDPBackend.MATH):
        net(picture)
    return int(counter.get_total_flops()) // 2
