"""``audits/<dataset>_gate.json``: which data were audited, and which audits are red. Training reads it, nothing else.

It is a file of its own so that an audit that words or counts something anew retrains nothing.
"""

from pathlib import Path

import msgspec

from fer_bench import given, whole
from fer_bench.errors import FerBenchError


class Gate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an audit lets pass.

    Attributes:
        dataset: The data set's name.
        samples_digest: Of the samples table that was audited, as :class:`fer_bench.datasets._store.Info`.
        pixels_digest: Of its pictures.
        red: Names of the audits that are red; empty: the data may be used.
    """

    dataset: str
    samples_digest: str
    pixels_digest: str
    red: list[str]


def path_of(results: Path, dataset: str) -> Path:
    """Return where a grid keeps a data set's gate."""
    return results / "audits" / f"{dataset}_gate.json"


def write(gate: Gate, path: Path) -> None:
    """Write a gate."""
    whole.write(path, msgspec.json.format(msgspec.json.encode(gate), indent=1) + b"\n")


def check(path: Path, *, dataset: str, samples_digest: str, pixels_digest: str, accepted: bool) -> None:
    """Refuse data that were not audited, or that an audit found to be red.

    Args:
        path: Of :func:`path_of`.
        dataset: The data set's name.
        samples_digest: Of the data that are to be trained on.
        pixels_digest: Likewise.
        accepted: Whether the grid says ``accept: contaminated``.

    Raises:
        FerBenchError: If there is no gate, it is of other data, or it is red and not accepted.
    """
    again = f"fer-bench data audit {dataset}"
    missing = f"{dataset} was not audited: no {path}"
    gate: Gate = given.json(path, Gate, what="what an audit writes", missing=missing, fix=again)
    if (gate.dataset, gate.samples_digest, gate.pixels_digest) != (dataset, samples_digest, pixels_digest):
        raise FerBenchError(f"{path}: other data were audited than those that are prepared now", fix=again)
    if gate.red and not accepted:
        raise FerBenchError(
            f"{dataset}: {', '.join(gate.red)} red in {path.with_name(f'{dataset}.json')}; nothing is trained on it",
            fix=f"get the release as it is (fer-bench describe dataset {dataset}), or say prepare.{dataset}.accept: "
            "contaminated in the grid's file; every table then says so",
        )
