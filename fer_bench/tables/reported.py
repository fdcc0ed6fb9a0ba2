"""``audits/<dataset>_reported.csv``: what else is known of the samples that may be reported: persons and votes.

One row per sample of the test split. It is small enough to be committed, so that intervals over persons and the
resampling of annotators can be recomputed where the data set is not.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from fer_bench.tables import samples as samples_table
from fer_bench.tables._schema import Schema, header, text

_REMAKE = "fer-bench data audit DATASET"


def path_of(results: Path, dataset: str) -> Path:
    """Return where a grid keeps a data set's table."""
    return results / "audits" / f"{dataset}_reported.csv"


def schema(votes: tuple[str, ...]) -> Schema:
    """Return the schema of a table with these ``votes_…`` columns."""
    return Schema(
        name="table of reported samples",
        columns={
            "sample_id": text("the data set's own name of the picture"),
            "subject": text("the person", empty="where unknown"),
            **dict.fromkeys(votes, samples_table.VOTES),
        },
        key=("sample_id",),
        remake=_REMAKE,
    )


def of_samples(table: pd.DataFrame) -> pd.DataFrame:
    """Return what a samples table knows of its test split."""
    votes = samples_table.vote_columns(list(table.columns))
    kept = table.loc[table["split"] == "test", ["sample_id", "subject", *votes]]
    return schema(votes).check(kept, where="samples table")


def write(table: pd.DataFrame, path: Path) -> None:
    """Check, sort and write a table.

    Raises:
        FerBenchError: If it does not fit.
    """
    schema(samples_table.vote_columns(list(table.columns))).write(table, path)


def read(path: Path) -> pd.DataFrame:
    """Read and check a table.

    Raises:
        FerBenchError: If it is missing or does not fit.
    """
    return schema(samples_table.vote_columns(header(path, remake=_REMAKE))).read(path)


def subjects(table: pd.DataFrame, sample_ids: list[str]) -> np.ndarray | None:
    """Return the person of each sample, as an index; None where any is not known or the table lacks one of them."""
    found = table.set_index("sample_id")["subject"].reindex(sample_ids)
    return None if found.isna().any() else np.asarray(pd.factorize(found)[0], dtype=int)


def votes(table: pd.DataFrame, sample_ids: list[str]) -> np.ndarray | None:
    """Return each sample's votes (n, v); None where annotators are not known or the table lacks a sample."""
    columns = list(samples_table.vote_columns(list(table.columns)))
    found = table.set_index("sample_id")[columns].reindex(sample_ids)
    return None if not columns or found.isna().any(axis=None) else found.to_numpy(dtype=int)
