"""Find snapshots that are useless for training: too dark, too bright, blurred or repeated."""

from __future__ import annotations

from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.frame import BgrImage
from webcam_classifier.preprocess import shrink

_DARKEST_MEAN, _BRIGHTEST_MEAN = 30.0, 235.0  # grey levels of 255

# Blur is judged at about the size at which the network sees the picture, and by the direction
# that is blurred more, since a moving hand blurs along its way only. Measured on 2200 pictures
# of hands: the least sharp gives 0.27 %; blurred by 2.5 % of its width, nearly all give less
# than 0.25 %, and smeared by 10 % of it three of four.
_JUDGED_SIDE = 160  # pixels of the shorter side
_SMALLEST_JUDGED = 80  # pixels; a smaller picture has no detail to lose
_LEAST_SHARPNESS = 0.0025
_LEAST_STRUCTURE = 20.0  # variance; below it, as on a bare wall, there is nothing to be sharp

# Cells, not pixels, are compared: their mean takes the camera's noise away. A shift of the whole
# scene by two pixels of 640 changes 1.5 % of them.
_CELLS = (32, 24)  # width, height
_CHANGED_LEVELS = 8  # grey levels of 255
_LEAST_CHANGED = 0.005  # share of the cells

_Grey = NDArray[np.uint8]  # (height, width)


class SnapshotProblem(Enum):
    """Why a snapshot is not worth keeping; the value is what a person reads."""

    TOO_DARK = "too dark"
    TOO_BRIGHT = "too bright"
    BLURRED = "blurred"
    NEARLY_THE_SAME = "nearly the same as the last"


class SnapshotQuality:
    """Judges snapshots, and remembers the last one kept of each label."""

    def __init__(self) -> None:
        self._last_kept: dict[str, NDArray[np.int16]] = {}

    def problem(self, label: str, image: BgrImage) -> SnapshotProblem | None:
        """Judge a picture that may be recorded for a label; `keep` must follow if it is.

        Args:
            label: Compared is only with the last picture of the same label.
            image: (height, width, 3) uint8.

        Returns:
            What is wrong with it, or None.
        """
        grey = _small_grey(image)
        problem = _problem_of(grey)
        if problem is not None:
            return problem
        last = self._last_kept.get(label)
        if last is not None and _nearly_equal(last, _cells(grey)):
            return SnapshotProblem.NEARLY_THE_SAME
        return None

    def keep(self, label: str, image: BgrImage) -> None:
        """Remember a picture as the last one of its label."""
        self._last_kept[label] = _cells(_small_grey(image))

    def forget(self, label: str) -> None:
        """Forget the last picture of a label, because it was undone."""
        self._last_kept.pop(label, None)


def snapshot_problem(image: BgrImage) -> SnapshotProblem | None:
    """Judge a picture by itself: whether it is too dark, too bright or blurred.

    Args:
        image: (height, width, 3) uint8.
    """
    return _problem_of(_small_grey(image))


def _problem_of(grey: _Grey) -> SnapshotProblem | None:
    exposure = _exposure_problem(grey)
    if exposure is None and _is_blurred(grey):
        return SnapshotProblem.BLURRED
    return exposure


def _small_grey(image: BgrImage) -> _Grey:
    grey = cv2.cvtColor(shrink(image, _JUDGED_SIDE), cv2.COLOR_BGR2GRAY)
    height, width = grey.shape
    scale = min(1.0, _JUDGED_SIDE / min(height, width))  # enlarged, it would look blurred
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _exposure_problem(grey: _Grey) -> SnapshotProblem | None:
    mean = float(grey.mean())
    if mean < _DARKEST_MEAN:
        return SnapshotProblem.TOO_DARK
    if mean > _BRIGHTEST_MEAN:
        return SnapshotProblem.TOO_BRIGHT
    return None


def _is_blurred(grey: _Grey) -> bool:
    """Compare the finest detail with the coarse shapes, which blur leaves."""
    if min(grey.shape) < _SMALLEST_JUDGED:
        return False
    values = grey.astype(np.float32)
    shapes = cv2.blur(values, (7, 7)) - cv2.blur(values, (41, 41))
    structure = float(np.var(shapes))
    if structure < _LEAST_STRUCTURE:
        return False
    calmed = cv2.GaussianBlur(values, (0, 0), 1.0)  # else the camera's noise would pass as detail
    bend = np.array([[1.0, -2.0, 1.0]], dtype=np.float32)
    detail = min(float(np.var(cv2.filter2D(calmed, -1, kernel))) for kernel in (bend, bend.T))
    return detail / structure < _LEAST_SHARPNESS


def _cells(grey: _Grey) -> NDArray[np.int16]:
    return cv2.resize(grey, _CELLS, interpolation=cv2.INTER_AREA).astype(np.int16)


def _nearly_equal(one: NDArray[np.int16], other: NDArray[np.int16]) -> bool:
    changed = np.abs(one - other) > _CHANGED_LEVELS
    return float(changed.mean()) < _LEAST_CHANGED
