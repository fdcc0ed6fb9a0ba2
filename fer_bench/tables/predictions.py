"""``predictions.csv``: the contract between training and scoring, one row per reported sample and selection.

Columns: ``sample_id, selection, y_true, y_pred, logit_<expression>…``. Logits, not probabilities: nothing has to
guess. A table with no rows belongs to a failed run.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from fer_bench.arrays import Labels, Logits
from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.protocols import SELECTIONS
from fer_bench.tables._schema import Schema, integer, number, text

_REMAKE = "fer-bench run METHOD --dataset DATASET --seed SEED"


def schema(n_classes: int) -> Schema:
    """Return the schema of predictions over the first ``n_classes`` expressions."""
    logit = number("unnormalised score of the expression, finite")
    return Schema(
        name="predictions table",
        columns={
            "sample_id": text("the data set's own name of the picture"),
            "selection": text("rule that chose the checkpoint: last, best_on_val, best_on_test"),
            "y_true": integer("true expression, index in expressions.py"),
            "y_pred": integer("predicted expression, index in expressions.py: the first largest logit"),
            **{f"logit_{name}": logit for name in expressions(n_classes)},
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
    schema(n_classes).write(_checked(table, where="predictions table"), path)


def read(path: Path, *, n_classes: int, sample_ids: set[str] | None = None) -> pd.DataFrame:
    """Read and check a predictions table.

    Args:
        path: The file.
        n_classes: Number of expressions.
        sample_ids: Exactly the ids that every selection must have; None: not checked.

    Raises:
        FerBenchError: For missing, repeated or unknown ids, NaN or infinite logits, unknown classes or selections, or a
            ``y_pred`` that is not the largest logit.
    """
    table = schema(n_classes).read(path)
    return _checked(table, where=str(path), sample_ids=sample_ids)


def _checked(table: pd.DataFrame, *, where: str, sample_ids: set[str] | None = None) -> pd.DataFrame:
    logits = table.filter(regex="^logit_").to_numpy(dtype=float)
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        first = table["sample_id"].iloc[int((~finite).argmax())]
        raise FerBenchError(
            f"{where}: {int((~finite).sum())} of {len(table)} rows have NaN or infinite logits; first: {first}",
            fix=f"the run diverged: lower its learning rate, then {_REMAKE}",
        )
    _known(table, where)
    wrong = table["y_pred"].to_numpy(dtype=int) != logits.argmax(axis=1) if len(table) else np.zeros(0, dtype=bool)
    if wrong.any():
        first = table["sample_id"].iloc[int(wrong.argmax())]
        raise FerBenchError(
            f"{where}: y_pred is not the largest logit in {int(wrong.sum())} rows; first: {first}",
            fix="y_pred must be the index of the row's largest logit_… column",
        )
    if sample_ids is not None:
        for selection, rows in table.groupby("selection"):
            _same_ids(set(rows["sample_id"]), sample_ids, where=f"{where}, selection {selection}")
    return table


def _known(table: pd.DataFrame, where: str) -> None:
    n_classes = len(table.filter(regex="^logit_").columns)
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
