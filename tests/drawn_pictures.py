"""Pictures of drawn shapes, no two alike: somewhere on a background of any colour."""

from __future__ import annotations

import cv2
import numpy as np

from webcam_classifier.frame import BgrImage

SIDE = 240  # pixels, of the sheet that a shape is drawn on

_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)


def draw(shape: str, generator: np.random.Generator) -> BgrImage:
    """Draw a shape.

    Args:
        shape: `arrow left`, `arrow right`, `circle`, or a letter.
        generator: Where its place, size, colours and strokes come from.

    Returns:
        (240, 320, 3) uint8.
    """
    sheet = np.zeros((SIDE, SIDE), np.uint8)
    middle = SIDE // 2
    if shape.startswith("arrow"):
        ends = ((200, middle), (40, middle))
        start, tip = ends if shape == "arrow left" else ends[::-1]
        thickness = int(generator.integers(10, 22))
        cv2.arrowedLine(sheet, start, tip, 255, thickness, tipLength=generator.uniform(0.3, 0.5))
    elif shape == "circle":
        cv2.circle(sheet, (middle, middle), int(generator.integers(40, 80)), 255, 12)
    else:
        font, thickness = _FONTS[generator.integers(len(_FONTS))], int(generator.integers(8, 18))
        (width, height), _ = cv2.getTextSize(shape, font, 6, thickness)
        corner = ((SIDE - width) // 2, (SIDE + height) // 2 - (20 if shape in "pq" else 0))
        cv2.putText(sheet, shape, corner, font, 6, 255, thickness, cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D(
        (middle, middle), generator.uniform(-12, 12), generator.uniform(0.5, 0.9)
    )
    turn[0, 2] += 40 + generator.uniform(-40, 40)
    turn[1, 2] += generator.uniform(-25, 25)
    ink_share = cv2.warpAffine(sheet, turn, (320, 240))[..., np.newaxis] / 255.0
    ink = (
        generator.integers(0, 60, 3)
        if generator.random() < 0.7
        else generator.integers(200, 256, 3)
    )
    drawn = _background(generator) * (1 - ink_share) + ink * ink_share
    drawn += generator.normal(0, 3, drawn.shape)
    return np.asarray(np.clip(drawn, 0, 255), dtype=np.uint8)


def _background(
    generator: np.random.Generator,
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    spots = cv2.resize(generator.normal(0, 12, (12, 16, 3)), (320, 240))
    slope = np.linspace(-30, 30, 320)[np.newaxis, :, np.newaxis] * generator.choice([-1, 1])
    return np.asarray(np.clip(generator.integers(60, 220, 3) + slope + spots, 0, 255))
