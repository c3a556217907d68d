"""A camera attached to this machine. Not run with a real camera yet, only up to its opening."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2

from webcam_classifier.camera import v4l2
from webcam_classifier.camera.connection import open_in_thread
from webcam_classifier.camera.opencv_capture import four_characters, open_capture
from webcam_classifier.camera.protocol import LIST_COMMAND, CameraError, CaptureSettings
from webcam_classifier.camera.stream import StreamGrabber
from webcam_classifier.camera.supervisor import LiveCamera
from webcam_classifier.frame import BgrImage

_BUFFERS = 2  # the driver fills one while the other is decoded; with one it would skip frames
_STARTS_WITHIN = 10.0  # seconds; some cameras think long before their first frame


class DeviceGrabber:
    """Frames of a camera attached to this machine.

    Args:
        capture: Opened and set up; not touched by anything else from now on.
        name: What the description calls it.
        node: Its device file, where it has one.
    """

    def __init__(self, capture: cv2.VideoCapture, name: str, node: Path | None) -> None:
        self._stream = StreamGrabber(capture, name)
        self._capture = capture
        self._name = name
        self._node = node

    def grab(self) -> bool:
        """Wait for the next frame; see `FrameGrabber`."""
        # Some drivers go on giving the last picture after the camera was unplugged.
        if self._node is not None and not self._node.exists():
            raise CameraError(f"The camera {self._node} was unplugged. Plug it in again.")
        if self._stream.grab():
            return True
        raise CameraError(f"The {self._name} stopped giving pictures. Check its cable.")

    def retrieve(self) -> BgrImage | None:
        """Decode the frame grabbed last; None: it is damaged."""
        return self._stream.retrieve()

    def describe(self, first: BgrImage) -> str:
        """Describe the settings that the camera accepted, not those requested."""
        code = four_characters(self._capture.get(cv2.CAP_PROP_FOURCC))
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        at_rate = f" at {rate:g} frames a second" if rate > 0 else ""
        return f"{self._stream.describe(first)}{' ' if code else ''}{code}{at_rate}"

    def release(self) -> None:
        """Let go of the camera."""
        self._stream.release()


def open_device(source: str, settings: CaptureSettings) -> LiveCamera:
    """Open a camera and wait for its first frame.

    A camera that is unplugged is opened again when it comes back. On Linux it is identified by a
    name that does not change with its number, so another camera with its former number is not
    mistaken for it.

    Args:
        source: Its number, or on Linux its device file.
        settings: Requested from the camera.

    Raises:
        CameraError: It can't be opened, or gives no picture; the text says the likely cause.
    """
    if v4l2.is_available():
        node = Path(f"/dev/video{int(source)}" if source.isdecimal() else source)
        stable = v4l2.stable_name(node)
        connect = partial(_connect_node, node if stable is None else stable, settings)
    elif source.isdecimal():
        node = None
        connect = partial(_connect, int(source), f"camera {int(source)}", None, settings)
    else:
        raise _device_error(f"A camera has a number here, and {source!r} is none.")
    grabber = open_in_thread(connect, DeviceGrabber.release, _STARTS_WITHIN)
    try:
        return LiveCamera(
            grabber,
            is_device=True,
            patience=_STARTS_WITHIN,
            reopen=connect,
            give_up_after=settings.give_up_after,
            period=1 / settings.frames_per_second,
        )
    except CameraError as error:
        raise _device_error(_explain_silence(f"camera {source}", node)) from error


def _connect_node(name: Path, settings: CaptureSettings) -> DeviceGrabber:
    """Open a device file, or the one to which a stable name points now."""
    if name.is_symlink() and not name.exists():
        raise _device_error(f"The camera {name.name} is not plugged in.")
    node = name.resolve()
    problem = v4l2.explain_node(node)
    if problem:
        raise _device_error(problem)
    camera = f"USB camera {node}" if _is_usb(node) else f"camera {node}"
    return _connect(str(node), camera, node, settings)


def _connect(
    source: str | int, name: str, node: Path | None, settings: CaptureSettings
) -> DeviceGrabber:
    capture = open_capture(source, cv2.CAP_ANY if node is None else cv2.CAP_V4L2)
    if not capture.isOpened():
        capture.release()
        raise _device_error(_explain_silence(name, node))
    _ask_for(capture, settings)
    return DeviceGrabber(capture, name, node)


def _ask_for(capture: cv2.VideoCapture, settings: CaptureSettings) -> None:
    # MJPG first: uncompressed pictures fill the cable, and drivers choose the size by the format.
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
    capture.set(cv2.CAP_PROP_FPS, settings.frames_per_second)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, _BUFFERS)


def _explain_silence(name: str, node: Path | None) -> str:
    problem = v4l2.explain_node(node) if node is not None else ""
    return problem or (
        f"The {name} gives no picture: another program may be using it, or the operating system "
        "may not let this one."
    )


def _device_error(problem: str) -> CameraError:
    return CameraError(f"{problem} To see which cameras there are: {LIST_COMMAND}")


def _is_usb(node: Path) -> bool:
    return "/usb" in str((Path("/sys/class/video4linux") / node.name / "device").resolve())
