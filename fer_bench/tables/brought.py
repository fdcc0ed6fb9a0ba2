"""Predictions that anyone brings: one row per sample, columns found by name, whatever framework wrote them.

Tables of text, JSON, parquet, arrays or tensors. Ids; true labels; predicted labels, scores, or both. What the columns
are is told by their names alone: numbers are labels only where the file or the user says which number is which
expression, and scores are probabilities or logits by name, not by their values. What is ambiguous is an error that
names the option which settles it. docs/predictions.md has the spellings.

The project's own predictions table (:mod:`fer_bench.tables.predictions`) comes in by the same door: its numbers are in
the order of :mod:`fer_bench.expressions`, its selections are kept apart, and the run's record beside it is read.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from fer_bench.arrays import Labels, Logits
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS, expressions
from fer_bench.protocols import SELECTIONS
from fer_bench.tables import _labels, _raw, _scores, _spellings, predictions
from fer_bench.tables._spellings import Role
from fer_bench.tables.reading import Reading
from fer_bench.tables.runs import RunRecord, check_unchanged, read_record


class Brought(NamedTuple):
    """One run's predictions under one selection, by ascending id.

    Attributes:
        path: The file.
        sample_ids: (n,) ids, as text.
        y_true: (n,) true labels; None where the file has none.
        y_pred: (n,) predicted labels.
        probabilities: (n, k), rows sum to 1; None where the file has no scores.
        logits: (n, k); None where the file has none.
        n_classes: Expressions told apart.
        told: Whether scores, the user or the data set say so; labels alone can be of more.
        selection: The selection; None where the file has no such column.
        numbered: Whether ids are but places of rows, for the file has none.
        record: The run's record, of a run of this project.
        understood: What was understood, line by line.
        headers: The file's columns.
    """

    path: Path
    sample_ids: np.ndarray
    y_true: Labels | None
    y_pred: Labels
    probabilities: Logits | None
    logits: Logits | None
    n_classes: int
    told: bool
    selection: str | None
    numbered: bool
    record: RunRecord | None
    understood: tuple[str, ...]
    headers: tuple[str, ...]


class _Columns(NamedTuple):
    """Which column is what."""

    id: str | None
    true: _labels.Held
    pred: _labels.Held
    scores: _scores.Found | None
    selection: str | None
    ignored: list[str]


def read(path: Path, reading: Reading) -> dict[str | None, Brought]:
    """Read a file of predictions.

    Args:
        path: The file.
        reading: What the user says about it.

    Returns:
        By selection; one entry under None where the file has no selections. Empty where the file is the table of a run
        that failed.

    Raises:
        FerBenchError: For whatever is ambiguous, missing, repeated, or does not agree with itself.
    """
    raw, where = _raw.read(path), str(path)
    table, reading = raw.table, reading.of(path)
    own = _own(list(table.columns))
    if not len(table):
        if own is not None:
            return {}
        raise FerBenchError(f"{where} has no rows", fix="give a table with a row per sample")
    columns = _columns(table, reading, own=own, classes=raw.numbers, where=where)
    ids = _numbered(len(table)) if columns.id is None else _labels.text(table[columns.id])
    if ids.isna().any():
        raise FerBenchError(
            f"{where}: {columns.id} is empty in {int(ids.isna().sum())} of {len(ids)} rows", fix="give every row its id"
        )
    numbers = _numbers(table, columns, reading, own=own, classes=raw.numbers, where=where)
    n_classes = _n_classes(table, columns, reading, numbers=numbers, own=own, where=where)
    table = table.assign(**{_ID: ids.to_numpy()}).sort_values(_ID, kind="stable", ignore_index=True)
    record = path.parent / "run.json"
    known = read_record(record) if own is not None and record.exists() else None
    if known is not None and path.name in known.wrote:
        check_unchanged(record, path.name)
    parts = _parts(table, columns, where=where)
    return {
        selection: _brought(
            path,
            part.reset_index(drop=True),
            columns,
            numbers=numbers,
            n_classes=n_classes,
            told=columns.scores is not None or {reading.n_classes, reading.known} != {None},
            selection=selection,
            record=known,
            form=raw.said,
        )
        for selection, part in parts.items()
    }


_ID = "\0id"  # no header is this


def _numbered(n: int) -> pd.Series:
    """Return names of rows that sort as they stand."""
    return pd.Series([f"row {place:0{len(str(n))}d}" for place in range(1, n + 1)], dtype="string")


def _own(headers: list[str]) -> int | None:
    """Return how many expressions our own predictions table has; None if this is not one."""
    n_classes = sum(header.startswith("logit_") for header in headers)
    fits = 2 <= n_classes <= len(EXPRESSIONS) and headers == list(predictions.schema(n_classes).columns)
    return n_classes if fits else None


def _columns(
    table: pd.DataFrame, reading: Reading, *, own: int | None, classes: dict[int, int] | None, where: str
) -> _Columns:
    headers = [str(name) for name in table.columns]
    said = {role: header for role, header in reading.columns.items() if header in headers}
    by_role: dict[Role, list[str]] = {role: [] for role in _spellings.ROLES}
    for header in headers:
        role = _spellings.role(header)
        if role is not None and header not in said.values():
            by_role[role].append(header)
    by_role |= {role: [header] for role, header in said.items()}
    ids = by_role["id"]
    if len(ids) > 1:
        raise _labels.ambiguous(ids, "id", where=where)
    if not ids and not reading.rows:
        raise FerBenchError(
            f"{where}: no column of ids among {_first(headers)}",
            fix="name it: --column id=COLUMN; or --rows, if the place of a row says which sample it is: true labels "
            "must then stand in the file, and agree",
        )
    selection = "selection" if "selection" in headers else None
    rest = [name for name in headers if not any(name in found for found in by_role.values()) and name != selection]
    numbers = classes if reading.order is None else reading.order.numbers
    scores = _scores.find(rest, own=own is not None, kind=reading.scores, numbers=numbers, where=where)
    true, pred = (_labels.held(table, by_role[role], role, where=where) for role in ("true", "pred"))
    if not pred and scores is None:
        raise FerBenchError(
            f"{where}: neither predicted labels nor scores among {_first(headers)}",
            fix="name the column of predicted labels: --column pred=COLUMN; or give scores: p_neutral, p_happiness, …",
        )
    used = {*ids, *by_role["true"], *by_role["pred"], *(scores.columns if scores else []), selection}
    return _Columns(
        ids[0] if ids else None, true, pred, scores, selection, [name for name in headers if name not in used]
    )


def _first(headers: list[str]) -> str:
    return f"{', '.join(headers[:12])}{' …' if len(headers) > 12 else ''}"


def _n_classes(
    table: pd.DataFrame,
    columns: _Columns,
    reading: Reading,
    *,
    numbers: dict[int, int] | None,
    own: int | None,
    where: str,
) -> int:
    """Return how many expressions are scored: as asked for, else as the file's scores tell, else as its labels do."""
    asked, known = reading.n_classes, reading.known
    if own or columns.scores:
        found = own or len(columns.scores.columns if columns.scores else [])
        if asked is None and known not in {None, found}:
            raise FerBenchError(
                f"{where} tells {found} expressions apart, not {known}", fix=over(known, only=reading.only)
            )
        if asked is not None and found < 7:
            raise FerBenchError(f"{where} tells {found} expressions apart, not {asked}", fix="leave --classes out")
        return asked or found
    if asked is not None or known is not None:
        return asked or known or 0
    # macro-F1 over eight would count an expression that nobody showed and nobody answered as 0
    held = any(_labels.contempt(table, column, numbers) for column in (columns.true, columns.pred) if column)
    return len(EXPRESSIONS) if held else len(EXPRESSIONS) - 1


