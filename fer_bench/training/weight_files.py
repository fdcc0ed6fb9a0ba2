"""Files of weights, as people publish them: read without running code, and what is none is named.

``torch.load`` in its restricted form and safetensors do the reading. What else lies in a file of PyTorch's (a record of
the training, a number of NumPy's) is not made but passed over: its name is taken to mean :class:`Skipped`, which does
nothing. The weights may be the whole file or lie under a name in it (:data:`WRAPPERS`), and bear the prefix that
training on several devices or compiling leaves.
"""

import pickle
import pickletools
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn

from fer_bench.errors import FerBenchError

WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "state_dict_model",
    "state_dict_backbone",
    "model",
    "net",
    "network",
    "weights",
)
"""Names under which weights lie in a file; where several are there, the first."""

PREFIXES = ("module.", "_orig_mod.")
"""What ``DataParallel`` and ``torch.compile`` put before every name."""

_N_HEAD = 512  # bytes that are looked at to say what a file is
_N_SMALLEST = 5  # bytes; no format is shorter
_N_PICKLES = 5  # in a file of PyTorch's before 1.6: magic number, version, machine, content, storages
_SHOWN = 3  # names in an error
_OWN = ("torch.", "collections.OrderedDict", "_codecs.")  # what PyTorch itself writes
_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # PyTorch's before 1.6
_OPTIMIZER = {"state", "param_groups"}
_SAVE = "torch.save(model.state_dict(), …)"
_AGAIN = "copy or download the file again"


class Skipped:
    """What stands for an object that reading would have had to make by running code."""

    def __new__(cls, *_args: object, **_options: object) -> "Skipped":
        """Take anything."""
        return super().__new__(cls)

    def __init__(self, *_args: object, **_options: object) -> None:
        """Do nothing with it."""

    def __setstate__(self, _state: object) -> None:
        """Do nothing with it."""


class SkippedTable:
    """What stands for a table of a kind of its own, which is read as a plain one."""

    def __new__(cls, *_args: object, **_options: object) -> "OrderedDict[Any, Any]":  # type: ignore[misc]
        """Take anything, and return a plain table."""
        return OrderedDict()


