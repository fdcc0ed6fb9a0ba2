"""``metrics.json``: a grid's headline numbers as ``dvc metrics show`` and ``dvc metrics diff`` read them.

``dataset → method → metric → estimate, low, high``, and ``n`` and ``seeds`` of the method; fractions. A method that
keeps no checkpoint under the headline selection (fitted in one go) stands with ``last``.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from fer_bench import whole


def write(intervals: pd.DataFrame, path: Path, *, headline: str) -> None:
    """Write the numbers of every method over all its seeds.

    Args:
        intervals: The intervals table.
        path: The file.
        headline: The protocol's own selection.
    """
    found: dict[str, Any] = {}
    keys = ["dataset", "method", "metric"]
    chosen = intervals[intervals["selection"].isin([headline, "last"])]
    chosen = chosen.assign(_rank=chosen["selection"] == headline).sort_values([*keys, "_rank", "n_seeds"])
    for row in chosen.drop_duplicates(keys, keep="last").to_dict("records"):
        of_method = found.setdefault(row["dataset"], {}).setdefault(row["method"], {})
        of_method[row["metric"]] = {name: float(f"{row[name]:.9g}") for name in ("estimate", "low", "high")}
        of_method |= {"n": int(row["n_samples"]), "seeds": int(row["n_seeds"])}
    whole.write(path, (json.dumps(found, indent=1, sort_keys=True) + "\n").encode())
