"""Predictions tables of single runs, side by side: the same samples, the same true labels, one selection."""

from pathlib import Path

import pandas as pd

from fer_bench.errors import FerBenchError
from fer_bench.stats.pairs import Predicted
from fer_bench.tables import predictions

_PREFERRED = ("best_on_val", "last", "best_on_test")


def read_predicted(paths: list[Path], *, selection: str | None) -> Predicted:
    """Read predictions tables that are to be compared.

    Args:
        paths: Two or more files.
        selection: The selection; None: the first of best_on_val, last and best_on_test that all files have.

    Raises:
        FerBenchError: For fewer than two files, files with another number of expressions, other ids or other true
            labels, no common selection, or a table that does not fit.
    """
    if len(paths) < 2:
        raise FerBenchError("one file alone cannot be compared", fix="name two or more predictions tables")
    repeated = {path for path in paths if paths.count(path) > 1}
    if repeated:
        raise FerBenchError(f"{repeated.pop()} is named twice", fix="name each file once")
    tables = [_read(path) for path in paths]
    counts = [len(table.filter(regex="^logit_").columns) for table in tables]
    for path, n_classes in zip(paths, counts, strict=True):
        if n_classes != counts[0]:
            raise FerBenchError(
                f"{paths[0]} tells {counts[0]} expressions apart, {path} {n_classes}",
                fix="compare runs on the same expressions",
            )
    chosen = _selection(paths, tables, selection)
    parts = [table[table["selection"] == chosen].set_index("sample_id").sort_index() for table in tables]
    for path, part in zip(paths[1:], parts[1:], strict=True):
        _same_samples(paths[0], parts[0], path, part)
    stems = [path.stem for path in paths]
    names = [path.stem if stems.count(path.stem) == 1 else str(path) for path in paths]
    y_pred = {name: {0: part["y_pred"].to_numpy(dtype=int)} for name, part in zip(names, parts, strict=True)}
    return Predicted("files", chosen, counts[0], parts[0]["y_true"].to_numpy(dtype=int), y_pred)


def _read(path: Path) -> pd.DataFrame:
    try:
        header = list(pd.read_csv(path, nrows=0).columns)
    except FileNotFoundError:
        raise FerBenchError(f"no file {path}", fix="give the path of a predictions.csv") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise FerBenchError(f"{path}: not a CSV table: {error}", fix="give the path of a predictions.csv") from None
    n_classes = sum(str(name).startswith("logit_") for name in header)
    if not 2 <= n_classes <= 8:
        raise FerBenchError(
            f"{path}: {n_classes} columns logit_…; a predictions table has one for each of 2 to 8 expressions",
            fix="columns: sample_id, selection, y_true, y_pred, logit_neutral, logit_happiness, …",
        )
    table = predictions.read(path, n_classes=n_classes)
    if not len(table):
        raise FerBenchError(f"{path} has no rows: its run failed", fix="compare runs that ended well")
    return table


def _selection(paths: list[Path], tables: list[pd.DataFrame], wanted: str | None) -> str:
    held = [set(table["selection"]) for table in tables]
    common = set.intersection(*held)
    if wanted is None and common:
        return next(name for name in _PREFERRED if name in common)
    if wanted is not None and wanted in common:
        return wanted
    said = "; ".join(f"{path}: {', '.join(sorted(names))}" for path, names in zip(paths, held, strict=True))
    raise FerBenchError(
        f"the files have no {'common selection' if wanted is None else f'selection {wanted} in common'}: {said}",
        fix=f"--selection, one of: {', '.join(sorted(common))}" if common else "compare runs of one protocol",
    )


def _same_samples(path_a: Path, a: pd.DataFrame, path_b: Path, b: pd.DataFrame) -> None:
    only_a, only_b = sorted(set(a.index) - set(b.index)), sorted(set(b.index) - set(a.index))
    if only_a or only_b:
        said = [
            f"{len(ids)} only in {path} ({', '.join(ids[:3])}{' …' if len(ids) > 3 else ''})"
            for path, ids in ((path_a, only_a), (path_b, only_b))
            if ids
        ]
        raise FerBenchError(
            f"the files are not about the same samples: {'; '.join(said)}",
            fix="predict the same part of the same data set with both; ids are compared as text",
        )
    differs = a["y_true"].to_numpy(dtype=int) != b["y_true"].to_numpy(dtype=int)
    if differs.any():
        raise FerBenchError(
            f"{path_a} and {path_b} disagree about y_true of {int(differs.sum())} of {len(a)} samples; "
            f"first: {a.index[int(differs.argmax())]}",
            fix="score both against the same labels: the same data set, the same label rule",
        )
