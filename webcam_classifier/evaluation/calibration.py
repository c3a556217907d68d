"""Calibration of confidences: temperature scaling, and the expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.evaluation.intervals import burst_interval

_TEMPERATURES = (0.1, 1000.0)  # where it is looked for
_BINS = 10
_SIMULATIONS = 1000
_BATCH = 4_000_000  # simulated answers at a time
_QUANTILE = 95.0  # per cent: one perfectly calibrated model in twenty is beyond


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
    """Fit the temperature that divides logits so that nine of ten answers of 0.9 are right.

    The temperature (C. Guo et al., "On Calibration of Modern Neural Networks", 2017) maximises the
    likelihood of pictures that were not trained on. If all of them are right, there would be no
    maximum: as in Platt scaling ("Probabilistic Outputs for Support Vector Machines", 1999), one
    more picture counts as wrong than was.

    Args:
        logits: (pictures, labels), of pictures that were not trained on.
        truths: (pictures,) index of the right label.

    Returns:
        Above 0; 1 without pictures to fit it on.
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
    places = _bins_of(confidences)
    found = []
    for place in np.unique(places):
        members = places == place
        mean, share = float(confidences[members].mean()), float(right[members].mean())
        found.append(ReliabilityBin(mean, share, int(members.sum())))
    return tuple(found)


def expected_calibration_error(
    confidences: NDArray[np.floating], right: NDArray[np.bool_]
) -> float:
    """The mean difference between confidence and accuracy, 0 to 1, over the bins of `reliability`.

    From M. P. Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
    2015. With few answers it is never 0: `chance_calibration_error` gives its value by chance.

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


def chance_calibration_error(
    confidences: NDArray[np.floating],
    right: NDArray[np.bool_],
    bursts: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> float:
    """The calibration error by chance alone: an error below it is not significant.

    A perfectly calibrated model with these very confidences is simulated (J. Bröcker and L. A.
    Smith, "Increasing the Reliability of Reliability Diagrams", 2007), and the 95th percentile of
    its expected calibration error is taken. That holds for independent answers. The answers of a
    burst are right or wrong together, so chance gives more. If bursts are known, the largest of
    three is returned: that percentile; the same with the residuals, right or not less the
    confidence, flipped by whole bursts (wild cluster bootstrap, A. C. Cameron, J. B. Gelbach and D.
    L. Miller, 2008); and the accuracy's distance from the end of its interval over bursts that is
    on the confidence's side, for bursts that are all right by luck leave no residuals to flip. With
    fewer than six bursts it is hardly ever exceeded.

    Args:
        confidences: (answers,) of the answer that was given, 0 to 1.
        right: (answers,) whether it was.
        bursts: (answers,) the number of each one's burst; None takes all to be independent.
        seed: The same gives the same error.

    Returns:
        0 to 1; nan without answers.
    """
    count = len(right)
    if count == 0:
        return float("nan")
    generator = np.random.default_rng(seed)
    chances = np.asarray(confidences, dtype=np.float64)
    of_bin = (_bins_of(chances)[:, np.newaxis] == np.arange(_BINS)).astype(np.float64)
    batches = np.array_split(np.arange(_SIMULATIONS), -(-_SIMULATIONS * count // _BATCH))
    errors = [
        np.abs(((generator.random((len(batch), count)) < chances) - chances) @ of_bin).sum(axis=1)
        for batch in batches
    ]
    found = np.percentile(np.concatenate(errors), _QUANTILE) / count
    if bursts is not None:
        numbers, places = np.unique(bursts, return_inverse=True)
        of_burst = np.zeros((len(numbers), _BINS))
        np.add.at(of_burst, places, of_bin * (right - chances)[:, np.newaxis])
        signs = generator.choice((-1.0, 1.0), (_SIMULATIONS, len(numbers)))
        flipped = np.abs(signs @ of_burst).sum(axis=1)
        found = max(
            found, np.percentile(flipped, _QUANTILE) / count, _reach(chances, right, places)
        )
    return float(found)


def _reach(
    chances: NDArray[np.float64], right: NDArray[np.bool_], bursts: NDArray[np.int64]
) -> float:
    """How far the accuracy may be off towards the mean confidence, 0 to 1."""
    counts = np.bincount(bursts)
    interval = burst_interval(
        np.stack([np.bincount(bursts[right], minlength=len(counts)), counts], axis=1)
    )
    if interval is None:
        return 1.0
    accuracy = float(right.mean())
    return interval[1] - accuracy if chances.mean() > accuracy else accuracy - interval[0]


def _bins_of(confidences: NDArray[np.floating]) -> NDArray[np.int64]:
    return np.minimum((np.asarray(confidences) * _BINS).astype(np.int64), _BINS - 1)
