"""Writing down what audits found: one JSON, tables of ids, and the gate."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_bench import whole
from fer_bench.audits import Finding, worst
from fer_bench.datasets._store import Prepared
from fer_bench.tables import gate, reported
from fer_bench.tables.digests import Checked


def write(findings: Mapping[str, Finding], prepared: Prepared, results: Path, checked: Checked) -> Path:
    """Write a data set's findings; equal findings give equal bytes.

    Args:
        findings: By the audit's name.
        prepared: What was audited.
        results: The grid's folder of results.
        checked: Writes the digests.

    Returns:
        The JSON file, ``audits/<dataset>.json``. Tables stand beside it as ``<dataset>_<short name>.csv``.
    """
    info = prepared.info
    record: dict[str, Any] = {
        "dataset": info.name,
        "title": info.title,
        "n_images": info.n_images,
        "label_rule": info.label_rule,
        "official": info.official,
        "unofficial": info.unofficial,
        "samples_digest": info.samples_digest,
        "pixels_digest": info.pixels_digest,
        "status": worst([found.status for found in findings.values()]),
        "audits": {
            name: {"status": found.status, "why": found.why, "numbers": found.numbers}
            for name, found in findings.items()
        },
    }
    text = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    passed = gate.Gate(
        dataset=info.name,
        samples_digest=info.samples_digest,
        pixels_digest=info.pixels_digest,
        red=sorted(name for name, found in findings.items() if found.status == "red"),
    )
    with whole.together(results, f"audit-{info.name}") as new:
        for found in findings.values():
            for short, table in found.tables.items():
                content = table.to_csv(index=False, lineterminator="\n").encode()
                whole.write(new / "audits" / f"{info.name}_{short}.csv", content)
        reported.write(reported.of_samples(prepared.samples), reported.path_of(new, info.name))
        whole.write(new / "audits" / f"{info.name}.json", text.encode())
        gate.write(passed, gate.path_of(new, info.name))
        checked.write(new)
    return results / "audits" / f"{info.name}.json"
