"""Why a picture that somebody sent is not even decoded."""

from __future__ import annotations

from webcam_classifier.dataset.picture_files import PictureError, picture_size
from webcam_classifier.web.limits import PICTURE_BYTES, PICTURE_PIXELS


def picture_problem(content: bytes) -> str | None:
    """Say why a picture is not even decoded, or None.

    Its size in pixels stands at the file's beginning: nothing is unpacked to know it.

    Args:
        content: The file.
    """
    if len(content) > PICTURE_BYTES:
        return f"larger than {PICTURE_BYTES // 1_000_000} MB; make it smaller"
    try:
        width, height = picture_size(content)
    except PictureError:  # whoever decodes it says so
        return None
    if width * height > PICTURE_PIXELS:
        return (
            f"too large: {width} x {height} pixels, at most {PICTURE_PIXELS // 1_000_000} million "
            "are taken; make it smaller"
        )
    return None
