"""What the user says about files of predictions, where the files do not say it themselves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fer_bench import params
from fer_bench.errors import FerBenchError
from fer_bench.params import Section
from fer_bench.tables import _spellings
from fer_bench.tables._spellings import Kind, Order, Role


class Reading(NamedTuple):
    """What the user says about files; it is asked for only where a file does not say so itself.

    Attributes:
        columns: Role (``id``, ``true``, ``pred``) to column.
        scores: What ambiguous columns of scores hold.
        order: Which number is which expression.
        orders: File, as it was named, to an order of its own.
        n_classes: Expressions that are scored: 7 leaves contempt's scores out, 8 gives it 0 where a file has none.
        known: Expressions of the data set that the files are about, where it is prepared.
        only: Whether these alone can be scored, as in a grid, whose rows are all of one number.
        rows: Whether the place of a row says which sample it is, in files without ids.
    """

    columns: Mapping[Role, str] = {}
    scores: Kind | None = None
    order: Order | None = None
    orders: Mapping[str, Order] = {}
    n_classes: int | None = None
    known: int | None = None
    only: bool = False
    rows: bool = False

    def of(self, path: Path) -> "Reading":
        """Return what is said of one file, named itself or by its folder."""
        named = [place for place in (path, *path.parents) if str(place) in self.orders]
        return self._replace(order=self.orders[str(named[0])]) if named else self


class Options(Section, frozen=True, kw_only=True):
    """What a grid's entry says about predictions that were brought, as the command line's options of the same names."""

    column: list[str] = msgspec.field(default_factory=list)
    scores: str | None = None
    label_order: str | None = None
    classes: int | None = None
    rows: bool = False


def of_options(options: Mapping[str, Any], *, where: str) -> Reading:
    """Read what a grid's entry says.

    Args:
        options: The entry's.
        where: Where they stand, for errors.

    Raises:
        FerBenchError: If there is no such option, or it says nothing that there is.
    """
    found: Options = params.convert(dict(options), Options, where=where)
    order = None if found.label_order is None else [found.label_order]
    return said(found.column, scores=found.scores, label_order=order, n_classes=found.classes, rows=found.rows)


NOTHING_SAID = Reading()
"""Files speak for themselves."""


def said(
    columns: list[str] | None,
    *,
    scores: str | None,
    label_order: list[str] | None,
    n_classes: int | None,
    rows: bool = False,
    files: Sequence[Path] = (),
) -> Reading:
    """Read what the user says about files.

    Args:
        columns: ``role=column``, each.
        scores: ``probabilities`` or ``logits``.
        label_order: As :func:`fer_bench.tables._spellings.order`, of all files, or of one: ``file=order``.
        n_classes: 7 or 8.
        rows: Whether the place of a row says which sample it is.
        files: Those that are read, as they were named.

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
    order, orders = _orders(label_order or [], [str(path) for path in files])
    return Reading(by_role, kind, order, orders, n_classes, rows=rows)


def _orders(texts: list[str], files: list[str]) -> tuple[Order | None, dict[str, Order]]:
    """Return the order of all files, and those of single ones."""
    common: Order | None = None
    own: dict[str, Order] = {}
    for text in texts:
        name, marked, order = text.rpartition("=")
        if marked and name not in files:
            raise FerBenchError(
                f"--label-order {text}: there is no file {name} among those named",
                fix=f"name it as it is named: --label-order {files[0] if files else 'mine.csv'}={order}",
            )
        if (marked and name in own) or (not marked and common is not None):
            raise FerBenchError(
                f"--label-order {text}: a second order" + (f" of {name}" if marked else ""),
                fix="give one order for all files, and one for each file that has another: --label-order FILE=ORDER",
            )
        if marked:
            own[name] = _spellings.order(order)
        else:
            common = _spellings.order(text)
    return common, own
