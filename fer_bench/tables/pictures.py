"""Lists of pictures that an audit leaves beside its findings, as ``audits/<dataset>_<name>.csv``.

The audits lay these tables out themselves and print them as they are; the columns are those named here.
"""

from fer_bench.tables._schema import Schema, boolean, integer, number, text

_REMAKE = "fer-bench data audit DATASET"
_ONE_COPY = "where only one copy has the picture"

duplicates = Schema(
    name="list of duplicates",
    columns={
        "digest": text("SHA-256 of shape and pixels, first 16 hex digits: equal in a group of equal pictures"),
        "sample_id": text("the data set's own name of the picture"),
        "split": text("train, val or test"),
        "label": integer("expression, index in expressions.py; -1 where the label rule drops the sample"),
        "source": text("path or row in the release"),
    },
    key=("digest", "sample_id"),
    remake=_REMAKE,
)

near = Schema(
    name="list of near-duplicates",
    columns={
        "a": text("the data set's own name of the first picture"),
        "b": text("of the second, which shows the same photograph"),
        "split_a": text("split of the first"),
        "split_b": text("of the second"),
        "label_a": integer("expression of the first, index in expressions.py; -1 where the label rule drops it"),
        "label_b": integer("of the second"),
        "similarity": number("correlation of the fine structure after registration, at most 1"),
        "mirrored": boolean("whether one is the other's mirror image"),
        "scale": number("factor by which the first is enlarged to lie on the second"),
        "angle": number("degrees by which it is turned"),
        "shift": number("how far its middle moves, fraction of the picture's side"),
        "overlap": number("share of the picture on which both have pixels, fraction"),
    },
    key=("a", "b"),
    remake=_REMAKE,
)

difference = Schema(
    name="list of differences",
    columns={
        "a": text("name of the picture in the official copy", empty=_ONE_COPY),
        "b": text("name of the picture in this copy", empty=_ONE_COPY),
        "change": text("re-encoded, resized, re-aligned, unlike (another photograph), missing, added; or same"),
        "bits": integer("of 63, in which the perceptual hashes differ", empty=_ONE_COPY),
        "split_a": text("split in the official copy", empty=_ONE_COPY),
        "split_b": text("in this one", empty=_ONE_COPY),
        "label_a": text("the expression's name in the official copy", empty=f"{_ONE_COPY}, or the rule drops it"),
        "label_b": text("in this one", empty=f"{_ONE_COPY}, or the rule drops it"),
        "moved": boolean("whether it is in another split"),
        "relabelled": boolean("whether it has another label; False where the copies' label rules differ"),
    },
    key=("a", "b"),
    remake=_REMAKE,
)
