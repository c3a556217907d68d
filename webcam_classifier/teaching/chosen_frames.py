"""A burst of frames that somebody chose out of a video: one stretch of it, under one label."""

from __future__ import annotations

from dataclasses import dataclass

from webcam_classifier.dataset.bursts import Burst
from webcam_classifier.dataset.snapshot_quality import SnapshotQuality
from webcam_classifier.frame import BgrImage


@dataclass(frozen=True)
class ChosenFrame:
    """What became of one frame.

    Attributes:
        name: Of its file below the label's folder; empty where it was left out.
        reason: Why it was left out, in a few words; empty where it was not.
    """

    name: str
    reason: str = ""


class ChosenFrames:
    """One burst, and what its frames are held to.

    Args:
        label: What they show.
        keep_all: Whether dark, bright, blurred and repeated ones are taken too.
    """

    def __init__(self, label: str, keep_all: bool) -> None:
        self.burst = Burst(label)
        self._quality = None if keep_all else SnapshotQuality()

    def problem(self, image: BgrImage) -> str:
        """Say why a frame is not worth taking; empty where it is.

        Args:
            image: (height, width, 3) uint8.
        """
        problem = None if self._quality is None else self._quality.problem("", image)
        return "" if problem is None else problem.value

    def keep(self, image: BgrImage) -> None:
        """Compare the frames that follow with this one, which was taken."""
        if self._quality is not None:
            self._quality.keep("", image)
