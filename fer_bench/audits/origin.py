"""Origin: whether the copy is the release, by its form, and by the official fingerprint where there is one.

``green``: the release in its official form, or a copy whose every picture, split and label is that of the official
fingerprint. ``amber``: a part; pictures that were re-encoded or resized; or up to one in a thousand that are unlike the
release's or labelled otherwise. ``red``: an unofficial copy that nobody has compared; pictures added, moved between
splits, aligned otherwise, or more that are unlike or relabelled.
"""

import pandas as pd

from fer_bench.audits import Audit, Finding, Status
from fer_bench.datasets import _difference, _fingerprint
from fer_bench.datasets._store import Info, Prepared

_FEW = 0.001


def run(prepared: Prepared) -> Finding:
    """Compare with the official fingerprint; without one, go by the form."""
    info = prepared.info
    official = _fingerprint.official(info.reader)
    if official is None:
        status, why = _by_form(info)
        return Finding(
            status=status,
            why=why,
            numbers={"fingerprint": None, "unofficial": info.unofficial},
            tables={"difference": pd.DataFrame(columns=list(_difference.COLUMNS))},
        )
    table = _difference.difference(official, _fingerprint.of(prepared))
    found = _difference.summary(table)
    compared = official.head.label_rule == info.label_rule
    status = _by_comparison(found, n=len(table), part=info.official == "part")
    return Finding(
        status=status,
        why=_why(found, compared=compared, info=info),
        numbers={"fingerprint": found, "labels_compared": compared, "unofficial": info.unofficial},
        tables={"difference": _shown(table)},
    )


def _by_form(info: Info) -> tuple[Status, str]:
    if info.unofficial:
        return "red", f"unofficial copy, never compared with an official fingerprint: {info.unofficial}"
    if info.official == "part":
        return "amber", "a part of the release, as its options allow; no official fingerprint to compare it with"
    return "green", "in the form of the release; no official fingerprint to compare pixels with"


def _by_comparison(found: dict[str, int], *, n: int, part: bool) -> Status:
    wrong = found["unlike"] + found["relabelled"]
    if found["added"] or found["moved"] or found["re-aligned"] > _FEW * n or wrong > _FEW * n:
        return "red"
    if found["missing"] > _FEW * n and not part:
        return "red"
    return "amber" if sum(found.values()) > found["same"] else "green"


def _why(found: dict[str, int], *, compared: bool, info: Info) -> str:
    said = ", ".join(f"{number} {change}" for change, number in found.items() if number)
    labels = "" if compared else "; labels were not compared, since the fingerprint has another label rule"
    form = f" ({info.unofficial.removesuffix('.')})" if info.unofficial else ""
    return f"against the official fingerprint{form}: {said}{labels}"


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that differ."""
    return table[(table["change"] != "same") | table["moved"] | table["relabelled"]].reset_index(drop=True)


audit = Audit(title="whether the copy is the release", run=run)
