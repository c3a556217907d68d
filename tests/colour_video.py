"""A video that shows blue, green and red one after another, as `tiny_model` tells them apart."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

COLOURS = {"blue": (255, 0, 0), "green": (0, 255, 0), "red": (0, 0, 255)}
FRAMES_OF_EACH = 10


def write_colour_video(
    path: Path, size: tuple[int, int] = (64, 48), frames_per_second: int = 10
) -> Path:
    """Write ten frames of each colour.

    Args:
        path: Of the video, an AVI.
        size: Width and height, in pixels.
        frames_per_second: Of the video.

    Returns:
        The path.
    """
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), frames_per_second, size)
    for colour in COLOURS.values():
        for _ in range(FRAMES_OF_EACH):
            writer.write(np.full((size[1], size[0], 3), colour, np.uint8))
    writer.release()
    return path
