"""Several processes train one run: they start together, share the samples, and agree on what they found.

The group of processes starts before anything is dealt out, so all phases know of all processes. Each process has
batches of the recipe's size of its own, and gradients are averaged over the processes.
"""

from collections.abc import Iterator

import torch
from mmengine.dist import all_gather, all_reduce, broadcast, get_dist_info, init_dist, is_distributed
from torch import nn
from torch.utils.data import Dataset, Sampler

from fer_bench.errors import FerBenchError


def start(launcher: str) -> None:
    """Start the group of processes, once; nothing to do for a single process.

    Args:
        launcher: ``none``, or one of mmengine's (``pytorch``, ``slurm``, ``mpi``), which has started this process.

    Raises:
        FerBenchError: If the launcher has no way to share a CPU, and there is no CUDA device.
    """
    if launcher == "none" or is_distributed():
        return
    if torch.cuda.is_available():
        init_dist(launcher, backend="nccl")
    elif launcher == "pytorch":
        torch.distributed.init_process_group("gloo")  # mmengine's own start asks for a CUDA device
    else:
        raise FerBenchError(
            f"--launcher {launcher} needs a CUDA device for each process, and torch finds none",
            fix="share a CPU by `torchrun --nproc-per-node 2 -m fer_bench run … --launcher pytorch`",
        )


class Share(Sampler[int]):
    """One process's share of each epoch's random order: every n-th item, so shares are disjoint and cover the part.

    All processes take the same number of steps, and none has a batch of one sample, which has no batch statistics
    (BatchNorm refuses it): items at the end of the order are left out of an epoch where they would make one. The order
    is another one in each epoch.

    Args:
        part: The part that trains.
        batch_size: Samples a process has in a step.
        seed: Of the order; the epoch is added to it.

    Raises:
        FerBenchError: If the part is too small to give each process a batch.
    """

    def __init__(self, part: Dataset[dict[str, torch.Tensor]], batch_size: int, seed: int) -> None:
        self.rank, self.n_processes = get_dist_info()
        self.n_items = len(part)  # type: ignore[arg-type]  # a Part has a length, torch's Dataset declares none
        self.seed = seed
        self.epoch = 0
        smallest = self.n_items // self.n_processes
        whole, rest = divmod(smallest, batch_size)
        n_own = len(range(self.rank, self.n_items, self.n_processes))
        # where the smallest share ends with two samples or more, the last batch of the others may have one sample more
        self.n_kept = n_own if rest > 1 else whole * batch_size
        if self.n_kept == 0:
            raise FerBenchError(
                f"too few training samples: {self.n_items} for {self.n_processes} processes, each needs two",
                fix="raise run.train_share, or start fewer processes",
            )

    def __iter__(self) -> Iterator[int]:
        """Yield the places of the epoch's items in the part."""
        order = torch.randperm(self.n_items, generator=torch.Generator().manual_seed(self.seed + self.epoch))
        yield from order[self.rank :: self.n_processes][: self.n_kept].tolist()

    def __len__(self) -> int:
        """Return how many items an epoch has here."""
        return self.n_kept

    def set_epoch(self, epoch: int) -> None:
        """Draw the order of another epoch; mmengine calls it."""
        self.epoch = epoch


def mean(values: torch.Tensor) -> torch.Tensor:
    """Return the mean over the processes of a tensor that each has."""
    found = values.detach().clone()
    all_reduce(found, op="mean")
    return found


def gathered(values: torch.Tensor) -> torch.Tensor:
    """Return the values of all processes, one process's behind the other's.

    Args:
        values: (n, …), without gradient; n may differ from process to process, as last batches do.
    """
    sizes = [int(size) for size in all_gather(torch.tensor([len(values)], device=values.device))]
    filled = values.new_zeros((max(sizes), *values.shape[1:]))
    filled[: len(values)] = values
    return torch.cat([found[:size] for size, found in zip(sizes, all_gather(filled), strict=True)])


@torch.no_grad()
def share_buffers(model: nn.Module) -> None:
    """Give all processes the main one's buffers: each has batch statistics of its own samples alone.

    What is validated is then what is kept, and a run that goes on starts from what an uninterrupted one has.
    """
    if is_distributed():
        for buffer in model.buffers():
            broadcast(buffer)
