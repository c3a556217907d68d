"""Check a picture that was sent before it is decoded."""

from __future__ import annotations

from webcam_classifier.dataset.picture_files import PictureError, picture_size
from webcam_classifier.web.limits import PICTURE_BYTES, PICTURE_PIXELS


def picture_problem(content: bytes) -> str | None:
    """Return why a picture is too large to be decoded; None if it is not.

    Its size in pixels is read from the header, without decoding anything.

    Args:
        content: The content of the file.
    """
    if len(content) > PICTURE_BYTES:
        return f"larger than {PICTURE_BYTES // 1_000_000} MB; make it smaller"
    try:
        width, height = picture_size(content)
    except PictureError:  # decoding it will report that
        return None
    if width * height > PICTURE_PIXELS:
        return (
            f"too large: {width} x {height} pixels, at most {PICTURE_PIXELS // 1_000_000} million "
            "are taken; make it smaller"
        )
    return None
