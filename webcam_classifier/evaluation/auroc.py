"""How well a score tells two kinds of pictures apart, whatever threshold is chosen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def auroc(negatives: NDArray[np.floating], positives: NDArray[np.floating]) -> float:
    """Return the area under the receiver operating characteristic curve.

    It is the chance that a positive has a higher score than a negative, where a tie counts half
    (the Mann-Whitney U statistic; T. Fawcett, "An introduction to ROC analysis", 2006).
    scikit-learn's `roc_auc_score` gives the same, and takes half a second to load.

    Args:
        negatives: (negatives,) scores of the pictures that should score low.
        positives: (positives,) scores of those that should score high.

    Returns:
        0 to 1.

    Raises:
        ValueError: There are none of one kind, or a score is not a number.
    """
    if not negatives.size or not positives.size:
        raise ValueError("an AUROC needs scores of both kinds")
    if np.isnan(negatives).any() or np.isnan(positives).any():
        raise ValueError("a score is not a number")
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, side="left")
    not_above = np.searchsorted(ordered, positives, side="right")
    return float((below + not_above).mean() / (2 * negatives.size))
