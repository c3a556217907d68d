"""Tell the health of a source by the pictures that come from it: live, stalled, frozen, black."""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np

from webcam_classifier.camera.protocol import CameraState, CameraStatus
from webcam_classifier.frame import BgrImage

STALLED_AFTER = 2.0
"""Seconds without a picture, after which a source counts as stalled; a slow one has more."""

_STALLED_PERIODS = 4.0  # likewise in frame periods: a camera of one frame a second may be late
_FROZEN_AFTER = 3.0  # seconds of one and the same picture
_FROZEN_PICTURES = 5  # at least, of one and the same
_BLACK_AFTER = 2.0  # seconds
_BLACK = 12  # of 255; a sensor in the dark still gives noise, one that is switched off does not
_CUT_FOR = 1.0  # seconds; what stays longer is really there
_REMEMBERED = 64  # pictures, by which the habits of a source are known
_SOMETIMES, _MOSTLY = 0.25, 0.75  # shares of them
_SAMPLES = 16  # rows and columns that are looked at first
_EDGE = 12  # part of the height: the lower edge, which is missing where a picture was cut off
_EDGE_ROWS = 4  # of them are looked at
_EDGES = 3  # pictures, from one of which a decoder fills in what is missing


class HealthMonitor:
    """Follows one source across reconnections; all methods may be called from any thread.

    A source is frozen if it gives identical bytes for some seconds and did not do so before: noise
    makes every picture of a sensor different. A source that repeats itself from the start, such as
    a slide from a capture card, is never frozen.

    A picture is cut off if its lower edge is plain, or identical to that of a picture just before
    while the rest differs: that is how decoders fill in missing parts. Again this counts only if
    the source was not like that before.

    Args:
        period: Seconds between two frames, if known; else 0.
        looks: Whether pictures are checked: False for drawn or stored ones, which may legitimately
            be black or static.
    """

    def __init__(self, period: float = 0.0, looks: bool = True) -> None:
        self._stalled_after = max(STALLED_AFTER, _STALLED_PERIODS * period)
        self._looks = looks
        self._lock = threading.Lock()
        self._state: CameraState = "opening"
        self._since = time.monotonic()
        self._reason = ""
        self._picture_at: float | None = None  # when the last good one was captured
        self._is_undecoded = False  # the last frame could not be decoded
        self._before: BgrImage | None = None
        self._sample = b""  # of that picture
        self._same_since = 0.0
        self._same = 0  # pictures in a row that equal the one before
        self._changed: deque[bool] = deque(maxlen=_REMEMBERED)
        self._edges: deque[bytes] = deque(maxlen=_EDGES)
        self._had_whole_edge: deque[bool] = deque(maxlen=_REMEMBERED)
        self._cut_since: float | None = None
        self._black_since: float | None = None

    @property
    def status(self) -> CameraStatus:
        """The present status of the source."""
        with self._lock:
            self._see_whether_stalled(time.monotonic())
            return CameraStatus(self._state, self._since, self._reason, self._picture_at)

    def arrived(self, at: float) -> None:
        """Record the arrival of a frame that is not decoded.

        Args:
            at: Seconds on the monotonic clock: when it was captured.
        """
        with self._lock:
            if self._state not in ("frozen", "black", "ended"):  # these end only by being looked at
                self._picture_at = at
                self._go("live", at)

    def undecoded(self) -> None:
        """Record a frame that can't be decoded."""
        with self._lock:
            self._is_undecoded = True

    def saw(self, image: BgrImage, at: float) -> bool:
        """Check a picture.

        Args:
            image: (height, width, 3) uint8; kept until the next one, and not to be changed.
            at: Seconds on the monotonic clock: when it was captured.

        Returns:
            Whether it may be used: not if it is frozen, black or cut off.
        """
        with self._lock:
            self._is_undecoded = False
            if self._state == "ended":
                return False
            if self._looks:
                problem = self._why_not(image, at)
                if problem is not None:
                    state, reason = problem
                    if state != "live":  # one cut picture alone is no state
                        self._go(state, at, reason)
                    return False
            self._picture_at = at
            self._go("live", at)
            return True

    def lost(self, reason: str) -> None:
        """Record that the connection is lost, and is being reopened from now on.

        Args:
            reason: A sentence for a person; another one while it is lost replaces it.
        """
        with self._lock:
            if self._state != "ended":
                self._go("reopening", time.monotonic(), reason)

    def end(self, reason: str = "") -> None:
        """Record the end of the source; only the first call counts."""
        with self._lock:
            if self._state != "ended":
                self._go("ended", time.monotonic(), reason)

    def _go(self, state: CameraState, at: float, reason: str = "") -> None:
        if state != self._state:
            self._state, self._since = state, at
        self._reason = reason

    def _see_whether_stalled(self, now: float) -> None:
        if self._state != "live" or self._picture_at is None:
            return
        if now - self._picture_at > self._stalled_after:
            undecoded = "What the camera sends can't be decoded."
            reason = undecoded if self._is_undecoded else "The camera sends nothing."
            self._go("stalled", now, reason)

    def _why_not(self, image: BgrImage, at: float) -> tuple[CameraState, str] | None:
        """Return the state that a bad picture indicates, and why; None if it is good."""
        rows, columns = (max(1, length // _SAMPLES) for length in image.shape[:2])
        sample = image[::rows, ::columns]
        if self._is_frozen(image, sample.tobytes(), at):
            return "frozen", "The camera sends the very same picture again and again."
        if self._is_black(image, sample, at):
            return "black", "The picture is black. Check the lens cap, the shutter and the light."
        edge = max(1, image.shape[0] // _EDGE)
        if self._is_cut(image[-edge :: max(1, edge // _EDGE_ROWS), ::columns], at):
            return "live", "The picture is cut off."
        return None

    def _is_frozen(self, image: BgrImage, sample: bytes, at: float) -> bool:
        before, self._before = self._before, image
        is_same = (
            before is not None and sample == self._sample and bool(np.array_equal(image, before))
        )
        self._sample = sample
        if is_same:
            self._same += 1
        else:
            self._same, self._same_since = 0, at
        used_to_change = _share(self._changed) >= _SOMETIMES
        is_frozen = (
            self._same >= _FROZEN_PICTURES
            and at - self._same_since >= _FROZEN_AFTER
            and used_to_change
        )
        # Of a source that used to change, repetitions are what is waited for, and no habit.
        if not (is_same and used_to_change):
            self._changed.append(not is_same)
        return is_frozen

    def _is_black(self, image: BgrImage, sample: BgrImage, at: float) -> bool:
        if sample.max() > _BLACK or image.max() > _BLACK:
            self._black_since = None
            return False
        if self._black_since is None:
            self._black_since = at
        return at - self._black_since >= _BLACK_AFTER

    def _is_cut(self, edge: BgrImage, at: float) -> bool:
        if self._same:
            return False
        content = edge.tobytes()
        is_plain = bool((edge == edge[0, 0]).all())
        is_whole = not is_plain and content not in self._edges
        used_to_be_whole = _share(self._had_whole_edge) >= _MOSTLY
        self._edges.append(content)
        self._had_whole_edge.append(is_whole)
        if is_whole or not used_to_be_whole:
            self._cut_since = None
            return False
        if self._cut_since is None:
            self._cut_since = at
        return at - self._cut_since < _CUT_FOR


def _share(happened: deque[bool]) -> float:
    """Return how often something was the case, 0 to 1; 0 until there were enough observations."""
    enough = _REMEMBERED // 2
    return sum(happened) / len(happened) if len(happened) >= enough else 0.0
