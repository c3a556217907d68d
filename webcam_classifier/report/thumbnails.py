"""Small pictures inside the report itself."""

from __future__ import annotations

import base64

import cv2

from webcam_classifier.frame import BgrImage

_LONGER_SIDE = 168  # pixels: sharp at the size that the report shows
_QUALITY = 72


def picture_uri(image: BgrImage) -> str:
    """Return a picture as a `data:` URI of some kilobytes.

    Args:
        image: (height, width, 3) uint8, blue green red.

    Raises:
        ValueError: OpenCV could not encode it.
    """
    height, width = image.shape[:2]
    scale = min(1.0, _LONGER_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise ValueError(f"a picture of shape {image.shape} could not be encoded as JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
