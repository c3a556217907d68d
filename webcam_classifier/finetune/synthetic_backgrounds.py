"""Paint synthetic backgrounds: walls, clouds of colour, and things lying about."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.frame import BgrImage

_MOST_THINGS = 8
_PLAIN = 0.25  # share of walls without any pattern


def paint_background(side: int, generator: np.random.Generator) -> BgrImage:
    """Paint one background, (side, side, 3) uint8 BGR, unlike every other.

    Its pattern has the falling spectrum of natural pictures (D. Field, "Relations between the
    statistics of natural images and the response properties of cortical cells", 1987).

    Args:
        side: In pixels.
        generator: Where the randomness comes from.
    """
    strength = 0.0 if generator.random() < _PLAIN else generator.uniform(2.0, 45.0)
    colour = generator.uniform(30.0, 225.0) + generator.normal(0.0, 18.0, 3)
    down, across = np.mgrid[0:side, 0:side] / side - 0.5
    light = generator.uniform(-60.0, 60.0) * down + generator.uniform(-60.0, 60.0) * across
    wall = colour + light[..., np.newaxis] + strength * _clouds(side, generator)
    painted = np.clip(wall, 0, 255).astype(np.uint8)
    for _ in range(generator.integers(0, _MOST_THINGS + 1)):
        painted = _with_thing(painted, generator)
    blurred = cv2.GaussianBlur(painted, (0, 0), generator.uniform(0.4, 2.5))
    return np.asarray(blurred, dtype=np.uint8)


def _clouds(side: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Noise of deviation 1, (side, side, 3), whose colours go together more or less."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, np.newaxis], np.fft.rfftfreq(side))
    frequency[0, 0] = np.inf  # no change of the mean
    spectrum = np.fft.rfft2(generator.standard_normal((3, side, side)))
    clouds = np.fft.irfft2(spectrum / frequency ** generator.uniform(0.8, 2.2), s=(side, side))
    clouds /= clouds.std(axis=(1, 2), keepdims=True)
    greyness = generator.uniform()
    mixed = greyness * clouds.mean(axis=0) * 1.5 + (1.0 - greyness) * clouds
    return np.asarray(mixed.transpose(1, 2, 0))


def _with_thing(picture: BgrImage, generator: np.random.Generator) -> BgrImage:
    """Lay a box, an oval or a bar of some colour into a picture."""
    side = picture.shape[0]
    brightness = generator.uniform(20.0, 235.0)
    colour = np.clip(brightness + generator.normal(0.0, 25.0, 3), 0, 255).tolist()
    middle = generator.uniform(0.0, side, 2)
    width, height = side * 0.05 * 14.0 ** generator.uniform(size=2)  # 0.05 to 0.7 of the side
    angle = 0.0 if generator.random() < 0.7 else generator.uniform(-90.0, 90.0)
    covered = picture.copy()
    kind = generator.integers(3)
    if kind == 0:
        cv2.ellipse(covered, (middle.tolist(), (width, height), angle), colour, -1)
    else:
        if kind == 1:
            height = side * generator.uniform(0.01, 0.06)
        corners = cv2.boxPoints((middle.tolist(), (width, height), angle))
        cv2.fillPoly(covered, [corners.astype(np.int32)], colour)
    opacity = generator.uniform(0.6, 1.0)
    return np.asarray(cv2.addWeighted(covered, opacity, picture, 1.0 - opacity, 0), dtype=np.uint8)
