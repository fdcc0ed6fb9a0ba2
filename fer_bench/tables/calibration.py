"""``calibration.csv``: how often predictions are right, by how sure they are; per run under the headline selection.

Confidence is the largest probability of a sample. Bins are of equal width and closed above, as in
``calibration_error``; empty ones are left out. Fractions.
"""

from fer_bench.tables._columns import DATASET, METHOD, SEED, SELECTION
from fer_bench.tables._schema import Schema, integer, number

calibration = Schema(
    name="calibration table",
    columns={
        "dataset": DATASET,
        "method": METHOD,
        "seed": SEED,
        "selection": SELECTION,
        "bin": integer("0 for confidences in (0, 1/15] … 14 for (14/15, 1]"),
        "n_samples": integer("samples in the bin, 1 or more"),
        "confidence": number("mean over the bin of the largest probability, fraction"),
        "accuracy": number("share of the bin that is right, fraction"),
    },
    key=("dataset", "method", "seed", "selection", "bin"),
    remake="fer-bench score",
)
"""The table."""
