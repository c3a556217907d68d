"""Sources behind a URL or a GStreamer pipeline, the Jetson's ribbon camera among them."""

from __future__ import annotations

import time
from urllib.parse import urlsplit, urlunsplit

import cv2
import numpy as np

from webcam_classifier.camera.files import VideoCamera
from webcam_classifier.camera.newest_frame import LiveCamera
from webcam_classifier.camera.opencv_capture import file_backend, has_gstreamer, open_capture
from webcam_classifier.camera.protocol import CameraError, CaptureSettings
from webcam_classifier.frame import BgrImage

_OPEN_WITHIN = 10_000  # milliseconds
_STALLED_AFTER = 5_000  # milliseconds; FFmpeg then gives up, as if the stream had ended
_CSI_STARTS_WITHIN = 15.0  # seconds; the Jetson's camera service is slow to start


class StreamGrabber:
    """Frames of an opened capture that may end.

    Args:
        capture: Opened; not touched by anything else from now on.
        name: What the description calls it.
        is_device: True where an end means that a camera broke off.
    """

    def __init__(self, capture: cv2.VideoCapture, name: str, is_device: bool = False) -> None:
        self._capture = capture
        self._name = name
        self._is_device = is_device

    def grab(self) -> bool:
        """Wait for the next frame; see `FrameGrabber`."""
        started = time.monotonic()
        if self._capture.grab():
            return True
        if self._is_device or (time.monotonic() - started) * 1000 >= _STALLED_AFTER:
            raise CameraError(
                f"{self._name} stopped giving pictures. Check its cable or the network, then "
                "start again."
            )
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


def open_url(url: str) -> LiveCamera | VideoCamera:
    """Open a network stream; a video file on a web server is read like a file, none dropped.

    Args:
        url: http, https or rtsp.

    Raises:
        CameraError: Nothing answers there, or it is no video.
    """
    name = _without_password(url)
    # Each further thread of the decoder keeps a frame back; one is quick enough for a camera.
    parameters = (
        *(cv2.CAP_PROP_N_THREADS, 1),
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_WITHIN),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, _STALLED_AFTER),
    )
    has_ffmpeg = file_backend() == cv2.CAP_FFMPEG
    capture = open_capture(url, file_backend(), parameters if has_ffmpeg else ())
    if not capture.isOpened():
        capture.release()
        raise CameraError(
            f"No video comes from {name}. Open the same address in a browser or in VLC to see "
            "whether the camera answers, and check its port, path, user name and password."
        )
    if capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0:  # a camera doesn't know how long it will go on
        return VideoCamera(capture, name)
    return LiveCamera(StreamGrabber(capture, name))


def open_pipeline(pipeline: str) -> LiveCamera:
    """Open a GStreamer pipeline.

    Args:
        pipeline: As `gst-launch-1.0` takes it, with an appsink at its end.

    Raises:
        CameraError: It has no appsink, this OpenCV has no GStreamer, or it does not run.
    """
    if "appsink" not in pipeline.rpartition("!")[2]:
        raise CameraError(
            f"The GStreamer pipeline '{pipeline}' does not end in an appsink. Put "
            "'! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 "
            "sync=false' at its end."
        )
    capture = _open_gstreamer(pipeline, "A GStreamer pipeline")
    if not capture.isOpened():
        capture.release()
        raise CameraError(
            f"The GStreamer pipeline '{pipeline}' does not start. Try it with gst-launch-1.0, "
            "with fakesink in place of appsink; it says which element fails."
        )
    return LiveCamera(StreamGrabber(capture, "GStreamer pipeline"))


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
    capture = _open_gstreamer(csi_pipeline(int(sensor), settings), f"A ribbon camera ({source})")
    if not capture.isOpened():
        capture.release()
        raise CameraError(
            f"The ribbon camera {source} does not start. Check the ribbon and its direction, "
            "then restart the camera service: sudo systemctl restart nvargus-daemon"
        )
    grabber = StreamGrabber(capture, f"ribbon camera {source}", is_device=True)
    return LiveCamera(grabber, is_device=True, patience=_CSI_STARTS_WITHIN)


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


def _open_gstreamer(pipeline: str, wanted_by: str) -> cv2.VideoCapture:
    if not has_gstreamer():
        raise CameraError(
            f"{wanted_by} needs GStreamer, which this OpenCV ({cv2.__version__}) was built "
            "without, as pip's always is. On a Jetson use the system's own OpenCV (apt package "
            "python3-opencv, and a virtual environment made with --system-site-packages), or use "
            "a USB camera."
        )
    return open_capture(pipeline, cv2.CAP_GSTREAMER)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
