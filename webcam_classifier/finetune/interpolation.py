"""How far to go from the start towards the trained network: chosen on pictures that were left out.

Weight interpolation is that of WiSE-FT (M. Wortsman et al., "Robust fine-tuning of zero-shot
models", 2022). Training fits the people and the room that it sees. With a few snapshots that is
all it learns, with hundreds of pictures of many people it is worth going all the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.evaluation.calibration import fit_temperature

WEIGHTS = (0.25, 0.5, 0.75, 1.0)
"""Of the trained network, that are tried; 0 is the start, a head on the frozen network."""

UNMEASURED = 0.5
"""The weight where no pictures were left out. On people and rooms never seen halfway was no worse
than the start in four of five cases, and all the way in three (benchmarks/README.md)."""

_FEWEST_BURSTS = 3  # fewer have no spread to speak of


@dataclass(frozen=True)
class InterpolationChoice:
    """Which network is kept, and what speaks for it.

    Attributes:
        weight: Of the trained network, 0 to 1; 0 is the start.
        start_right: Pictures that the start gets right.
        right: Pictures that what is kept gets right.
        count: Of pictures.
        lead: How much less likely the start makes the right labels, in nats a burst. Of the weight
            that was chosen, or of the best one where the start is kept; NaN where too few bursts
            were left out.
        noise: Standard error of that lead; NaN likewise.
    """

    weight: float
    start_right: int
    right: int
    count: int
    lead: float
    noise: float

    def describe(self) -> str:
        """Say in a sentence what was chosen and why."""
        if self.weight > 0.0:
            return (
                f"{self.weight:.0%} of the way from the head to the trained network: "
                f"{self.right} of {self.count} validation pictures right, the head "
                f"{self.start_right}"
            )
        if np.isnan(self.lead):
            return (
                "a head, as too few recordings were left out to tell whether trained layers are "
                "better: record each label in three more places or at three more times"
            )
        return (
            "a head, as trained layers were not better by more than chance: the head has "
            f"{self.start_right} of {self.count} validation pictures right"
        )


def choose_interpolation(
    start_logits: NDArray[np.floating],
    logits: Sequence[NDArray[np.floating]],
    truths: NDArray[np.int64],
    bursts: NDArray[np.int64],
) -> InterpolationChoice:
    """Choose a weight by how likely the right labels are, each network at its own temperature.

    Pictures of one burst are near copies, so a burst counts as one. A weight is taken only where
    its lead over the start is larger than the standard error of that lead (L. Breiman et al.,
    "Classification and Regression Trees", 1984, had the same rule), and it gets no fewer pictures
    right.

    Args:
        start_logits: (pictures, labels), of the start.
        logits: The same for each of `WEIGHTS`.
        truths: (pictures,) index of the right label.
        bursts: (pictures,) the burst of each.
    """
    _, numbers = np.unique(bursts, return_inverse=True)
    count = int(numbers.max(initial=-1)) + 1
    start_right = int((start_logits.argmax(axis=1) == truths).sum())
    start_losses = _burst_losses(start_logits, truths, numbers, count)
    kept = InterpolationChoice(0.0, start_right, start_right, len(truths), np.nan, np.nan)
    if count < _FEWEST_BURSTS:
        return kept
    best_refused = -np.inf
    for weight, asked in zip(WEIGHTS, logits, strict=True):
        leads = start_losses - _burst_losses(asked, truths, numbers, count)
        lead, noise = float(leads.mean()), float(leads.std(ddof=1) / np.sqrt(count))
        right = int((asked.argmax(axis=1) == truths).sum())
        if lead > noise and right >= start_right:
            if kept.weight == 0.0 or lead > kept.lead:
                kept = InterpolationChoice(weight, start_right, right, len(truths), lead, noise)
        elif kept.weight == 0.0 and lead > best_refused:
            best_refused = lead
            kept = InterpolationChoice(0.0, start_right, start_right, len(truths), lead, noise)
    return kept


def _burst_losses(
    logits: NDArray[np.floating], truths: NDArray[np.int64], numbers: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """The mean cross entropy of each burst's pictures, at the temperature of all."""
    scores = logits.astype(np.float64) / fit_temperature(logits, truths)
    scores -= scores.max(axis=1, keepdims=True)
    losses = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(truths)), truths]
    sums = np.bincount(numbers, weights=losses, minlength=count)
    return np.asarray(sums / np.bincount(numbers, minlength=count))