def over(known: int | None = None, *, only: bool = False) -> str:
    """Return how seven expressions and eight are brought together.

    Args:
        known: Expressions of the data set; with eight, none of them can be left out.
        only: Whether no other number can be scored.
    """
    seven = "--classes 7: contempt's scores are left out, the others rescaled, and the largest of them is the answer"
    eight = (
        "--classes 8: contempt has probability 0 where a file has no scores for it, and averages are over eight "
        "expressions"
    )
    if known == len(EXPRESSIONS):
        return eight
    return seven if only else f"{seven}; or {eight}, an answer of contempt counts as wrong"


def _numbers(
    table: pd.DataFrame,
    columns: _Columns,
    reading: Reading,
    *,
    own: int | None,
    classes: dict[int, int] | None,
    where: str,
) -> dict[int, int] | None:
    """Return number to index: our own order, what names beside numbers show, what the user says, or the file."""
    if own is not None:
        return {index: index for index in range(own)}
    beside = _labels.by_names_beside(table, {"true": columns.true, "pred": columns.pred}, where=where)
    return beside or (classes if reading.order is None else reading.order.numbers)


def _parts(table: pd.DataFrame, columns: _Columns, *, where: str) -> dict[str | None, pd.DataFrame]:
    parts: dict[str | None, pd.DataFrame] = {None: table}
    if columns.selection is not None:
        unknown = sorted(set(table[columns.selection].dropna().astype(str)) - set(SELECTIONS))
        if unknown or table[columns.selection].isna().any():
            raise FerBenchError(
                f"{where}: {f'unknown selection {unknown[0]}' if unknown else 'a row without selection'}",
                fix=f"one of: {', '.join(SELECTIONS)}; or remove the column",
            )
        parts = {str(name): part for name, part in table.groupby(columns.selection)}
    for part in parts.values():
        repeated = part[_ID][part[_ID].duplicated()].unique()
        if len(repeated):
            raise FerBenchError(
                f"{where}: {len(repeated)} ids stand in two rows or more: {', '.join(repeated[:3])}"
                f"{' …' if len(repeated) > 3 else ''}",
                fix="give every sample one row; where names repeat in the data set, use its own ids",
            )
    return parts


