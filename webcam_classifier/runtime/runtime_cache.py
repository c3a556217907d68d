"""Where what was measured and compiled for one model is kept: on this device, these versions."""

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
_LAYOUT = 3  # of what this program itself writes there; another number leaves older folders alone
_NAME_LENGTH = 24  # hexadecimal digits of a sha256


def runtime_folder(model: Path) -> Path:
    """Return the folder of a model file; it changes with its content, the device and the versions.

    It may not be there yet.

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
    """Keep the folders that were written last, and remove the others, and all that kills left.

    Args:
        current: Stays in any case: a clock that was set back makes it seem the oldest.
    """
    remove_stale_partials(cache_folder())
    with suppress(OSError):  # another program is at it as well
        folders = sorted(current.parent.glob("*/"), key=lambda path: path.stat().st_mtime)
        for folder in [folder for folder in folders if folder != current][: -_KEPT + 1]:
            shutil.rmtree(folder, ignore_errors=True)
