"""Move what a person removes out of the way, without deleting it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from webcam_classifier.errors import UserError
from webcam_classifier.storage import explain_os_error

REMOVED_FOLDER = ".removed"
"""Below the data set; what a person removes is moved there, and never deleted."""


def move_away(dataset: Path, label: str, name: str = "") -> Path:
    """Move a label's folder, or one picture of it, to where removed ones are kept.

    Args:
        dataset: The data set.
        label: Its folder; nothing happens where it is missing.
        name: Of the picture; empty moves the whole folder.

    Returns:
        Where it is now.

    Raises:
        UserError: It can't be moved.
    """
    source = dataset / label / name
    moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")
    target = dataset / REMOVED_FOLDER / moment / label / name
    if not source.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        remove_if_empty(dataset / label)
    except OSError as error:
        raise UserError(explain_os_error(error, source)) from error
    return target


def remove_if_empty(folder: Path) -> None:
    """Remove a label's folder without anything in it: to train.py it would be a label."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
