"""The cache of what was measured and compiled for one model on this device with these versions."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from pathlib import Path

from webcam_classifier.cache_folder import cache_folder
from webcam_classifier.model_card import ModelError
from webcam_classifier.runtime.device_name import device_name
from webcam_classifier.runtime.providers import versions
from webcam_classifier.storage import explain_os_error, remove_stale_partials

_KEPT = 20  # models; a folder of SqueezeNet's holds 6 MB
_LAYOUT = 3  # version of the files written there; a new one starts with new folders
_NAME_LENGTH = 24  # hexadecimal digits of a sha256


def runtime_folder(model: Path) -> Path:
    """Return the cache folder of a model file, which may not exist yet.

    Its name depends on the file's content, the device, and the versions of the libraries.

    Raises:
        ModelError: The file can't be read.
    """
    try:
        content = hashlib.sha256(model.read_bytes())
    except OSError as error:
        raise ModelError(explain_os_error(error, model, reading=True)) from error
    content.update(f"{_LAYOUT}\n{device_name()}\n{versions()}".encode())
    return cache_folder() / "runtimes" / content.hexdigest()[:_NAME_LENGTH]


def forget_old_folders(current: Path) -> None:
    """Keep the most recently written folders; remove the others and what killed writers left.

    Args:
        current: Always kept, even if it seems the oldest because the clock was set back.
    """
    remove_stale_partials(cache_folder())
    with suppress(OSError):  # another program may be removing the same folders
        folders = sorted(current.parent.glob("*/"), key=lambda path: path.stat().st_mtime)
        for folder in [folder for folder in folders if folder != current][: -_KEPT + 1]:
            shutil.rmtree(folder, ignore_errors=True)
