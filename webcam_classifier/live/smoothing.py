"""Make a steady label out of predictions that jitter from frame to frame.

A hidden Markov filter in continuous time: its states are the labels and unknown, which change now
and then by themselves, and each frame is evidence as long as the time that it stands for. So it is
as steady at 10 frames a second as at 60. The constants are the best of those that
`benchmarks/steadiness.py` tried; on the same sequences an exponential average changes wrongly a
hundred times as often at the same delay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.prediction import Prediction

# All times are shares of the seconds that smoothing takes.
_CHANGE_RATE = 0.15  # how often what is shown changes by itself, in the filter's view
_SURE_TIME = 0.073  # in which sure frames make a label e times as likely
_LONGEST_FRAME = 0.5  # that a frame counts for; without it, 10 a second change wrongly more often
_SURE_LOG_RATIO = 1.5  # of two probabilities; from there on a frame is as sure as it can be
_SCORE_SLOPE = 2.0  # log odds of unknown, for each 1 of the score above its threshold
_SCORE_REACH = 1.0  # to both sides of the threshold; a covered lens may have twenty times of it
_UNKNOWN_WEIGHT = 0.15  # a hand that moves is blurred, and looks unknown for a moment
_SETTLED = 0.9  # how likely another label must be before it takes over
_AVERAGE_TIME = 2.0  # over which the probabilities are averaged that are shown

Belief = NDArray[np.float64]
"""(labels + 1,): how likely each label is by all frames so far, and unknown at the end."""


@dataclass(frozen=True, eq=False)
class SteadyPrediction:
    """What the predictions so far come to.

    Attributes:
        prediction: The steady label, and how sure the frames have been since it took over.
        belief: Which label it is, by all frames so far.
        at: Seconds on the monotonic clock: when the latest of them was captured.
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
        prediction: Of the same model as those before; where the labels are others, it begins anew.
        at: Seconds on the monotonic clock: when its picture was captured.
        seconds: How long a clear change takes to be believed, about; unknown takes two to three
            times as long.
            0 takes each prediction as it is.
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
        # At the moment of a change an average would have about a half, however sure the frames.
        return SteadyPrediction(prediction, belief, at)
    average = _mix(before.prediction, prediction, math.exp(-elapsed / _AVERAGE_TIME))
    # Where the frames have begun to say something else, how sure they were stands still.
    shown = average if _state(average) == steady else before.prediction
    return SteadyPrediction(shown, belief, at)


def _state(prediction: Prediction) -> int:
    """The place of the label; after the last one for unknown, and where there are no labels."""
    if prediction.is_unknown or not prediction.labels:
        return len(prediction.labels)
    return int(np.argmax(prediction.probabilities))


def _update(belief: Belief, prediction: Prediction, elapsed: float) -> Belief:
    """Let time pass, and weigh in a frame that stands for it."""
    states = len(belief)
    if states == 1:
        return belief
    forgotten = -math.expm1(-_CHANGE_RATE * elapsed * states / (states - 1))
    expected = (1 - forgotten) * belief + forgotten / states
    evidence = _evidence(prediction) * min(elapsed, _LONGEST_FRAME) / _SURE_TIME
    posterior = expected * np.exp(evidence - evidence.max())
    return np.asarray(posterior / posterior.sum())


def _evidence(prediction: Prediction) -> Belief:
    """How much a frame speaks for each state, against the best: -1 to 0 for labels."""
    probabilities = np.maximum(prediction.probabilities.astype(np.float64), 1e-9)
    labels = np.log(probabilities / probabilities.max()) / _SURE_LOG_RATIO
    labels = np.maximum(labels, -1.0)
    score, threshold = prediction.unknown_score, prediction.unknown_threshold
    if score is None or threshold is None:
        return np.append(labels, -1.0)
    above = 1.0 if math.isnan(score) else score - threshold  # what is not a number is unknown
    log_odds = _SCORE_SLOPE * min(max(above, -_SCORE_REACH), _SCORE_REACH)
    # What is of no label says nothing about which label it is.
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
    """Average the scores of unknown, so that one outlier can't outvote all before it."""
    old, new, threshold = (
        before.unknown_score,
        prediction.unknown_score,
        prediction.unknown_threshold,
    )
    if old is None or new is None or threshold is None:
        return new
    lowest, highest = threshold - _SCORE_REACH, threshold + _SCORE_REACH
    return kept * min(max(old, lowest), highest) + (1 - kept) * min(max(new, lowest), highest)
