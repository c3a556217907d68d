"""Tell whether what a provider compiled is still what it wrote: a hash of each file, in a list."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

from webcam_classifier.errors import UserError
from webcam_classifier.storage import write_atomically

_NAME = "hashes.json"

_log = logging.getLogger(__name__)


def note_hashes(folder: Path, pattern: str = "*") -> None:
    """Note what the files of a folder hold now; where it can't be written, nothing is noted.

    Args:
        folder: Of a provider.
        pattern: Of the files' names.
    """
    try:
        files = [path for path in folder.glob(pattern) if path.is_file() and path.name != _NAME]
        found = {path.name: _hash(path) for path in files}
        if found != _noted(folder):
            write_atomically(folder / _NAME, (json.dumps(found) + "\n").encode())
    except (OSError, UserError) as error:
        _log.warning("What was compiled is compiled again at the next start: %s", error)


def is_unchanged(folder: Path) -> bool:
    """Whether something was noted of a folder, and holds for all that was noted."""
    return bool(_noted(folder)) and not changed_files(folder)


def changed_files(folder: Path) -> list[Path]:
    """Return the files whose hash was noted, and that are gone or have another content now.

    Args:
        folder: Of a provider; it may be missing.
    """
    return [
        folder / name for name, noted in _noted(folder).items() if _hash(folder / name) != noted
    ]


def _noted(folder: Path) -> dict[str, str]:
    try:
        noted = json.loads((folder / _NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _hash(path: Path) -> str:
    """Hash a file; empty where it can't be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
