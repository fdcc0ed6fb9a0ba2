"""Subjects: people whose pictures stand in two splits, where the release says who is who.

``green``: nobody does, or subjects are not known. ``amber``: some do, as the release in its official form parts them.
``red``: some do in a copy that is not the release in its official form, or that has no official counts to be held to.
"""

from fer_bench.audits import Audit, Finding, Status
from fer_bench.audits.near_duplicates import official_form
from fer_bench.datasets._store import Prepared


def run(prepared: Prepared) -> Finding:
    """Count the subjects in more than one split."""
    known = prepared.samples.dropna(subset="subject")
    splits = known.groupby("subject")["split"].nunique()
    shared = sorted(str(name) for name in splits.index[splits > 1])
    affected = known["subject"].isin(shared)
    numbers = {
        "n_subjects": len(splits),
        "n_pictures_with_subject": len(known),
        "n_pictures": len(prepared.samples),
        "n_shared": len(shared),
        "n_pictures_of_shared": int(affected.sum()),
        "shared": shared,
    }
    if not len(known):
        return Finding(status="green", why="the release does not say who is who", numbers=numbers)
    status: Status = "green" if not shared else "amber" if official_form(prepared.info) else "red"
    return Finding(
        status=status,
        why=f"{len(shared)} of {len(splits)} people stand in more than one split, with {int(affected.sum())} pictures",
        numbers=numbers,
    )


audit = Audit(title="people in more than one split", run=run)
