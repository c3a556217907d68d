"""Colours, and boxes drawn onto a picture in place: mixed into it, filled, or frosted like glass.

Boxes may reach beyond the picture; what lies outside is cut off.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.frame import BgrImage

Colour = tuple[int, int, int]  # blue, green, red

WHITE: Colour = (255, 255, 255)
PALE: Colour = (205, 205, 205)
DIM: Colour = (150, 150, 150)
TRACK: Colour = (112, 112, 112)
BLACK: Colour = (18, 16, 16)
GREEN: Colour = (120, 222, 118)
AMBER: Colour = (66, 184, 255)
BLUE: Colour = (240, 186, 140)
RED: Colour = (70, 62, 226)

_BAND_BRIGHTNESS = 0.28  # of the picture below a band


def fill(image: BgrImage, left: int, top: int, right: int, bottom: int, colour: Colour) -> None:
    """Paint a box over.

    Args:
        image: (height, width, 3) uint8, changed in place.
        left: The first column, in pixels.
        top: The first row.
        right: The first column that is not painted.
        bottom: The first row that is not painted.
        colour: Of the whole box.
    """
    image[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = np.array(colour, np.uint8)


def darken(image: BgrImage, left: int, top: int, right: int, bottom: int) -> None:
    """Make a band that text stands out from: dark, and blurred like frosted glass.

    Args:
        image: (height, width, 3) uint8, changed in place.
        left: The first column, in pixels.
        top: The first row.
        right: The first column beyond the band.
        bottom: The first row beyond the band.
    """
    region = image[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    if region.size:
        side = max(3, min(region.shape[:2]) // 4)
        region[:] = cv2.convertScaleAbs(cv2.blur(region, (side, side)), alpha=_BAND_BRIGHTNESS)


def blend(
    view: BgrImage, box: tuple[int, int, int, int], colour: Colour, opacity: float, radius: int
) -> None:
    """Mix a colour into a box with rounded corners.

    Args:
        view: (height, width, 3) uint8, changed in place.
        box: (x, y, width, height); x and y at least 0.
        colour: What is mixed in.
        opacity: How much of it, 0 to 1.
        radius: Of the corners, in pixels.
    """
    x, y, width, height = box
    region = view[y : y + height, x : x + width]
    if not region.size:
        return
    covered = _rounded_box(region.shape[1], region.shape[0], radius)
    plain = np.full_like(region, colour)
    mixed = cv2.addWeighted(region, 1.0 - opacity, plain, opacity, 0.0)
    cv2.copyTo(mixed, covered, region)


@lru_cache(maxsize=64)
def _rounded_box(width: int, height: int, radius: int) -> NDArray[np.uint8]:
    """A box whose corners are cut off, (height, width), 255 inside."""
    mask: NDArray[np.uint8] = np.full((height, width), 255, np.uint8)
    radius = min(radius, width // 2, height // 2)
    if radius > 0:
        rows, columns = np.ogrid[:height, :width]
        down = np.maximum(radius - 0.5 - rows, rows - (height - radius - 0.5))
        across = np.maximum(radius - 0.5 - columns, columns - (width - radius - 0.5))
        outside = np.hypot(np.maximum(down, 0.0), np.maximum(across, 0.0)) > radius
        mask[outside] = 0
    return mask
