"""A labelled frame as it is sent to a page: scaled down if it is large, and as a JPEG."""

from __future__ import annotations

from dataclasses import dataclass

import cv2

from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.preprocess import shrink
from webcam_classifier.web.heat_maps import HeatMap

_LONGER_SIDE = 960  # pixels of a picture that is sent
_QUALITY = 78


@dataclass(frozen=True, eq=False)
class LivePicture:
    """A labelled frame, and its picture where somebody waited for it.

    Attributes:
        number: Counts the frames of all cameras, from 1.
        labelled: The labelled frame.
        jpeg: The picture, scaled down if it is large; None if nobody waited for it.
        width: Width of the picture, in pixels.
        height: Height of the picture, in pixels.
        heat_map: Where its label was found; None if nobody wanted to know.
    """

    number: int
    labelled: LabelledFrame
    jpeg: bytes | None
    width: int
    height: int
    heat_map: HeatMap | None = None


def without_picture(number: int, labelled: LabelledFrame) -> LivePicture:
    """Return a labelled frame without a JPEG, since nobody waits for it."""
    height, width = labelled.frame.image.shape[:2]
    return LivePicture(number, labelled, None, width, height)


def with_picture(
    number: int, labelled: LabelledFrame, image: BgrImage, heat_map: HeatMap | None
) -> LivePicture:
    """Return a labelled frame with a JPEG.

    Args:
        number: See `LivePicture`.
        labelled: The labelled frame.
        image: (height, width, 3) uint8, the picture to send.
        heat_map: See `LivePicture`.
    """
    height, width = image.shape[:2]
    return LivePicture(number, labelled, encoded(image), width, height, heat_map)


def encoded(image: BgrImage) -> bytes | None:
    """Encode a picture, (height, width, 3) uint8, as a JPEG; None if that fails."""
    done, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return content.tobytes() if done else None


def fitting(image: BgrImage) -> BgrImage:
    """Scale a picture down to the size that pages show; a smaller one is returned as it is."""
    height, width = image.shape[:2]
    scale = _LONGER_SIDE / max(height, width)
    if scale >= 1:
        return image
    halved = shrink(image, min(round(height * scale), round(width * scale)))
    size = round(width * scale), round(height * scale)
    return cv2.resize(halved, size, interpolation=cv2.INTER_AREA).astype("uint8", copy=False)
