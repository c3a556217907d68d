"""Where what was measured and compiled for one model is kept: on this device, these versions."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from webcam_classifier.cache_folder import cache_folder
from webcam_classifier.runtime.device_name import device_name
from webcam_classifier.runtime.providers import versions

_KEPT = 20  # models; a folder of SqueezeNet's holds 6 MB
_LAYOUT = 2  # of what this program itself writes there; another number leaves older folders alone
_NAME_LENGTH = 24  # hexadecimal digits of a sha256


def runtime_folder(model: Path) -> Path:
    """Return the folder of a model file; it changes with its content, the device and the versions.

    It may not be there yet.
    """
    content = hashlib.sha256(model.read_bytes())
    content.update(f"{_LAYOUT}\n{device_name()}\n{versions()}".encode())
    return cache_folder() / "runtimes" / content.hexdigest()[:_NAME_LENGTH]


def forget_old_folders() -> None:
    """Keep the folders that were written last, and remove the others."""
    folders = sorted(
        (cache_folder() / "runtimes").glob("*/"), key=lambda path: path.stat().st_mtime
    )
    for folder in folders[:-_KEPT]:
        shutil.rmtree(folder, ignore_errors=True)
