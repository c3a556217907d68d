"""Keep a few pictures an hour that the model is not sure about, to be labelled later."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.command_names import typed
from webcam_classifier.dataset.fingerprints import FINGERPRINT_BITS, fingerprint
from webcam_classifier.dataset.near_duplicates import are_near_duplicates
from webcam_classifier.dataset.picture_files import PictureError, encode_snapshot, read_picture
from webcam_classifier.dataset.snapshot_name import SnapshotName, new_session
from webcam_classifier.dataset.unlabelled_pictures import (
    UnlabelledNote,
    append_note,
    unlabelled_names,
)
from webcam_classifier.errors import UserError
from webcam_classifier.events.defaults import UNCERTAIN_LIMIT, UNCERTAIN_RATE
from webcam_classifier.events.event import Event, iso_time
from webcam_classifier.events.sink import DeliveryError, QueuedSink, QueueSettings, Tell
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.model_card import NO_PICTURE
from webcam_classifier.prediction import SURE_FROM, Prediction
from webcam_classifier.storage import check_writable, explain_os_error, write_atomically

_LOOK_EVERY = 0.15  # seconds
_REMEMBERED = 4  # frames, of the last half second
_OFFER_EVERY = 1.0  # seconds, while frames remain uncertain
_AT_ONCE = 2  # pictures in quick succession, after none was kept for a while
_QUEUE_LIMIT = 4  # frames


@dataclass(frozen=True, eq=False)
class _Candidate:
    labelled: LabelledFrame
    reason: str


class UncertainPictures(QueuedSink[_Candidate]):
    """Writes pictures that were unknown, unsure, or just before a change of the steady label.

    Near duplicates of pictures in the folder are left out. Pictures are saved whole, and named so
    that each counts as its own burst, whatever label it gets later. Once the folder is full, no
    more are kept until somebody takes pictures out of it; none is deleted here.

    Args:
        folder: Where they are kept; created if it is missing.
        tell: Called with a sentence when a picture can't be written, or the folder is full.
        rate: Pictures an hour, at most.
        limit: Pictures in the folder, at most.

    Raises:
        UserError: The folder can't be written.
    """

    def __init__(
        self,
        folder: Path,
        tell: Tell,
        *,
        rate: float = UNCERTAIN_RATE,
        limit: int = UNCERTAIN_LIMIT,
    ) -> None:
        check_writable(folder)
        self._folder = folder
        self._rate = rate / 3600
        self._limit = limit
        self._session = new_session()
        self._number = 0
        self._recent: deque[LabelledFrame] = deque(maxlen=_REMEMBERED)
        self._looked_at = self._offered_at = float("-inf")
        self._may_keep = float(_AT_ONCE)
        self._counted_at: float | None = None
        self._known: NDArray[np.bool_] | None = None  # fingerprints of what is in the folder
        super().__init__(f"--keep-uncertain {folder}", tell, QueueSettings(limit=_QUEUE_LIMIT))

    def take_frame(self, labelled: LabelledFrame) -> None:
        """Consider a frame every now and then."""
        now = labelled.frame.captured_at
        if now - self._looked_at < _LOOK_EVERY or not labelled.steady.labels:
            return
        self._looked_at = now
        self._recent.append(labelled)
        reason = _reason(labelled)
        if reason and now - self._offered_at >= _OFFER_EVERY:
            self._offered_at = now
            self.offer(_Candidate(labelled, reason))

    def take_event(self, event: Event) -> None:
        """Take the least certain of the frames before a change."""
        before = [one for one in list(self._recent) if one.frame.captured_at < event.monotonic]
        if before and event.previous_label not in (None, NO_PICTURE) and event.label != NO_PICTURE:
            least = min(before, key=lambda one: _sureness(one.prediction))
            self.offer(_Candidate(least, "change"))
        if event.label == NO_PICTURE:
            self._recent.clear()

    def deliver(self, item: _Candidate) -> None:
        """Keep a picture, if there is room and it is not a near duplicate.

        Raises:
            DeliveryError: It can't be written, or the folder is full.
        """
        frame = item.labelled.frame
        if not self._is_time(frame.captured_at):
            return
        try:
            known = self._fingerprints()
            own = fingerprint(frame.image)
            if are_near_duplicates(own[np.newaxis], known).any():
                return
            if len(unlabelled_names(self._folder)) >= self._limit:
                raise DeliveryError(
                    f"{self.name}: the folder holds {self._limit} pictures, and no more are kept. "
                    f"Label them: `python studio.py --unlabelled {typed(self._folder)}`.",
                    may_retry=False,
                )
            self._write(item)
        except UserError as error:
            raise DeliveryError(f"{self.name}: {error}", may_retry=False) from error
        self._known = np.concatenate([known, own[np.newaxis]])
        self._may_keep -= 1
        super().note_success(item)

    def note_success(self, item: _Candidate) -> None:
        """Do nothing: a picture that was not kept says nothing about the disk."""

    def _is_time(self, now: float) -> bool:
        if self._counted_at is not None:
            passed = max(0.0, now - self._counted_at)
            self._may_keep = min(_AT_ONCE, self._may_keep + passed * self._rate)
        self._counted_at = now
        return self._may_keep >= 1

    def _fingerprints(self) -> NDArray[np.bool_]:
        """Return the fingerprints of the folder's pictures, (pictures, bits) bool; read once."""
        if self._known is None:
            found = []
            for name in unlabelled_names(self._folder):
                try:
                    found.append(fingerprint(read_picture(self._folder / name)))
                except (PictureError, OSError):  # not a picture, or removed a moment ago
                    continue
            self._known = np.array(found, dtype=np.bool_).reshape(-1, FINGERPRINT_BITS)
        return self._known

    def _write(self, item: _Candidate) -> None:
        frame, prediction = item.labelled.frame, item.labelled.prediction
        self._number += 1
        name = SnapshotName(self._session, self._number, 1).format() + ".jpg"
        captured = time.time() - (time.monotonic() - frame.captured_at)
        note = UnlabelledNote(
            name,
            item.reason,
            prediction.label,
            round(prediction.confidence, 4),
            iso_time(captured),
        )
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._folder / name, encode_snapshot(frame.image))
            append_note(self._folder, note)
        except OSError as error:
            raise UserError(explain_os_error(error, self._folder)) from error
        except UserError as error:
            # Without the picture's own name, so that the same reason is reported only once.
            raise UserError(str(error).replace(str(self._folder / name), str(self._folder))) from (
                error
            )


def _reason(labelled: LabelledFrame) -> str:
    """Return why a frame may be worth keeping; empty if it is not."""
    steady, raw = labelled.steady, labelled.prediction
    if steady.is_unknown:
        return "unknown" if raw.is_unknown else ""
    return "unsure" if max(steady.confidence, raw.confidence) < SURE_FROM else ""


def _sureness(prediction: Prediction) -> float:
    return -1.0 if prediction.is_unknown else prediction.confidence
