"""Tell systemd that the loop is running, with sd_notify datagrams that feed its watchdog.

The protocol is that of sd_notify(3), https://www.freedesktop.org/software/systemd/man/sd_notify.html.
"""

from __future__ import annotations

import logging
import os
import socket
import time

from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.closing import Closing
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.live.status_words import status_sentence
from webcam_classifier.model_card import UNKNOWN_NAME

_LONGEST_NUMBER = 18  # digits of a number of microseconds: 30,000 years
_STATUS_EVERY = 5.0  # seconds; `systemctl status` shows the last one
_SHARE_OF_LIMIT = 0.25  # of the watchdog's limit: the time between two messages to it

_logger = logging.getLogger(__name__)


class ServiceNotifier(Closing):
    """Sends `READY=1` once, `WATCHDOG=1` while the loop is working, and `STATUS=` with the label.

    The watchdog is fed in two cases only: a label has just reached the thread that shows it, or the
    camera reports that it gives no picture. So a loop or an inference that hangs is restarted. A
    missing camera is not a reason to restart: it is being reopened, and a restart would do no
    better. To end the program when a camera stays away, use `--give-up`.

    Args:
        address: The socket's address; an abstract one begins with `@`.
        watchdog_seconds: The time after which a silent service is restarted; None if it is not.
    """

    def __init__(self, address: str, watchdog_seconds: float | None) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._pause = None if watchdog_seconds is None else _SHARE_OF_LIMIT * watchdog_seconds
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._is_ready = False
        self._fed_at = self._said_at = float("-inf")
        self._said = ""
        self._has_failed = False

    def turn(self, labelled: LabelledFrame | None, status: CameraStatus) -> None:
        """Note one turn of the loop that shows labels; returns at once.

        Args:
            labelled: The labelled frame of this turn; None if there is none.
            status: The status of the camera.
        """
        if labelled is None and not status.is_stale:
            return
        now = time.monotonic()
        lines = []
        if not self._is_ready:
            self._is_ready = True
            lines.append("READY=1")
        if self._pause is not None and now - self._fed_at >= self._pause:
            self._fed_at = now
            lines.append("WATCHDOG=1")
        kind = "" if labelled is not None else status.state
        if kind != self._said or now - self._said_at >= _STATUS_EVERY:
            self._said, self._said_at = kind, now
            lines.append(f"STATUS={_words(labelled, status)}")
        if lines:
            self._send("\n".join(lines))

    def close(self) -> None:
        """Tell the service manager that the service is stopping."""
        if self._socket.fileno() != -1:
            self._send("STOPPING=1")
            self._socket.close()

    def _send(self, text: str) -> None:
        try:
            self._socket.sendto(text.encode(), self._address)
        except OSError as error:
            if not self._has_failed:
                self._has_failed = True
                _logger.warning("the service manager can't be told anything: %s", error)


def notifier_of() -> ServiceNotifier | None:
    """Return a notifier if the environment says that a service manager expects notifications.

    Returns:
        The notifier; None if the program does not run as a service.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")) or not hasattr(socket, "AF_UNIX"):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    is_meant = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    is_number = microseconds.isdecimal() and len(microseconds) <= _LONGEST_NUMBER
    is_watched = is_meant and is_number and int(microseconds) > 0
    return ServiceNotifier(address, int(microseconds) / 1e6 if is_watched else None)


def _words(labelled: LabelledFrame | None, status: CameraStatus) -> str:
    if labelled is None:
        return " ".join(status_sentence(status).split())
    steady = labelled.steady
    label = UNKNOWN_NAME if steady.is_unknown else steady.shown_label
    return f"{' '.join(label.split())}, {labelled.frames_per_second:.1f} frames/s"
