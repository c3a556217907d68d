"""Record into a folder while a camera is watched: what a person does, and what they are told."""

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
    """Records snapshots into a folder of pictures that may be empty, and changes what is there.

    >>> with RecordingSession(Path("dataset"), ["cup", "none"]) as session:
    ...     session.start_recording("cup", at_most=1)
    ...     session.take(camera.read())
    ...     session.state().labels[0].count
    True
    1

    All methods may be called from any thread. Pictures are on the disk a moment after they were
    taken, and nothing else is lost by a kill.

    Args:
        dataset: One folder for each label; it may be missing or empty.
        labels: To be shown first, in this order; they need no pictures yet. The folder's other
            labels follow.
        rate: Snapshots a second while a label is recorded; infinity takes every frame.
        keep_all: Record dark, bright, blurred and repeated pictures too.

    Raises:
        UserError: A label can't be a folder's name, or the folder can't be written or came split
            into parts.
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
        """How many pictures there are, those on their way to the disk included."""
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
        """Take a frame in, and record it if its time has come: the hook of `LiveLoop`.

        It must be called in the loop's thread, before the next frame is labelled.

        Args:
            labelled: With what was answered; an answer without an embedding does as well, and is
                learnt from a little later.
        """
        self.take(labelled.frame, labelled.prediction)

    def take(self, frame: Frame, prediction: Prediction | None = None, wait: bool = False) -> bool:
        """Take a frame in, and record it if its time has come.

        Args:
            frame: What was seen; its image must not be changed afterwards.
            prediction: What was answered, by a model.
            wait: Whether to wait where the disk does not keep up, rather than to skip the frame.

        Returns:
            Whether it was recorded, or will be unless the recording is stopped at once.
        """
        return self._recording.take(frame, prediction, wait)

    def check(self) -> None:
        """Raise the `UserError` that keeps snapshots from being saved, where there is one."""
        if self._recording.problem:
            raise UserError(self._recording.problem)

    def start_recording(self, label: str, at_most: int | None = None) -> None:
        """Record the frames that come from now on, until `stop_recording`.

        The first one is recorded at once; without a number of pictures, each further one a moment
        later, as `stop_recording` drops the last ones. A label that is being recorded goes on with
        its burst, and only `at_most` changes; another one begins a burst of its own.

        Args:
            label: One of the state's.
            at_most: Pause after so many snapshots of the burst: 1 for a key that was tapped, until
                it turns out that it is held. None has no end.

        Raises:
            UserError: There is no such label.
        """
        self._edits.check_known(label)
        self._recording.start(label, at_most)
        self._changed()

    def stop_recording(self, released_at: float | None = None) -> None:
        """End the burst; nothing happens where none is recorded.

        Of a recording without a number of pictures, what was captured in the last
        `LATE_RELEASE` seconds is dropped, but never its first picture: a key is let go late, and
        what is seen by then would be taught as this label.

        Args:
            released_at: Seconds on the monotonic clock: when the key was let go; None is now.
        """
        if self._recording.label is not None:
            self._recording.stop(released_at)
            self._changed()

    def set_crop(self, crop: Crop) -> None:
        """Choose the part of the pictures that the data set is about; pictures stay whole.

        Where a model learns from them, all of them are analysed again.

        Args:
            crop: The part; the whole picture takes an earlier choice back.

        Raises:
            UserError: The folder can't be written.
        """
        self._change(lambda: self._edits.set_crop(crop, self._look_at))

    def undo(self) -> UndoneBurst | None:
        """Take the last burst back: from the disk, and from all that was made of it.

        A burst that is being recorded ends.

        Returns:
            What was taken back, or None where nothing of this run is left.

        Raises:
            UserError: A file can't be removed.
        """
        return self._change(self._edits.undo)

    def add_label(self, name: str) -> str:
        """Add a label without pictures; its folder comes with its first picture.

        Returns:
            The name in Unicode's composed form.

        Raises:
            UserError: It can't be a folder's name, or is there already.
        """
        return self._change(lambda: self._edits.add_label(name))

    def rename_label(self, old: str, new: str) -> str:
        """Rename a label with its folder. What is being recorded ends.

        Returns:
            The new name in Unicode's composed form.

        Raises:
            UserError: There is no such label, the new name can't be a folder's or is taken, or
                the folder can't be renamed.
        """
        return self._change(lambda: self._edits.rename_label(old, new))

    def remove_label(self, name: str) -> int:
        """Take a label away; its pictures are moved to `.removed`. What is being recorded ends.

        Returns:
            How many pictures were moved.

        Raises:
            UserError: There is no such label, or the folder can't be moved.
        """
        return self._change(lambda: self._edits.remove_label(name))

    def remove_picture(self, label: str, name: str) -> None:
        """Take one picture away; it is moved to `.removed`. What is being recorded ends.

        Args:
            label: Its label.
            name: As `LabelState.newest` and `picture_names` give it.

        Raises:
            UserError: There is no such picture, or it can't be moved.
        """
        self.remove_pictures([(label, name)])

    def remove_pictures(self, pictures: Iterable[tuple[str, str]]) -> int:
        """Take pictures away; they are moved to `.removed`. What is being recorded ends.

        Args:
            pictures: Their labels and names.

        Returns:
            How many were moved; `undo_moves` moves them back.

        Raises:
            UserError: There is no such picture, or one can't be moved.
        """
        return self._change(lambda: self._edits.remove_pictures(pictures))

    def move_pictures(self, pictures: Iterable[tuple[str, str]], to: str) -> int:
        """Move pictures to another label; each stays of the burst that it was recorded in.

        Args:
            pictures: Their labels and names.
            to: The label; what is of it already stays.

        Returns:
            How many were moved; `undo_moves` moves them back.

        Raises:
            UserError: There is no such picture or label, or one can't be moved.
        """
        return self._change(lambda: self._edits.move_pictures(pictures, to))

    def take_in(self, files: Sequence[Path], to: str) -> int:
        """Move pictures from elsewhere to a label.

        Args:
            files: On any disk; their names stay where they are free.
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
            folder: It.
            files: Directly in it.

        Returns:
            How many were moved; `undo_moves` moves them back.

        Raises:
            UserError: A file can't be moved.
        """
        return self._change(lambda: self._edits.remove_files(folder, files))

    @property
    def undoable_moves(self) -> UndoableMoves | None:
        """The pictures that `undo_moves` would move back."""
        return self._edits.undoable_moves

    def undo_moves(self) -> UndoableMoves | None:
        """Move the pictures back that were moved or taken away last in this run.

        Returns:
            What was moved back; None where nothing was.

        Raises:
            UserError: A file can't be moved back.
        """
        return self._change(self._edits.undo_moves)

    def add_pictures(self, label: str, files: Iterable[tuple[str, bytes]]) -> tuple[Refusal, ...]:
        """Add pictures from elsewhere, as one burst that `undo` takes back.

        Args:
            label: Theirs.
            files: Each with its name, which is only used to tell of it, and its content.

        Returns:
            Those that were not added.

        Raises:
            UserError: There is no such label, or the disk can't be written.
        """
        return self._change(lambda: self._edits.add_pictures(label, files))

    def choose_frames(self, label: str) -> ChosenFrames:
        """Begin a burst of frames that are chosen out of a video; see `add_frame`.

        Raises:
            UserError: There is no such label.
        """
        self._edits.check_known(label)
        return ChosenFrames(label, self._keeps_all)

    def add_frame(self, frames: ChosenFrames, image: BgrImage, content: bytes) -> ChosenFrame:
        """Add a frame to a burst that `undo` takes back, unless it is not worth that.

        Left out is what a camera's recording leaves out, and what is in the data set already.

        Args:
            frames: From `choose_frames`.
            image: (height, width, 3) uint8.
            content: The same as a file.

        Raises:
            UserError: The label is gone, the burst was taken back, or the disk can't be written.
        """
        return self._change(lambda: self._edits.add_frame(frames, image, content))

    def rehearse_import(self, source: Source, name: str, label: str | None = None) -> Imported:
        """Find out what `read_in` would add; nothing changes.

        Args:
            source: What another tool wrote, open.
            name: How a person knows it.
            label: What all of its pictures show; None believes it.

        Raises:
            UserError: As `read_in` does.
        """
        return self._edits.rehearse_import(source, name, label)

    def read_in(self, source: Source, name: str, label: str | None = None) -> Imported:
        """Add what another tool wrote, as `import_dataset` does: all of it, or nothing.

        Parts, such as `train` and `test`, are taken for one whole. What is being recorded ends.
        `undo` takes it back, label by label.

        Args:
            source: As for `rehearse_import`, as are the others.
            name: As for `rehearse_import`.
            label: As for `rehearse_import`; it must be there.

        Raises:
            UserError: The source is refused, its labels can't be folders beside those that there
                are, or the disk can't be written.
        """
        return self._change(lambda: self._edits.read_in(source, name, label, self._look_at))

    def picture_names(self, label: str) -> tuple[str, ...]:
        """Name all pictures of a label, newest first.

        Raises:
            UserError: There is no such label.
        """
        self._edits.check_known(label)
        return self._dataset.names(label)

    def picture_path(self, label: str, name: str) -> Path:
        """Tell the file of a picture, which is always one that the session knows of.

        Raises:
            UserError: There is no such picture.
        """
        return self._edits.picture_path(label, name)

    def state(self) -> RecordingState:
        """All that is known now of what is recorded; cheap enough to ask for with every frame."""
        with self._telling:
            version = self._version
            if self._state is None or self._state.version != version:
                self._state = self._describe(version)
            return self._state

    def on_change(self, callback: Callable[[], None]) -> None:
        """Have a function called whenever what the session tells has changed.

        Args:
            callback: Called from any thread; it must be quick, and must not call the session.
        """
        self._callbacks.append(callback)

    def close(self) -> None:
        """Write what is still waiting, and stop; a second call does nothing.

        A recording that was not stopped keeps its last pictures: no key was let go.

        Raises:
            UserError: A snapshot could not be written.
        """
        self._recording.end()
        self._recording.recorder.close()

    def _change(self, change: Callable[[], _Done]) -> _Done:
        """Make a change and tell of it, even if it failed: part of it may be done."""
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
        """Let go of what was made of pictures that are gone; there is nothing where none learns."""

    def _look_at(self, crop: Crop | None) -> None:
        """Look at another part of the pictures from now on."""
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
