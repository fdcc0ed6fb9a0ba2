"""Counts: how many samples of each expression stand in each split, beside the release's own counts.

``green``: they are the release's, or the data set has none to compare with. ``amber``: only a part was asked for, or
an expression that is tested has no training sample. ``red``: they are other counts.
"""

from fer_bench import registry
from fer_bench.audits import Audit, Finding, Status
from fer_bench.datasets import Dataset
from fer_bench.datasets._store import DROPPED, Prepared, count, read_options
from fer_bench.expressions import expressions


def run(prepared: Prepared) -> Finding:
    """Count the samples table and compare."""
    info = prepared.info
    dataset: Dataset = registry.load("datasets", info.reader)
    official = dataset.official_counts(read_options(prepared.name, info.options, dataset.options))
    found = count(prepared.samples, info.n_classes)
    names = expressions(info.n_classes)
    expected = {split: dict(zip(names, row, strict=True)) for split, row in (official or {}).items()}
    differing = [
        f"{split} {name} {found[split][name]} of {row[name]}"
        for split, row in expected.items()
        for name in names
        if found[split][name] != row[name]
    ]
    untrained = [name for name in names if found["test"][name] and not found["train"][name]]
    status, why = _judge(has_official=official is not None, part=info.official == "part", differing=differing)
    if untrained:
        status = status if status == "red" else "amber"
        why += f"; tested without a training sample: {', '.join(untrained)}"
    n_dropped = sum(row[DROPPED] for row in found.values())
    return Finding(
        status=status,
        why=f"{why}; {info.n_images} pictures, {n_dropped} of them without a label under {info.label_rule}",
        numbers={"found": found, "official": expected or None, "differing": differing, "untrained": untrained},
    )


def _judge(*, has_official: bool, part: bool, differing: list[str]) -> tuple[Status, str]:
    if not has_official:
        return "green", "the data set has no official counts"
    if not differing:
        return "green", "every split and expression has the official count"
    said = "; ".join(differing[:3]) + ("; …" if len(differing) > 3 else "")
    if part:
        return "amber", f"a part of the release, as its options allow ({said})"
    return "red", f"counts are not the release's ({said})"


audit = Audit(title="samples per split and expression, against the release", run=run)
