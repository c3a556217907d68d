"""Confidence that means what it says: the temperature, and how far off confidences are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TEMPERATURES = (0.1, 1000.0)  # where it is looked for
_BINS = 10


@dataclass(frozen=True)
class ReliabilityBin:
    """Answers of about one confidence.

    Attributes:
        confidence: Their mean confidence, 0 to 1.
        accuracy: Share of them that were right, 0 to 1.
        count: How many they are, at least 1.
    """

    confidence: float
    accuracy: float
    count: int


def fit_temperature(logits: NDArray[np.floating], truths: NDArray[np.int64]) -> float:
    """Find what logits are to be divided by, so that nine of ten answers of 0.9 are right.

    The temperature (C. Guo et al., "On Calibration of Modern Neural Networks", 2017) makes
    pictures likeliest that were not learnt from. Where all of them are right, the likeliest
    would be none at all: as in Platt scaling ("Probabilistic Outputs for Support Vector
    Machines", 1999), one more picture is taken to be wrong than was.

    Args:
        logits: (pictures, labels), of pictures that were not learnt from.
        truths: (pictures,) index of the right label.

    Returns:
        Above 0; 1 where there are no pictures to fit it on.
    """
    if len(truths) == 0:
        return 1.0
    # Loaded only now: it takes longer than all else that a live picture needs to begin.
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    doubt = 1.0 / (len(truths) + 2.0)
    targets = np.full(logits.shape, doubt / (logits.shape[1] - 1))
    targets[np.arange(len(truths)), truths] = 1.0 - doubt

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-(targets * scaled).sum(axis=1).mean())

    best = minimize_scalar(loss, bounds=np.log(_TEMPERATURES), method="bounded")
    return float(np.exp(best.x))


def reliability(
    confidences: NDArray[np.floating], right: NDArray[np.bool_]
) -> tuple[ReliabilityBin, ...]:
    """Sort answers into ten bins of confidence, from 0 to 1; empty bins are left out.

    Args:
        confidences: (answers,) of the answer that was given, 0 to 1.
        right: (answers,) whether it was.
    """
    places = np.minimum((np.asarray(confidences) * _BINS).astype(np.int64), _BINS - 1)
    found = []
    for place in np.unique(places):
        members = places == place
        mean, share = float(confidences[members].mean()), float(right[members].mean())
        found.append(ReliabilityBin(mean, share, int(members.sum())))
    return tuple(found)


def expected_calibration_error(
    confidences: NDArray[np.floating], right: NDArray[np.bool_]
) -> float:
    """How far confidence is from accuracy, 0 to 1, as a mean over the bins of `reliability`.

    From M. P. Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
    2015. On n answers chance alone makes it about 0.3 / sqrt(n).

    Args:
        confidences: (answers,) of the answer that was given, 0 to 1.
        right: (answers,) whether it was.

    Returns:
        nan without answers.
    """
    if len(right) == 0:
        return float("nan")
    bins = reliability(confidences, right)
    return sum(abs(one.confidence - one.accuracy) * one.count for one in bins) / len(right)
