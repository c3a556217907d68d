"""How much may be sent to the server: at once, in one file, and in pixels."""

from __future__ import annotations

from webcam_classifier.dataset.picture_archive import ArchiveLimits

PICTURE_BYTES = 32_000_000
"""Of one picture file; a telephone's have up to 15 MB."""

PICTURE_PIXELS = 120_000_000
"""Of one picture; a large one is decoded at a part of its size, and alone."""

ARCHIVE_BYTES = 256_000_000
"""Of a zip file."""

ARCHIVE_ENTRIES = 5_000
"""Files in a zip file."""

UNPACKED_BYTES = 400_000_000
"""All that is unpacked of one zip file; it is held in the memory until it is added."""

ARCHIVE_RATIO = 200
"""How much larger a packed file may become; of pictures, only flat bitmaps come near."""

ARCHIVE_LIMITS = ArchiveLimits(
    ARCHIVE_ENTRIES, PICTURE_BYTES, UNPACKED_BYTES, ARCHIVE_RATIO, "Make several of it."
)
"""Of a zip file, all together."""

FRAME_BYTES = 4_000_000
"""One frame of the browser's camera."""

FRAME_PIXELS = 10_000_000
"""One frame of the browser's camera."""

JSON_BYTES = 64_000
"""Anything else that is sent."""


def body_limit(path: str) -> int:
    """Return how many bytes may be sent to a path.

    Args:
        path: Of the address, decoded.
    """
    parts = path.split("/")[1:-1]
    if parts == ["api", "uploads"] or (parts[:2] == ["api", "labels"] and parts[3:] == ["uploads"]):
        return ARCHIVE_BYTES if path.lower().endswith(".zip") else PICTURE_BYTES
    return JSON_BYTES
