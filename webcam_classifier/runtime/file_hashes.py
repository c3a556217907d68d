"""Detect damaged files among those that a provider compiled, by a list of their hashes."""

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
    """Write the hashes of a folder's files into it; if it can't be written, that is logged.

    Args:
        folder: With what a provider compiled.
        pattern: Glob pattern of the files' names.
    """
    try:
        files = [path for path in folder.glob(pattern) if path.is_file() and path.name != _NAME]
        found = {path.name: _hash(path) for path in files}
        if found != _noted(folder):
            write_atomically(folder / _NAME, (json.dumps(found) + "\n").encode())
    except (OSError, UserError) as error:
        _log.warning("What was compiled is compiled again at the next start: %s", error)


def is_unchanged(folder: Path) -> bool:
    """Whether hashes were noted for a folder, and all of them still match."""
    return bool(_noted(folder)) and not changed_files(folder)


def changed_files(folder: Path) -> list[Path]:
    """Return the files that are missing or no longer match the hash that was noted.

    Args:
        folder: With what a provider compiled; it may be missing.
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
    """Return a file's sha256 in hexadecimal; empty if it can't be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
