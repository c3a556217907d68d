"""Find out whether a window can be opened, and open one that closes safely."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Callable

import cv2
import numpy as np

from webcam_classifier.frame import BgrImage

NO_KEY = -1

Dragged = Callable[[tuple[int, int], tuple[int, int], bool], None]
"""Told of a drag of the mouse: where it began and where it is, (x, y) in pixels of the picture that
is shown, and whether the button was let go."""

_SMALLEST_VIEW = (640, 480)  # width, height; smaller pictures are scaled up
_LARGEST_VIEW = (1280, 960)  # width, height; larger pictures are scaled down


def display_problem() -> str | None:
    """Say in a sentence why no window can be opened here, or None where one can.

    To be asked before a window is opened: without a display Qt, which draws OpenCV's windows on
    Linux, ends the whole process with a page of its own messages.
    """
    toolkit = _toolkit()
    if toolkit is None:
        return (
            "This OpenCV was built without windows (as opencv-python-headless is). "
            "Install opencv-python in its place, or work without a window."
        )
    if not sys.platform.startswith("linux"):
        return None
    wanted = ("DISPLAY",) if toolkit.startswith("QT") else ("DISPLAY", "WAYLAND_DISPLAY")
    if os.environ.get("QT_QPA_PLATFORM", "xcb") != "xcb":
        return None  # somebody chose how Qt draws, and knows whether that needs a display
    if not any(os.environ.get(name) for name in wanted):
        return (
            f"There is no display to open a window on ({' or '.join(wanted)} is not set). "
            "Start it on the device's own screen or over ssh -X, or work without a window."
        )
    if toolkit.startswith("QT") and not _x_server_answers():
        return (
            f"The display {os.environ['DISPLAY']!r} can't be reached: its X server is not running "
            "or lets this user not in. Check DISPLAY and XAUTHORITY, or work without a window."
        )
    return None


def _toolkit() -> str | None:
    """What OpenCV draws its windows with, such as QT5, GTK3, WIN32UI or COCOA."""
    found = re.search(r"^ *GUI: *(\S+)", cv2.getBuildInformation(), re.MULTILINE)
    return None if found is None or found[1] == "NONE" else found[1]


def _x_server_answers() -> bool:
    """Ask as Qt will ask, through the same library; it is there wherever Qt's plugin loads."""
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return False
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(None, None)
    failed = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return not failed


class Window:
    """A window that shows pictures and gives keys; a context manager that closes itself.

    `display_problem` must have been asked before.

    Args:
        title: Shown in the window's frame; only one window of a title may be open.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        # GUI_NORMAL: without Qt's tool bar and status line.
        cv2.namedWindow(title, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
        self._closed = False

    def show(self, picture: BgrImage) -> None:
        """Show a picture at its own size, unless the window was closed.

        Args:
            picture: (height, width, 3) uint8, blue green red.
        """
        if self.is_open:
            cv2.imshow(self._title, picture)

    def on_drag(self, dragged: Dragged) -> None:
        """Have a function called while a rectangle is dragged with the left button.

        Args:
            dragged: Called from `read_key`, in its thread.
        """
        began: list[tuple[int, int]] = []

        def follow(event: int, x: int, y: int, *_: object) -> None:
            if event == cv2.EVENT_LBUTTONDOWN:
                began[:] = [(x, y)]
            elif began and event in (cv2.EVENT_MOUSEMOVE, cv2.EVENT_LBUTTONUP):
                is_over = event == cv2.EVENT_LBUTTONUP
                dragged(began[0], (x, y), is_over)
                if is_over:
                    began.clear()

        cv2.setMouseCallback(self._title, follow)

    def read_key(self, wait_milliseconds: int = 1) -> int:
        """Let the window draw itself, and wait for a key.

        Args:
            wait_milliseconds: At least 1.

        Returns:
            The key's code: a character's for a key that writes one, more than 255 for an arrow
            or the like, `NO_KEY` where none came in time.
        """
        return cv2.waitKeyEx(wait_milliseconds)

    @property
    def is_open(self) -> bool:
        """False once the user or the program has closed it."""
        if not self._closed:
            try:
                self._closed = cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
            except cv2.error:  # some toolkits forget a window as soon as it is closed
                self._closed = True
        return not self._closed

    def close(self) -> None:
        """Close the window; a second call does nothing."""
        if self.is_open:
            self._closed = True
            cv2.destroyWindow(self._title)
            cv2.waitKey(1)  # some toolkits take the window away only while they handle events

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def fit_view(image: BgrImage, mirrored: bool) -> BgrImage:
    """Resize a picture for looking at it: large enough to read what is drawn on it.

    Args:
        image: (height, width, 3) uint8; stays as it is.
        mirrored: Flip it, as people expect to see themselves.

    Returns:
        A new picture of the same proportions, (height, width, 3) uint8, to be drawn on.
    """
    height, width = image.shape[:2]
    smallest = max(_SMALLEST_VIEW[0] / width, _SMALLEST_VIEW[1] / height)
    largest = min(_LARGEST_VIEW[0] / width, _LARGEST_VIEW[1] / height)
    scale = min(max(1.0, smallest), largest)
    if scale != 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        method = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, size, interpolation=method), dtype=np.uint8)
    return np.asarray(cv2.flip(image, 1), dtype=np.uint8) if mirrored else image.copy()
