"""Files of weights that people bring for a part of a network: read without running code, held to the part by key."""

from collections.abc import Callable
from pathlib import Path

from torch import nn

from fer_bench.errors import FerBenchError
from fer_bench.training import official

_SHOWN = 3  # names in an error


def _as_ours(name: str) -> str:
    return name


def load(
    net: nn.Module,
    path: Path,
    *,
    what: str,
    wrapper: str | None = None,
    name_of: Callable[[str], str] = _as_ours,
    left_over: tuple[str, ...] = (),
) -> None:
    """Give a part of a network the weights of a file.

    Args:
        net: The part.
        path: The file, a table of weights by their authors' names.
        what: What the file ought to be, for errors.
        wrapper: Key under which the weights may stand in the file.
        name_of: From a name in the part to the file's.
        left_over: Starts of names that the file may have and the part lacks.

    Raises:
        FerBenchError: If a weight is missing, left over or of another size.
    """
    state = official.tensors(official.read(path), wrapper)
    wanted = {ours: name_of(ours) for ours in net.state_dict()}
    # a counter that older files lack; nothing is computed from it
    counters = {theirs for ours, theirs in wanted.items() if ours.endswith("num_batches_tracked")}
    own = {ours: value for ours, value in net.state_dict().items() if wanted[ours] not in state}
    known = set(wanted.values())
    wrong = {
        "lacks": [theirs for ours, theirs in wanted.items() if ours in own and theirs not in counters],
        "has, and the network lacks,": [name for name in state if name not in known and not name.startswith(left_over)],
        "has in other sizes": [
            wanted[ours]
            for ours, value in net.state_dict().items()
            if ours not in own and state[wanted[ours]].shape != value.shape
        ],
    }
    for how, names in wrong.items():
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise FerBenchError(
                f"{path}: not the weights of {what}: it {how} {', '.join(names[:_SHOWN])}{more}",
                fix=f"give the file of {what}, or ask for random initialisation with `weights: none`",
            )
    net.load_state_dict({ours: own[ours] if ours in own else state[theirs] for ours, theirs in wanted.items()})
