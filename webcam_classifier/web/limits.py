"""The limits on what may be sent to the server, in bytes, files and pixels."""

from __future__ import annotations

from dataclasses import replace

from webcam_classifier.dataset.picture_archive import ArchiveLimits

PICTURE_BYTES = 32_000_000
"""For one picture file; phones make up to 15 MB."""

PICTURE_PIXELS = 120_000_000
"""For one picture; a large one is decoded at a reduced size."""

ARCHIVE_BYTES = 256_000_000
"""For a zip file."""

ARCHIVE_ENTRIES = 5_000
"""Files in a zip file."""

UNPACKED_BYTES = 400_000_000
"""For everything unpacked from one zip file, which is held in memory until it is added."""

ARCHIVE_RATIO = 200
"""How many times larger an unpacked file may be; only plain bitmaps come near this."""

ARCHIVE_LIMITS = ArchiveLimits(
    ARCHIVE_ENTRIES, PICTURE_BYTES, UNPACKED_BYTES, ARCHIVE_RATIO, "Make several of it."
)
"""All limits for a zip file."""

IMPORT_LIMITS = replace(
    ARCHIVE_LIMITS,
    remedy="Read it in where the studio runs, which takes more: `python collect.py --import FILE`.",
)
"""All limits for a zip file of another tool."""

FRAME_BYTES = 4_000_000
"""For one frame of the browser's camera, or of a video."""

FRAME_PIXELS = 10_000_000
"""For one frame of the browser's camera, or of a video."""

JSON_BYTES = 64_000
"""For everything else."""


def body_limit(path: str) -> int:
    """Return how many bytes may be sent to a path.

    Args:
        path: The path of the URL, decoded.
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
    """Whether a file name is that of a zip file."""
    return name.lower().endswith((".zip", ".tm"))