def _brought(
    path: Path,
    table: pd.DataFrame,
    columns: _Columns,
    *,
    numbers: dict[int, int] | None,
    n_classes: int,
    told: bool,
    selection: str | None,
    record: RunRecord | None,
    form: tuple[str, ...],
) -> Brought:
    where = f"{path}" + (f", selection {selection}" if selection else "")
    ids = table[_ID]
    scores, percent = (
        (None, False) if columns.scores is None else _scores.read(table, columns.scores, ids=ids, where=where)
    )
    held: tuple[tuple[Role, _labels.Held], ...] = (("true", columns.true), ("pred", columns.pred))
    y_true, y_pred = (
        _labels.read(table, column, role, ids=ids, numbers=numbers, where=where) if column else None
        for role, column in held
    )
    _within(y_true, n_classes, ids=ids, where=f"{where}: a true label")
    _within(y_pred, n_classes if scores is None else scores.shape[1], ids=ids, where=f"{where}: a predicted label")
    if scores is not None and columns.scores is not None:
        if y_pred is None:
            y_pred = scores.argmax(axis=1)
        _scores.hold_to_largest(y_pred, scores, ids=ids, where=where)
        scores = _scores.over(scores, columns.scores, n_classes, ids=ids, where=where)
        y_pred = np.where(y_pred < n_classes, y_pred, scores.argmax(axis=1))
    if y_pred is None:  # _columns refuses such a table
        message = "neither predicted labels nor scores"
        raise ValueError(message)
    logits = scores if columns.scores is not None and columns.scores.kind == "logits" else None
    probabilities = None if scores is None else _scores.softmax(scores) if logits is not None else _scaled(scores)
    said = _said(columns, len(table), n_classes, percent=percent, form=form)
    return Brought(
        path, ids.to_numpy(dtype=object), y_true, y_pred, probabilities, logits, n_classes, told, selection,
        columns.id is None, record, said, tuple(str(name) for name in table.columns if name != _ID),
    )  # fmt: skip


def _scaled(probabilities: Logits) -> Logits:
    """Return rows that sum to 1 exactly; they do within the tolerance for rounding."""
    positive = np.clip(probabilities, 0, None)
    return np.asarray(positive / positive.sum(axis=1, keepdims=True))


def _within(labels: Labels | None, n_classes: int, *, ids: pd.Series, where: str) -> None:
    outside = np.zeros(0, dtype=bool) if labels is None else labels >= n_classes
    if labels is not None and outside.any():
        raise FerBenchError(
            f"{where} is {EXPRESSIONS[labels[outside][0]]} in {int(outside.sum())} rows, first {ids[outside].iloc[0]}; "
            f"there are {n_classes} expressions: {', '.join(expressions(n_classes))}",
            fix=f"{over(len(EXPRESSIONS))}, an answer of contempt counts as wrong where the data set has none",
        )


def _said(columns: _Columns, n: int, n_classes: int, *, percent: bool, form: tuple[str, ...]) -> tuple[str, ...]:
    labels = [
        f"{what} from {held}" if held else f"no {what}"
        for what, held in (("true labels", columns.true), ("predicted labels", columns.pred))
    ]
    if not columns.pred:
        labels[1] = "predicted label: the largest score"
    found = columns.scores
    scores = "no scores" if found is None else f"{found.kind} from {found.columns[0]} … {found.columns[-1]}"
    if found is not None and len(found.columns) != n_classes:
        scores += ", without contempt's, the others rescaled" if n_classes == 7 else ", contempt 0"
    ids = "rows in their order, without ids" if columns.id is None else f"ids from {columns.id}"
    scores += ", in percent, divided by 100" if percent else ""
    lines = ["; ".join((f"{n:,} samples, {ids}", *labels, *form)), f"{n_classes} expressions; {scores}"]
    if found is not None and columns.pred:
        lines[1] += ", which agree with the predicted labels"
    if columns.ignored:
        lines[1] += f"; not read: {', '.join(columns.ignored[:6])}{' …' if len(columns.ignored) > 6 else ''}"
    return tuple(lines)
