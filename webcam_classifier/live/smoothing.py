"""Make a steady label out of predictions that jitter from frame to frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from webcam_classifier.prediction import Prediction

_SCORE_REACH = 1.0  # to both sides of the threshold


@dataclass(frozen=True, eq=False)
class SteadyPrediction:
    """An average of the predictions so far, in which the latest count most.

    Attributes:
        prediction: The average; its probabilities sum to 1 like those it was made of.
        at: Seconds on the monotonic clock: when the latest of them was captured.
    """

    prediction: Prediction
    at: float


def smooth(
    before: SteadyPrediction | None, prediction: Prediction, at: float, seconds: float
) -> SteadyPrediction:
    """Take one more prediction into the exponential average.

    What was seen `seconds` ago counts e times less than what is seen now, however many frames
    came in between: a camera at 15 frames a second is as steady as one at 60.

    Args:
        before: What this function gave last; None at the start.
        prediction: Of the same model as those before; where the labels are others, it begins anew.
        at: Seconds on the monotonic clock: when its picture was captured.
        seconds: The time constant; 0 gives the prediction as it is.
    """
    if before is None or seconds <= 0 or before.prediction.labels != prediction.labels:
        return SteadyPrediction(prediction, at)
    kept = math.exp(-max(0.0, at - before.at) / seconds)
    average = kept * before.prediction.probabilities + (1 - kept) * prediction.probabilities
    mixed = replace(
        prediction,
        probabilities=average.astype(np.float32),
        unknown_score=_average_score(before.prediction, prediction, kept),
    )
    return SteadyPrediction(mixed, at)


def _average_score(before: Prediction, prediction: Prediction, kept: float) -> float | None:
    """Average the scores of unknown, so that one strange frame can't outvote all before it.

    A score has no upper end: a covered lens may have twenty times the threshold.
    """
    old, new, threshold = (
        before.unknown_score,
        prediction.unknown_score,
        prediction.unknown_threshold,
    )
    if old is None or new is None or threshold is None:
        return new
    lowest, highest = threshold - _SCORE_REACH, threshold + _SCORE_REACH
    return kept * min(max(old, lowest), highest) + (1 - kept) * min(max(new, lowest), highest)
