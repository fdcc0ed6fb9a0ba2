"""How often predictions are right, by how sure they are: the bins behind a reliability diagram."""

import numpy as np

from fer_bench.arrays import Labels, Logits
from fer_bench.metrics._known import N_BINS


def bins(y_true: Labels, y_pred: Labels, probabilities: Logits) -> list[dict[str, int | float]]:
    """Count one run's samples by their largest probability, in the bins of ``calibration_error``.

    Args:
        y_true: True labels.
        y_pred: Predicted labels.
        probabilities: Rows sum to 1.

    Returns:
        For each bin that holds samples: ``bin``, ``n_samples``, mean ``confidence``, ``accuracy``.

    Examples:
        >>> bins(np.array([1, 0]), np.array([1, 1]), np.array([[0.3, 0.7], [0.3, 0.7]]))
        [{'bin': 10, 'n_samples': 2, 'confidence': 0.7, 'accuracy': 0.5}]
    """
    confidence = probabilities.max(axis=1)
    place = np.searchsorted(np.linspace(0, 1, N_BINS + 1)[1:-1], confidence, side="left")
    found: list[dict[str, int | float]] = []
    for number in np.unique(place):
        held = place == number
        found.append(
            {
                "bin": int(number),
                "n_samples": int(held.sum()),
                "confidence": float(confidence[held].mean()),
                "accuracy": float((y_true == y_pred)[held].mean()),
            }
        )
    return found
