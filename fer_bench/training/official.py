"""Released checkpoints: read without running code, held to the network key by key, turned into our names and order.

A released file holds weights under the names of its authors' modules. What is missing, left over or of another size is
named by the authors' name.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.method import Method
from fer_bench.training import weight_files

RAFDB = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
"""Order of RAF-DB's own labels, 1 to 7, in which most released code counts its classes."""

_SHOWN = 3  # names in an error


@dataclass(frozen=True, kw_only=True)
class Released:
    """How a method's released checkpoints are laid out.

    Attributes:
        name_of: From a name in our network to the authors'.
        of_classes: Our names of weights whose first axis is the classes.
        order: The authors' order of classes.
        unused: Authors' names, with their sizes, of what a file has and the outputs do not depend on; not read.
    """

    name_of: Callable[[str], str]
    of_classes: tuple[str, ...]
    order: tuple[str, ...] = RAFDB
    unused: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def state_dict(self, checkpoint: object, build: Callable[[int], nn.Module]) -> dict[str, torch.Tensor]:
        """Return a released checkpoint as a state dict of our network.

        Args:
            checkpoint: What ``weight_files.read`` returned.
            build: From the number of classes to our network; called without memory for its weights.

        Raises:
            FerBenchError: If it is not the weights of this network.
        """
        state = weight_files.tensors(checkpoint, source="the checkpoint")
        classifier = self.name_of(self.of_classes[0])
        if classifier not in state:
            raise _unfit("it lacks", [classifier])
        self._check_classes(*state[classifier].shape[:1] or (0,))
        with torch.device("meta"):
            wanted = build(len(self.order)).state_dict()
        names = {ours: self.name_of(ours) for ours in wanted}
        self._check(state, {names[ours]: tuple(value.shape) for ours, value in wanted.items()})
        ours_first = [self.order.index(name) for name in expressions(len(self.order))]
        return {
            ours: state[theirs][ours_first] if ours in self.of_classes else state[theirs]
            for ours, theirs in names.items()
        }

    def _check_classes(self, n_classes: int) -> None:
        if n_classes != len(self.order):
            raise FerBenchError(
                f"the checkpoint has {n_classes} classes; their order is on record for {len(self.order)}: "
                f"{', '.join(self.order)}",
                fix="give a checkpoint that was trained on RAF-DB",
            )

    def _check(self, state: Mapping[str, torch.Tensor], wanted: Mapping[str, tuple[int, ...]]) -> None:
        known = {**self.unused, **wanted}
        found = {
            "it lacks": [name for name in wanted if name not in state],
            "it has, and the network lacks,": [name for name in state if name not in known],
            "it has in other sizes": [
                f"{name} {tuple(value.shape)} instead of {known[name]}"
                for name, value in state.items()
                if name in known and tuple(value.shape) != known[name]
            ],
        }
        for what, names in found.items():
            if names:
                raise _unfit(what, names)


def load(method: Method, net: nn.Module, path: Path) -> None:
    """Give a network of a method the weights of a released checkpoint.

    Args:
        method: With ``from_official``.
        net: As ``method.build`` returns it for the recipe of the released code, with the checkpoint's classes.
        path: The file.

    Raises:
        FerBenchError: If no code was released, or the file is not a checkpoint of this network.
    """
    if method.from_official is None:
        raise FerBenchError(
            f"{method.title}: nothing here reads a released checkpoint of it",
            fix="train the method: fer-bench run",
        )
    checkpoint = weight_files.read(path)
    try:
        state = method.from_official(checkpoint)
    except FerBenchError as error:
        raise FerBenchError(f"{path}: {error.problem}", fix=error.fix) from None
    own = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    other = [name for name, value in state.items() if own.get(name) != tuple(value.shape)]
    if other or own.keys() != state.keys():
        differing = sorted({*other, *(own.keys() ^ state.keys())})
        raise FerBenchError(
            f"{path} is a checkpoint of another network than this: {', '.join(differing[:_SHOWN])}"
            f"{' …' if len(differing) > _SHOWN else ''} {'differs' if len(differing) == 1 else 'differ'}",
            fix="name the recipe of the released code, and a data set with the checkpoint's number of expressions",
        )
    net.load_state_dict(state)


def ungiven(build: Callable[[], nn.Module]) -> list[str]:
    """Name what a network computes with and no file gives: what is random, and is not kept with its weights.

    A checkpoint that :func:`load` takes gives all that is kept. The rest is looked at twice, from other draws: what
    differs was drawn.

    Args:
        build: Builds the network, with the files that were given.

    Returns:
        Names in the network.
    """
    first, second = (_beside_weights(build, seed) for seed in (0, 1))
    return [name for name, value in first.items() if not torch.equal(value, second[name])]


def _beside_weights(build: Callable[[], nn.Module], seed: int) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = build()
    kept = net.state_dict().keys()
    return {name: value for name, value in net.named_buffers() if name not in kept}


def _unfit(what: str, names: list[str]) -> FerBenchError:
    return FerBenchError(
        f"not a released checkpoint of this method: {what} {_named(names)}",
        fix="give a file as the released training code writes it; `fer-bench describe method` names its commit",
    )


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return f"{', '.join(listed[:_SHOWN])}{more}"
