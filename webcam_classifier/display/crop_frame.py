"""Show which part of a picture is looked at: the rest is dimmed, and a line goes around it."""

from __future__ import annotations

import cv2
import numpy as np

from webcam_classifier.crop import Crop
from webcam_classifier.display.shapes import WHITE
from webcam_classifier.frame import BgrImage

_BRIGHTNESS = 0.4  # of what lies outside


def draw_crop(picture: BgrImage, crop: Crop | None) -> None:
    """Dim what lies outside of a part of a picture.

    Args:
        picture: (height, width, 3) uint8, changed in place.
        crop: The part, as the picture is shown; None changes nothing.
    """
    if crop is None:
        return
    height, width = picture.shape[:2]
    left, top, right, bottom = crop.box(width, height)
    for outside in (
        picture[:top],
        picture[bottom:],
        picture[top:bottom, :left],
        picture[top:bottom, right:],
    ):
        if outside.size:
            outside[:] = np.asarray(cv2.convertScaleAbs(outside, alpha=_BRIGHTNESS), np.uint8)
    cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), WHITE, 1)
