"""Writing down what audits found: one JSON, tables of ids, and the gate."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_bench.audits import Finding, worst
from fer_bench.datasets._store import Prepared
from fer_bench.tables import gate, reported


def write(findings: Mapping[str, Finding], prepared: Prepared, results: Path) -> Path:
    """Write a data set's findings; equal findings give equal bytes.

    Args:
        findings: By the audit's name.
        prepared: What was audited.
        results: The grid's folder of results.

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
    folder = results / "audits"
    folder.mkdir(parents=True, exist_ok=True)
    for found in findings.values():
        for short, table in found.tables.items():
            table.to_csv(folder / f"{info.name}_{short}.csv", index=False, lineterminator="\n")
    reported.write(reported.of_samples(prepared.samples), reported.path_of(results, info.name))
    path = folder / f"{info.name}.json"
    path.write_text(json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    passed = gate.Gate(
        dataset=info.name,
        samples_digest=info.samples_digest,
        pixels_digest=info.pixels_digest,
        red=sorted(name for name, found in findings.items() if found.status == "red"),
    )
    gate.write(passed, gate.path_of(results, info.name))
    return path