def read(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """Read a file of weights: tables, tensors, numbers and text; all else as :class:`Skipped`.

    Args:
        path: A file of PyTorch's or of safetensors, whatever its name ends in.

    Raises:
        FerBenchError: If there is none, or it is something else, named as far as it can be told.
    """
    try:
        start = head(path)
        if _is_safetensors(start):
            import safetensors.torch

            return safetensors.torch.load_file(path)
        return _load(path, start)
    except FerBenchError:
        raise
    except Exception as error:  # noqa: BLE001 - damaged files end in whatever error the damage leads to
        raise FerBenchError(f"{path}: unreadable as weights: {_first_line(error)}", fix=_AGAIN) from None


def tensors(found: object, *, source: str = "the file") -> dict[str, torch.Tensor]:
    """Return the weights in what a file holds, by the authors' names.

    Args:
        found: What :func:`read` returned.
        source: Where it is from, for errors.

    Raises:
        FerBenchError: If it holds none, or several tables between which nothing decides.
    """
    if isinstance(found, nn.Module):
        raise FerBenchError("a module was given instead of its weights", fix="give module.state_dict()")
    if isinstance(found, Skipped):
        raise FerBenchError(f"{source}: {_whole(found)}", fix=_trusted())
    if isinstance(found, Mapping) and found.keys() >= _OPTIMIZER:
        raise _optimizer(source)
    if not isinstance(found, Mapping):
        raise FerBenchError(f"{source}: holds {_kind(found)} and no table of weights", fix=f"give what {_SAVE} wrote")
    own = _weights_in(found)
    state = _unprefixed(own if own and len(own) == len(found) else _inner(found, source))
    odd = {name: kind for name, value in state.items() if (kind := _odd(value))}
    if odd:
        raise FerBenchError(
            f"{source}: {len(odd)} of {len(state)} weights are no plain numbers: {_named(map(': '.join, odd.items()))}",
            fix="give weights as training left them, dense and neither quantised nor diverged",
        )
    return state


def _inner(found: Mapping[object, object], source: str) -> dict[str, torch.Tensor]:
    """Return the table that lies in another, or the weights beside what is none."""
    tables = {key: table for key, value in found.items() if (table := _weights_in(value))}
    for key in (*WRAPPERS, *(tables if len(tables) == 1 else ())):
        if key in tables:
            return tables[key]
    if tables:
        raise FerBenchError(
            f"{source}: holds several tables of weights: {_named(tables)}",
            fix=f"save the one that is meant by itself: torch.save(torch.load(…)[{next(iter(tables))!r}], …)",
        )
    if any(isinstance(value, Mapping) and value.keys() >= _OPTIMIZER for value in map(found.get, WRAPPERS)):
        raise _optimizer(source)
    whole = next(((key, value) for key, value in found.items() if isinstance(value, Skipped)), None)
    if whole is not None:
        raise FerBenchError(f"{source}: holds no weights; under {whole[0]!r}, {_whole(whole[1])}", fix=_trusted())
    own = _weights_in(found)
    if not own:
        there = f"it has {_named(found)}" if found else "it is empty"
        raise FerBenchError(f"{source}: holds no table of weights; {there}", fix=f"give what {_SAVE} wrote")
    return own


def _weights_in(value: object) -> dict[str, torch.Tensor]:
    """Return the tensors that a table has under names."""
    items = value.items() if isinstance(value, Mapping) else ()
    return {key: inner for key, inner in items if isinstance(key, str) and isinstance(inner, torch.Tensor)}


def _odd(value: torch.Tensor) -> str:
    """Say why a tensor is none that a network could take over."""
    kinds = {
        "sparse": value.layout != torch.strided,
        "quantised": getattr(value, "is_quantized", False),  # PyTorch is to lose them
        "complex": value.is_complex(),
        "without values": value.is_meta,
    }
    kind = next((kind for kind, found in kinds.items() if found), "")
    if kind or not value.is_floating_point():
        return kind
    return "not a number" if bool(value.float().isnan().any()) else ""


def _unprefixed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    prefix = next((p for p in PREFIXES if all(name.startswith(p) for name in state)), None)
    if prefix is None:
        return state
    return _unprefixed({name.removeprefix(prefix): value for name, value in state.items()})


def head(path: Path) -> bytes:
    """Return how a file starts that may be one of weights.

    Raises:
        FerBenchError: If there is none, or it is too short or something else, by its start.
    """
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is no regular file" if path.exists() else "is not there"
            raise FerBenchError(f"{path} {what}; a file of weights is expected", fix="name the file itself")
        with path.open("rb") as file:
            start = file.read(_N_HEAD)
    except OSError as error:
        raise FerBenchError(f"{path}: cannot be read: {error.strerror}", fix="name a file that can be read") from None
    if len(start) < _N_SMALLEST:
        raise FerBenchError(f"{path}: has {len(start)} bytes, which are no weights", fix=_AGAIN)
    text = _text(start)
    if text is not None:
        raise FerBenchError(f"{path}: {text[0]}", fix=text[1])
    return start


def _text(start: bytes) -> tuple[str, str] | None:
    """Say what text a file is, by its start, and what to do; None: it is none."""
    words = " ".join(start.decode(errors="replace").lstrip("\ufeff").split())
    if words.startswith("version https://git-lfs"):
        size = re.search(r"size (\d+)", words)
        return (
            f"is the pointer that Git LFS keeps in place of a file{f' of {size[1]} bytes' if size else ''}",
            "fetch the file itself: git lfs pull, in the repository that it is from",
        )
    if words.lower().startswith(("<!doctype html", "<html")):
        return (
            "is a web page, as a host sends it in place of a file",
            "open the link in a browser, confirm the download there, and bring the file that it gives",
        )
    whole = words.rstrip("\ufffd")  # the last letter may be cut in two
    if "\ufffd" in whole or not whole.isprintable():
        return None
    return f"is text that starts with '{words[:40]}', and no weights", _AGAIN


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000  # the format's own bound


def _load(path: Path, start: bytes) -> Any:  # noqa: ANN401 - whatever the file holds
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            _check_archive(path, archive.namelist())
    elif start[:1] == b"\x80" and not start.startswith(_MAGIC):
        arrays = "{name: torch.from_numpy(array) for name, array in pickle.load(…, encoding='latin1').items()}"
        raise FerBenchError(
            f"{path}: is a pickle that PyTorch did not write; it is not read, because that would run its code",
            fix=f"where you trust it, and it has NumPy's arrays by name: torch.save({arrays}, …)",
        )
    reason = ""
    names = _globals(path)
    for stand_in in (Skipped, SkippedTable):  # the first takes any state, the second any entries
        try:
            return _load_with(path, names, stand_in)
        except pickle.UnpicklingError as error:
            said = str(error).partition("WeightsUnpickler error:")[2].strip()  # before it is advice to run code
            reason = said.partition("\n")[0].partition(". Please use")[0]
    objects = [name for name in sorted(names) if not name.startswith(_OWN)]
    raise FerBenchError(
        f"{path}: holds what cannot be passed over and is not made, because that would run its code: "
        f"{_named([*objects, reason])}",
        fix=_trusted(),
    )


def _load_with(path: Path, names: set[str], stand_in: type) -> Any:  # noqa: ANN401 - whatever the file holds
    kinds = {name: Skipped if name.startswith("numpy.") else stand_in for name in names}
    skipped: list[Any] = [(type(kind.__name__, (kind,), {"stands_for": name}), name) for name, kind in kinds.items()]
    with warnings.catch_warnings(), torch.serialization.safe_globals(skipped):
        # of torch, on what is refused by name where it matters
        warnings.filterwarnings("ignore", "Detected pickle protocol|Validating sparse tensor", UserWarning)
        return torch.load(path, map_location="cpu", weights_only=True)


def _check_archive(path: Path, names: list[str]) -> None:
    if any(name.endswith("constants.pkl") for name in names):
        raise FerBenchError(
            f"{path}: is an archive of TorchScript, which holds code and is not read",
            fix=f'where you trust it: torch.save(torch.jit.load("{path.name}", map_location="cpu").state_dict(), …)',
        )
    if not any(name.endswith("data.pkl") for name in names):
        raise FerBenchError(
            f"{path}: is an archive of {_named(names)} and no file of weights",
            fix="unpack it and name the file of weights in it",
        )


def _globals(path: Path) -> set[str]:
    """Name what a file's pickles refer to, without carrying them out, and PyTorch does not make by itself."""
    found: set[str] = set()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            inner = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            with archive.open(inner) as file:
                found.update(_referred(file))
    else:
        with path.open("rb") as file:
            for _ in range(_N_PICKLES):
                found.update(_referred(file))
    return found


def _referred(file: "BinaryIO | Any") -> Iterator[str]:  # noqa: ANN401 - zipfile's own kind of file
    """Yield the names in the next pickle of a file, as they are written and as Python 3 calls them."""
    import _compat_pickle  # of the standard library: what Python 2's names are now

    try:
        for code, value, _ in pickletools.genops(file):
            if code.name == "GLOBAL" and isinstance(value, str):
                module, _, name = value.partition(" ")
                yield f"{module}.{name}"
                yield f"{_compat_pickle.IMPORT_MAPPING.get(module, module)}.{name}"
                yield ".".join(_compat_pickle.NAME_MAPPING.get((module, name), (module, name)))
    except ValueError:  # no pickle; whoever reads it says so
        return


def _whole(found: Skipped) -> str:
    what = getattr(found, "stands_for", "an object")
    return f"an object was pickled whole ({what}) and is not made, because that would run its code"


def _trusted() -> str:
    return f"where you trust the file, load it in a process of its own and save its weights: {_SAVE}"


def _optimizer(source: str) -> FerBenchError:
    return FerBenchError(
        f"{source}: is the state of an optimiser (it has param_groups), not the weights of a network; the training "
        "script of POSTER++ writes such a file as its best",
        fix="give the file that the same training wrote for its last epoch, or train the method",
    )


def _kind(found: object) -> str:
    return "one tensor" if isinstance(found, torch.Tensor) else f"a {type(found).__name__}"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _named(names: Any) -> str:  # noqa: ANN401 - keys of any kind
    listed = [str(name) for name in names]
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return f"{', '.join(listed[:_SHOWN])}{more}"
