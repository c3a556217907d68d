"""Random views of a picture, such as a camera might have given a moment or a step later."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from webcam_classifier.frame import BgrImage
from webcam_classifier.preprocess import prepare


@dataclass(frozen=True)
class ViewRange:
    """How far a view may be from the picture.

    Attributes:
        turn: Degrees to either side.
        scales: Smallest and largest factor of size.
        shift: Share of the side, to all sides.
        gain: Share of brightness and of contrast, up and down.
        tint: Share of one colour channel, up and down.
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
    """A picture as the camera might have seen it from elsewhere in another light.

    Turned, scaled and shifted a little, mirrored half of the time where that is safe, and with
    other brightness, contrast and tint. Never upside down: a thumb up is not a thumb down.

    Args:
        image: (height, width, 3) uint8; at least as large as `size` it keeps its detail.
        size: The side of the square that the graph takes, in pixels.
        generator: Where the randomness comes from.
        reach: How far the view may be from the picture.
        flip: Whether mirroring keeps the label, see `mirroring.decide_mirroring`.

    Returns:
        (size, size, 3) uint8, like `prepare` gives.
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
