"""Random views of a picture, as a camera might see it a moment later or from nearby."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from webcam_classifier.frame import BgrImage
from webcam_classifier.preprocess import prepare


@dataclass(frozen=True)
class ViewRange:
    """How much a view may differ from the picture.

    Attributes:
        turn: Largest rotation to either side, in degrees.
        scales: Smallest and largest scale factor.
        shift: Largest shift in each direction, as a share of the side.
        gain: Largest change of brightness and of contrast, as a share, up and down.
        tint: Largest change of each colour channel, as a share, up and down.
    """

    turn: float
    scales: tuple[float, float]
    shift: float
    gain: float
    tint: float


def random_view(
    image: BgrImage,
    size: int,
    generator: np.random.Generator,
    reach: ViewRange,
    flip: bool,
) -> BgrImage:
    """Return a picture as a camera might see it from a nearby place in another light.

    It is rotated, scaled and shifted a little, mirrored half of the time where that is safe, and
    changed in brightness, contrast and tint. It is never upside down: thumbs up is not thumbs down.

    Args:
        image: (height, width, 3) uint8; smaller than `size`, it gets blurred.
        size: The side of the square that the graph takes, in pixels.
        generator: Where the randomness comes from.
        reach: How much the view may differ from the picture.
        flip: Whether mirroring keeps the label; see `mirroring.decide_mirroring`.

    Returns:
        (size, size, 3) uint8, as from `prepare`.
    """
    height, width = image.shape[:2]
    angle = math.radians(generator.uniform(-reach.turn, reach.turn))
    scale = generator.uniform(*reach.scales)
    shift = generator.uniform(-reach.shift, reach.shift, 2) * (width, height)
    mirror = -1.0 if flip and generator.random() < 0.5 else 1.0
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    turn = np.array([[cosine * mirror, -sine], [sine * mirror, cosine]])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix = np.column_stack([turn, middle + shift - turn @ middle])
    moved = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return _other_light(prepare(np.asarray(moved, dtype=np.uint8), size), generator, reach)


def _other_light(image: BgrImage, generator: np.random.Generator, reach: ViewRange) -> BgrImage:
    gain = 1.0 + generator.uniform(-reach.gain, reach.gain)
    offset = 127.0 * generator.uniform(-reach.gain, reach.gain)
    tint = 1.0 + generator.uniform(-reach.tint, reach.tint, 3)
    levels = np.arange(256.0)[:, np.newaxis]
    table = np.clip((levels - 127.0) * gain * tint + 127.0 + offset, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[np.newaxis]), dtype=np.uint8)
