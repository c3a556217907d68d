"""Where downloads, exported graphs and measured choices are kept."""

from __future__ import annotations

import logging
import os
from pathlib import Path

_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Return the folder of what can be had again at some cost, following the XDG convention.

    For a user without a home it is one that can't be written: nothing is kept then. One among the
    temporary files could be filled by others beforehand.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "webcam-classifier"
    try:
        return Path.home() / ".cache" / "webcam-classifier"
    except RuntimeError:
        return Path(os.devnull) / "webcam-classifier"


def read_cached_file(path: Path) -> bytes:
    """Read a file of the cache folder, whose content the caller checks.

    Returns:
        Its content; empty if there is no such file, or if it can't be read, which is logged.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        _log.warning("%s can't be read (%s).", path, error.strerror)
        return b""
