"""Types of the arrays that cross functions: mypy sees arrays, the test run also checks shape and dtype.

Letters: ``n`` samples, ``k`` expressions, ``s`` seeds, ``b`` bootstrap resamples, ``m`` methods, ``c h w`` image.
"""

from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

Labels: TypeAlias = Int[np.ndarray, "n"]
"""Indices of expressions in the order of :mod:`fer_bench.expressions`."""

Logits: TypeAlias = Float[np.ndarray, "n k"]
"""Unnormalised scores."""

Correct: TypeAlias = Bool[np.ndarray, "n"]
"""Whether each sample's prediction is right."""

Confusion: TypeAlias = Int[np.ndarray, "k k"]
"""Counts; rows: true, columns: predicted."""

Confusions: TypeAlias = Int[np.ndarray, "... k k"] | Float[np.ndarray, "... k k"]
"""A stack of confusion matrices; counts, or shares of counts where an error is spread over expressions."""

SeedLabels: TypeAlias = Int[np.ndarray, "s n"]
"""Predicted labels; a row per seed, samples in one order."""

SeedValues: TypeAlias = Float[np.ndarray, "s"]
"""One value per seed."""

SeedSamples: TypeAlias = Float[np.ndarray, "s n"]
"""One value per seed and sample."""

Resamples: TypeAlias = Float[np.ndarray, "b"]
"""One value per resample."""

SeedResamples: TypeAlias = Float[np.ndarray, "s b"]
"""One value per seed and resample."""

PValues: TypeAlias = Float[np.ndarray, "p"]
"""One p-value per test."""

Images: TypeAlias = UInt8[np.ndarray, "n h w"] | UInt8[np.ndarray, "n h w 3"]
"""Decoded pictures: grey, or RGB."""

ImageBatch: TypeAlias = Float[Any, "n 3 h w"]
"""A torch tensor of RGB pictures in [0, 1] (``Any``: numbers need no torch)."""

LogitBatch: TypeAlias = Float[Any, "n k"]
"""A torch tensor of logits."""
