"""``audits/<dataset>_twins.csv``: samples that show the same photograph as a sample of another split.

One row per ordered pair. An exact twin is equal pixel for pixel; a near twin is the same photograph mirrored, resized,
recompressed, turned, cropped or otherwise altered (:mod:`fer_bench.audits.near_duplicates`).
"""

from fer_bench.tables._columns import SAMPLE_ID
from fer_bench.tables._schema import Schema, integer, number, text

twins = Schema(
    name="twins table",
    columns={
        "sample_id": SAMPLE_ID,
        "split": text("its split: train, val, test"),
        "twin_id": text("the sample that shows the same photograph"),
        "twin_split": text("its split, never the sample's own"),
        "kind": text("exact: equal pixel for pixel; near: altered"),
        "similarity": number("1 for exact twins, else correlation of the fine structure after registration, at most 1"),
        "label": integer("the sample's expression, index in expressions.py; -1 where the label rule drops it"),
        "twin_label": integer("the twin's, likewise"),
    },
    key=("sample_id", "twin_id"),
    remake="fer-bench data audit DATASET",
)
