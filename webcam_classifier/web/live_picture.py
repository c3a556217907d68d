"""A labelled frame as it is sent to a page: scaled down where it is large, and as a JPEG."""

from __future__ import annotations

from dataclasses import dataclass

import cv2

from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.preprocess import shrink

_LONGER_SIDE = 960  # pixels of a picture that is sent
_QUALITY = 78


@dataclass(frozen=True, eq=False)
class LivePicture:
    """A labelled frame, and its picture where somebody waited for it.

    Attributes:
        number: Counts the frames of all cameras, from 1.
        labelled: What the loop gave.
        jpeg: Scaled down where it is large; None if nobody waited.
        width: Of the JPEG, in pixels.
        height: Of the JPEG, in pixels.
    """

    number: int
    labelled: LabelledFrame
    jpeg: bytes | None
    width: int
    height: int


def without_picture(number: int, labelled: LabelledFrame) -> LivePicture:
    """Make what is sent where nobody waits for a picture."""
    height, width = labelled.frame.image.shape[:2]
    return LivePicture(number, labelled, None, width, height)


def with_picture(number: int, labelled: LabelledFrame, image: BgrImage) -> LivePicture:
    """Make what is sent, with a picture.

    Args:
        number: See `LivePicture`.
        labelled: What the loop gave.
        image: (height, width, 3) uint8, as it is to be seen.
    """
    height, width = image.shape[:2]
    return LivePicture(number, labelled, encoded(image), width, height)


def encoded(image: BgrImage) -> bytes | None:
    """Compress a picture as a JPEG; None if that fails."""
    done, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return content.tobytes() if done else None


def fitting(image: BgrImage) -> BgrImage:
    """Scale a picture down to what a page shows, and leave a smaller one as it is."""
    height, width = image.shape[:2]
    scale = _LONGER_SIDE / max(height, width)
    if scale >= 1:
        return image
    halved = shrink(image, min(round(height * scale), round(width * scale)))
    size = round(width * scale), round(height * scale)
    return cv2.resize(halved, size, interpolation=cv2.INTER_AREA).astype("uint8", copy=False)
