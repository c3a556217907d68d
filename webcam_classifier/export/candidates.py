"""Choose among models for a device, by the Pareto frontier of accuracy against latency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.evaluation.intervals import wilson_interval

MUCH_FASTER = 0.75
"""Share of the time: a smaller gain is not worth a less accurate model or another input size."""

LARGEST_LOSS = 0.02
"""Share of correct answers that a recommended model may lose, even if more is not significant."""

NEARLY_ALL = 0.99
"""From this accuracy on, the pictures are too easy to show what a smaller size loses. All pictures
of one person's hands were classified correctly at 128 pixels; of another person's, 86 % were at
224 pixels and 48 % at 128."""

_Z_95 = 1.96  # standard deviations to either side that hold 95 % of a normal distribution


@dataclass(frozen=True, eq=False)
class Candidate:
    """A version of a model on a runtime, and what was measured of it.

    Attributes:
        precision: `fp32`, `fp16` or `int8`.
        size: The side of the square picture, in pixels.
        runs_on: The runtime, described for the user.
        milliseconds: For one prepared picture, the median of the rounds' shortest runs.
        best_milliseconds: The shortest of all runs.
        right: (pictures,) bool: which are classified correctly; if the truth is not known, which
            are classified as by the original.
        same: (pictures,) bool: which are classified as by the original.
        size_in_bytes: Of the file.
    """

    precision: str
    size: int
    runs_on: str
    milliseconds: float
    best_milliseconds: float
    right: NDArray[np.bool_]
    same: NDArray[np.bool_]
    size_in_bytes: int

    @property
    def accuracy(self) -> float:
        """Share of correct answers, 0 to 1."""
        return float(self.right.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the accuracy, if the pictures were independent."""
        return wilson_interval(int(self.right.sum()), len(self.right))

    @property
    def agreement(self) -> float:
        """Share of answers that equal the original's, 0 to 1."""
        return float(self.same.mean())

    @property
    def name(self) -> str:
        """The model, described for the user, such as 'int8, 160 pixels'."""
        return f"{self.precision}, {self.size} pixels"


def frontier(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the Pareto frontier: candidates that none beats in both accuracy and latency.

    Args:
        candidates: In any order.

    Returns:
        The fastest first.
    """
    found: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda one: (one.milliseconds, -one.accuracy)):
        if not found or candidate.accuracy > found[-1].accuracy:
            found.append(candidate)
    return found


def is_as_right(candidate: Candidate, best: Candidate) -> bool:
    """Whether a candidate is as accurate as another, as far as these pictures can show.

    The answers are paired, so the pictures on which they differ decide (the test of Q. McNemar,
    1947). The intervals of the two accuracies would overlap even for some significant losses.

    Args:
        candidate: The one in question.
        best: The more accurate one, measured on the same pictures.
    """
    lost = int((best.right & ~candidate.right).sum())
    won = int((candidate.right & ~best.right).sum())
    is_noise = lost - won <= _Z_95 * math.sqrt(lost + won)
    return is_noise and lost - won <= LARGEST_LOSS * len(best.right)


def recommend(candidates: Sequence[Candidate], today: Candidate) -> Candidate:
    """Choose the model as it is, unless another is more accurate, or as accurate and much faster.

    Another input size is chosen only if the pictures are hard enough to tell sizes apart.

    Args:
        candidates: What was measured.
        today: The model as it is, on its fastest runtime; one of the candidates.
    """
    if today.accuracy >= NEARLY_ALL:
        candidates = [one for one in candidates if one.size == today.size]
    best = max(candidates, key=lambda one: (one.accuracy, one is today, -one.milliseconds))
    chosen = today if is_as_right(today, best) else best
    as_right = [one for one in candidates if is_as_right(one, best)]
    for candidate in sorted(as_right, key=lambda one: (-one.accuracy, one.milliseconds)):
        if candidate.milliseconds < MUCH_FASTER * chosen.milliseconds:
            chosen = candidate
    return chosen
