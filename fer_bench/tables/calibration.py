"""``calibration.csv``: how often predictions are right, by how sure they are; per run under the headline selection.

Confidence is the largest probability of a sample. Bins are of equal width and closed above, as in
``calibration_error``; empty ones are left out. Fractions.
"""

from fer_bench.tables._schema import Schema

calibration = Schema(
    name="calibration table",
    columns={
        "dataset": "str",
        "method": "str",
        "seed": "int",
        "selection": "str",
        "bin": "int",  # 0 for (0, 1/15] … 14 for (14/15, 1]
        "n_samples": "int",
        "confidence": "float",  # mean over the bin
        "accuracy": "float",  # share of the bin that is right
    },
    key=("dataset", "method", "seed", "selection", "bin"),
    remake="fer-bench score",
)
"""The table."""
