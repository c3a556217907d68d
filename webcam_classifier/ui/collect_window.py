"""The window of collect.py: shows the camera, obeys the keys, records while a key is held."""

from __future__ import annotations

import time

from webcam_classifier.camera.protocol import Camera
from webcam_classifier.dataset.bursts import UndoneBurst
from webcam_classifier.dataset.collection import DISK_TOO_SLOW, CollectSession
from webcam_classifier.dataset.snapshot_quality import SnapshotProblem
from webcam_classifier.display.keys import key_of
from webcam_classifier.display.label_panel import LabelRow
from webcam_classifier.display.window import NO_KEY, Window, fit_view
from webcam_classifier.frame import Frame
from webcam_classifier.pace import Pace
from webcam_classifier.ui.collect_view import Lines, draw_collect_view
from webcam_classifier.ui.held_key import HeldKey

TITLE = "collect - webcam classifier"

_LABELS_WITH_KEYS = 9
_NOTICE_FOR = 3.0  # seconds
_FILE_RATE = 30.0  # frames a second; a file would rush by as fast as it is read
_MOST_KEYS_A_FRAME = 8  # so that keys can't keep the picture from moving

ADVICE = {
    SnapshotProblem.TOO_DARK.value: "let more light in",
    SnapshotProblem.TOO_BRIGHT.value: "turn away from the light",
    SnapshotProblem.BLURRED.value: "move more slowly, or focus the camera",
    SnapshotProblem.NEARLY_THE_SAME.value: "move a little",
    DISK_TOO_SLOW: "record at a lower --rate",
}
"""What to do about a picture that was not recorded, by the reason."""

NAMES_BY_KEY = {
    "escape": "quit",
    "q": "quit",
    "backspace": "undo",
    "u": "undo",
    "z": "undo",
    "m": "mirror",
    " ": "space",
    "tab": "next",
    "down": "next",
    "up": "previous",
}
"""What the keys do, by what `key_of` calls them; digits record the label of that number."""


class CollectWindow:
    """Shows a camera and records what the user asks for; used from the main thread alone.

    Args:
        window: From `display`, open.
        session: Records and counts.
        rate: Pictures a second while a key is held.
        mirrored: Show the picture like a mirror at first; what is saved never is.
    """

    def __init__(
        self, window: Window, session: CollectSession, rate: float, mirrored: bool
    ) -> None:
        self._window = window
        self._session = session
        self._mirrored = mirrored
        self._pace = Pace(rate)
        self._held = HeldKey()
        self._chosen = 0  # index of the label that the space bar records
        self._recording = ""  # the label of the key that went down last
        self._wants_end = False
        self._notice = self._warning = ""
        self._notice_until = self._warning_until = 0.0
        self._last_taken = -1  # index of a frame; no frame is recorded twice

    def run(self, camera: Camera) -> bool:
        """Show frames until the user quits or the source ends.

        Args:
            camera: Open.

        Returns:
            Whether the source ended by itself.

        Raises:
            UserError: A snapshot could not be written, or the camera was unplugged.
        """
        while (frame := camera.read()) is not None:
            self._session.check()
            self._show(frame)
            self._serve(frame, 0.0 if camera.is_live else 1.0 / _FILE_RATE)
            if self._wants_end or not self._window.is_open:
                return False
        return True

    def _serve(self, frame: Frame, seconds: float) -> None:
        """Obey the keys that came, for at least so long."""
        until = time.monotonic() + seconds
        for _ in range(_MOST_KEYS_A_FRAME):
            left = until - time.monotonic()
            code = self._window.read_key(max(1, round(1000 * left)))
            if code != NO_KEY:
                self._obey(key_name(code), frame, time.monotonic())
            elif time.monotonic() >= until:
                break

    def _obey(self, name: str, frame: Frame, now: float) -> None:
        labels = self._session.labels
        if name == "quit":
            self._wants_end = True
        elif name == "undo":
            self._undo(now)
        elif name == "mirror":
            self._mirrored = not self._mirrored
        elif name in ("next", "previous"):
            self._chosen = (self._chosen + (1 if name == "next" else -1)) % len(labels)
        elif name == "space":
            self._record(name, self._chosen, frame, now)
        elif name.isdecimal() and 1 <= int(name) <= min(len(labels), _LABELS_WITH_KEYS):
            self._chosen = int(name) - 1
            self._record(name, self._chosen, frame, now)

    def _record(self, key: str, index: int, frame: Frame, now: float) -> None:
        if self._held.press(f"{key} {index}", now):
            self._recording = self._session.labels[index]
            self._session.begin(self._recording)
            self._pace.restart()
        if frame.index == self._last_taken or not self._pace.is_due(now):
            return
        self._last_taken = frame.index
        reason = self._session.take(frame.image)
        if reason is not None:
            self._warning = f"{reason}: {ADVICE[reason]}"
            self._warning_until = now + _NOTICE_FOR
        else:
            self._warning_until = self._notice_until = now

    def _undo(self, now: float) -> None:
        self._notice = describe_undone(self._session.undo())
        self._notice_until, self._warning_until = now + _NOTICE_FOR, now

    def _show(self, frame: Frame) -> None:
        now = time.monotonic()
        session = self._session
        notice = self._notice if now < self._notice_until else ""
        warning = self._warning if now < self._warning_until else ""
        if not notice and not warning:  # what stays true for long gives way to what is new
            warning = session.imbalance() or ""
        lines = Lines(
            warning=warning,
            notice=notice,
            skipped=session.describe_skipped(),
            keys=self._describe_keys(),
        )
        view = fit_view(frame.image, self._mirrored)
        rows = self._rows(bool(self._held.held(now)))
        self._window.show(draw_collect_view(view, rows, lines))

    def _rows(self, is_held: bool) -> list[LabelRow]:
        counts = self._session.counts
        behind = self._session.labels_behind()
        return [
            LabelRow(
                key=str(index + 1) if index < _LABELS_WITH_KEYS else "",
                label=label,
                count=counts[label],
                is_recording=is_held and label == self._recording,
                is_chosen=index == self._chosen,
                is_behind=label in behind,
            )
            for index, label in enumerate(self._session.labels)
        ]

    def _describe_keys(self) -> str:
        count = len(self._session.labels)
        if count > _LABELS_WITH_KEYS:
            record = "tab or arrows choose, hold space to record"
        else:
            record = f"hold {'1' if count == 1 else f'1-{count}'} to record, tap for one picture"
        return f"{record}    u undo    m mirror    q quit"


def describe_undone(undone: UndoneBurst | None) -> str:
    """Say what was taken back."""
    if undone is None:
        return "nothing to undo: what was there before this run stays"
    pictures = "picture" if undone.count == 1 else "pictures"
    return f"undone: {undone.count} {pictures} of {undone.label}"


def key_name(code: int) -> str:
    """Name a key by what it does, whatever the system calls it: "1" to "9", "quit", "undo", ...

    Args:
        code: From `Window.read_key`.

    Returns:
        Empty for a key without a meaning.
    """
    key = key_of(code).lower()
    return key if key in "123456789" else NAMES_BY_KEY.get(key, "")
