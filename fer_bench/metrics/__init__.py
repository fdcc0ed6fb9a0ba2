"""Metrics, one file each: ``fer_bench/metrics/<name>.py`` registers ``metric = Metric(…)``.

The first metrics are functions of the confusion matrix alone; that is what makes their bootstrap cheap.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric, as the harness knows it.

    Attributes:
        title: As printed.
        of_confusion: ``(..., k, k)`` counts (rows: true, columns: predicted) to ``(...)`` values; vectorised over the
        front. range: Smallest and largest possible value. higher_is_better: Direction.
    """

    title: str
    of_confusion: Callable[[np.ndarray], np.ndarray]
    range: tuple[float, float]
    higher_is_better: bool
