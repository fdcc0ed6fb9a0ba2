"""``audits/<dataset>_twins.csv``: samples that show the same photograph as a sample of another split.

One row per ordered pair. An exact twin is equal pixel for pixel; a near twin is the same photograph mirrored, resized,
recompressed, turned, cropped or otherwise altered (:mod:`fer_bench.audits.near_duplicates`).
"""

from fer_bench.tables._schema import Schema

twins = Schema(
    name="twins table",
    columns={
        "sample_id": "str",
        "split": "str",
        "twin_id": "str",
        "twin_split": "str",  # never the sample's own
        "kind": "str",  # exact, or near
        "similarity": "float",  # 1 for exact twins; else as near_duplicates measures it
        "label": "int",  # -1 where the label rule drops the sample
        "twin_label": "int",
    },
    key=("sample_id", "twin_id"),
    remake="fer-bench data audit DATASET",
)
