"""A picture and a frame: the two values that travel through the whole program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

BgrImage: TypeAlias = NDArray[np.uint8]
"""A picture, (height, width, 3), blue green red, as OpenCV reads, shows and writes."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a source, and when it was taken.

    >>> import time
    >>> from webcam_classifier import Frame, open_camera
    >>> with open_camera("demo") as camera:
    ...     frame = camera.read()
    >>> isinstance(frame, Frame)
    True
    >>> frame.image.shape, frame.image.dtype
    ((480, 640, 3), dtype('uint8'))
    >>> time.monotonic() - frame.captured_at < 10.0  # its age in seconds
    True

    Attributes:
        image: (height, width, 3) uint8, blue green red; never changed in place.
        index: Counts every frame that the source delivered, from 0. A gap between two frames
            that were read says how many were dropped in between.
        captured_at: Seconds on the monotonic clock (`time.monotonic`), taken as the frame
            arrived.
        name: The file a picture came from, for a folder or a single picture, else empty.
    """

    image: BgrImage
    index: int
    captured_at: float
    name: str = ""
