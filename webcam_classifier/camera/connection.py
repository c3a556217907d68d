"""One connection to a source: a thread that opens it and grabs its frames until it is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from webcam_classifier.camera.protocol import CameraError
from webcam_classifier.frame import BgrImage

_Opened = TypeVar("_Opened")
_WAKE_EVERY = 0.2  # seconds; on Windows Ctrl-C is obeyed only between two waits


_HANGING = "camera"  # what the names of the threads begin with


def is_any_hanging() -> bool:
    """Whether an abandoned thread still hangs in a driver or library."""
    return any(thread.name.startswith(_HANGING) for thread in threading.enumerate())


class FrameGrabber(Protocol):
    """A source that one thread alone reads, since OpenCV's capture can't be shared."""

    def grab(self) -> bool:
        """Wait for the next frame without decoding it; False: the stream has ended.

        Raises:
            CameraError: The source broke off.
        """

    def retrieve(self) -> BgrImage | None:
        """Decode the frame grabbed last; None: it is damaged."""

    def describe(self, first: BgrImage) -> str:
        """Say in one line what it is and what it really gives."""

    def release(self) -> None:
        """Release the device."""


class Connection:
    """Opens a source and grabs its frames, in a thread that can be abandoned.

    A call into a driver or a network library may hang. So a connection that is no longer needed is
    let go, and its thread releases the source whenever that call returns.

    Args:
        open_source: Called in the thread.
        on_frame: Called in the thread for each frame that was grabbed, with the grabber and the
            time on the monotonic clock.
        on_end: Called in the thread once the source is released, with the error that ended it; None
            if the stream has ended, or was let go.

    Attributes:
        opened_at: When it was opened, in seconds on the monotonic clock; None before.
        started_at: When it was begun.
    """

    def __init__(
        self,
        open_source: Callable[[], FrameGrabber],
        on_frame: Callable[[Connection, FrameGrabber, float], None],
        on_end: Callable[[Connection, CameraError | None], None],
    ) -> None:
        self.started_at = time.monotonic()
        self.opened_at: float | None = None
        self._open_source = open_source
        self._on_frame = on_frame
        self._on_end = on_end
        self._is_let_go = False
        self._thread = threading.Thread(target=self._run, name=_HANGING, daemon=True)
        self._thread.start()

    def let_go(self) -> None:
        """Make it end as soon as it can, without waiting."""
        self._is_let_go = True

    def join(self, seconds: float) -> None:
        """Wait for the source to be released, at most this long."""
        if self._thread is not threading.current_thread():
            self._thread.join(seconds)

    @property
    def is_running(self) -> bool:
        """Whether the thread still holds the source."""
        return self._thread.is_alive()

    def _run(self) -> None:
        failure: CameraError | None = None
        try:
            self._grab_frames(self._open_source())
        except CameraError as error:
            failure = error
        except Exception as error:  # it has to reach the reader, who would wait for ever
            failure = CameraError(f"The connection to the camera broke: {error}. Open it again.")
            failure.__cause__ = error
        finally:
            self._on_end(self, failure)

    def _grab_frames(self, grabber: FrameGrabber) -> None:
        try:
            self.opened_at = time.monotonic()
            while not self._is_let_go and grabber.grab():
                self._on_frame(self, grabber, time.monotonic())
        finally:
            grabber.release()


def open_in_thread(
    open_source: Callable[[], _Opened], release: Callable[[_Opened], None], seconds: float
) -> _Opened:
    """Open something that may hang, in a way that Ctrl-C still works.

    Args:
        open_source: Called in a thread of its own.
        release: Lets go of what was opened too late, when nobody waits for it any more.
        seconds: How long to wait.

    Returns:
        What was opened.

    Raises:
        CameraError: It took too long, or what `open_source` raises.
    """
    opening = _Opening(open_source, release)
    try:
        return opening.wait(seconds)
    except BaseException:
        opening.let_go()
        raise


class _Opening(Generic[_Opened]):
    """A thread that opens something, and releases it if nobody waits for it any more."""

    def __init__(
        self, open_source: Callable[[], _Opened], release: Callable[[_Opened], None]
    ) -> None:
        self._open_source = open_source
        self._release = release
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._opened: list[_Opened] = []  # one at most
        self._error: Exception | None = None
        self._is_let_go = False
        threading.Thread(target=self._run, name=f"{_HANGING}-opening", daemon=True).start()

    def wait(self, seconds: float) -> _Opened:
        """Wait for what is opened; see `open_in_thread`."""
        due = time.monotonic() + seconds
        while not self._done.wait(_WAKE_EVERY):
            if time.monotonic() > due:
                raise CameraError(
                    f"The source did not open within {seconds:.0f} seconds. Check whether it is "
                    "on, and its address or cable."
                )
        if self._error is not None:
            raise self._error
        return self._opened[0]

    def let_go(self) -> None:
        """Release what is or will be opened."""
        with self._lock:
            self._is_let_go = True
            opened, self._opened = self._opened, []
        for one in opened:
            self._release(one)

    def _run(self) -> None:
        try:
            found = self._open_source()
        except Exception as error:
            self._error = error
        else:
            with self._lock:
                is_late = self._is_let_go
                if not is_late:
                    self._opened.append(found)
            if is_late:
                self._release(found)
        self._done.set()
