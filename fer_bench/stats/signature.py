"""A signature: one string per number that says what it is a number of.

``fer|ds:ferplus|n:3137|ids:1a2b3c4d|classes:8|rule:majority|protocol:honest|selection:best_on_val|seeds:0;1;2|b:10000|
v:0.2.0``: data set, samples, digest of ids and true labels, expressions, label rule, protocol, selection, seeds,
resamples, version. ``?`` stands where it is not known, as for a file of predictions from elsewhere.

Two numbers whose signatures differ in a field of :data:`MEANING` answer different questions and may not be compared.
The other fields say how exactly a number was computed.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from fer_bench import __version__
from fer_bench.arrays import Labels
from fer_bench.errors import FerBenchError

UNKNOWN = "?"
MEANING = ("ds", "n", "ids", "classes", "rule", "protocol", "selection")
"""Fields whose difference changes what a number means."""
WORDS = {"ds": "data set", "rule": "label rule", "protocol": "protocol", "selection": "selection"}
"""Fields of these that a file of predictions from elsewhere does not tell, in words."""


class Signature(NamedTuple):
    """The fields, as text, in their order.

    Attributes:
        ds: Data set.
        n: Samples.
        ids: :func:`digest` of ids and true labels.
        classes: Expressions told apart.
        rule: How votes became labels.
        protocol: Protocol.
        selection: The rule that picked the checkpoint.
        seeds: Seeds, joined by ``;``.
        b: Bootstrap resamples; 0 where there are none.
        v: Version of fer-bench; raised with every change that moves a number (``tests/statistics/test_version.py``).
    """

    ds: str = UNKNOWN
    n: str = UNKNOWN
    ids: str = UNKNOWN
    classes: str = UNKNOWN
    rule: str = UNKNOWN
    protocol: str = UNKNOWN
    selection: str = UNKNOWN
    seeds: str = UNKNOWN
    b: str = UNKNOWN
    v: str = __version__

    def __str__(self) -> str:
        return "|".join(["fer", *(f"{name}:{_plain(value)}" for name, value in self._asdict().items())])


def _plain(value: str) -> str:
    return value.replace("|", "/").replace(" ", "_") or UNKNOWN


def digest(sample_ids: Iterable[str], y_true: Labels) -> str:
    """Return the first 8 hex digits of the SHA-256 of ids and true labels; the order of samples does not matter.

    Examples:
        >>> import numpy as np
        >>> digest(["b", "a"], np.array([1, 0])) == digest(["a", "b"], np.array([0, 1]))
        True
    """
    lines = sorted(f"{name}\t{int(label)}\n" for name, label in zip(sample_ids, y_true, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:8]


def parse(text: str) -> Signature:
    """Read a signature.

    Raises:
        FerBenchError: If the text is none.

    Examples:
        >>> parse(str(Signature(ds="rafdb", n="3068"))).n
        '3068'
    """
    head, *fields = text.split("|")
    found = dict(field.split(":", 1) for field in fields if ":" in field)
    if head != "fer" or tuple(found) != Signature._fields:
        raise FerBenchError(f"'{text}' is no signature", fix=f"expected {Signature()}")
    return Signature(**found)


def conflicts(a: Signature, b: Signature) -> list[str]:
    """Name the fields of :data:`MEANING` in which two signatures differ; what one does not know is no difference.

    Examples:
        >>> conflicts(Signature(ds="rafdb", rule="released"), Signature(ds="ferplus"))
        ['ds: rafdb, ferplus']
    """
    both = ((name, getattr(a, name), getattr(b, name)) for name in MEANING)
    return [f"{name}: {one}, {other}" for name, one, other in both if one != other and UNKNOWN not in {one, other}]


def common(signatures: Iterable[Signature]) -> Signature:
    """Return what several signatures have in common: a field that one knows, and ``?`` where they differ."""
    fields = zip(*signatures, strict=True)
    known = [sorted({value for value in values if value != UNKNOWN}) for values in fields]
    return Signature(*(values[0] if len(values) == 1 else UNKNOWN for values in known))


def unknown(told: Signature) -> list[str]:
    """Name the fields of :data:`MEANING` that a signature does not know.

    Examples:
        >>> unknown(Signature(ds="rafdb", n="3068", ids="1a2b3c4d", classes="7"))
        ['rule', 'protocol', 'selection']
    """
    return [name for name in MEANING if getattr(told, name) == UNKNOWN]
