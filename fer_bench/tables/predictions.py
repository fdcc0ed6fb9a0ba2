"""``predictions.csv``: the contract between training and scoring, one row per reported sample and selection.

Columns: ``sample_id, selection, y_true, y_pred, logit_<expression>…``. Logits, not probabilities: nothing has to
guess. A table with no rows belongs to a failed run; one without logits holds labels alone that were brought.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from fer_bench.arrays import Labels, Logits
from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.protocols import SELECTIONS
from fer_bench.tables._schema import Schema, header, integer, number, text

_REMAKE = "fer-bench run METHOD --dataset DATASET --seed SEED"


def schema(n_classes: int, *, logits: bool = True) -> Schema:
    """Return the schema of predictions over the first ``n_classes`` expressions, with logits or without."""
    logit = number("unnormalised score of the expression, finite")
    return Schema(
        name="predictions table",
        columns={
            "sample_id": text("the data set's own name of the picture"),
            "selection": text("rule that chose the checkpoint: last, best_on_val, best_on_test"),
            "y_true": integer("true expression, index in expressions.py"),
            "y_pred": integer("predicted expression, index in expressions.py: the first largest logit"),
            **{f"logit_{name}": logit for name in expressions(n_classes) if logits},
        },
        key=("selection", "sample_id"),
        remake=_REMAKE,
    )


def frame(selection: str, sample_ids: list[str], y_true: Labels, logits: Logits) -> pd.DataFrame:
    """Make the rows of one selection; ``y_pred`` is the first largest logit."""
    columns = {f"logit_{name}": logits[:, index] for index, name in enumerate(expressions(logits.shape[1]))}
    head = {"sample_id": sample_ids, "selection": selection, "y_true": y_true, "y_pred": logits.argmax(axis=1)}
    return pd.DataFrame({**head, **columns})


def write(table: pd.DataFrame, path: Path, *, n_classes: int) -> None:
    """Check and write predictions, sorted by selection and ``sample_id``.

    Raises:
        FerBenchError: As :func:`read`.
    """
    own = schema(n_classes, logits=has_logits(table.columns))
    own.write(_checked(table, n_classes=n_classes, where="predictions table"), path)


def has_logits(columns: Iterable[str]) -> bool:
    """Return whether a table with these columns has logits; without, it holds labels alone that were brought."""
    return any(str(name).startswith("logit_") for name in columns)


def read(path: Path, *, n_classes: int, sample_ids: set[str] | None = None, brought: bool = False) -> pd.DataFrame:
    """Read and check a predictions table.

    Args:
        path: The file.
        n_classes: Number of expressions.
        sample_ids: Exactly the ids that every selection must have; None: not checked.
        brought: Whether predictions were made elsewhere, so that labels alone will do.

    Raises:
        FerBenchError: For missing, repeated or unknown ids, NaN or infinite logits, unknown classes or selections, or a
            ``y_pred`` that is not the largest logit.
    """
    bare = brought and not has_logits(header(path, remake=_REMAKE))
    table = schema(n_classes, logits=not bare).read(path)
    return _checked(table, n_classes=n_classes, where=str(path), sample_ids=sample_ids)


def _checked(table: pd.DataFrame, *, n_classes: int, where: str, sample_ids: set[str] | None = None) -> pd.DataFrame:
    if has_logits(table.columns):
        _finite(table, where)
    _known(table, n_classes, where)
    if has_logits(table.columns):
        _largest(table, where)
    if sample_ids is not None:
        for selection, rows in table.groupby("selection"):
            _same_ids(set(rows["sample_id"]), sample_ids, where=f"{where}, selection {selection}")
    return table


def _finite(table: pd.DataFrame, where: str) -> None:
    logits = table.filter(regex="^logit_").to_numpy(dtype=float)
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        first = table["sample_id"].iloc[int((~finite).argmax())]
        raise FerBenchError(
            f"{where}: {int((~finite).sum())} of {len(table)} rows have NaN or infinite logits; first: {first}",
            fix=f"the run diverged: lower its learning rate, then {_REMAKE}",
        )


def _largest(table: pd.DataFrame, where: str) -> None:
    """Check that no logit is larger than the predicted one; of equal ones brought predictions name either."""
    logits = table.filter(regex="^logit_").to_numpy(dtype=float)
    own = logits[np.arange(len(table)), table["y_pred"].to_numpy(dtype=int)]
    wrong = own < logits.max(axis=1, initial=-np.inf)
    if wrong.any():
        first = table["sample_id"].iloc[int(wrong.argmax())]
        raise FerBenchError(
            f"{where}: y_pred is not the largest logit in {int(wrong.sum())} rows; first: {first}",
            fix="y_pred must be the index of the row's largest logit_… column",
        )


def _known(table: pd.DataFrame, n_classes: int, where: str) -> None:
    unknown = sorted(set(table["selection"]) - set(SELECTIONS))
    if unknown:
        raise FerBenchError(f"{where}: unknown selection {', '.join(unknown)}", fix=f"one of: {', '.join(SELECTIONS)}")
    for column in ("y_true", "y_pred"):
        outside = table.loc[~table[column].between(0, n_classes - 1), "sample_id"]
        if len(outside):
            raise FerBenchError(
                f"{where}: {column} of {outside.iloc[0]} is no class; expected 0 to {n_classes - 1}",
                fix=f"classes are indices in the order {', '.join(expressions(n_classes))}",
            )


def _same_ids(found: set[str], expected: set[str], *, where: str) -> None:
    for ids, word, fix in (
        (expected - found, "missing", "the loader dropped samples: predict every reported sample, the last batch too"),
        (found - expected, "unknown", "these are no samples of the reported part; was the data set prepared anew?"),
    ):
        if ids:
            raise FerBenchError(
                f"{where}: {len(found & expected)} of {len(expected)} samples; {word} {', '.join(sorted(ids)[:3])}"
                f"{' …' if len(ids) > 3 else ''}",
                fix=fix,
            )
