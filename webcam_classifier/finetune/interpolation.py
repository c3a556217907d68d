"""Interpolate weights between the start and the trained network, chosen on left-out pictures.

Weight interpolation is that of WiSE-FT (M. Wortsman et al., "Robust fine-tuning of zero-shot
models", 2022). Training fits the people and the room in its pictures. With a few snapshots that is
all it learns; with hundreds of pictures of many people, the trained network is best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.evaluation.calibration import fit_temperature
from webcam_classifier.percentage import percentage

WEIGHTS = (0.25, 0.5, 0.75, 1.0)
"""Of the trained network, that are tried; 0 is the start, a head on the frozen network."""

UNMEASURED = 0.5
"""The weight if no pictures were left out. On people, rooms and photographs never seen, halfway was
better than the head in six of ten cases, and all the way in seven (benchmarks/README.md)."""

_FEWEST_BURSTS = 3  # fewer have no spread to speak of
_ROUNDING = 1.0 - 1e-9  # one burst lost, and none gained, is exactly one standard error


@dataclass(frozen=True)
class InterpolationChoice:
    """Which network is kept, and the evidence for it.

    Attributes:
        weight: Of the trained network, 0 to 1; 0 is the start.
        start_right: Pictures that the start gets right.
        right: Pictures that the kept network gets right.
        count: Of pictures.
        lead: The gain in log-likelihood of the true labels over the start, in nats per burst. Of
            the weight that was chosen, or of the best one if the start is kept; NaN if too few
            bursts were left out.
        noise: Standard error of that lead; NaN likewise.
    """

    weight: float
    start_right: int
    right: int
    count: int
    lead: float
    noise: float

    def describe(self) -> str:
        """Describe the choice and its reason in one sentence."""
        if self.weight > 0.0:
            return (
                f"{percentage(self.weight, 0)} of the way from the head to the trained network: "
                f"{self.right} of {self.count} validation pictures correct, the head "
                f"{self.start_right}"
            )
        if np.isnan(self.lead):
            return (
                "a head, as too few recordings were left out to tell whether trained layers are "
                "better: record each label in three more places or at three more times"
            )
        if self.start_right == self.count:
            return (
                f"a head, as it has all {self.count} validation pictures correct: no gain of "
                "trained layers could be seen"
            )
        return (
            "a head, as trained layers were not better by more than chance: the head has "
            f"{self.start_right} of {self.count} validation pictures correct"
        )


@dataclass(frozen=True)
class WeightComparison:
    """One weight against the start, on left-out pictures.

    Attributes:
        weight: Of the trained network, one of `WEIGHTS`.
        right: Pictures that it gets right.
        lead: The gain in log-likelihood of the true labels over the start, in nats per burst.
        noise: Standard error of that lead.
        drop: By how much its accuracy is lower, the mean over bursts; negative if it is higher.
        drop_noise: Standard error of that drop.
    """

    weight: float
    right: int
    lead: float
    noise: float
    drop: float
    drop_noise: float

    @property
    def is_better(self) -> bool:
        """Whether its lead is more than chance, and its loss of correct answers no more."""
        return self.lead > self.noise and (
            self.drop <= 0.0 or self.drop < _ROUNDING * self.drop_noise
        )


def choose_interpolation(
    start_logits: NDArray[np.floating],
    logits: Sequence[NDArray[np.floating]],
    truths: NDArray[np.int64],
    bursts: NDArray[np.int64],
) -> InterpolationChoice:
    """Choose a weight by how likely the right labels are, each network at its own temperature.

    Pictures of one burst are near duplicates, so a burst counts as one. A weight is chosen only if
    its lead over the start is larger than the standard error of that lead (L. Breiman et al.,
    "Classification and Regression Trees", 1984, had the same rule), and if it gets no fewer
    pictures right, except for a drop smaller than its own standard error: a single one of hundreds
    of pictures says nothing. If the start gets them all right, a gain could not be seen, but there
    is something to lose: trained on one person's recordings, a network calls two thirds of another
    person's pictures unknown, and the head a tenth (benchmarks/README.md).

    Args:
        start_logits: (pictures, labels), of the start.
        logits: The same for each of `WEIGHTS`.
        truths: (pictures,) index of the right label.
        bursts: (pictures,) the burst of each.
    """
    start_right = int((start_logits.argmax(axis=1) == truths).sum())
    compared = compare_weights(start_logits, logits, truths, bursts)
    if not compared:
        return InterpolationChoice(0.0, start_right, start_right, len(truths), np.nan, np.nan)
    has_all = start_right == len(truths)
    better = [one for one in compared if one.is_better and not has_all]
    best = max(better or compared, key=lambda one: one.lead)
    weight, right = (best.weight, best.right) if better else (0.0, start_right)
    return InterpolationChoice(weight, start_right, right, len(truths), best.lead, best.noise)


def compare_weights(
    start_logits: NDArray[np.floating],
    logits: Sequence[NDArray[np.floating]],
    truths: NDArray[np.int64],
    bursts: NDArray[np.int64],
) -> tuple[WeightComparison, ...]:
    """Compare each weight with the start; empty if too few bursts were left out.

    Args:
        start_logits: (pictures, labels), of the start.
        logits: The same for each of `WEIGHTS`.
        truths: (pictures,) index of the right label.
        bursts: (pictures,) the burst of each.
    """
    _, numbers = np.unique(bursts, return_inverse=True)
    count = int(numbers.max(initial=-1)) + 1
    if count < _FEWEST_BURSTS:
        return ()
    start_losses = _burst_losses(start_logits, truths, numbers, count)
    start_right = start_logits.argmax(axis=1) == truths
    compared = []
    for weight, asked in zip(WEIGHTS, logits, strict=True):
        right = asked.argmax(axis=1) == truths
        leads = start_losses - _burst_losses(asked, truths, numbers, count)
        lost = np.bincount(numbers, weights=start_right.astype(float) - right, minlength=count)
        drops = lost / np.bincount(numbers)
        figures = (*_mean_and_error(leads), *_mean_and_error(drops))
        compared.append(WeightComparison(weight, int(right.sum()), *figures))
    return tuple(compared)


def _mean_and_error(values: NDArray[np.float64]) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))


def _burst_losses(
    logits: NDArray[np.floating], truths: NDArray[np.int64], numbers: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """The mean cross entropy of each burst's pictures, at the temperature of all."""
    scores = logits.astype(np.float64) / fit_temperature(logits, truths)
    scores -= scores.max(axis=1, keepdims=True)
    losses = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(truths)), truths]
    sums = np.bincount(numbers, weights=losses, minlength=count)
    return np.asarray(sums / np.bincount(numbers, minlength=count))
