"""Names of files and folders that are ignored: hidden ones, and those of operating systems."""

from __future__ import annotations

from webcam_classifier.dataset.category_names import CATEGORY_NAMES_FILES
from webcam_classifier.dataset.crop_file import CROP_FILE

_SYSTEM_FOLDERS = frozenset(
    {
        "@eadir",  # thumbnails of a Synology disk station
        "#recycle",  # its recycle bin
        "__macosx",  # what macOS adds to a zip file
        "lost+found",  # of ext4, at the top of a disk
        "$recycle.bin",  # of Windows, likewise
        "system volume information",
    }
)
_KNOWN_FILES = frozenset(
    {"readme.md", "thumbs.db", "desktop.ini", CROP_FILE, *CATEGORY_NAMES_FILES}
)


def is_ignored_folder(name: str) -> bool:
    """Whether a folder of this name is ignored, with everything in it.

    Args:
        name: Of the folder itself, without those above it.
    """
    return name.startswith(".") or name.lower() in _SYSTEM_FOLDERS


def is_ignored_file(name: str) -> bool:
    """Whether a file of this name is ignored without a message.

    Args:
        name: Without the folders above it.
    """
    return name.startswith(".") or name.lower() in _KNOWN_FILES
