"""Every random stream comes from a run's one seed and a name: streams neither collide nor depend on call order."""

import hashlib

import numpy as np


def derive(seed: int, *names: object) -> int:
    """Return a 31-bit seed for the stream that ``names`` name.

    Args:
        seed: The run's seed.
        *names: What the stream is for, e.g. ``"epoch", 3``.

    Examples:
        >>> derive(0, "init") == derive(0, "init"), derive(0, "init") == derive(1, "init")
        (True, False)
    """
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def generator(seed: int, *names: object) -> np.random.Generator:
    """Return a NumPy generator for the stream that ``names`` name."""
    return np.random.default_rng(derive(seed, *names))
