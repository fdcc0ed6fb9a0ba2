"""What ``torch.save`` wrote, without torch and without running anything: tensors, numbers, text, lists, dictionaries.

The format is a zip archive with a pickle that refers to the archive's other entries for the tensors' bytes. The pickle
is read by an unpickler that knows the few names that tensors need and refuses every other
(https://docs.pytorch.org/docs/stable/notes/serialization.html).
"""

import io
import math
import pickle
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fer_bench.errors import FerBenchError

_TYPES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?",
}  # fmt: skip
_ANEW = "save plain values: torch.save({'logits': logits.cpu(), 'labels': labels.cpu(), 'ids': list(ids)}, 'mine.pt')"


class _Storage(NamedTuple):
    """The type of a tensor's bytes."""

    dtype: str


def read(path: Path) -> object:
    """Read a file of tensors.

    Returns:
        What was saved, with arrays in place of tensors.

    Raises:
        FerBenchError: If it is no such file, is damaged, or holds objects of other kinds.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            inside = next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)
            if inside is not None:
                root = inside.removesuffix("data.pkl")
                return _Reader(io.BytesIO(archive.read(inside)), archive, root, str(path)).load()
    except zipfile.BadZipFile:
        pass
    except (pickle.UnpicklingError, *_BROKEN) as error:
        said = str(error) or type(error).__name__
        raise FerBenchError(f"{path}: damaged: {said}", fix="save it again") from None
    raise FerBenchError(f"{path}: not a file that torch.save wrote (torch 1.6 or newer)", fix=_ANEW)


_BROKEN = (
    KeyError, ValueError, TypeError, IndexError, AttributeError, EOFError, OSError, MemoryError, OverflowError,
    RecursionError, UnicodeDecodeError, zlib.error,
    NotImplementedError,  # zipfile raises it for a compression, or a version of the format, that it does not know
)  # fmt: skip


class _Reader(pickle.Unpickler):
    """Knows tensors and ordered dictionaries, and nothing else."""

    def __init__(self, data: io.BytesIO, archive: zipfile.ZipFile, root: str, where: str) -> None:
        super().__init__(data)
        self._archive, self._root, self._where = archive, root, where

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - a class or a function
        known: dict[tuple[str, str], Callable[..., object]] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
        }
        if (module, name) in known:
            return known[module, name]
        if module == "torch" and name in _TYPES:
            return _Storage(_TYPES[name])
        raise FerBenchError(
            f"{self._where}: holds an object of {module}.{name}; only tensors, numbers, text, lists and dictionaries "
            "are read, because reading another runs code of the file",
            fix=_ANEW,
        )

    def persistent_load(self, pid: Any) -> Any:  # noqa: ANN401 - pickle's
        kind, storage, key, _, n = pid
        if kind != "storage" or not isinstance(storage, _Storage):
            message = "an unknown kind of storage"
            raise pickle.UnpicklingError(message)
        raw = self._archive.read(f"{self._root}data/{key}")
        if storage.dtype == "bfloat16":  # the upper half of a float32
            return np.left_shift(np.frombuffer(raw, dtype="<u2", count=n).astype("<u4"), 16).view("<f4")
        return np.frombuffer(raw, dtype=storage.dtype, count=n)


def _tensor(storage: np.ndarray, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> np.ndarray:
    """Return a tensor as an array.

    Raises:
        ValueError: If it would reach beyond its bytes.
    """
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 in size:
        return np.zeros(0, dtype=storage.dtype)
    if min((offset, *size, *stride)) < 0 or last >= len(storage) or math.prod(size) > len(storage):
        message = "a tensor reaches beyond its bytes"
        raise ValueError(message)
    steps = tuple(step * storage.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], shape=size, strides=steps).copy()
