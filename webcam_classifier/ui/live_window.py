"""The window of live.py: the drawn picture, its keys, pause and snapshots."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.crop import Crop
from webcam_classifier.dataset.picture_files import encode_snapshot
from webcam_classifier.display.crop_frame import draw_crop
from webcam_classifier.display.window import NO_KEY, Window, fit_view
from webcam_classifier.errors import UserError
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.storage import write_atomically
from webcam_classifier.ui import window_words
from webcam_classifier.ui.labelled_picture import draw_labelled
from webcam_classifier.ui.stale_picture import draw_stale_picture, stale_words

if TYPE_CHECKING:  # it is slow to import, and rarely used
    from webcam_classifier.ui.explanation import Explanation

    Explain = Callable[[], Explanation]

TITLE = window_words.LIVE_TITLE

_ESCAPE = 27
_NOTICE_FOR = 2.5  # seconds
_SERVE_EVERY = 0.02  # seconds, while the picture stands still


class LiveWindow:
    """Shows labelled frames and obeys keys; used from the main thread only.

    Keys: q, Escape or closing the window quits; space or p pauses; s saves a snapshot, both the raw
    picture and the annotated one; e shows where the label was found. Pausing a file stops it;
    pausing a live source stops only the picture, while labels are still written and sent.

    Args:
        window: An open window.
        top: How many labels get a bar.
        mirrored: Whether to show a mirror image; the model never sees it.
        snapshots: The folder that snapshots are saved to.
        crop: The part of the picture that the model uses; the rest is dimmed.
        explain: Called when the key e is first pressed; None if the key does nothing.
    """

    def __init__(
        self,
        window: Window,
        top: int,
        mirrored: bool,
        snapshots: Path,
        crop: Crop | None = None,
        explain: Explain | None = None,
    ) -> None:
        self.is_paused = False
        self.wants_end = False
        self._window = window
        self._top = top
        self._mirrored = mirrored
        self._snapshots = snapshots
        self._explain = explain
        self._explanation: Explanation | None = None
        self.change_model(crop)
        self._shown: LabelledFrame | None = None
        self._stale: tuple[str, str] | None = None  # that there is no picture, and why
        self._status = ""
        self._notice = ""
        self._notice_until = 0.0
        self._hint = ""

    def change_model(self, crop: Crop | None) -> None:
        """Note that another model labels from now on, with this crop; any thread may call this."""
        self._crop = crop.mirrored() if crop is not None and self._mirrored else crop
        self._explanation = None  # it belonged to the previous model

    def hint(self, words: str) -> None:
        """Show a line with every frame from now on, where no notice takes its place.

        Args:
            words: The line; empty ends it.
        """
        self._hint = words

    def show(self, labelled: LabelledFrame, status: str) -> None:
        """Draw a labelled frame and put it on the screen, unless paused.

        Args:
            labelled: The labelled frame.
            status: See `draw_labelled`.
        """
        if not self.is_paused:
            self._shown = labelled
            self._stale = None
            self._status = status
            self._draw()

    def stall(self, status: CameraStatus) -> None:
        """Show the last picture greyed out and without a label, unless paused.

        Args:
            status: Why there is no picture.
        """
        stale = (stale_words(status, time.monotonic()), status.reason)
        if not self.is_paused and stale != self._stale:
            self._stale = stale
            self._draw()

    def serve(self, wait: float = 0.001) -> None:
        """Let the window redraw itself, and obey a key.

        Args:
            wait: Seconds to wait for a key.
        """
        key = self._window.read_key(max(1, round(1000 * wait)))
        if key != NO_KEY:
            self._obey(key)
        if not self._window.is_open:
            self.wants_end = True
        if self._notice and time.monotonic() > self._notice_until:
            self._notice = ""
            self._draw()

    def serve_until(self, due: float) -> None:
        """Serve the window until a moment, and as long as it is paused.

        Args:
            due: Seconds on the monotonic clock.
        """
        while not self.wants_end and (self.is_paused or time.monotonic() < due):
            left = due - time.monotonic()
            self.serve(_SERVE_EVERY if self.is_paused else min(_SERVE_EVERY, max(0.001, left)))

    def pause(self) -> None:
        """Keep the picture until the user continues."""
        self.is_paused = True
        self._draw()

    def _obey(self, key: int) -> None:
        if key in (ord("q"), ord("Q"), _ESCAPE):
            self.wants_end = True
        elif key in (ord(" "), ord("p"), ord("P")):
            self.is_paused = not self.is_paused
            self._draw()
        elif key in (ord("e"), ord("E")):
            self.explain()
        elif key in (ord("s"), ord("S")) and self._shown is not None:
            self._save_snapshot(self._shown)

    def _keys(self) -> str:
        return window_words.live_keys(
            is_paused=self.is_paused, can_explain=self._explain is not None
        )

    def explain(self) -> None:
        """Start or stop showing where the label was found."""
        if self._explanation is not None:
            self._explanation = None
        elif self._explain is not None:
            try:
                self._explanation = self._explain()
            except UserError as error:
                self._say(str(error))
        self._draw()

    def _save_snapshot(self, labelled: LabelledFrame) -> None:
        if self._stale is not None:
            self._say(window_words.NOTHING_TO_SAVE)
            return
        try:
            save_snapshot(labelled, self._top, self._snapshots)
        except UserError as error:  # a full disk is no reason to end what goes on
            self._say(str(error))
        else:
            self._say(window_words.snapshot_saved(str(self._snapshots)))

    def _say(self, notice: str) -> None:
        self._notice, self._notice_until = notice, time.monotonic() + _NOTICE_FOR
        self._draw()

    def _draw(self) -> None:
        if self._shown is None:
            return
        view = fit_view(self._shown.frame.image, self._mirrored)
        if self._stale is not None:
            words, reason = self._stale
            told = self._notice or reason
            self._window.show(draw_stale_picture(view, words, told, self._keys()))
            return
        shown = self._shown
        explanation = self._explanation  # another thread may reset it
        if explanation is not None:
            explanation.draw(view, shown.frame.image, shown.steady, mirrored=self._mirrored)
        draw_crop(view, self._crop)
        drawn = draw_labelled(
            view,
            shown,
            top=self._top,
            mirrored=self._mirrored,
            status=self._status,
            help_line=self._keys(),
            notice=self._notice or (window_words.PAUSED if self.is_paused else self._hint),
        )
        self._window.show(drawn)


def save_snapshot(labelled: LabelledFrame, top: int, folder: Path) -> tuple[Path, Path]:
    """Save a frame as the camera gave it, and a second picture with its label drawn.

    Args:
        labelled: The frame with its label.
        top: How many labels get a bar.
        folder: Created if it is missing.

    Returns:
        The files of the raw and of the annotated picture, named by the time in UTC.

    Raises:
        UserError: The folder can't be written.
    """
    moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%f")[:-3]
    raw, annotated = folder / f"{moment}.jpg", folder / f"{moment}_annotated.jpg"
    drawn = draw_labelled(labelled.frame.image, labelled, top=top)
    write_atomically(raw, encode_snapshot(labelled.frame.image))
    write_atomically(annotated, encode_snapshot(drawn))
    return raw, annotated
