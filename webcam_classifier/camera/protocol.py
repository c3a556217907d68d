"""The protocol of all sources of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, TypeVar

from webcam_classifier.errors import UserError
from webcam_classifier.frame import Frame

AnyCamera = TypeVar("AnyCamera", bound="Camera")

LIST_COMMAND = "python collect.py --list-cameras"
"""What a person runs to see which cameras there are."""


class CameraError(UserError):
    """A source can't be opened, or failed before its end."""


@dataclass(frozen=True)
class CaptureSettings:
    """The settings requested from a camera; those it accepted are in its description.

    >>> from webcam_classifier import CaptureSettings, open_camera
    >>> with open_camera("demo", CaptureSettings(width=320, height=240)) as camera:
    ...     camera.read().image.shape
    (240, 320, 3)

    Attributes:
        width: Pixels.
        height: Pixels.
        frames_per_second: Frame rate to request.
        give_up_after: Seconds without a picture, after which a live source that gave some is an
            error. None keeps reopening it.
    """

    width: int = 640
    height: int = 480
    frames_per_second: float = 30.0
    give_up_after: float | None = None


CameraState: TypeAlias = Literal[
    "opening", "live", "stalled", "frozen", "black", "reopening", "ended"
]
"""The state of a source of pictures.

`opening`: no picture came yet. `live`: pictures come. `stalled`: none has come for a while, or
none that can be decoded. `frozen`: the very same picture comes again and again. `black`: the
pictures are black all over. `reopening`: the connection is lost, and it is opened again and again.
`ended`: a file's last picture was read, it was closed, or it was given up.
"""


@dataclass(frozen=True)
class CameraStatus:
    """The state of a source of pictures, and since when.

    Attributes:
        state: See `CameraState`.
        since: Seconds on the monotonic clock: when this state began. A steady prediction from
            before it says nothing about what comes after.
        reason: Why there is no picture, in a sentence for a person; empty if there is one.
        last_picture_at: Seconds on the monotonic clock: when the last good picture was taken;
            None before the first.
    """

    state: CameraState
    since: float
    reason: str = ""
    last_picture_at: float | None = None

    @property
    def is_stale(self) -> bool:
        """Whether the last picture is out of date: show no label, age or rate."""
        return self.state in ("stalled", "frozen", "black", "reopening")

    def seconds_without_picture(self, now: float) -> float:
        """Seconds since the last good picture.

        Args:
            now: Seconds on the monotonic clock.
        """
        since = self.since if self.last_picture_at is None else self.last_picture_at
        return max(0.0, now - since)


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

    @property
    def status(self) -> CameraStatus:
        """Its present status; cheap, from any thread, also while another one waits in `read`."""

    def read(self) -> Frame | None:
        """Wait for a frame that was not read before, however long a live source is away.

        Returns:
            The frame, or None where the stream has ended or was closed.

        Raises:
            CameraError: A live source was given up; see `CaptureSettings`.
        """

    def close(self) -> None:
        """Release the device or file; a second call does nothing."""

    def __enter__(self: AnyCamera) -> AnyCamera: ...

    def __exit__(self, *_: object) -> None: ...
