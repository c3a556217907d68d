"""Write a ratio as a percentage, as all texts for people do."""

from __future__ import annotations


def percentage(ratio: float, decimals: int = 1) -> str:
    """Format a ratio of what was counted, such as an accuracy of 0.974, as `97.4 %`.

    It is 100 % only where it is all of them, and 0 % only where it is none: without decimals, 239
    of 240 are 99 %, and 1 of 240 is 1 %.

    Args:
        ratio: 0 to 1; more where it compares two quantities.
        decimals: How many digits follow the point.
    """
    smallest = 10.0**-decimals
    if 0.0 < ratio < 1.0:
        ratio = min(max(ratio, smallest / 100.0), 1.0 - smallest / 100.0)
    return rounded_percentage(ratio, decimals)


def rounded_percentage(ratio: float, decimals: int = 1) -> str:
    """Format what is never exactly 0 or 1, such as a probability, to the nearest percentage.

    Args:
        ratio: 0 to 1.
        decimals: How many digits follow the point.
    """
    return f"{100 * ratio:.{decimals}f} %"
