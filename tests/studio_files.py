"""Pictures and archives to be sent to the studio, and what then lies in its folders."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from webcam_classifier.dataset.picture_files import encode_snapshot


def picture(seed: int = 0) -> bytes:
    """Give a JPEG of noise, another one for each seed."""
    generator = np.random.default_rng(seed)
    return encode_snapshot(generator.integers(0, 255, (48, 64, 3), dtype=np.uint8))


def zipped(*files: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """Give a zip file with these names and contents, in this order."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return content.getvalue()


def files_below(folder: Path) -> set[str]:
    """Name all files, without what is hidden, such as caches."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in found if not any(part[0] == "." for part in path.parts)}
