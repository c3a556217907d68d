"""The part of each picture that a data set uses, in a JSON file beside the pictures."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from webcam_classifier.crop import Crop, read_crop
from webcam_classifier.errors import UserError
from webcam_classifier.storage import explain_os_error, write_atomically

CROP_FILE = "crop.json"
"""In the data set's folder, as `collect.py --crop` writes it: pictures are kept whole, so that the
part can be chosen anew."""


def find_crop(folder: Path) -> Crop | None:
    """Read which part of each picture a data set uses; None if it uses all of it.

    Args:
        folder: Of the data set; it may be missing.

    Raises:
        UserError: There is a file, and it can't be read.
    """
    path = folder / CROP_FILE
    try:
        return read_crop(json.loads(path.read_text(encoding="utf-8-sig")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path}, which says which part of the pictures to use, can't be read ({error}). "
            "Correct it, remove it, or choose the part again with --crop."
        ) from error


def write_crop(folder: Path, crop: Crop) -> None:
    """Write which part of each picture a data set uses; no file is needed for all of it.

    Args:
        folder: Of the data set; it is made where it is missing.
        crop: That part.

    Raises:
        UserError: The folder can't be written.
    """
    path = folder / CROP_FILE
    if not crop.is_whole:
        write_atomically(path, (json.dumps(dataclasses.asdict(crop)) + "\n").encode())
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(explain_os_error(error, path)) from error
