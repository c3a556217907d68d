"""How much may be sent to the server: at once, in one file, and in pixels."""

from __future__ import annotations

from dataclasses import replace

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

IMPORT_LIMITS = replace(
    ARCHIVE_LIMITS,
    remedy="Read it in where the studio runs, which takes more: `python collect.py --import FILE`.",
)
"""Of a zip file that another tool wrote."""

FRAME_BYTES = 4_000_000
"""One frame of the browser's camera, or of a video."""

FRAME_PIXELS = 10_000_000
"""One frame of the browser's camera, or of a video."""

JSON_BYTES = 64_000
"""Anything else that is sent."""


def body_limit(path: str) -> int:
    """Return how many bytes may be sent to a path.

    Args:
        path: Of the address, decoded.
    """
    if path == "/api/classify":
        return PICTURE_BYTES
    parts = path.split("/")[1:-1]
    if parts == ["api", "uploads"] or (parts[:2] == ["api", "labels"] and parts[3:] == ["uploads"]):
        return ARCHIVE_BYTES if path.lower().endswith(".zip") else PICTURE_BYTES
    if parts[:2] == ["api", "imports"] and parts[3:] == ["files"]:
        return ARCHIVE_BYTES if is_archive_name(path) else PICTURE_BYTES
    if parts[:2] == ["api", "bursts"] and len(parts) == 3:
        return FRAME_BYTES
    return JSON_BYTES


def is_archive_name(name: str) -> bool:
    """Whether a file's name is one of a zip file that tools write."""
    return name.lower().endswith((".zip", ".tm"))
