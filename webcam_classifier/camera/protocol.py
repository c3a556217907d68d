"""What every source of pictures promises, whatever is behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from webcam_classifier.errors import UserError
from webcam_classifier.frame import Frame

AnyCamera = TypeVar("AnyCamera", bound="Camera")

LIST_COMMAND = "python collect.py --list-cameras"
"""What a person runs to see which cameras there are."""


class CameraError(UserError):
    """A source can't be opened, or stopped giving pictures other than by its end."""


@dataclass(frozen=True)
class CaptureSettings:
    """What is asked of a camera; what it agreed to stands in its description.

    >>> from webcam_classifier import CaptureSettings, open_camera
    >>> with open_camera("demo", CaptureSettings(width=320, height=240)) as camera:
    ...     camera.read().image.shape
    (240, 320, 3)

    Attributes:
        width: Pixels.
        height: Pixels.
        frames_per_second: How often the camera is to take a picture.
    """

    width: int = 640
    height: int = 480
    frames_per_second: float = 30.0


class Camera(Protocol):
    """A source of frames; a context manager that closes itself.

    >>> from webcam_classifier import Camera, open_camera
    >>> def first_shape(camera: Camera) -> tuple[int, ...]:
    ...     frame = camera.read()
    ...     return () if frame is None else frame.image.shape
    >>> with open_camera("photo.jpg") as camera:
    ...     camera.is_live, camera.frame_count, first_shape(camera), camera.read()
    (False, 1, (48, 64, 3), None)
    """

    @property
    def description(self) -> str:
        """One line for a person: what it is, and what size and rate it really gives."""

    @property
    def is_live(self) -> bool:
        """True: `read` gives the newest frame, older ones are dropped. False: none is dropped."""

    @property
    def is_device(self) -> bool:
        """Whether it is a real camera, which somebody may be standing in front of."""

    @property
    def frame_count(self) -> int | None:
        """How many frames there are, where a file or folder knows; a file may be mistaken."""

    @property
    def skipped(self) -> Sequence[tuple[Path, str]]:
        """Files that can't be read or are no pictures, with the reason; grows while reading."""

    def read(self) -> Frame | None:
        """Wait for a frame that was not read before.

        Returns:
            The frame, or None where the stream has ended or was closed.

        Raises:
            CameraError: The camera was unplugged, or gave nothing for five seconds.
        """

    def close(self) -> None:
        """Let go of the device or file; a second call does nothing."""

    def __enter__(self: AnyCamera) -> AnyCamera: ...

    def __exit__(self, *_: object) -> None: ...
