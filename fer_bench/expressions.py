"""The one order of expressions, used in every table, array and figure.

It is the order of FERPlus' vote vector (Barsoum et al. 2016, arXiv:1608.01041). Data sets with seven expressions use
the first seven: they have no contempt.
"""

EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")


def expressions(n_classes: int) -> tuple[str, ...]:
    """Return the names of the first ``n_classes`` expressions.

    Args:
        n_classes: 2 to 8.

    Raises:
        ValueError: If there is no such number of expressions.

    Examples:
        >>> expressions(7)[-1]
        'fear'
    """
    if not 2 <= n_classes <= len(EXPRESSIONS):
        message = f"n_classes must be 2 to {len(EXPRESSIONS)}, not {n_classes}"
        raise ValueError(message)
    return EXPRESSIONS[:n_classes]
