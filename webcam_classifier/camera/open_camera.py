"""Open a source of pictures by its name: a camera, a file, a folder, a stream, a demonstration."""

from __future__ import annotations

from pathlib import Path

from webcam_classifier.camera.demo import open_demo
from webcam_classifier.camera.device import open_device
from webcam_classifier.camera.files import open_file, open_folder
from webcam_classifier.camera.protocol import Camera, CameraError, CaptureSettings
from webcam_classifier.camera.source_names import SOURCE_KINDS, without_password
from webcam_classifier.camera.stream import open_csi, open_pipeline, open_url
from webcam_classifier.dataset.listing import printable

_DEFAULT_SETTINGS = CaptureSettings()
_STREAMS = ("http://", "https://", "rtsp://")


def open_camera(source: str, settings: CaptureSettings = _DEFAULT_SETTINGS) -> Camera:
    """Open a source of pictures.

    >>> from webcam_classifier import open_camera
    >>> with open_camera("demo:thumbs_up") as camera:  # or "0", "clip.mp4", "pictures/", a URL
    ...     camera.read().image.shape
    (480, 640, 3)

    Args:
        source: As `--source` takes it; `source_names.SOURCE_KINDS` lists them.
        settings: Asked of a camera; a file has its own size and rate.

    Raises:
        CameraError: It can't be opened; the text says why and what to do.
    """
    source = source.strip()
    if source == "demo" or source.startswith("demo:"):
        return open_demo(source, settings)
    if " ! " in source:
        return open_pipeline(source, settings)
    if source.startswith("csi://"):
        return open_csi(source, settings)
    if source.lower().startswith(_STREAMS):
        return open_url(source, settings)
    # ASCII: other scripts' digits count as decimal too.
    if (source.isascii() and source.isdecimal()) or source.startswith("/dev/"):
        return open_device(source, settings)
    return _open_path(source)


def _open_path(source: str) -> Camera:
    path = Path(source).expanduser()
    if source and path.is_dir():
        return open_folder(path)
    if source and path.is_file():
        return open_file(path)
    if source and path.exists():
        raise CameraError(
            f"{printable(path)} is neither a file nor a folder, such as a pipe, and can't be read "
            f"as pictures. Use another source:\n{SOURCE_KINDS.rstrip()}"
        )
    looks_like_path = "://" not in source and ("/" in source or "\\" in source or path.suffix)
    if looks_like_path:
        problem = (
            f"There is no file or folder {printable(path)}. Check its name, or use another source:"
        )
    else:
        problem = f"{without_password(source)!r} is not a source of pictures. The sources are:"
    raise CameraError(f"{problem}\n{SOURCE_KINDS.rstrip()}")
