"""Videos that a browser plays, each frame of which says its number."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from webcam_classifier.frame import BgrImage

RATE = 15  # frames a second
WIDTH, HEIGHT = 160, 120
_BITS = 10
_SIDE = WIDTH // _BITS  # pixels of a block


def write_numbered_video(path: Path, count: int) -> None:
    """Write a WebM of VP8, whose frames can all be told apart.

    Args:
        path: Of it.
        count: Frames, 1024 at the most.
    """
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"VP80"), RATE, (WIDTH, HEIGHT))
    assert writer.isOpened()
    for number in range(count):
        writer.write(numbered_frame(number))
    writer.release()


def numbered_frame(number: int) -> BgrImage:
    """Draw a frame: its number in black and white blocks above, and a shape that moves."""
    frame = np.full((HEIGHT, WIDTH, 3), (150, 120, 90), np.uint8)
    for bit in range(_BITS):
        shade = 255 if number >> bit & 1 else 0
        frame[:_SIDE, bit * _SIDE : (bit + 1) * _SIDE] = shade
    place = 10 + (number * 7) % (WIDTH - 20)
    cv2.rectangle(frame, (place - 8, 50), (place + 8, 100), (30, 40, 200), -1)
    cv2.circle(frame, (WIDTH - place, 75), 9, (40, 200, 60), -1)
    return frame


def number_of(frame: BgrImage) -> int:
    """Read a frame's number back.

    Args:
        frame: (height, width, 3) uint8, of any size.
    """
    upright = cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    middle = _SIDE // 2
    shades = [upright[middle, bit * _SIDE + middle].mean() for bit in range(_BITS)]
    return sum(1 << bit for bit, shade in enumerate(shades) if shade > 127)
