"""Changes that a person makes to the data set while recording: to labels, pictures and bursts."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from webcam_classifier.crop import Crop
from webcam_classifier.dataset.bursts import Burst, UndoneBurst
from webcam_classifier.dataset.crop_file import find_crop, write_crop
from webcam_classifier.dataset.index import Dataset, Picture
from webcam_classifier.dataset.label_names import check_new_label
from webcam_classifier.dataset.picture_files import PictureError, decode_picture, picture_ending
from webcam_classifier.dataset.removed_pictures import move_away
from webcam_classifier.errors import UserError
from webcam_classifier.exchange.import_dataset import Imported, ImportOptions, import_source
from webcam_classifier.exchange.sources import Source
from webcam_classifier.frame import BgrImage
from webcam_classifier.storage import explain_os_error
from webcam_classifier.teaching.chosen_frames import ChosenFrame, ChosenFrames
from webcam_classifier.teaching.picture_moves import PictureMoves, UndoableMoves
from webcam_classifier.teaching.recording import Recording
from webcam_classifier.teaching.state import Refusal


class Edits:
    """Changes the folder and its index together, one change at a time.

    No frame waits for a change. `RecordingSession` documents each method.

    Args:
        dataset: The index of the folder.
        recording: Stopped by changes that can't be made while recording.
        forget: Called with pictures that were removed.
    """

    def __init__(
        self,
        dataset: Dataset,
        recording: Recording,
        forget: Callable[[Sequence[Picture]], None],
    ) -> None:
        self._dataset = dataset
        self._recording = recording
        self._forget = forget
        self._changing = threading.Lock()
        self._moves = PictureMoves(dataset, forget, recording.recorder.forget_picture)

    @property
    def undoable_moves(self) -> UndoableMoves | None:
        """The pictures that `undo_moves` would move back."""
        return self._moves.undoable

    def undo(self) -> UndoneBurst | None:
        """Take the last burst back."""
        with self._changing:
            self._recording.stop()
            undone = self._recording.recorder.undo()
            if undone is not None:
                self._forget(self._dataset.remove(undone.label, undone.names))
                self._recording.forget_last(undone.label)
        return undone

    def set_crop(self, crop: Crop, look_at: Callable[[Crop | None], None]) -> None:
        """Choose another crop: in the folder first, then in the index."""
        chosen = None if crop.is_whole else crop
        with self._changing:
            write_crop(self._dataset.folder, crop)
            if chosen != self._dataset.crop:
                look_at(chosen)

    def add_label(self, name: str) -> str:
        """Add a label without pictures."""
        with self._changing:
            label = self._checked(name)
            self._dataset.add_label(label)
        return label

    def rename_label(self, old: str, new: str) -> str:
        """Rename a label with its folder."""
        with self._while_nothing_is_recorded(old):
            label = self._checked(new)
            if (self._dataset.folder / old).is_dir():
                (self._dataset.folder / old).rename(self._dataset.folder / label)
            self._recording.recorder.rename_label(old, label)
            self._moves.rename_label(old, label)
            self._dataset.rename_label(old, label)
        return label

    def remove_label(self, name: str) -> int:
        """Move a label away; returns how many pictures it had."""
        with self._while_nothing_is_recorded(name):
            move_away(self._dataset.folder, name)
            self._recording.recorder.rename_label(name, None)
            return len(self._dataset.remove_label(name))

    def move_pictures(self, pictures: Iterable[tuple[str, str]], to: str) -> int:
        """Move pictures to another label."""
        with self._while_nothing_is_recorded(to):
            return self._moves.move(self._known(pictures), to)

    def remove_pictures(self, pictures: Iterable[tuple[str, str]]) -> int:
        """Move pictures out of the way."""
        with self._while_nothing_is_recorded(None):
            return self._moves.remove(self._known(pictures))

    def take_in(self, files: Sequence[Path], to: str) -> int:
        """Move pictures from elsewhere to a label."""
        with self._while_nothing_is_recorded(to):
            return self._moves.take_in(files, to)

    def remove_files(self, folder: Path, files: Sequence[Path]) -> int:
        """Move pictures of another folder out of the way."""
        with self._while_nothing_is_recorded(None):
            return self._moves.remove_files(folder, files)

    def undo_moves(self) -> UndoableMoves | None:
        """Move back the pictures that were moved or removed last."""
        with self._while_nothing_is_recorded(None):
            return self._moves.undo()

    def add_pictures(self, label: str, files: Iterable[tuple[str, bytes]]) -> tuple[Refusal, ...]:
        """Add pictures from elsewhere, and return those that were refused."""
        self._dataset.check_known(label)
        known = {content: picture.label for content, picture in self._dataset.contents().items()}
        burst = Burst(label)
        refused = []
        for name, content in files:
            content_hash = hashlib.sha256(content).hexdigest()
            problem = _problem(content)
            if content_hash in known:
                problem = f"there already, as a picture of {known[content_hash]}"
            if problem:
                refused.append(Refusal(name, problem))
                continue
            known[content_hash] = label
            if burst.is_undone:  # while files were still coming: the rest can be undone as well
                burst = Burst(label)
            with self._changing:
                self._dataset.check_known(label)
                ending = picture_ending(content)
                path = self._recording.recorder.add_file(burst, ending, content)
                new = Picture(label, path.name, content_hash=content_hash)
                self._dataset.add([new])
        return tuple(refused)

    def add_frame(self, frames: ChosenFrames, image: BgrImage, content: bytes) -> ChosenFrame:
        """Add a frame to a burst, if it is worth taking."""
        content_hash = hashlib.sha256(content).hexdigest()
        there = self._dataset.contents().get(content_hash)
        problem = frames.problem(image)
        if there is not None:
            problem = f"there already, as a picture of {there.label}"
        if problem:
            return ChosenFrame("", problem)
        burst = frames.burst
        with self._changing:
            self._dataset.check_known(burst.label)
            if burst.is_undone:
                raise UserError("This recording of the video was undone. Begin it again.")
            path = self._recording.recorder.add_file(burst, picture_ending(content), content)
            self._dataset.add([Picture(burst.label, path.name, content_hash=content_hash)])
        frames.keep(image)
        return ChosenFrame(path.name)

    def rehearse_import(self, source: Source, name: str, label: str | None) -> Imported:
        """Find out what `read_in` would add."""
        return self._imported(source, name, label, is_rehearsal=True)

    def read_in(
        self,
        source: Source,
        name: str,
        label: str | None,
        look_at: Callable[[Crop | None], None],
    ) -> Imported:
        """Import another tool's data set: all of it, or nothing."""
        with self._while_nothing_is_recorded(label):
            found = self._imported(source, name, label, is_rehearsal=False)
            by_label: dict[str, list[str]] = {}
            for path in found.files:
                folder, _, file = path.partition("/")
                by_label.setdefault(folder, []).append(file)
            for folder, files in by_label.items():
                self._recording.recorder.adopt(folder, files)
            # If this fails, the next refresh tries it again and reports the error.
            with suppress(UserError, OSError):
                self._dataset.refresh()
                crop = find_crop(self._dataset.folder)
                if crop != self._dataset.crop:
                    look_at(crop)
        return found

    def picture_path(self, label: str, name: str) -> Path:
        """Return the file of a picture that is in the index."""
        if self._dataset.get(label, name) is None:
            raise UserError(
                f"There is no picture {name!r} of {label!r}. It may have just been removed."
            )
        return self._dataset.folder / label / name

    def refresh(self) -> bool:
        """Bring in what other hands did in the folder, unless it is being changed right now.

        Returns:
            Whether anything may have changed.
        """
        if not self._changing.acquire(blocking=False):
            return False
        try:
            return self._dataset.refresh()
        finally:
            self._changing.release()

    def _imported(
        self, source: Source, name: str, label: str | None, *, is_rehearsal: bool
    ) -> Imported:
        options = ImportOptions(
            label,
            as_whole=True,
            labels=self._dataset.labels,
            check=decode_picture,
            is_rehearsal=is_rehearsal,
        )
        return import_source(source, name, self._dataset.folder, options)

    def _known(self, pictures: Iterable[tuple[str, str]]) -> list[Picture]:
        """Return the index's entries for pictures, given by label and name."""
        found = []
        for label, name in dict.fromkeys(pictures):
            self.picture_path(label, name)
            picture = self._dataset.get(label, name)
            if picture is not None:
                found.append(picture)
        return found

    def _checked(self, name: str) -> str:
        return check_new_label(name, self._dataset.labels, self._dataset.folder)

    @contextmanager
    def _while_nothing_is_recorded(self, label: str | None) -> Iterator[None]:
        """Stop recording and wait until every snapshot is written, then let a folder be changed.

        Args:
            label: The label whose folder is changed, which must exist; None for several or none.
        """
        with self._changing:
            if label is not None:
                self._dataset.check_known(label)
            with self._recording.held_up():
                try:
                    yield
                except OSError as error:
                    path = self._dataset.folder / (label or "")
                    raise UserError(explain_os_error(error, path)) from error


def _problem(content: bytes) -> str:
    try:
        decode_picture(content)
    except PictureError as error:
        return str(error)
    return ""
