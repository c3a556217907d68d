"""Make a steady label out of predictions that jitter from frame to frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from webcam_classifier.prediction import Prediction

_SCORE_REACH = 1.0  # to both sides of the threshold


@dataclass(frozen=True, eq=False)
class SteadyPrediction:
    """What the predictions so far come to: an average decides the label, another says how sure.

    At the moment when one label overtakes another in an average, both have about a half, however
    sure the frames are. So how sure is averaged anew from each change of the label.

    Attributes:
        average: Of all predictions so far, the latest counting most; it decides the label.
        since_change: The same of those since the label changed last.
        at: Seconds on the monotonic clock: when the latest of them was captured.
    """

    average: Prediction
    since_change: Prediction
    at: float

    @property
    def prediction(self) -> Prediction:
        """The label of the average, as sure as the frames since it changed."""
        if _verdict(self.since_change) == _verdict(self.average):
            return self.since_change
        return self.average  # the frames themselves do not agree on it yet


def smooth(
    before: SteadyPrediction | None, prediction: Prediction, at: float, seconds: float
) -> SteadyPrediction:
    """Take one more prediction into the exponential averages.

    What was seen `seconds` ago counts e times less than what is seen now, however many frames
    came in between: a camera at 15 frames a second is as steady as one at 60.

    Args:
        before: What this function returned last; None at the start.
        prediction: Of the same model as those before; where the labels are others, it begins anew.
        at: Seconds on the monotonic clock: when its picture was captured.
        seconds: The time constant; 0 takes each prediction as it is.
    """
    if before is None or seconds <= 0 or before.average.labels != prediction.labels:
        return SteadyPrediction(prediction, prediction, at)
    kept = math.exp(-max(0.0, at - before.at) / seconds)
    average = _mix(before.average, prediction, kept)
    since_change = _mix(before.since_change, prediction, kept)
    has_changed = _verdict(average) != _verdict(before.average)
    if has_changed or _verdict(since_change) != _verdict(average):
        since_change = prediction
    return SteadyPrediction(average, since_change, at)


def _verdict(prediction: Prediction) -> str | None:
    """The label, None where it is unknown or there is none yet."""
    return None if prediction.is_unknown or not prediction.labels else prediction.label


def _mix(before: Prediction, prediction: Prediction, kept: float) -> Prediction:
    average = kept * before.probabilities + (1 - kept) * prediction.probabilities
    return replace(
        prediction,
        probabilities=average.astype(np.float32),
        unknown_score=_average_score(before, prediction, kept),
    )


def _average_score(before: Prediction, prediction: Prediction, kept: float) -> float | None:
    """Average the scores of unknown, so that one outlier can't outvote all before it.

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
