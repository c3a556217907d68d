"""Record snapshots into a folder: everything a person can do, and the state they are shown."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from webcam_classifier.closing import Closing
from webcam_classifier.crop import Crop
from webcam_classifier.dataset.bursts import UndoneBurst
from webcam_classifier.dataset.crop_file import find_crop
from webcam_classifier.dataset.index import Dataset, Picture, check_is_whole
from webcam_classifier.dataset.label_names import check_labels
from webcam_classifier.errors import UserError
from webcam_classifier.exchange.import_dataset import Imported
from webcam_classifier.exchange.sources import Source
from webcam_classifier.frame import BgrImage, Frame
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.prediction import Prediction
from webcam_classifier.storage import check_writable
from webcam_classifier.teaching.chosen_frames import ChosenFrame, ChosenFrames
from webcam_classifier.teaching.describe import describe_labels, describe_warnings
from webcam_classifier.teaching.edits import Edits
from webcam_classifier.teaching.picture_moves import UndoableMoves
from webcam_classifier.teaching.recording import Recording
from webcam_classifier.teaching.state import RecordingState, Refusal

_Done = TypeVar("_Done")


class RecordingSession(Closing):
    """Records snapshots into a folder, which may be empty, and changes the pictures in it.

    >>> with RecordingSession(Path("dataset"), ["cup", "none"]) as session:
    ...     session.start_recording("cup", at_most=1)
    ...     session.take(camera.read())
    ...     session.state().labels[0].count
    True
    1

    All methods may be called from any thread. Pictures are on the disk a moment after they were
    taken; if the process is killed, only those still on their way are lost.

    Args:
        dataset: The data set, with one folder for each label; it may be missing or empty.
        labels: Shown first, in this order; they need no pictures yet. The folder's other labels
            follow.
        rate: Snapshots a second while a label is recorded; infinity takes every frame.
        keep_all: Whether to record dark, bright, blurred and repeated pictures too.

    Raises:
        UserError: A label can't be the name of a folder, or the data set can't be written or is
            split into parts such as train and test.
    """

    def __init__(
        self,
        dataset: Path,
        labels: Sequence[str] = (),
        *,
        rate: float = 8.0,
        keep_all: bool = False,
    ) -> None:
        check_is_whole(dataset)
        check_writable(dataset)
        self._rate = rate
        self._keeps_all = keep_all
        self._dataset = Dataset(dataset, check_labels(labels, dataset), find_crop(dataset))
        self._telling = threading.Lock()  # guards the two below
        self._version = 0
        self._state: RecordingState | None = None
        self._callbacks: list[Callable[[], None]] = []
        self._dataset.refresh()
        self._recording = Recording(self._dataset, rate, keep_all, self._changed)
        self._edits = Edits(self._dataset, self._recording, self._forget)

    def __len__(self) -> int:
        """How many pictures there are, including those on their way to the disk."""
        return len(self._dataset)

    @property
    def rate(self) -> float:
        """Snapshots a second while a label is recorded."""
        return self._rate

    @property
    def saved(self) -> dict[str, int]:
        """How many snapshots of this run are on the disk, for each label that has any."""
        return self._recording.recorder.written

    @property
    def is_recording(self) -> bool:
        """Whether a label is being recorded; cheap enough to ask for with every frame."""
        return self._recording.label is not None

    def observe(self, labelled: LabelledFrame) -> None:
        """Record a labelled frame if a snapshot is due; the `record` hook of `LiveLoop`.

        It must be called in the loop's thread, before the next frame is labelled.

        Args:
            labelled: The frame and its prediction. Without an embedding, it is used for
                training a little later.
        """
        self.take(labelled.frame, labelled.prediction)

    def take(self, frame: Frame, prediction: Prediction | None = None, wait: bool = False) -> bool:
        """Record a frame if a snapshot is due.

        Args:
            frame: The frame; its image must not be changed afterwards.
            prediction: What a model said about it, if there is a model.
            wait: Whether to wait for a slow disk rather than skip the frame.

        Returns:
            Whether it was recorded, or will be unless the recording is stopped at once.
        """
        return self._recording.take(frame, prediction, wait)

    def check(self) -> None:
        """Raise a `UserError` if snapshots can't be saved at the moment."""
        if self._recording.problem:
            raise UserError(self._recording.problem)

    def start_recording(self, label: str, at_most: int | None = None) -> None:
        """Record frames from now on, until `stop_recording`.

        The first frame is saved at once. Without a limit, the others are saved a moment later,
        because `stop_recording` drops the last ones. If the label is already being recorded, its
        burst goes on and only the limit changes; another label begins a new burst.

        Args:
            label: A label of the state.
            at_most: Pause after this many snapshots of the burst: 1 for a key that was pressed,
                until it turns out that it is held. None is no limit.

        Raises:
            UserError: There is no such label, or labels or pictures are being changed.
        """
        self._recording.start(label, at_most)
        self._changed()

    def stop_recording(self, released_at: float | None = None) -> None:
        """End the burst; nothing happens if none is recorded.

        A recording without a limit drops the pictures of its last `LATE_RELEASE` seconds, but never
        its first one: people release the key late, and what the camera sees by then would get this
        label.

        Args:
            released_at: When the key was released, in seconds on the monotonic clock; None is now.
        """
        if self._recording.label is not None:
            self._recording.stop(released_at)
            self._changed()

    def set_crop(self, crop: Crop) -> None:
        """Choose the part of each picture that the data set uses; the files stay whole.

        If a model learns from the pictures, all of them are embedded again.

        Args:
            crop: The part; the whole picture undoes an earlier choice.

        Raises:
            UserError: The folder can't be written.
        """
        self._change(lambda: self._edits.set_crop(crop, self._look_at))

    def undo(self) -> UndoneBurst | None:
        """Undo the last burst: delete its pictures, and remove them from the head.

        Recording stops.

        Returns:
            The burst that was undone; None if no burst of this run is left.

        Raises:
            UserError: A file can't be removed.
        """
        return self._change(self._edits.undo)

    def add_label(self, name: str) -> str:
        """Add a label without pictures; its folder comes with its first picture.

        Returns:
            The name in Unicode's composed form.

        Raises:
            UserError: It can't be the name of a folder, or exists already.
        """
        return self._change(lambda: self._edits.add_label(name))

    def rename_label(self, old: str, new: str) -> str:
        """Rename a label and its folder. Recording stops.

        Returns:
            The new name in Unicode's composed form.

        Raises:
            UserError: There is no such label, the new name is taken or can't be the name of a
                folder, or the folder can't be renamed.
        """
        return self._change(lambda: self._edits.rename_label(old, new))

    def remove_label(self, name: str) -> int:
        """Remove a label; its pictures are moved to `.removed`. Recording stops.

        Returns:
            How many pictures were moved.

        Raises:
            UserError: There is no such label, or the folder can't be moved.
        """
        return self._change(lambda: self._edits.remove_label(name))

    def remove_picture(self, label: str, name: str) -> None:
        """Remove a picture; it is moved to `.removed`. Recording stops.

        Args:
            label: Its label.
            name: As in `LabelState.newest` and `picture_names`.

        Raises:
            UserError: There is no such picture, or it can't be moved.
        """
        self.remove_pictures([(label, name)])

    def remove_pictures(self, pictures: Iterable[tuple[str, str]]) -> int:
        """Remove pictures; they are moved to `.removed`. Recording stops.

        Args:
            pictures: Their labels and names.

        Returns:
            How many were moved; `undo_moves` moves them back.

        Raises:
            UserError: There is no such picture, or one can't be moved.
        """
        return self._change(lambda: self._edits.remove_pictures(pictures))

    def move_pictures(self, pictures: Iterable[tuple[str, str]], to: str) -> int:
        """Move pictures to another label; each stays part of the burst it was recorded in.

        Args:
            pictures: Their labels and names.
            to: The label; pictures that have it already are left alone.

        Returns:
            How many were moved; `undo_moves` moves them back.

        Raises:
            UserError: There is no such picture or label, or one can't be moved.
        """
        return self._change(lambda: self._edits.move_pictures(pictures, to))

    def take_in(self, files: Sequence[Path], to: str) -> int:
        """Move pictures from elsewhere to a label.

        Args:
            files: On any disk; they keep their names if those are free.
            to: The label.

        Returns:
            How many were moved; `undo_moves` moves them back.

        Raises:
            UserError: There is no such label, or a file can't be moved.
        """
        return self._change(lambda: self._edits.take_in(files, to))

    def remove_files(self, folder: Path, files: Sequence[Path]) -> int:
        """Move pictures of another folder to `.removed` in it.

        Args:
            folder: The folder.
            files: Pictures directly in it.

        Returns:
            How many were moved; `undo_moves` moves them back.

        Raises:
            UserError: A file can't be moved.
        """
        return self._change(lambda: self._edits.remove_files(folder, files))

    @property
    def undoable_moves(self) -> UndoableMoves | None:
        """The moves that `undo_moves` would undo; None if there are none."""
        return self._edits.undoable_moves

    def undo_moves(self) -> UndoableMoves | None:
        """Move back the pictures that were moved or removed last in this run.

        Returns:
            What was moved back; None if there was nothing to undo.

        Raises:
            UserError: A file can't be moved back, or is gone.
        """
        return self._change(self._edits.undo_moves)

    def add_pictures(self, label: str, files: Iterable[tuple[str, bytes]]) -> tuple[Refusal, ...]:
        """Add pictures from elsewhere, as one burst that `undo` takes back.

        Args:
            label: The label they get.
            files: Name and content of each file; the name is only used in messages.

        Returns:
            The files that were not added, and why.

        Raises:
            UserError: There is no such label, or the disk can't be written. Pictures that were
                added before stay.
        """
        return self._change(lambda: self._edits.add_pictures(label, files))

    def choose_frames(self, label: str) -> ChosenFrames:
        """Begin a burst of frames chosen from a video; see `add_frame`.

        Raises:
            UserError: There is no such label.
        """
        self._dataset.check_known(label)
        return ChosenFrames(label, self._keeps_all)

    def add_frame(self, frames: ChosenFrames, image: BgrImage, content: bytes) -> ChosenFrame:
        """Add a frame to a burst that `undo` takes back.

        Frames that a recording from a camera would skip are left out, and so are pictures that the
        data set already has.

        Args:
            frames: The burst, from `choose_frames`.
            image: (height, width, 3) uint8.
            content: The same picture as the content of a file.

        Raises:
            UserError: The label is gone, the burst was undone, or the disk can't be written.
        """
        return self._change(lambda: self._edits.add_frame(frames, image, content))

    def rehearse_import(self, source: Source, name: str, label: str | None = None) -> Imported:
        """Find out what `read_in` would add; nothing changes.

        Args:
            source: What another tool wrote, opened.
            name: What a person calls it, for messages.
            label: The label of all its pictures; None takes the labels it has.

        Raises:
            UserError: As `read_in` does.
        """
        return self._edits.rehearse_import(source, name, label)

    def read_in(self, source: Source, name: str, label: str | None = None) -> Imported:
        """Import another tool's data set, as `import_dataset` does: all of it, or nothing.

        Parts such as `train` and `test` are merged. Recording stops. `undo` takes the import back,
        label by label.

        Args:
            source: As for `rehearse_import`.
            name: As for `rehearse_import`.
            label: As for `rehearse_import`; it must exist.

        Raises:
            UserError: The source is refused, its labels can't be folders beside the existing ones,
                or the disk can't be written.
        """
        return self._change(lambda: self._edits.read_in(source, name, label, self._look_at))

    def picture_names(self, label: str) -> tuple[str, ...]:
        """Return the names of all pictures of a label, newest first.

        Raises:
            UserError: There is no such label.
        """
        self._dataset.check_known(label)
        return self._dataset.names(label)

    def picture_path(self, label: str, name: str) -> Path:
        """Return the file of a picture, which is always one that the session knows.

        Raises:
            UserError: There is no such picture.
        """
        return self._edits.picture_path(label, name)

    def state(self) -> RecordingState:
        """Return the state of the recording; cheap enough to be called for every frame."""
        with self._telling:
            version = self._version
            if self._state is None or self._state.version != version:
                self._state = self._describe(version)
            return self._state

    def on_change(self, callback: Callable[[], None]) -> None:
        """Have a function called whenever the state has changed.

        Args:
            callback: Called from any thread; it must be quick, and must not call the session.
        """
        self._callbacks.append(callback)

    def close(self) -> None:
        """Write what is still waiting, and stop; a second call does nothing.

        A recording that was not stopped keeps its last pictures: no key was released.

        Raises:
            UserError: A snapshot could not be written.
        """
        self._recording.end()
        self._recording.recorder.close()

    def _change(self, change: Callable[[], _Done]) -> _Done:
        """Make a change and announce it, even if it failed: part of it may have been done."""
        try:
            return change()
        finally:
            self._changed()

    def _changed(self) -> None:
        with self._telling:
            self._version += 1
        for callback in self._callbacks:
            callback()

    def _forget(self, pictures: Sequence[Picture]) -> None:
        """Forget what was learnt from pictures that were removed; here, nothing was."""

    def _look_at(self, crop: Crop | None) -> None:
        """Use another part of the pictures from now on."""
        self._dataset.look_at(crop)

    def _describe(self, version: int) -> RecordingState:
        recording = self._recording
        return RecordingState(
            version=version,
            dataset=self._dataset.folder,
            labels=describe_labels(self._dataset),
            recording=recording.label,
            skipped=dict(recording.skipped.most_common()),
            last_skip=recording.last_skip,
            warnings=describe_warnings(self._dataset),
            undoable=recording.recorder.undoable,
            problem=recording.problem,
            crop=self._dataset.crop,
        )
