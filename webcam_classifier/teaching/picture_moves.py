"""Move pictures to other labels or out of the way, several at once, and undo that."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from webcam_classifier.dataset.index import Dataset, Picture
from webcam_classifier.dataset.picture_files import PictureError, check_header
from webcam_classifier.dataset.removed_pictures import move_away, remove_if_empty
from webcam_classifier.errors import UserError
from webcam_classifier.storage import explain_os_error, write_atomically


@dataclass(frozen=True)
class UndoableMoves:
    """Moves that can be undone, or that were.

    Attributes:
        count: How many pictures were moved.
        to: The label they were moved to; None if they were removed.
    """

    count: int
    to: str | None


@dataclass(frozen=True, eq=False)
class _Move:
    """The move of one picture.

    Attributes:
        source: Where the file was.
        target: Where it is now.
        before: Its entry in the index before the move; None if it had none.
        after: Its entry after the move; None if it has none.
    """

    source: Path
    target: Path
    before: Picture | None
    after: Picture | None


@dataclass(eq=False)
class _Moves:
    """Pictures that were moved together, and are moved back together."""

    to: str | None
    moves: list[_Move] = field(default_factory=list)


class PictureMoves:
    """Moves pictures, and remembers how to move them back. Nothing is ever deleted.

    A picture keeps its name, which identifies its burst, unless its new label has a picture of that
    name. The caller ensures that nothing else changes the folder in the meantime.

    Args:
        dataset: The index of the folder.
        forget: Called with pictures that are no longer in the data set.
        left: Called with the label and name of each picture that left its label's folder.
    """

    def __init__(
        self,
        dataset: Dataset,
        forget: Callable[[Sequence[Picture]], None],
        left: Callable[[str, str], None],
    ) -> None:
        self._dataset = dataset
        self._forget = forget
        self._left = left
        self._done: list[_Moves] = []

    @property
    def undoable(self) -> UndoableMoves | None:
        """The moves that `undo` would take back."""
        if not self._done:
            return None
        last = self._done[-1]
        return UndoableMoves(len(last.moves), last.to)

    def move(self, pictures: Sequence[Picture], to: str) -> int:
        """Move pictures of the data set to another of its labels.

        Returns:
            How many were moved.

        Raises:
            UserError: A file can't be moved; those before it were.
        """
        moves = _Moves(to)
        for picture in pictures:
            if picture.label != to:
                source = self._dataset.path(picture)
                target = _free(self._dataset.folder / to / picture.name)
                _move_file(source, target)
                remove_if_empty(self._dataset.folder / picture.label)
                name = target.relative_to(self._dataset.folder / to).as_posix()
                after = replace(picture, label=to, name=name)
                self._note(moves, _Move(source, target, picture, after))
        return len(moves.moves)

    def take_in(self, files: Sequence[Path], to: str) -> int:
        """Move pictures from elsewhere to a label.

        Returns:
            How many were moved.

        Raises:
            UserError: A file is not a picture, so none was moved; or a file can't be moved, and
                those before it were.
        """
        for source in files:
            _check_picture(source)
        moves = _Moves(to)
        for source in files:
            target = _free(self._dataset.folder / to / source.name)
            _move_file(source, target)
            self._note(moves, _Move(source, target, None, Picture(to, target.name)))
        return len(moves.moves)

    def remove(self, pictures: Sequence[Picture]) -> int:
        """Move pictures of the data set out of the way.

        Returns:
            How many were moved.

        Raises:
            UserError: A file can't be moved; those before it were.
        """
        moves = _Moves(None)
        for picture in pictures:
            source = self._dataset.path(picture)
            target = move_away(self._dataset.folder, picture.label, picture.name)
            self._note(moves, _Move(source, target, picture, None))
        return len(moves.moves)

    def remove_files(self, folder: Path, files: Sequence[Path]) -> int:
        """Move pictures of another folder out of the way, within that folder.

        Returns:
            How many were moved.

        Raises:
            UserError: A file can't be moved; those before it were.
        """
        moves = _Moves(None)
        for source in files:
            self._note(moves, _Move(source, move_away(folder, "", source.name), None, None))
        return len(moves.moves)

    def rename_label(self, old: str, new: str) -> None:
        """Follow a label's folder to another name; pictures are moved back to where it is now."""
        for moves in self._done:
            moves.to = new if moves.to == old else moves.to
            moves.moves = [self._renamed(move, old, new) for move in moves.moves]

    def undo(self) -> UndoableMoves | None:
        """Move the pictures that were moved last back to where they were.

        A picture gets another name if a file has taken its old one in the meantime.

        Returns:
            What was moved back; None if there was nothing to undo.

        Raises:
            UserError: A file can't be moved back, or is gone. A file that is gone is forgotten, so
                the next call goes on with the others.
        """
        told = self.undoable
        if told is None:
            return None
        last = self._done[-1]
        while last.moves:
            self._take_back(last.moves[-1], last)
        self._done.pop()
        return told

    def _renamed(self, move: _Move, old: str, new: str) -> _Move:
        folder = self._dataset.folder

        def path(there: Path) -> Path:
            if not there.is_relative_to(folder / old):
                return there
            return folder / new / there.relative_to(folder / old)

        def entry(picture: Picture | None) -> Picture | None:
            if picture is None or picture.label != old:
                return picture
            return replace(picture, label=new)

        return _Move(path(move.source), path(move.target), entry(move.before), entry(move.after))

    def _take_back(self, move: _Move, moves: _Moves) -> None:
        """Move one picture back, and drop its move from the list."""
        place = move.source
        is_gone = not move.target.exists() and not move.source.exists()
        if move.target.exists():
            place = _free(move.source)
            _move_file(move.target, place)
        if move.after is not None:
            self._dataset.remove(move.after.label, [move.after.key])
        moves.moves.pop()
        if is_gone:
            if not moves.moves:
                self._done.remove(moves)
            raise UserError(
                f"{move.target} is not there any more, so it can't be moved back. Undo again for "
                "the pictures that were moved before it."
            )
        if move.before is not None:
            name = f"{move.before.name.rpartition('/')[0]}/{place.name}".lstrip("/")
            self._dataset.add([replace(move.before, name=name)])

    def _note(self, moves: _Moves, move: _Move) -> None:
        if not moves.moves:
            self._done.append(moves)
        moves.moves.append(move)
        if move.before is not None:
            self._left(move.before.label, move.before.name)
            gone = self._dataset.remove(move.before.label, [move.before.key])
            if move.after is None:
                self._forget(gone)
        if move.after is not None:
            self._dataset.add([move.after])


def _free(path: Path) -> Path:
    """Return a path that is free: this one, or one with a number before the ending."""
    number, found = 2, path
    while found.exists():
        found = path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1
    return found


def _check_picture(path: Path) -> None:
    try:
        check_header(path.read_bytes())
    except PictureError as error:
        raise UserError(f"{path.name} is no picture to learn from: {error}.") from error
    except OSError as error:
        raise UserError(explain_os_error(error, path, reading=True)) from error


def _move_file(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            source.rename(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            write_atomically(target, source.read_bytes())  # it is on another disk
            source.unlink()
    except FileNotFoundError as error:
        raise UserError(f"{source} is not there any more. Look again at what there is.") from error
    except OSError as error:
        raise UserError(explain_os_error(error, target)) from error
