"""Draw out-of-distribution pictures, noise and a covered lens, to test whether they are unknown."""

from __future__ import annotations

import cv2
import numpy as np

from webcam_classifier.frame import BgrImage

OOD_PICTURES = 40
"""Of each kind in `ood_pictures`."""


def ood_pictures(size: int) -> dict[str, list[BgrImage]]:
    """Draw out-of-distribution pictures, the same ones each time.

    Args:
        size: The side of the square that the graph takes, in pixels.

    Returns:
        By kind, `OOD_PICTURES` of (size, size, 3) uint8 each.
    """
    generator = np.random.default_rng(0)
    return {
        "noise": [_noise(size, generator) for _ in range(OOD_PICTURES)],
        "covered lens": [_covered_lens(size, generator) for _ in range(OOD_PICTURES)],
    }


def _noise(size: int, generator: np.random.Generator) -> BgrImage:
    """Grains of one to sixteen pixels, in colour or grey."""
    side = max(1, size // int(generator.choice([1, 2, 4, 8, 16])))
    grains = generator.integers(0, 256, (side, side, int(generator.choice([1, 3]))))
    grains = np.broadcast_to(grains, (side, side, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(grains, (size, size), interpolation=cv2.INTER_NEAREST))


def _covered_lens(size: int, generator: np.random.Generator) -> BgrImage:
    """Near black, or skin or cloth out of focus: one colour, a slope of light, some grain."""
    colours = ((3, 3, 3), (25, 25, 25), (70, 90, 150), (110, 110, 110))
    colour = np.array(colours[int(generator.integers(len(colours)))]) * generator.uniform(0.5, 1.3)
    slope = np.linspace(-1, 1, size) * generator.uniform(0, 0.4)
    light = 1 + slope[:, np.newaxis] + generator.uniform(-1, 1) * slope
    grain = generator.normal(0, generator.uniform(0.5, 6), (size, size, 3))
    return np.clip(light[..., np.newaxis] * colour + grain, 0, 255).astype(np.uint8)
