"""Thumbnails of the data set's pictures, for the page."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from webcam_classifier.dataset.picture_files import PictureError, read_picture
from webcam_classifier.preprocess import shrink

SIDES = range(16, 513)
"""The sizes that can be asked for, in pixels."""

_QUALITY = 80
_TYPES = {".png": "image/png", ".bmp": "image/bmp", ".webp": "image/webp"}


def media_type(path: Path) -> str:
    """Return the media type of a picture file, from its ending."""
    return _TYPES.get(path.suffix.lower(), "image/jpeg")


def version_tag(path: Path, side: int | None) -> str:
    """Return a tag that changes when the file does, for a browser's cache.

    Args:
        path: The file.
        side: The side of the thumbnail, in pixels; None for the file itself.
    """
    facts = path.stat()
    return f'"{facts.st_mtime_ns:x}-{facts.st_size:x}-{side or 0}"'


def thumbnail(path: Path, side: int) -> bytes:
    """Return the centre of a picture as a small square JPEG.

    Args:
        path: The picture.
        side: In pixels, from `SIDES`.

    Raises:
        PictureError: It can't be read.
    """
    image = read_picture(path)
    height, width = image.shape[:2]
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    middle = np.ascontiguousarray(image[top : top + square, left : left + square])
    small = cv2.resize(shrink(middle, side), (side, side), interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise PictureError("can't be made smaller")
    return encoded.tobytes()
