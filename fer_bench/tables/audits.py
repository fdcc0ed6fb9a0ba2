"""``audits/<dataset>.json``: what the audits found, and the mark that follows from it.

A mark is what every table and figure has to say about a data set: that it is an unofficial copy, a part of the
release, or contaminated. In the ordinary case there is none.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from fer_bench import given
from fer_bench.params import Prepare


class Audited(msgspec.Struct, frozen=True, kw_only=True):
    """An audit file, as far as numbers and their marks need it.

    Attributes:
        audits: Audit name to its ``status``, ``why`` and ``numbers``.
        official: ``complete`` or ``part`` of the release by its official counts; ``none``: there are no official
            counts; absent in files of fer-bench 0.1, which did not ask.
        unofficial: Why this is not the release in its official form; empty where it is.
    """

    audits: dict[str, dict[str, Any]]
    official: Literal["complete", "part", "none"] | None = None
    unofficial: str = ""

    @property
    def red(self) -> list[str]:
        """Names of the audits that are red."""
        return sorted(name for name, found in self.audits.items() if found.get("status") == "red")


def read(path: Path) -> Audited:
    """Read an audit file.

    Raises:
        FerBenchError: If it is not JSON or does not fit.
    """
    fix = f"make it anew: fer-bench data audit {path.stem}"
    found: Audited = given.json(path, Audited, what="what an audit writes", missing=f"no file {path}", fix=fix)
    return found


def read_all(prepare: Mapping[str, Prepare], folder: Path) -> dict[str, Audited]:
    """Read the audit files of a grid's data sets; one that was not audited is absent.

    Args:
        prepare: The grid's data sets.
        folder: The grid's folder of results.

    Raises:
        FerBenchError: As :func:`read`.
    """
    paths = {name: folder / "audits" / f"{name}.json" for name in prepare}
    return {name: read(path) for name, path in paths.items() if path.exists()}


def marks(prepare: Mapping[str, Prepare], audited: Mapping[str, Audited]) -> dict[str, str]:
    """Return the mark of every data set that has one; a data set that was not audited has none.

    Args:
        prepare: The grid's data sets.
        audited: Of :func:`read_all`.
    """
    found = {name: _mark(one, accepted=prepare[name].accept == "contaminated") for name, one in audited.items()}
    return {name: f"{name}: {said}" for name, said in found.items() if said}


def _mark(audited: Audited, *, accepted: bool) -> str:
    said = []
    if audited.official is None:
        said.append("audited by a version that did not ask for the official form")
    if audited.official == "part":
        said.append("part of the release")
    origin = audited.audits.get("origin", {})
    if audited.unofficial and origin.get("status") != "green":
        compared = origin.get("numbers", {}).get("fingerprint") is not None
        how = (
            "that differs from the official fingerprint" if compared else "never compared with an official fingerprint"
        )
        said.append(f"unofficial copy{' ' if compared else ', '}{how}")
    if audited.red:
        said.append(f"contaminated ({', '.join(audited.red)}), {'' if accepted else 'not '}accepted in params.yaml")
    return "; ".join(said)
