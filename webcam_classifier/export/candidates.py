"""Candidates for a device: the Pareto frontier of accuracy against latency, and which to take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.evaluation.intervals import wilson_interval

MUCH_FASTER = 0.75
"""Of the time: less of a gain is not worth a model that is less right or another input size."""

LARGEST_LOSS = 0.02
"""Of the answers: more is never recommended, also where the pictures are too few to be sure."""

NEARLY_ALL = 0.99
"""From this accuracy on pictures are too easy to show what smaller ones would lose. Of one person's
hands, all were classified correctly at 128 pixels; of another's 86 % at 224, and 48 % at 128."""

_Z_95 = 1.96  # standard deviations that hold 95 % of a normal distribution


@dataclass(frozen=True, eq=False)
class Candidate:
    """A way to run a model that was measured.

    Attributes:
        precision: `fp32`, `fp16` or `int8`.
        size: The side of the square picture, in pixels.
        runs_on: The runtime, for a person.
        milliseconds: For one prepared picture, the median of the rounds' shortest runs.
        best_milliseconds: The shortest of all.
        right: (pictures,) bool: which are classified correctly; where the truth is not known, as
            the original classifies them.
        same: (pictures,) bool: which are answered as the original does.
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
        """Share of right answers, 0 to 1."""
        return float(self.right.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true accuracy lies with 95 % confidence, were the pictures independent."""
        return wilson_interval(int(self.right.sum()), len(self.right))

    @property
    def agreement(self) -> float:
        """Share of the answers that are the original's, 0 to 1."""
        return float(self.same.mean())

    @property
    def name(self) -> str:
        """The model for a person, such as 'int8, 160 pixels'."""
        return f"{self.precision}, {self.size} pixels"


def frontier(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The Pareto frontier: candidates that no other one beats in both accuracy and latency.

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
    """Whether one is as right as another, as far as the same pictures can show.

    What counts is on how many pictures they differ: an interval round each figure alone would let
    a loss pass that the pairs prove (the test of Q. McNemar, 1947).

    Args:
        candidate: The one in question.
        best: The more right one.
    """
    lost = int((best.right & ~candidate.right).sum())
    won = int((candidate.right & ~best.right).sum())
    is_noise = lost - won <= _Z_95 * math.sqrt(lost + won)
    return is_noise and lost - won <= LARGEST_LOSS * len(best.right)


def recommend(candidates: Sequence[Candidate], today: Candidate) -> Candidate:
    """Choose: the model as it is, unless another is more right, or as right and much faster.

    Another input size is chosen only where the pictures are hard enough to tell sizes apart.

    Args:
        candidates: What was measured.
        today: The model as it is, where it runs fastest; one of them.
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
