"""What near duplicates are recognised by: a hash of 256 bits, and a copy of 32 x 32 pixels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.frame import BgrImage

FINGERPRINT_BITS = 256
SMALL_SIDE = 32  # pixels

_SIDE = 16  # 16 x 16 comparisons: 256 bits


def fingerprint(image: BgrImage) -> NDArray[np.bool_]:
    """Compute 256 bits that stay nearly the same when a picture is resized or re-encoded.

    A difference hash: for each place of a 16 x 16 grid, whether it is darker than the place to
    the right of it (N. Krawetz, "Kind of Like That", 2013, with a finer grid).

    Args:
        image: (height, width, 3) uint8.

    Returns:
        (256,) bool.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (_SIDE + 1, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small[:, 1:] > small[:, :-1]).ravel()


def small_copy(image: BgrImage) -> NDArray[np.uint8]:
    """A copy of 32 x 32 pixels, (32, 32, 3) uint8, which decides whether pictures are alike."""
    size = (SMALL_SIDE, SMALL_SIDE)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
