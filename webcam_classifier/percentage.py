"""Write a ratio as a percentage, as all texts for people do."""

from __future__ import annotations


def percentage(ratio: float, decimals: int = 1) -> str:
    """Format a ratio, such as an accuracy of 0.974, as `97.4 %`.

    Args:
        ratio: 0 to 1; more where it compares two quantities.
        decimals: How many digits follow the point.
    """
    return f"{100 * ratio:.{decimals}f} %"
