"""``runs.csv``: one row per cell of the grid, failed ones too."""

from fer_bench.tables._schema import Schema

runs = Schema(
    name="runs table",
    columns={
        "dataset": "str",
        "method": "str",
        "seed": "int",
        "protocol": "str",
        "recipe": "str",
        "label_rule": "str",
        "weights": "str",  # none, timm:<tag>, or file:<name>
        "weights_digest": "str",
        "batch_mates": "str",  # independent, or coupled: logits depend on the batch, so samples were predicted singly
        "status": "str",  # ok, or failed
        "error": "str",
        "n_train": "int",
        "n_select": "int",
        "n_report": "int",
        "epochs": "int",
        "epoch_best_on_val": "int",
        "epoch_best_on_test": "int",
        "train_s": "float",
        "predict_s": "float",
        "peak_memory_mb": "float",
        "n_parameters": "int",
        "n_trainable": "int",
        "device": "str",
        "threads": "int",
        "commit": "str",
        "dirty": "bool",
    },
    key=("dataset", "method", "seed"),
    optional=frozenset(
        {
            "weights_digest", "error", "epochs", "epoch_best_on_val", "epoch_best_on_test", "peak_memory_mb",
            "n_parameters", "n_trainable", "predict_s", "train_s", "commit",
        }
    ),
    remake="fer-bench score",
)  # fmt: skip
