"""A burst of frames chosen from a video: one stretch of it, for one label."""

from __future__ import annotations

from dataclasses import dataclass

from webcam_classifier.dataset.bursts import Burst
from webcam_classifier.dataset.snapshot_quality import SnapshotQuality
from webcam_classifier.frame import BgrImage


@dataclass(frozen=True)
class ChosenFrame:
    """The outcome for one frame.

    Attributes:
        name: The file's path below the label's folder; empty if the frame was left out.
        reason: Why it was left out, in a few words; empty if it was not.
    """

    name: str
    reason: str = ""


class ChosenFrames:
    """One burst, and the quality check for its frames.

    Args:
        label: What the frames show.
        keep_all: Whether to take dark, bright, blurred and repeated frames too.
    """

    def __init__(self, label: str, keep_all: bool) -> None:
        self.burst = Burst(label)
        self._quality = None if keep_all else SnapshotQuality()

    def problem(self, image: BgrImage) -> str:
        """Return why a frame is not worth taking; empty if it is.

        Args:
            image: (height, width, 3) uint8.
        """
        problem = None if self._quality is None else self._quality.problem("", image)
        return "" if problem is None else problem.value

    def keep(self, image: BgrImage) -> None:
        """Note that a frame was taken: the next ones are compared with it."""
        if self._quality is not None:
            self._quality.keep("", image)
