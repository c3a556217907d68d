"""The one way from a picture to the graph's input: training, export checks and live use it alike.

The whole picture is squeezed into a square: nothing that the camera saw is cut off. Everything
after this step (channel order, scale, mean) is inside the ONNX graph.
"""

from __future__ import annotations

import threading

import cv2
import numpy as np

from webcam_classifier.frame import BgrImage


class _Places(threading.local):
    """Memory for what lies between a picture and `prepare`'s result, one for each thread.

    It is used again by each call: fresh memory of this size comes from the operating system page by
    page, which in a live loop took a quarter of the time of a resize.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[int, int], BgrImage] = {}

    def of(self, width: int, height: int) -> BgrImage:
        """A place for a picture of that size; its content is of no more use."""
        place = self._places.get((width, height))
        if place is None:
            if len(self._places) >= _MOST_PLACES:
                self._places.clear()
            place = self._places[width, height] = np.empty((height, width, 3), dtype=np.uint8)
        return place


_OWN_ARITHMETIC = 5e-7
"""Pixels that the wanted side is longer than the result's, by OpenCV's count.

Where a picture shrinks by less than three, OpenCV for ARM hands linear interpolation of bytes to
KleidiCV, which rounds otherwise: a quarter of the values come out one grey level off, and
confidence up to 0.02. KleidiCV takes a resize only where the scale gives whole pixels, to 1.2e-7
(kleidicv_hal.cpp, `resize`); with this it is OpenCV's own fixed point on every processor, the same
to the last bit, at no time on x86. No pixel's weight, a multiple of 1/2048, changes by it.
"""

_MOST_PLACES = 8  # a camera needs one or two; pictures of many sizes shall not fill the memory
_places = _Places()


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
    small = _halved(image, size)
    return image if small is image else small.copy()


def prepare(image: BgrImage, size: int, into: BgrImage | None = None) -> BgrImage:
    """Resize a picture to the square that the graph takes.

    Args:
        image: (height, width, 3) uint8, blue green red, any size.
        size: The side of the square, in pixels.
        into: Where the result is written, (size, size, 3) uint8, contiguous; None takes new memory.

    Returns:
        (size, size, 3) uint8, contiguous: `into`, or the picture itself where it has that size.

    Raises:
        ValueError: The picture is not (height, width, 3) uint8, or has no pixels.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(
            f"a picture must be (height, width, 3) uint8, but this is {image.shape} {image.dtype}"
        )
    small = _halved(image, size)
    height, width = small.shape[:2]
    # Linear interpolation looks at two pixels a side: beyond a factor of two it skips pixels. So a
    # side that is still too long is halved alone, by interpolation in the middle of two pixels.
    while max(height, width) > 2 * size:
        if width > height:
            width //= 2
            even = small[:, : 2 * width]
        else:
            height //= 2
            even = small[: 2 * height]
        small = _interpolated(even, _places.of(width, height))
    if (height, width) == (size, size):
        return np.ascontiguousarray(image) if small is image else small.copy()
    return _interpolated(small, np.empty((size, size, 3), dtype=np.uint8) if into is None else into)


def _interpolated(image: BgrImage, into: BgrImage) -> BgrImage:
    """Resize by linear interpolation to the size of `into`, which is returned."""
    height, width = into.shape[:2]
    across, down = (
        (width + _OWN_ARITHMETIC) / image.shape[1],
        (height + _OWN_ARITHMETIC) / image.shape[0],
    )
    cv2.resize(image, None, into, across, down, cv2.INTER_LINEAR)
    return into


def _halved(image: BgrImage, size: int) -> BgrImage:
    """As `shrink`, in memory that the next call of this thread overwrites."""
    height, width = image.shape[:2]
    while min(height, width) >= 2 * size:
        # An odd last row or column goes: an exact factor of two keeps OpenCV on its fast path.
        height, width = height // 2, width // 2
        place = _places.of(width, height)
        even = image[: 2 * height, : 2 * width]
        cv2.resize(even, (width, height), dst=place, interpolation=cv2.INTER_AREA)
        image = place
    return image
