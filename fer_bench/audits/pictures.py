"""Pictures: blank ones, and pictures too small to show an expression. Unreadable ones are refused when preparing.

``green``: none. ``amber``: some are blank (a standard deviation of grey levels of 2 or less), or all are smaller than
32 pixels. ``red``: more than 1 % of the labelled pictures are blank: the copy is damaged.
"""

import numpy as np

from fer_bench.audits import Audit, Finding, Status
from fer_bench.audits._near import BLANK_SD
from fer_bench.datasets._store import Prepared

TINY_PX = 32
_DAMAGED = 0.01


def run(prepared: Prepared) -> Finding:
    """Look at every picture."""
    samples = prepared.samples
    spread = np.array([float(np.asarray(image, dtype=np.float32).std()) for image in prepared.images])
    blank = spread <= BLANK_SD
    labelled = samples["label"].to_numpy(dtype=np.int64) >= 0
    n_labelled = int((blank & labelled).sum())
    height, width = prepared.info.image_shape[:2]
    tiny = min(height, width) < TINY_PX
    status: Status = "amber" if blank.any() or tiny else "green"
    if n_labelled > _DAMAGED * max(1, int(labelled.sum())):
        status = "red"
    size = f"all are {width}×{height} pixels" + ("; too small to tell expressions well" if tiny else "")
    return Finding(
        status=status,
        why=f"{int(blank.sum())} of {len(samples)} pictures are blank, {n_labelled} of them labelled; {size}",
        numbers={
            "n_blank": int(blank.sum()),
            "n_constant": int((spread == 0).sum()),
            "n_blank_labelled": n_labelled,
            "blank": sorted(samples["sample_id"][blank]),
            "width_px": int(width),
            "height_px": int(height),
        },
    )


audit = Audit(title="blank and tiny pictures", run=run)
