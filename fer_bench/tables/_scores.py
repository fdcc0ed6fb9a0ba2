"""Scores of any predictions table: probabilities or logits, told apart by the columns' names, not by their values."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from fer_bench.arrays import Labels, Logits
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS, expressions
from fer_bench.tables import _spellings
from fer_bench.tables._spellings import Kind, ScoreColumn

SUM_TOLERANCE = 0.005
"""How far from 1 a row of probabilities may sum: eight values rounded to three decimals stay within 0.004."""


class Found(NamedTuple):
    """The columns of scores.

    Attributes:
        kind: What they hold.
        columns: Headers in the order of :mod:`fer_bench.expressions`.
    """

    kind: Kind
    columns: list[str]


def find(
    headers: list[str], *, own: bool, kind: Kind | None, numbers: dict[int, int] | None, where: str
) -> Found | None:
    """Find the columns of scores by their names; None if there are none.

    Args:
        headers: Columns that are neither ids nor labels.
        own: Whether the file is a predictions table of ours, which may tell fewer than seven expressions apart.
        kind: What ambiguous columns hold, or which of two sets is meant.
        numbers: Which number is which expression, for columns such as ``p_0``; None where nothing says it.
        where: The file.

    Raises:
        FerBenchError: If it is not clear which columns are meant, what they hold, or which expressions they are.
    """
    sets = _sets(headers)
    fitting = {prefix: held for prefix, held in sets.items() if own or kind in {None, held[0][1].kind or kind}}
    if not fitting:
        if sets:
            raise FerBenchError(
                f"{where}: no columns of {kind}, but {_said(sets)}", fix="leave --scores out, or rename the columns"
            )
        return None
    if len(fitting) > 1:
        raise FerBenchError(
            f"{where}: several sets of scores: {_said(fitting)}",
            fix="say which: --scores probabilities or --scores logits; or remove the columns that are not meant",
        )
    ((prefix, held),) = fitting.items()
    found = held[0][1].kind or kind
    if found is None:
        numbered = numbers is None and all(isinstance(column.of, int) for _, column in held)
        raise FerBenchError(
            f"{where}: {_said(fitting)} could be probabilities or logits"
            + (", and nothing says which expression each is" if numbered else ""),
            fix="say which: --scores probabilities or --scores logits"
            + (f"; and {_spellings.ask_order()}" if numbered else ""),
        )
    return Found(found, _in_order(held, numbers, own=own, prefix=prefix, where=where))


def _sets(headers: list[str]) -> dict[str, list[tuple[str, ScoreColumn]]]:
    """Return columns of scores by what stands before the class; at least two known classes or numbers each."""
    sets: dict[str, list[tuple[str, ScoreColumn]]] = {}
    for header in headers:
        column = _spellings.score_column(header)
        if column is not None:
            sets.setdefault(column.prefix, []).append((header, column))
    return {
        prefix: held
        for prefix, held in sets.items()
        if sum(isinstance(column.of, int) or column.of in EXPRESSIONS for _, column in held) > 1
    }


def _said(sets: Mapping[str, list[tuple[str, ScoreColumn]]]) -> str:
    return "; ".join(f"{held[0][0]} … {held[-1][0]}" for held in sets.values())


def _in_order(
    held: list[tuple[str, ScoreColumn]], known: dict[int, int] | None, *, own: bool, prefix: str, where: str
) -> list[str]:
    by_number = {column.of: header for header, column in held if isinstance(column.of, int)}
    if by_number and len(by_number) == len(held):
        numbers = {number: index for number, index in (known or {}).items() if number in by_number}
        if sorted(numbers) != sorted(by_number) or sorted(numbers.values()) != list(range(max(len(numbers), 7))):
            raise FerBenchError(
                f"{where}: {held[0][0]} … {held[-1][0]} are numbered"
                + (", and nothing says which expression each is" if known is None else f", known are {_told(known)}"),
                fix=_spellings.ask_order(),
            )
        return [by_number[number] for number, _ in sorted(numbers.items(), key=lambda pair: pair[1])]
    names: dict[str, str] = {}
    for header, column in held:
        if column.of not in EXPRESSIONS:
            raise FerBenchError(
                f"{where}: column {header} names no expression: unknown class '{column.of}'",
                fix=f"the classes are {', '.join(EXPRESSIONS)}, in usual spellings; remove or rename the column",
            )
        if column.of in names:
            raise FerBenchError(
                f"{where}: {names[str(column.of)]} and {header} are both {column.of}", fix="remove one of them"
            )
        names[str(column.of)] = header
    lacking = [] if own else [name for name in EXPRESSIONS[: max(len(names), 7)] if name not in names]
    if lacking:
        raise FerBenchError(
            f"{where}: no column of {', '.join(lacking)} beside {held[0][0]} … {held[-1][0]}",
            fix=f"give every expression its column; one that is never predicted is 0, as a probability: "
            f"{prefix or 'p'}_{lacking[0]}",
        )
    return [names[name] for name in expressions(len(names))]


def _told(numbers: dict[int, int]) -> str:
    return ", ".join(f"{number} {EXPRESSIONS[index]}" for number, index in sorted(numbers.items()))


def read(table: pd.DataFrame, found: Found, *, ids: pd.Series, where: str) -> tuple[np.ndarray, bool]:
    """Return the scores (n, k), percentages as fractions, and whether they were percentages.

    Raises:
        FerBenchError: For cells that are no numbers, empty, NaN or infinite; for probabilities outside 0 to 1, and rows
            that do not sum to 1; percentages are those of which every row sums to 100.
    """
    values = np.column_stack([_numbers(table[header], ids=ids, where=f"{where}: {header}") for header in found.columns])
    finite = np.asarray(np.isfinite(values).all(axis=1))
    if not finite.all():
        raise FerBenchError(
            f"{where}: {int((~finite).sum())} of {len(values)} rows have NaN or infinite scores; "
            f"first: {ids[~finite].iloc[0]}",
            fix="look for what the model answered there; a sample without an answer needs one (a face that was not "
            "found is a wrong answer, not a missing row)",
        )
    if found.kind == "logits" or not len(values):
        return values, False
    percent = bool((np.abs(values.sum(axis=1) - 100) < 100 * SUM_TOLERANCE).all() and (values >= 0).all())
    values = values / 100 if percent else values
    _check_probabilities(values, ids=ids, where=where)
    return values, percent


def _numbers(column: pd.Series, *, ids: pd.Series, where: str) -> np.ndarray:
    values = pd.to_numeric(column, errors="coerce").astype(float)
    empty: pd.Series[bool] = column.isna() | column.astype("string").str.strip().str.lower().isin(["nan", ""])
    wrong = values.isna() & ~empty
    if wrong.any():
        raise FerBenchError(
            f"{where} holds '{column[wrong].iloc[0]}', which is no number (sample {ids[wrong].iloc[0]})",
            fix="write numbers with a decimal point and without units",
        )
    return values.to_numpy(dtype=float)


def _check_probabilities(values: np.ndarray, *, ids: pd.Series, where: str) -> None:
    sums = values.sum(axis=1)
    outside = np.asarray(((values < -1e-9) | (values > 1 + SUM_TOLERANCE)).any(axis=1))
    if outside.any():
        row = values[outside][0]
        raise FerBenchError(
            f"{where}: {int(outside.sum())} of {len(values)} rows have probabilities below 0 or above 1; "
            f"first: {ids[outside].iloc[0]} with {row[np.abs(row - 0.5).argmax()]:.4g}",
            fix="if they are logits, say so in the columns' names: logit_happiness …",
        )
    off = np.abs(sums - 1) > SUM_TOLERANCE
    if off.any():
        raise FerBenchError(
            f"{where}: {int(off.sum())} of {len(values)} rows of probabilities do not sum to 1 (within "
            f"{SUM_TOLERANCE}); first: {ids[off].iloc[0]} with {sums[off][0]:.4f}",
            fix="write the softmax over all expressions, with at least three decimals (a column that was taken out, "
            "such as contempt, is put back, and --classes 7 leaves it out); logits are named so: logit_happiness …",
        )


def over(values: np.ndarray, found: Found, n_classes: int, *, ids: pd.Series, where: str) -> np.ndarray:
    """Return scores over so many expressions: contempt's are left out, or are those of what is never answered.

    Args:
        values: (n, 7) or (n, 8).
        found: What they are.
        n_classes: 7 or 8.
        ids: Of the rows, for errors.
        where: The file.

    Raises:
        FerBenchError: If a row of probabilities has nothing left without contempt.
    """
    if values.shape[1] < n_classes:
        never = -np.inf if found.kind == "logits" else 0.0
        return np.column_stack([values, np.full(len(values), never)])
    kept = values[:, :n_classes]
    if found.kind == "logits" or values.shape[1] == n_classes:
        return kept
    sums = kept.sum(axis=1)
    if (sums <= 0).any():
        raise FerBenchError(
            f"{where}: contempt has the whole probability in {int((sums <= 0).sum())} rows, first "
            f"{ids[sums <= 0].iloc[0]}: without it nothing is left",
            fix="--classes 8: an answer of contempt then counts as wrong",
        )
    return np.asarray(kept / sums[:, None])


def softmax(logits: Logits) -> Logits:
    """Return probabilities of logits.

    Examples:
        >>> softmax(np.array([[0.0, 0.0], [1000.0, 0.0]])).tolist()
        [[0.5, 0.5], [1.0, 0.0]]
    """
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def hold_to_largest(y_pred: Labels, scores: np.ndarray, *, ids: pd.Series, where: str) -> None:
    """Refuse predicted labels that are not those with the largest score; equal scores may go either way.

    Raises:
        FerBenchError: Says in how many rows, and which is the first.
    """
    wrong = scores[np.arange(len(scores)), y_pred] < scores.max(axis=1) if len(scores) else np.zeros(0, dtype=bool)
    if wrong.any():
        first = int(wrong.argmax())
        raise FerBenchError(
            f"{where}: the predicted label is not the largest score in {int(wrong.sum())} of {len(scores)} rows; "
            f"first: {ids.iloc[first]}, predicted {EXPRESSIONS[y_pred[first]]}, largest "
            f"{EXPRESSIONS[scores[first].argmax()]}",
            fix="one of the two columns is of another model or another order of expressions: mend it, or remove it",
        )
