"""A supervised live source: it is reopened automatically, and reports its status."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from webcam_classifier.camera.connection import Connection, FrameGrabber
from webcam_classifier.camera.health_monitor import HealthMonitor
from webcam_classifier.camera.newest_frame import NewestFrame
from webcam_classifier.camera.protocol import AnyCamera, CameraError, CameraStatus
from webcam_classifier.frame import Frame

_PATIENCE = 5.0  # seconds for a first frame
_SILENT_FOR = 5.0  # seconds without a picture, after which the connection is made anew
_STANDING_FOR = 10.0  # likewise of one frozen or black picture; twice as long each time
_STANDING_AT_MOST = 600.0
_OPENS_WITHIN = (4.0, 16.0)  # seconds; one that takes longer is let go. Twice as long each time
_UNDECODABLE = 25  # frames of a new connection, of which none can be decoded
_FIRST_PAUSE = 0.1  # seconds before it is opened again; twice as long each time, up to
_LONGEST_PAUSE = (1.0, 5.0)  # seconds: at first, and when it has been away for long
_PAUSE_SHARE = 1 / 300  # of the time that it has been away: in five minutes to one second
_SETTLED_AFTER = 1.0  # seconds of pictures, after which pauses begin small again
_MOST_HANGING = 3  # connections that were let go and hang; no other one is begun meanwhile
_LOOK_EVERY = 0.2  # seconds
_CLOSE_WITHIN = 0.7  # seconds; a driver that hangs longer is left to its thread,
_CLOSE_SILENT_WITHIN = 0.1  # and one that was silent already is not waited for
_SILENT = 0.5  # seconds without a picture


class LiveCamera:
    """Gives the newest frame of a live source, which is reopened when it is lost.

    A thread grabs every frame, so that no old frames queue up anywhere, and keeps the newest one;
    see `NewestFrame` for which one a reader gets. Another thread supervises it: a lost or silent
    connection is let go and reopened with growing pauses, until it is given up. Frozen, black or
    cut-off pictures are not returned; see `HealthMonitor`. A reader waits meanwhile, and `status`
    says for what.

    Args:
        grabber: The source, opened; released by a thread.
        is_device: See `Camera`.
        patience: Seconds to wait for the first frame, here and whenever it was opened again.
        reopen: Opens the source again with the same settings; called in a thread. None where
            that is of no use, as for a drawn scene or a file: an end of it is the end.
        give_up_after: See `CaptureSettings`.
        period: Seconds between two frames, as far as is known; 0 where nothing is.

    Raises:
        CameraError: No first frame came.
    """

    is_live = True
    frame_count = None
    skipped: Sequence[tuple[Path, str]] = ()

    def __init__(
        self,
        grabber: FrameGrabber,
        is_device: bool = False,
        patience: float = _PATIENCE,
        *,
        reopen: Callable[[], FrameGrabber] | None = None,
        give_up_after: float | None = None,
        period: float = 0.0,
    ) -> None:
        self.is_device = is_device
        self.description = "the camera"
        self._patience = patience
        self._reopen = reopen
        self._give_up_after = give_up_after
        self._watch = HealthMonitor(period, looks=reopen is not None)
        self._lock = threading.RLock()  # guards all below
        self._woken = threading.Condition(self._lock)
        self._newest = NewestFrame(self._lock)
        self._index = 0
        self._shape: tuple[int, ...] | None = None  # what the description tells of
        self._is_open = False
        self._is_over = False
        self._attempts = 0
        self._reopen_at = 0.0
        self._standing_for = _STANDING_FOR
        self._opens_within = _OPENS_WITHIN[0]
        self._undecoded = 0  # frames in a row
        self._hanging: list[Connection] = []
        self._connection: Connection | None = None
        with self._lock:
            self._connection = self._connect(lambda: grabber)
        try:
            self._wait_for_first()
        except BaseException:
            self.close()
            raise
        threading.Thread(target=self._supervise, name="supervisor", daemon=True).start()

    @property
    def status(self) -> CameraStatus:
        """How it is doing now."""
        return self._watch.status

    def read(self) -> Frame | None:
        """Take the newest frame, or wait for the next one, however long; none is given twice.

        Returns:
            At most two frame periods old, except for the last frame of a source that has ended;
            None where there is none any more, or the camera was closed.

        Raises:
            CameraError: The source was given up, or broke off and can't be opened again.
        """
        with self._lock:
            return self._newest.take()

    def close(self) -> None:
        """Let go of the source, and let a reader that waits get None.

        A source that hangs is left to its thread after less than a second. A second call does
        nothing.
        """
        with self._lock:
            connection, self._connection = self._connection, None
            self._is_over = True
            silent_for = self._watch.status.seconds_without_picture(time.monotonic())
            self._watch.end()
            self._newest.close()
            self._woken.notify_all()
        if connection is not None:
            connection.let_go()
            connection.join(_CLOSE_WITHIN if silent_for < _SILENT else _CLOSE_SILENT_WITHIN)

    def __enter__(self: AnyCamera) -> AnyCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait_for_first(self) -> None:
        with self._lock:
            if not self._newest.wait_for_first(self._patience):
                raise CameraError(
                    f"No picture has come from {self.description} for {self._patience:.0f} "
                    "seconds. Unplug it and plug it in again, or check the network."
                )
            if not self._newest.has_frame:
                raise CameraError("The source ended before its first frame. Check that it is on.")
            self._is_open = True

    def _connect(self, open_source: Callable[[], FrameGrabber]) -> Connection:
        return Connection(open_source, self._grabbed, self._lost)

    def _grabbed(self, connection: Connection, grabber: FrameGrabber, at: float) -> None:
        """Take a frame in, in the connection's thread."""
        with self._lock:
            if connection is not self._connection:
                return
            index, self._index = self._index, self._index + 1
            is_wanted = self._newest.grabbed(at)
            if connection.opened_at is not None and at - connection.opened_at > _SETTLED_AFTER:
                self._attempts = 0
        if not is_wanted:
            self._watch.arrived(at)
            return
        image = grabber.retrieve()
        if image is None:
            self._undecoded += 1
            self._watch.undecoded()
            return
        self._undecoded = 0
        if not self._watch.saw(image, at):
            return
        if image.shape != self._shape:
            self._shape = image.shape
            self.description = grabber.describe(image)
        with self._lock:
            if connection is self._connection:
                self._standing_for = _STANDING_FOR
                self._opens_within = _OPENS_WITHIN[0]
                self._newest.put(Frame(image, index, at))

    def _lost(self, connection: Connection, failure: CameraError | None) -> None:
        """See how to go on, in the thread of a connection that has ended."""
        with self._lock:
            if connection is not self._connection:
                return
            self._connection = None
            if self._reopen is None or not self._is_open:
                self._end(failure)
            else:
                self._watch.lost(str(failure) if failure else "The camera ended the connection.")
                self._open_later()

    def _open_later(self) -> None:
        """Have the source opened again after a pause that grows."""
        now = time.monotonic()
        away = self._watch.status.seconds_without_picture(now)
        shortest, longest = _LONGEST_PAUSE
        limit = min(max(shortest, away * _PAUSE_SHARE), longest)
        self._reopen_at = now + min(_FIRST_PAUSE * 2**self._attempts, limit)
        self._attempts = min(self._attempts + 1, 10)
        self._shape = None  # it may come back as another one
        self._newest.forget()
        self._woken.notify_all()

    def _end(self, failure: CameraError | None) -> None:
        self._is_over = True
        self._watch.end(str(failure) if failure else "")
        self._newest.end(failure)
        self._woken.notify_all()

    def _supervise(self) -> None:
        with self._lock:
            while not self._is_over:
                now = time.monotonic()
                self._look(self._watch.status, now)
                due = self._reopen_at - now if self._connection is None else _LOOK_EVERY
                if not self._is_over:
                    self._woken.wait(min(_LOOK_EVERY, max(0.0, due)))

    def _look(self, status: CameraStatus, now: float) -> None:
        away = status.seconds_without_picture(now)
        if status.is_stale:
            self._newest.forget()
            if self._give_up_after is not None and away > self._give_up_after:
                self._give_up(status, away)
                return
        if self._reopen is None:
            return
        if self._connection is None:
            self._hanging = [one for one in self._hanging if one.is_running]
            if now >= self._reopen_at and len(self._hanging) < _MOST_HANGING:
                self._undecoded = 0
                self._connection = self._connect(self._reopen)
        elif status.is_stale and self._is_hopeless(self._connection, status, now):
            self._let_go(self._connection, status)

    def _is_hopeless(self, connection: Connection, status: CameraStatus, now: float) -> bool:
        """Whether a connection has had its time to give a picture."""
        if connection.opened_at is None:
            return now - connection.started_at > self._opens_within
        picture_at = status.last_picture_at or 0.0
        silent_for = now - max(connection.opened_at, picture_at)
        if status.state in ("frozen", "black"):
            return silent_for > self._standing_for
        has_given = picture_at > connection.opened_at
        if not has_given and self._undecoded >= _UNDECODABLE:
            return True
        return silent_for > (_SILENT_FOR if has_given else self._patience)

    def _let_go(self, connection: Connection, status: CameraStatus) -> None:
        connection.let_go()
        self._connection = None
        self._hanging.append(connection)
        if connection.opened_at is None:
            self._opens_within = min(2 * self._opens_within, _OPENS_WITHIN[1])
        if status.state in ("frozen", "black"):
            self._standing_for = min(2 * self._standing_for, _STANDING_AT_MOST)
        else:
            self._watch.lost(status.reason or "The camera sends nothing.")
        self._open_later()

    def _give_up(self, status: CameraStatus, away: float) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.let_go()
        self._end(
            CameraError(
                f"{self.description} has given no picture for {away:.0f} seconds. Check its "
                f"power, its cable and the network. Its last state: {status.reason}"
            )
        )
