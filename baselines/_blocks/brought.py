"""Files of weights that people bring for a part of a network: read without running code, held to the part by key."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor, nn

from fer_bench.errors import FerBenchError
from fer_bench.training import weight_files

_SHOWN = 3  # names in an error


def _as_ours(name: str) -> str:
    return name


def load(
    net: nn.Module,
    path: Path,
    *,
    what: str,
    name_of: Callable[[str], str] = _as_ours,
    left_over: tuple[str, ...] = (),
) -> None:
    """Give a part of a network the weights of a file.

    Args:
        net: The part.
        path: The file, a table of weights by their authors' names.
        what: What the file ought to be, for errors.
        name_of: From a name in the part to the file's.
        left_over: Starts of names that the file may have and the part lacks.

    Raises:
        FerBenchError: If a weight is missing, left over or of another size.
    """
    state = weight_files.tensors(weight_files.read(path), source=str(path))
    found = matched(
        net.state_dict(), state, source=str(path), what=what, name_of=name_of, left_over=left_over,
        fix=f"give the file of {what}, or ask for random initialisation with `weights: none`",
    )  # fmt: skip
    net.load_state_dict(found)


def matched(
    own: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    *,
    source: str,
    what: str,
    fix: str,
    name_of: Callable[[str], str] = _as_ours,
    left_over: tuple[str, ...] = (),
) -> dict[str, Tensor]:
    """Return weights by their authors' names as a state dict of ours.

    Args:
        own: The network's state, for names and sizes, and for counters that older files lack.
        state: The weights.
        source: Where they are from, for errors.
        what: What they ought to be, for errors.
        fix: What to do otherwise, for errors.
        name_of: From our name to theirs.
        left_over: Starts of names that may be left over.

    Raises:
        FerBenchError: If a weight is missing, left over or of another size.
    """
    wanted = {ours: name_of(ours) for ours in own}
    known = set(wanted.values())
    there = {ours: theirs for ours, theirs in wanted.items() if theirs in state}
    wrong = {
        "lacks": [
            theirs for ours, theirs in wanted.items() if ours not in there and not ours.endswith("num_batches_tracked")
        ],
        "has, and the network lacks,": [name for name in state if name not in known and not name.startswith(left_over)],
        "has in other sizes": [theirs for ours, theirs in there.items() if state[theirs].shape != own[ours].shape],
    }
    for how, names in wrong.items():
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise FerBenchError(
                f"{source}: not the weights of {what}: it {how} {', '.join(names[:_SHOWN])}{more}", fix=fix
            )
    return {ours: state[there[ours]] if ours in there else value for ours, value in own.items()}
