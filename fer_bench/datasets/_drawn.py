"""Small pictures for toy copies: blotches that differ from picture to picture, and a bar that tells the expression.

The blotches are coarse, so that two pictures are no near-duplicates of each other.
"""

import numpy as np

from fer_bench import seeds


def picture(expression: int, number: int, side_px: int) -> np.ndarray:
    """Draw one picture, the same each time.

    Args:
        expression: Index of the expression, 0 to 7.
        number: Other numbers give other blotches.
        side_px: Its side, a multiple of 10.

    Returns:
        uint8 (side_px, side_px, 3).
    """
    generator = seeds.generator(0, "drawn", number)
    blotches = generator.integers(20, 180, size=(5, 5, 3))
    coarse = side_px // 5
    drawn = np.kron(blotches, np.ones((coarse, coarse, 1), dtype=np.int64))
    drawn += generator.integers(-15, 16, size=drawn.shape)
    top = side_px * (expression + 1) // 10
    drawn[top : top + side_px // 20, side_px // 4 : -side_px // 4] = 230
    return drawn.astype(np.uint8)
