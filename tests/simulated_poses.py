"""Which pose of the simulated camera a picture shows that was recorded from it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from webcam_classifier.camera.scene import LABELS, draw_scene
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.frame import BgrImage

SMALL = ("--camera-size", "160x120", "--camera-rate", "60")
"""Of the camera, seed 0: another pose comes each second."""

_CAPTION = 40  # rows
_FRAMES = range(0, 1800, 6)  # half a minute; neighbours are nearly alike


def pose_of(path: Path) -> str:
    """Find the drawn picture that a snapshot of such a camera is most like, and give its pose."""
    below_caption = read_picture(path)[_CAPTION:].astype(int)

    def difference(scene: tuple[str, int]) -> float:
        return float(np.abs(_drawn(*scene)[_CAPTION:] - below_caption).mean())

    return min(((pose, index) for pose in LABELS for index in _FRAMES), key=difference)[0]


@cache
def _drawn(pose: str, index: int) -> BgrImage:
    return draw_scene(pose, 0, index, 160, 120)
