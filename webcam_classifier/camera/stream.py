"""Sources behind a URL or a GStreamer pipeline, the Jetson's ribbon camera among them."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass

import cv2
import numpy as np

from webcam_classifier.camera.connection import open_in_thread
from webcam_classifier.camera.files import VideoCamera
from webcam_classifier.camera.opencv_capture import (
    file_backend,
    has_gstreamer,
    open_capture,
    quiet_log,
)
from webcam_classifier.camera.protocol import CameraError, CaptureSettings
from webcam_classifier.camera.source_names import without_password
from webcam_classifier.camera.supervisor import LiveCamera
from webcam_classifier.frame import BgrImage

_OPEN_WITHIN = 10_000  # milliseconds
_STALLED_AFTER = 5_000  # milliseconds; FFmpeg then gives up, as if the stream had ended
_WAITS = 12.0  # seconds for a thread that opens a stream and reads its first frame
_CSI_STARTS_WITHIN = 15.0  # seconds; the Jetson's camera service is slow to start
_QUICK = 0.002  # seconds; a frame that can't be decoded was waited for, an end is not
_QUICK_FAILURES = 20  # in a row are an end
_FAILS_FOR = 3.0  # seconds of nothing that can be decoded are one too
_PAUSE = 0.005  # seconds before it is asked again


class StreamGrabber:
    """Frames of an opened capture that may end; OpenCV logs nothing of it.

    Args:
        capture: Opened; not touched by anything else from now on.
        name: What the description calls it.
    """

    def __init__(self, capture: cv2.VideoCapture, name: str) -> None:
        self._capture = capture
        self._name = name
        self._quiet = ExitStack()
        self._quiet.enter_context(quiet_log)  # it would tell of every stall

    def grab(self) -> bool:
        """Wait for the next frame; see `FrameGrabber`.

        OpenCV says the same of a damaged frame and of an end. Asked again, it goes on behind the
        damage, and at an end it says so at once, again and again.
        """
        started = time.monotonic()
        quick_failures = 0
        while quick_failures < _QUICK_FAILURES:
            asked = time.monotonic()
            if self._capture.grab():
                return True
            now = time.monotonic()
            if now - started > _FAILS_FOR:
                raise CameraError(
                    f"{self._name} stopped giving pictures. Check its cable or the network."
                )
            quick_failures += now - asked < _QUICK
            time.sleep(_PAUSE)
        return False

    def retrieve(self) -> BgrImage | None:
        """Convert the frame grabbed last; None: it is damaged."""
        done, image = self._capture.retrieve()
        return np.asarray(image, dtype=np.uint8) if done and image.ndim == 3 else None

    def describe(self, first: BgrImage) -> str:
        """Say in one line what it is; its rate is known only to the sender."""
        height, width = first.shape[:2]
        return f"{self._name}, {width} x {height}"

    def release(self) -> None:
        """Close the connection."""
        self._capture.release()
        self._quiet.close()


def open_url(url: str, settings: CaptureSettings) -> LiveCamera | VideoCamera:
    """Open a network stream; a video file on a web server is read like a file, none dropped.

    Args:
        url: http, https or rtsp.
        settings: What it says about giving up; size and rate are the sender's.

    Raises:
        CameraError: Nothing answers there, or it is no video.
    """
    opened = open_in_thread(lambda: _connect(url), _release, _WAITS)
    if isinstance(opened, VideoCamera):
        return opened

    def reopen() -> StreamGrabber:
        again = _connect(url)
        if isinstance(again, StreamGrabber):
            return again
        again.close()
        raise CameraError(f"A file is now at {without_password(url)}, and no stream any more.")

    return LiveCamera(opened, reopen=reopen, give_up_after=settings.give_up_after)


def _connect(url: str) -> StreamGrabber | VideoCamera:
    name = without_password(url)
    # Each further thread of the decoder keeps a frame back; one is quick enough for a camera.
    parameters = (
        *(cv2.CAP_PROP_N_THREADS, 1),
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_WITHIN),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, _STALLED_AFTER),
    )
    has_ffmpeg = file_backend() == cv2.CAP_FFMPEG
    capture = open_capture(url, file_backend(), parameters if has_ffmpeg else ())
    # FFmpeg opens a stream whose first picture is damaged without a size, and never finds one.
    is_sized = capture.isOpened() and capture.get(cv2.CAP_PROP_FRAME_WIDTH) > 0
    if not is_sized:
        capture.release()
        raise CameraError(
            f"No video comes from {name}. Open the same address in a browser or in VLC to see "
            "whether the camera answers, and check its port, path, user name and password."
        )
    if capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0:  # a camera doesn't know how long it will go on
        return VideoCamera(capture, name)
    return StreamGrabber(capture, name)


def _release(opened: StreamGrabber | VideoCamera) -> None:
    if isinstance(opened, VideoCamera):
        opened.close()
    else:
        opened.release()


def open_pipeline(pipeline: str, settings: CaptureSettings) -> LiveCamera:
    """Open a GStreamer pipeline; one that knows how many frames it has ends with the last one.

    Args:
        pipeline: As `gst-launch-1.0` takes it, with an appsink at its end.
        settings: What it says about giving up; size and rate are the pipeline's.

    Raises:
        CameraError: It has no appsink, this OpenCV has no GStreamer, or it does not run.
    """
    if "appsink" not in pipeline.rpartition("!")[2]:
        raise CameraError(
            f"The GStreamer pipeline '{pipeline}' does not end in an appsink. Put "
            "'! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 "
            "sync=false' at its end."
        )
    _check_gstreamer("A GStreamer pipeline")

    def connect() -> _Pipeline:
        capture = open_capture(pipeline, cv2.CAP_GSTREAMER)
        if not capture.isOpened():
            capture.release()
            raise CameraError(
                f"The GStreamer pipeline '{pipeline}' does not start. Try it with "
                "gst-launch-1.0, with fakesink in place of appsink; it says which element fails."
            )
        has_end = capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0
        return _Pipeline(StreamGrabber(capture, "GStreamer pipeline"), has_end)

    opened = open_in_thread(connect, lambda late: late.grabber.release(), _WAITS)
    reopen = None if opened.has_end else lambda: connect().grabber
    return LiveCamera(opened.grabber, reopen=reopen, give_up_after=settings.give_up_after)


@dataclass(frozen=True)
class _Pipeline:
    """A pipeline that runs, and whether it is of a file."""

    grabber: StreamGrabber
    has_end: bool


def open_csi(source: str, settings: CaptureSettings) -> LiveCamera:
    """Open a camera on a Jetson's ribbon connector. Not run on a Jetson yet.

    Args:
        source: 'csi://0', by the sensor's number.
        settings: Asked of the camera.

    Raises:
        CameraError: The number is none, this OpenCV has no GStreamer, or no camera answers.
    """
    sensor = source.partition("://")[2].strip("/")
    if not sensor.isdecimal():
        raise CameraError(f"{source!r} names no sensor. Write csi://0 for the first one.")
    _check_gstreamer(f"A ribbon camera ({source})")

    def connect() -> StreamGrabber:
        capture = open_capture(csi_pipeline(int(sensor), settings), cv2.CAP_GSTREAMER)
        if not capture.isOpened():
            capture.release()
            raise CameraError(
                f"The ribbon camera {source} does not start. Check the ribbon and its direction, "
                "then restart the camera service: sudo systemctl restart nvargus-daemon"
            )
        return StreamGrabber(capture, f"ribbon camera {source}")

    return LiveCamera(
        open_in_thread(connect, StreamGrabber.release, _CSI_STARTS_WITHIN),
        is_device=True,
        patience=_CSI_STARTS_WITHIN,
        reopen=connect,
        give_up_after=settings.give_up_after,
        period=1 / settings.frames_per_second,
    )


def csi_pipeline(sensor: int, settings: CaptureSettings) -> str:
    """Write the pipeline that gives a Jetson's ribbon camera as BGR pictures, the newest only.

    Args:
        sensor: Counts from 0.
        settings: Size and rate; the sensor takes its nearest mode and the Jetson scales.
    """
    size = f"width={settings.width},height={settings.height}"
    return (
        f"nvarguscamerasrc sensor-id={sensor} ! "
        f"video/x-raw(memory:NVMM),format=NV12,framerate={round(settings.frames_per_second)}/1 ! "
        f"nvvidconv ! video/x-raw,format=BGRx,{size} ! videoconvert ! "
        "video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"
    )


def _check_gstreamer(wanted_by: str) -> None:
    if not has_gstreamer():
        raise CameraError(
            f"{wanted_by} needs GStreamer, which this OpenCV ({cv2.__version__}) was built "
            "without, as pip's always is. On a Jetson use the system's own OpenCV (apt package "
            "python3-opencv, and a virtual environment made with --system-site-packages), or use "
            "a USB camera."
        )
