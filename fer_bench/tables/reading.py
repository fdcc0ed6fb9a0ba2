"""What the user says about files of predictions, where the files do not say it themselves."""

from collections.abc import Mapping
from typing import NamedTuple

from fer_bench.errors import FerBenchError
from fer_bench.tables import _spellings
from fer_bench.tables._spellings import Kind, Order, Role


class Reading(NamedTuple):
    """What the user says about files; it is asked for only where a file does not say so itself.

    Attributes:
        columns: Role (``id``, ``true``, ``pred``) to column.
        scores: What ambiguous columns of scores hold.
        order: Which number is which expression.
        n_classes: Expressions that are scored: 7 leaves contempt's scores out, 8 gives it 0 where a file has none.
        known: Expressions of the data set that the files are about, where it is prepared.
    """

    columns: Mapping[Role, str] = {}
    scores: Kind | None = None
    order: Order | None = None
    n_classes: int | None = None
    known: int | None = None


NOTHING_SAID = Reading()
"""Files speak for themselves."""


def said(columns: list[str] | None, *, scores: str | None, label_order: str | None, n_classes: int | None) -> Reading:
    """Read what the user says about files.

    Args:
        columns: ``role=column``, each.
        scores: ``probabilities`` or ``logits``.
        label_order: As :func:`fer_bench.tables._spellings.order`.
        n_classes: 7 or 8.

    Raises:
        FerBenchError: If it says nothing that there is.
    """
    by_role: dict[Role, str] = {}
    for text in columns or []:
        role, _, name = text.partition("=")
        known = next((each for each in _spellings.ROLES if each == role.strip()), None)
        if known is None or not name.strip():
            raise FerBenchError(
                f"--column {text}: expected ROLE=NAME", fix=f"ROLE is one of {', '.join(_spellings.ROLES)}"
            )
        by_role[known] = name.strip()
    kind = next((each for each in _spellings.KINDS if each == scores), None)
    if scores is not None and kind is None:
        raise FerBenchError(f"--scores {scores}", fix=f"one of: {', '.join(_spellings.KINDS)}")
    if n_classes not in {None, 7, 8}:
        raise FerBenchError(f"--classes {n_classes}", fix="7 (without contempt) or 8")
    return Reading(by_role, kind, None if label_order is None else _spellings.order(label_order), n_classes)
