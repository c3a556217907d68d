"""Top-k accuracy: whether the true label is among the likeliest few."""

from __future__ import annotations

from collections.abc import Sequence

from webcam_classifier.prediction import Prediction

TOP = 5
"""How many labels count for top-5 accuracy; with no more labels than this, every answer would be
right."""


def top_k_accuracy(
    predictions: Sequence[Prediction], truths: Sequence[str], count: int = TOP
) -> float | None:
    """Return the share of pictures whose label is among the likeliest ones.

    Args:
        predictions: One for each picture.
        truths: The right labels.
        count: How many of the likeliest labels are looked at.

    Returns:
        0 to 1; None where the model has no more labels than are looked at, or without pictures.
    """
    if not predictions or len(predictions[0].labels) <= count:
        return None
    hits = [
        truth in (label for label, _ in prediction.top(count))
        for prediction, truth in zip(predictions, truths, strict=True)
    ]
    return sum(hits) / len(hits)
