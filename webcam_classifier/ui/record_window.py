"""The window for recording: hold a key to record, and watch a model's answer if there is one."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.crop import WHOLE_PICTURE, Crop
from webcam_classifier.display.crop_frame import draw_crop
from webcam_classifier.display.keys import key_of
from webcam_classifier.display.window import NO_KEY, Window, fit_view
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.prediction import Prediction
from webcam_classifier.teaching.recording_session import RecordingSession
from webcam_classifier.ui import record_words as words
from webcam_classifier.ui import window_words
from webcam_classifier.ui.held_key import HeldKey
from webcam_classifier.ui.name_entry import NameEntry
from webcam_classifier.ui.record_keys import Action, action_of
from webcam_classifier.ui.record_view import RecordView, draw_record_view
from webcam_classifier.ui.stale_picture import draw_stale_picture, stale_words

if TYPE_CHECKING:  # what learns takes half a second to load, and recording does not need it
    from webcam_classifier.ui.save_job import SaveJob

COLLECT_TITLE = window_words.COLLECT_TITLE
TEACH_TITLE = window_words.TEACH_TITLE

_NOTICE_FOR = 4.0  # seconds
_OUTCOME_FOR = 20.0  # seconds; a file name and a figure take longer to read
_MOST_KEYS = 8  # handled between two pictures, so that keys can't freeze the picture
_TYPING_WAIT = 0.025  # seconds; Qt keeps only one key, and the next may follow within 30 ms
_SERVE_EVERY = 0.02  # seconds
_STALLED_EVERY = 0.2  # seconds between two redraws while no picture comes
_DIGITS = "123456789"
# A held key repeats every 30 to 60 milliseconds; only the end of that shows its release.
_RECORDS_FOR = 0.08  # seconds after a repeat


class RecordWindow:
    """Shows frames, and records while keys are held; used from the main thread only.

    Args:
        window: An open window.
        session: What records.
        writer: Writes the model of a `TeachingSession`; None only records.
        mirrored: Whether to show a mirror image at first; recorded pictures are never mirrored.
    """

    def __init__(
        self,
        window: Window,
        session: RecordingSession,
        writer: SaveJob | None = None,
        *,
        mirrored: bool,
    ) -> None:
        self.is_paused = False  # never: one has to see what is being recorded
        self.wants_end = False
        self._window = window
        self._session = session
        self._writer = writer
        self._mirrored = mirrored
        self._state = session.state()
        self._drawn: tuple[LabelledFrame, BgrImage] | None = None
        self._last: BgrImage | None = None  # the picture that was shown last
        self._stalled_until = 0.0
        self._held = HeldKey()
        self._recording = ""  # the label of the key that is held
        self._records_until = 0.0
        self._chosen = 0  # index of the label that the space bar records
        self._entry: NameEntry | None = None
        self._message = words.Message("", is_warning=False)
        self._dragged: Crop | None = None  # while the mouse draws it, in the view's coordinates
        self._size = (1, 1)  # width and height of the picture that is shown
        window.on_drag(self._drag)
        self._ends_when_written = False  # q was pressed while a model was being written

    def show(self, labelled: LabelledFrame, status: str) -> None:
        """Draw a labelled frame and put it on the screen.

        Args:
            labelled: What is seen.
            status: See `describe_status`.
        """
        self._state = self._session.state()
        self._last = labelled.frame.image
        drawn = self._draw(labelled, status, self._mirrored)
        self._drawn = None if self._mirrored else (labelled, drawn)
        self._window.show(drawn)

    def stall(self, status: CameraStatus) -> None:
        """Show the last picture greyed out, with the labels but no answer.

        Args:
            status: Why there is no picture.
        """
        now = time.monotonic()
        if self._last is None or now < self._stalled_until:
            return
        self._stalled_until = now + _STALLED_EVERY
        self._state = self._session.state()
        words_told = stale_words(status, now)
        grey = draw_stale_picture(fit_view(self._last, self._mirrored), words_told, status.reason)
        view = self._view()
        if self._writer is not None:
            view = replace(view, bars=words.no_bars(self._state))
        self._window.show(draw_record_view(grey, replace(view, recording="")))

    def picture(self, labelled: LabelledFrame, status: str) -> BgrImage:
        """Return what the window shows, unmirrored, for a video."""
        if self._drawn is not None and self._drawn[0] is labelled:
            return self._drawn[1]
        return self._draw(labelled, status, mirrored=False)

    def serve(self, wait: float = 0.001) -> None:
        """Let the window redraw itself, obey keys, and check on background work.

        Args:
            wait: Seconds to wait for a key.
        """
        until = time.monotonic() + (wait if self._entry is None else _TYPING_WAIT)
        for _ in range(_MOST_KEYS):
            left = until - time.monotonic()
            code = self._window.read_key(max(1, round(1000 * left)))
            if code != NO_KEY:
                self._obey(key_of(code), time.monotonic())
            elif time.monotonic() >= until:
                break
        self._end_what_is_over(time.monotonic())
        if not self._window.is_open:
            self.wants_end = True
        if self.wants_end:
            self._stop()

    def serve_until(self, due: float) -> None:
        """Serve the window until a moment.

        Args:
            due: Seconds on the monotonic clock.
        """
        while not self.wants_end and (left := due - time.monotonic()) > 0:
            self.serve(min(_SERVE_EVERY, left))

    def pause(self) -> None:
        """Do nothing: there is no pause in a recording."""

    def _obey(self, key: str, now: float) -> None:
        if self._entry is not None:
            self._type(key, self._entry, now)
            return
        action = action_of(key)
        if action == "quit":
            self._quit(now)
        elif action == "undo":
            self._undo(now)
        elif action == "mirror":
            self._mirrored = not self._mirrored
        elif action == "new":
            self._stop()
            self._entry = NameEntry()
        elif action == "write":
            self._write(now)
        elif action == "whole":
            self._set_crop(WHOLE_PICTURE, now)
        elif self._state.labels:
            self._choose_or_record(key, action, len(self._state.labels), now)

    def _choose_or_record(self, key: str, action: Action | None, count: int, now: float) -> None:
        if action in ("next", "previous"):
            self._chosen = (self._chosen + (1 if action == "next" else -1)) % count
        elif action == "space":
            self._record(key, self._chosen, now)
        elif key and key in _DIGITS[:count]:
            self._chosen = _DIGITS.index(key)
            self._record(key, self._chosen, now)

    def _record(self, key: str, index: int, now: float) -> None:
        """Record one snapshot for a key that was pressed, and more for one that repeats."""
        label = self._state.labels[index].name
        let_go_at = self._held.let_go_at
        is_new = self._held.press(f"{key} {index}", now)
        try:
            if is_new:
                self._session.stop_recording(let_go_at)
                self._session.start_recording(label, at_most=1)
            else:
                self._session.start_recording(label)
                self._records_until = now + _RECORDS_FOR
        except UserError as error:  # such as a label that was removed
            self._warn(error, now)
        else:
            self._recording = label

    def _end_what_is_over(self, now: float) -> None:
        """Stop recording if no key is held any more, and report a model that was written."""
        if self._recording and not self._held.held(now):
            self._stop()
        elif self._records_until and now > self._records_until:
            # The key may have been released. If another repeat comes, the burst goes on.
            self._records_until = 0.0
            self._session.start_recording(self._recording, at_most=1)
        outcome = None if self._writer is None else self._writer.outcome()
        if outcome is not None:
            told, is_done = outcome
            self._tell(told, now, is_warning=not is_done, lasts=_OUTCOME_FOR)
            # If the model was not written, the window stays open.
            self.wants_end = self.wants_end or (self._ends_when_written and is_done)
            self._ends_when_written = False

    def _stop(self) -> None:
        self._recording, self._records_until = "", 0.0
        self._session.stop_recording(self._held.let_go_at)

    def _type(self, key: str, entry: NameEntry, now: float) -> None:
        if key == "escape":
            self._entry = None
        elif key == "enter":
            self._add_label(entry, now)
        else:
            entry.press(key)

    def _add_label(self, entry: NameEntry, now: float) -> None:
        try:
            name = self._session.add_label(entry.text.strip())
        except UserError as error:
            entry.problem = str(error).partition(". ")[0]  # there is no room for what to do next
            return
        self._entry = None
        self._state = self._session.state()
        self._chosen = [label.name for label in self._state.labels].index(name)
        self._tell(window_words.hold_to_record(words.key_for(self._chosen), name), now)

    def _quit(self, now: float) -> None:
        """Quit; wait for a model that is being written, unless the key is pressed twice."""
        if self._writer is None or self._writer.running is None:
            self.wants_end = True
        elif self._ends_when_written:
            self._writer.cancel()
            self.wants_end = True
        else:
            self._ends_when_written = True
            told = window_words.ENDS_ONCE_WRITTEN
            self._tell(told, now, is_warning=True, lasts=_OUTCOME_FOR)

    def _undo(self, now: float) -> None:
        self._recording, self._records_until = "", 0.0
        try:
            undone = self._session.undo()
        except UserError as error:
            self._warn(error, now)
        else:
            self._tell(words.describe_undone(undone), now)

    def _write(self, now: float) -> None:
        if self._writer is not None:
            try:
                self._writer.write()
            except UserError as error:
                self._warn(error, now)

    def _drag(self, began: tuple[int, int], now_at: tuple[int, int], is_over: bool) -> None:
        """Follow the mouse, which draws the part of the picture to use."""
        width, height = self._size
        (left, right), (top, bottom) = (
            sorted(min(max(0.0, at / side), 1.0) for at in ends)
            for ends, side in zip(zip(began, now_at, strict=True), (width, height), strict=True)
        )
        try:
            self._dragged = Crop(left, top, right - left, bottom - top)
        except ValueError:  # too small, or only a click
            self._dragged = None
        if is_over and self._dragged is not None:
            drawn, self._dragged = self._dragged, None
            self._set_crop(drawn.mirrored() if self._mirrored else drawn, time.monotonic())

    def _set_crop(self, crop: Crop, now: float) -> None:
        try:
            self._session.set_crop(crop)
        except UserError as error:
            self._warn(error, now)
        else:
            writer = self._writer
            again = 0 if writer is None else writer.session.learning_state().pending
            self._tell(words.describe_crop(crop, again), now)

    def _warn(self, error: UserError, now: float) -> None:
        self._tell(str(error), now, is_warning=True)

    def _tell(
        self, text: str, now: float, *, is_warning: bool = False, lasts: float = _NOTICE_FOR
    ) -> None:
        self._message = words.Message(text, is_warning, now, now + lasts)

    def _draw(self, labelled: LabelledFrame, status: str, mirrored: bool) -> BgrImage:
        view = self._view()
        if self._writer is not None:
            view = self._taught(view, labelled.steady, status, self._writer)
        picture = fit_view(labelled.frame.image, mirrored)
        self._size = (picture.shape[1], picture.shape[0])
        crop = self._state.crop
        if crop is not None and mirrored:
            crop = crop.mirrored()
        draw_crop(picture, self._dragged or crop)
        return draw_record_view(picture, view)

    def _view(self) -> RecordView:
        """Return the view of the recording."""
        state, writer = self._state, self._writer
        learning = None if writer is None else writer.session.learning_state()
        job = None if writer is None else writer.running
        message = words.choose_message(state, learning, self._message, job, time.monotonic())
        skipped = words.describe_skipped(state)
        return RecordView(
            rows=words.label_rows(state, self._chosen, self._recording),
            bars=words.count_bars(state, self._recording),
            recording=window_words.recording(self._recording) if self._recording else "",
            message=message.text,
            is_warning=message.is_warning,
            skipped=window_words.not_recorded(skipped) if skipped else "",
            keys=words.keys_line(
                len(state.labels),
                is_typing=self._entry is not None,
                is_teaching=writer is not None,
            ),
            entry=self._entry,
        )

    def _taught(
        self, view: RecordView, prediction: Prediction, status: str, writer: SaveJob
    ) -> RecordView:
        """Add to a view what is shown of the model that is taught."""
        state, job = self._state, writer.running
        return replace(
            view,
            bars=words.probability_bars(state, prediction),
            verdict=words.verdict_or_step(state, prediction),
            facts=words.facts(writer.session.learning_state()),
            steps=words.first_steps(state),
            status=status,
            progress=None if job is None else job.progress or 0.0,
        )
