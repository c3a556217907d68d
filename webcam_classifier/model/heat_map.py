"""Draw a heat map over the places of a picture that count for a label."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.frame import BgrImage

_OPACITY = 0.65  # at the hottest place


def draw_heat_map(picture: BgrImage, heat: NDArray[np.float32]) -> None:
    """Blend a heat map into a picture.

    Args:
        picture: (height, width, 3) uint8, changed in place.
        heat: (rows, columns) float32, 0 to 1, covering the whole picture.
    """
    height, width = picture.shape[:2]
    smooth = cv2.resize(heat, (width, height), interpolation=cv2.INTER_CUBIC)
    level = np.clip(255.0 * smooth, 0.0, 255.0).astype(np.uint8)
    colours = cv2.applyColorMap(level, cv2.COLORMAP_INFERNO)
    share = (_OPACITY / 255.0) * level[..., np.newaxis].astype(np.float32)
    picture[:] = (picture * (1.0 - share) + colours * share).astype(np.uint8)
