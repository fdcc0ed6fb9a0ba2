"""``confusions.csv``: how often each expression was predicted as each, per run and selection; zeros are left out."""

from fer_bench.tables._columns import DATASET, METHOD, SEED, SELECTION, Y_PRED, Y_TRUE
from fer_bench.tables._schema import Schema, integer

confusions = Schema(
    name="confusions table",
    columns={
        "dataset": DATASET,
        "method": METHOD,
        "seed": SEED,
        "selection": SELECTION,
        "y_true": Y_TRUE,
        "y_pred": Y_PRED,
        "count": integer("samples with this pair of true and predicted expression, 1 or more"),
    },
    key=("dataset", "method", "seed", "selection", "y_true", "y_pred"),
    remake="fer-bench score",
)
