"""The one way from a picture to the graph's input: training, export checks and live use it alike.

The whole picture is squeezed into a square: nothing that the camera saw is cut off. Everything
after this step (channel order, scale, mean) is inside the ONNX graph.
"""

from __future__ import annotations

import cv2
import numpy as np

from webcam_classifier.frame import BgrImage


def shrink(image: BgrImage, size: int) -> BgrImage:
    """Halve a picture by averaging as long as both sides stay at least `size`.

    Halving by INTER_AREA is six times faster than INTER_AREA straight to an odd size, and
    averages as well. `prepare` starts with this step, so `prepare(shrink(image, size), size)`
    equals `prepare(image, size)`: training may keep the shrunken picture.

    Args:
        image: (height, width, 3) uint8.
        size: The side of the square that the picture is going to be, in pixels.

    Returns:
        The picture itself where nothing was to do, else a smaller copy.
    """
    height, width = image.shape[:2]
    while min(height, width) >= 2 * size:
        # An odd last row or column goes: an exact factor of two keeps OpenCV on its fast path.
        height, width = height // 2, width // 2
        even = image[: 2 * height, : 2 * width]
        image = np.asarray(
            cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8
        )
    return image


def prepare(image: BgrImage, size: int) -> BgrImage:
    """Resize a picture to the square that the graph takes.

    Args:
        image: (height, width, 3) uint8, blue green red, any size.
        size: The side of the square, in pixels.

    Returns:
        (size, size, 3) uint8, contiguous.

    Raises:
        ValueError: The picture is not (height, width, 3) uint8, or has no pixels.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(
            f"a picture must be (height, width, 3) uint8, but this is {image.shape} {image.dtype}"
        )
    image = shrink(image, size)
    height, width = image.shape[:2]
    if (height, width) == (size, size):
        return np.ascontiguousarray(image)
    # Linear interpolation looks at two pixels a side: beyond a factor of two it skips pixels.
    steep = max(height, width) > 2 * size
    method = cv2.INTER_AREA if steep else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=method), dtype=np.uint8)
