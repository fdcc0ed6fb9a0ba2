"""Released checkpoints: read without running code, held to the network key by key, turned into our names and order.

A released file holds weights under the names of its authors' modules, at times inside a larger table (beside an
optimiser's state, an epoch), at times with the prefix that training on several devices leaves. What is missing, left
over or of another size is named by the authors' name.
"""

import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.method import Method

RAFDB = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
"""Order of RAF-DB's own labels, 1 to 7, in which most released code counts its classes."""

_PREFIX = "module."
_SHOWN = 3  # names in an error
_OPTIMIZER = {"state", "param_groups"}


@dataclass(frozen=True, kw_only=True)
class Released:
    """How a method's released checkpoints are laid out.

    Attributes:
        wrapper: Key under which the weights stand in the file; None: the file is the table of weights itself.
        name_of: From a name in our network to the authors'.
        of_classes: Our names of weights whose first axis is the classes.
        order: The authors' order of classes.
        unused: Authors' names, with their sizes, of what a file has and the outputs do not depend on; not read.
    """

    wrapper: str | None
    name_of: Callable[[str], str]
    of_classes: tuple[str, ...]
    order: tuple[str, ...] = RAFDB
    unused: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def state_dict(self, checkpoint: object, build: Callable[[int], nn.Module]) -> dict[str, torch.Tensor]:
        """Return a released checkpoint as a state dict of our network.

        Args:
            checkpoint: What ``torch.load`` returned.
            build: From the number of classes to our network; called without memory for its weights.

        Raises:
            FerBenchError: If it is not the weights of this network.
        """
        state = tensors(checkpoint, self.wrapper)
        classifier = self.name_of(self.of_classes[0])
        if classifier not in state:
            raise _unfit("it lacks", [classifier])
        self._check_classes(len(state[classifier]))
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


def read(path: Path) -> Any:  # noqa: ANN401 - whatever the authors saved
    """Read a released file: tables, tensors and numbers only.

    Raises:
        FerBenchError: If it cannot be read, or holds objects that would have to be carried out.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise FerBenchError(f"no checkpoint {path}", fix="put the released file there, or name another") from None
    except pickle.UnpicklingError as error:
        raise FerBenchError(
            f"{path}: holds objects, such as a whole pickled module; they are not read, because reading runs their "
            f"code ({str(error).splitlines()[0]})",
            fix="where you trust the file, load it in a process of its own and save its weights: "
            "torch.save(model.state_dict(), …)",
        ) from None
    except (OSError, RuntimeError, EOFError) as error:
        raise FerBenchError(
            f"{path}: unreadable as a checkpoint: {str(error).splitlines()[0]}", fix="copy or download the file again"
        ) from None


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
    state = method.from_official(read(path))
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


def tensors(checkpoint: object, wrapper: str | None) -> dict[str, torch.Tensor]:
    """Return the weights of a checkpoint by the authors' names.

    Args:
        checkpoint: What ``torch.load`` returned.
        wrapper: Key under which they may stand.

    Raises:
        FerBenchError: If it holds none.
    """
    if isinstance(checkpoint, nn.Module):
        raise FerBenchError("a module was given instead of its weights", fix="give module.state_dict()")
    inner = checkpoint.get(wrapper, checkpoint) if isinstance(checkpoint, Mapping) else checkpoint
    if isinstance(inner, Mapping) and inner.keys() >= _OPTIMIZER:
        raise FerBenchError(
            "the checkpoint is the state of an optimiser (it has param_groups), not the weights of a network; the "
            "training script of POSTER++ writes such a file as its best",
            fix="give the file that the same training wrote for its last epoch, or train the method",
        )
    if not isinstance(inner, Mapping) or not all(isinstance(value, torch.Tensor) for value in inner.values()):
        where = f" under '{wrapper}'" if wrapper else ""
        there = f"; it has {_named(str(key) for key in checkpoint)}" if isinstance(checkpoint, Mapping) else ""
        raise FerBenchError(
            f"the checkpoint holds no table of weights{where}{there}",
            fix="give what torch.save(model.state_dict(), …) wrote",
        )
    state = dict(inner)
    if state and all(name.startswith(_PREFIX) for name in state):
        state = {name.removeprefix(_PREFIX): value for name, value in state.items()}
    return state


def _unfit(what: str, names: list[str]) -> FerBenchError:
    return FerBenchError(
        f"not a released checkpoint of this method: {what} {_named(names)}",
        fix="give a file as the released training code writes it; `fer-bench describe method` names its commit",
    )


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return f"{', '.join(listed[:_SHOWN])}{more}"
