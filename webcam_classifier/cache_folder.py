"""Where downloads, exported graphs and measured choices are kept."""

from __future__ import annotations

import os
from pathlib import Path


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
