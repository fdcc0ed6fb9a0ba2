"""Pictures that stay in their files until they are asked for, so that a release may be larger than the memory."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fer_bench.datasets._decode import Form, Refused, decode
from fer_bench.datasets._files import Files, Read, first_of
from fer_bench.errors import FerBenchError


@dataclass(frozen=True, kw_only=True)
class FilePictures:
    """Pictures in files, all of one shape, decoded when rows are asked for.

    Attributes:
        dataset: The data set's name, for errors.
        files: Where they lie.
        names: Row by row.
        form: What each is brought to.
        shape: (n, h, w) or (n, h, w, 3).
        fix: What to do about one that is refused; empty: what the refusal says.
    """

    dataset: str
    files: Files
    names: list[str]
    form: Form
    shape: tuple[int, ...]
    fix: str = ""
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.uint8))

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray:
        """Decode the pictures of some rows, uint8 (m, h, w) or (m, h, w, 3).

        Raises:
            FerBenchError: If one is refused or has another shape. Then all others are looked at too, and the error
                says how many are wrong and names the first of them.
        """
        decoded = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        with self.files.opened() as read:
            for place, row in enumerate(rows):
                try:
                    decoded[place] = self._decode(read, self.names[row])
                except Refused as one:
                    raise self._all_refused(read, {self.names[row]: one}) from None
        return decoded

    def _decode(self, read: Read, name: str) -> np.ndarray:
        picture = decode(read(name), self.form)
        if picture.shape != self.shape[1:]:
            raise Refused(
                f"{_words(picture.shape)}, expected {_words(self.shape[1:])}", fix="bring all pictures to one size"
            )
        return picture

    def _all_refused(self, read: Read, refused: dict[str, Refused]) -> FerBenchError:
        """Look at all pictures beside the one that is refused already."""
        for name in self.names:
            try:
                self._decode(read, name)
            except Refused as one:
                refused[name] = one
        in_order = {name: refused[name] for name in self.names if name in refused}
        return _error(self.dataset, in_order, len(self.names), self.fix)


def shapes(dataset: str, files: Files, names: list[str], form: Form) -> Counter[tuple[int, ...]]:
    """Decode all pictures once and count their shapes, (h, w) or (h, w, 3), keeping none.

    Raises:
        FerBenchError: If any is refused, with how many and the first of them.
    """
    found: Counter[tuple[int, ...]] = Counter()
    refused: dict[str, Refused] = {}
    with files.opened() as read:
        for name in names:
            try:
                found[decode(read(name), form).shape] += 1
            except Refused as one:
                refused[name] = one
    if refused:
        raise _error(dataset, refused, len(names))
    return found


def in_words(found: Counter[tuple[int, ...]]) -> str:
    """Say which shapes there are and how many of each, the most frequent first."""
    by_count = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return first_of([f"{_words(shape)} ({n})" for shape, n in by_count])


def _words(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}×{shape[0]} {'grey' if len(shape) == 2 else 'RGB'}"


def _error(dataset: str, refused: dict[str, Refused], n: int, fix: str = "") -> FerBenchError:
    said = first_of([f"{name} ({one.reason})" for name, one in refused.items()])
    return FerBenchError(
        f"{dataset}: {len(refused)} of {n} pictures cannot be used: {said}",
        fix=fix or "; ".join(dict.fromkeys(one.fix for one in refused.values())),
    )
