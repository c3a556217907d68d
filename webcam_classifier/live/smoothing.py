"""Make a steady label out of predictions that jitter from frame to frame.

This is a hidden Markov filter in continuous time. Its states are the labels and unknown, which
change now and then by themselves, and a frame counts as evidence in proportion to the time that it
stands for. So it is as steady at 10 frames a second as at 60. The constants are the best of those
that `benchmarks/smoothing.py` tried; on the same sequences, an exponential average with the same
delay makes a hundred times as many wrong changes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.prediction import Prediction

# All times are in units of the smoothing time.
_CHANGE_RATE = 0.15  # how often the filter expects the true label to change
_SURE_TIME = 0.073  # in this time, confident frames make a label e times as likely
_LONGEST_FRAME = 0.5  # the most a frame counts for; without it, 10 a second are less steady
_SURE_LOG_RATIO = 1.5  # log ratio of two probabilities from which a frame counts in full
_SCORE_SLOPE = 2.0  # log odds of unknown per unit of the score above its threshold
_SCORE_REACH = 1.0  # the score is clipped to this distance from the threshold; it may be 20
_UNKNOWN_WEIGHT = 0.15  # a hand that moves is blurred, and looks unknown for a moment
_SETTLED = 0.9  # how likely another label must be before it takes over
_AVERAGE_TIME = 2.0  # time constant of the average of the probabilities shown

Belief = NDArray[np.float64]
"""(labels + 1,) float64: how likely each label is given all frames so far; the last is unknown."""


@dataclass(frozen=True, eq=False)
class SteadyPrediction:
    """The state of the filter after the predictions so far.

    Attributes:
        prediction: The steady label, with the probabilities averaged since it took over.
        belief: How likely each label is, given all frames so far.
        at: When the latest frame was captured, in seconds.
    """

    prediction: Prediction
    belief: Belief
    at: float


def smooth(
    before: SteadyPrediction | None, prediction: Prediction, at: float, seconds: float
) -> SteadyPrediction:
    """Take one more prediction into account.

    Args:
        before: What this function returned last; None at the start.
        prediction: For the next frame; if its labels differ from the earlier ones, the filter
            starts again.
        at: When the frame was captured, in seconds.
        seconds: Roughly how long a clear change takes to be accepted; a change to unknown takes two
            to three times as long. 0 takes each prediction as it is.
    """
    if before is None or seconds <= 0 or before.prediction.labels != prediction.labels:
        states = len(prediction.labels) + 1
        return SteadyPrediction(
            prediction, _update(np.full(states, 1 / states), prediction, 1.0), at
        )
    elapsed = max(0.0, at - before.at) / seconds
    belief = _update(before.belief, prediction, elapsed)
    steady, likeliest = _state(before.prediction), int(np.argmax(belief))
    is_new = likeliest != steady and belief[likeliest] >= _SETTLED
    if is_new and _state(prediction) == likeliest:
        # At a change, an average would be near one half, however confident the frames are.
        return SteadyPrediction(prediction, belief, at)
    average = _mix(before.prediction, prediction, math.exp(-elapsed / _AVERAGE_TIME))
    # If the frames begin to disagree with the label, its confidence is kept as it was.
    shown = average if _state(average) == steady else before.prediction
    return SteadyPrediction(shown, belief, at)


def _state(prediction: Prediction) -> int:
    """Return the index of the label; that after the last one for unknown or without labels."""
    if prediction.is_unknown or not prediction.labels:
        return len(prediction.labels)
    return int(np.argmax(prediction.probabilities))


def _update(belief: Belief, prediction: Prediction, elapsed: float) -> Belief:
    """Let time pass, then apply the evidence of a frame that stands for that time."""
    states = len(belief)
    if states == 1:
        return belief
    forgotten = -math.expm1(-_CHANGE_RATE * elapsed * states / (states - 1))
    expected = (1 - forgotten) * belief + forgotten / states
    evidence = _evidence(prediction) * min(elapsed, _LONGEST_FRAME) / _SURE_TIME
    posterior = expected * np.exp(evidence - evidence.max())
    return np.asarray(posterior / posterior.sum())


def _evidence(prediction: Prediction) -> Belief:
    """Return a frame's evidence for each state, relative to the best label: -1 to 0 for labels."""
    probabilities = np.maximum(prediction.probabilities.astype(np.float64), 1e-9)
    labels = np.log(probabilities / probabilities.max()) / _SURE_LOG_RATIO
    labels = np.maximum(labels, -1.0)
    score, threshold = prediction.unknown_score, prediction.unknown_threshold
    if score is None or threshold is None:
        return np.append(labels, -1.0)
    above = 1.0 if math.isnan(score) else score - threshold  # not a number counts as unknown
    log_odds = _SCORE_SLOPE * min(max(above, -_SCORE_REACH), _SCORE_REACH)
    # The more a frame looks unknown, the less it says about which label it is.
    labels *= 1 / (1 + math.exp(log_odds))
    unknown = min(max(log_odds / _SURE_LOG_RATIO, -1.0), 1.0)
    return np.append(labels, unknown * _UNKNOWN_WEIGHT if unknown > 0 else unknown)


def _mix(before: Prediction, prediction: Prediction, kept: float) -> Prediction:
    average = kept * before.probabilities + (1 - kept) * prediction.probabilities
    return replace(
        prediction,
        probabilities=average.astype(np.float32),
        unknown_score=_average_score(before, prediction, kept),
    )


def _average_score(before: Prediction, prediction: Prediction, kept: float) -> float | None:
    """Average the unknown scores, clipped so that one outlier can't outweigh all earlier frames."""
    old, new, threshold = (
        before.unknown_score,
        prediction.unknown_score,
        prediction.unknown_threshold,
    )
    if old is None or new is None or threshold is None:
        return new
    lowest, highest = threshold - _SCORE_REACH, threshold + _SCORE_REACH
    return kept * min(max(old, lowest), highest) + (1 - kept) * min(max(new, lowest), highest)
