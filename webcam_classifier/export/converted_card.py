"""The card of a converted model: the original's, with the conversion and its check."""

from __future__ import annotations

from dataclasses import replace

from webcam_classifier.export.agreement import Comparison
from webcam_classifier.model_card import ModelCard
from webcam_classifier.percentage import percentage


def converted_card(
    card: ModelCard, precision: str, done: str, comparison: Comparison | None = None
) -> ModelCard:
    """Return the card of a converted model.

    Args:
        card: The original's.
        precision: Of the converted model.
        done: How it was converted, in words.
        comparison: The check; its accuracy, if it has one, replaces the original's.
    """
    if comparison is None:
        return replace(card, precision=precision, history=(*card.history, done))
    equal = percentage(comparison.equal)
    step = f"{done}; {equal} of {comparison.count} answers equal to the original's"
    if comparison.changed_sides is not None:
        step += f"; {comparison.changed_sides} of them unknown to one of both alone"
    if not comparison.agrees:
        step += f"; kept all the same: {comparison.describe_disagreement()}"
    evaluation = comparison.evaluations[1]
    if not evaluation.count:
        step += "; the accuracy is the original's"
        return replace(card, precision=precision, history=(*card.history, step))
    return replace(
        card,
        precision=precision,
        history=(*card.history, step),
        accuracy=evaluation.accuracy,
        accuracy_count=evaluation.count,
    )
