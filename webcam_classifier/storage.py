"""Write files so that a reader never finds half of one, nor the halves of two."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from webcam_classifier.errors import UserError
from webcam_classifier.temporary_files import (
    PARTIAL_ENDING,
    is_abandoned,
    is_own_partial,
    is_owner_gone,
    is_temporary,
    new_owned_name,
    partial_path,
)

_TOGETHER_ENDING = ".together"
_LOCKED_WITHIN = 10.0  # seconds; what is done under the lock takes milliseconds
_TRY_EVERY = 0.01  # seconds
_STREAM_FOLDERS = tuple(map(Path, ("/dev", "/dev/fd", "/proc/self/fd")))


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place, flush it to disk, and move it there.

    After a crash at any moment the path holds the old content, the new content, or nothing. The
    unfinished file has a hidden name that every reader of this project passes over.

    A device or a pipe, such as /dev/null or a shell's `>(command)`, is written to and not replaced.

    Args:
        path: Where the file belongs; missing folders above it are made.
        content: All of it.

    Raises:
        UserError: The folder can't be written, or the disk is full.
    """
    if is_stream(path):
        try:
            _write_bytes(path, content)
        except OSError as error:
            raise UserError(explain_os_error(error, path)) from error
        return
    replace_atomically(path, lambda partial: _write_bytes(partial, content))


def replace_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Like `write_atomically`, for a library that wants to write a named file itself.

    Args:
        path: Where the file belongs.
        write: Called with the hidden path to write to.

    Raises:
        UserError: The folder can't be written, the disk is full, or a device or a pipe is there.
    """
    _refuse_folder(path)
    # Root may replace them, and every program of the machine would miss its /dev/null.
    if is_stream(path) or path.absolute().parent in _STREAM_FOLDERS:
        raise UserError(f"{path} is a device or a pipe, and a file is to be written. Name a file.")
    partial = partial_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(partial)
            _flush(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(explain_os_error(error, path)) from error


def write_together(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files of one folder that belong together: all of them change, or none.

    All are written beside their places first, then a list of them; once that list is on the disk,
    they are moved. Where that is cut short, whoever calls `recover_folder` next moves the rest.

    Args:
        folder: Where they belong; it is made where it is missing.
        contents: By file name.

    Raises:
        UserError: The folder can't be written, or the disk is full; then all files are as before.
    """
    for name in contents:
        _refuse_folder(folder / name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder) as is_locked:
            _finish_moves(folder, is_locked)
            _sweep(folder.glob(f".*{PARTIAL_ENDING}"))
            _prepare_moves(folder, contents)
            _finish_moves(folder, is_locked)
    except OSError as error:
        raise UserError(explain_os_error(error, folder)) from error


def recover_folder(folder: Path) -> None:
    """Bring to an end what a killed `write_together` had begun to move, and remove its leftovers.

    Where the folder can't be written, it stays as it is.

    Args:
        folder: Of a model; it may be missing.
    """
    with suppress(OSError):
        if any(_is_unfinished(path.name) for path in folder.iterdir()):
            with _locked(folder) as is_locked:
                _finish_moves(folder, is_locked)
                _sweep(folder.glob(f".*{PARTIAL_ENDING}"))


def check_writable(folder: Path) -> None:
    """Find out before long work that its result could not be written.

    Args:
        folder: Where files are going to be; it may be missing, and is not made.

    Raises:
        UserError: It is a file, or it or the folder it would be made in can't be written to.
    """
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise UserError(f"{existing} is a file, and a folder is needed there. Name another one.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(explain_os_error(PermissionError(errno.EACCES, ""), folder))


def check_file_writable(path: Path) -> None:
    """Like `check_writable`, for a file that is going to be written.

    Args:
        path: Of the file.

    Raises:
        UserError: It is a folder, or its folder can't be written to.
    """
    _refuse_folder(path)
    check_writable(path.parent)


def remove_stale_partials(folder: Path, recursive: bool = True) -> None:
    """Remove what killed writers left behind in a folder and the folders in it.

    Args:
        folder: What is searched; it may be missing.
        recursive: With everything below it.
    """
    pattern = f".*{PARTIAL_ENDING}"
    _sweep(folder.rglob(pattern) if recursive else folder.glob(pattern))


def explain_os_error(error: OSError, path: Path, *, reading: bool = False) -> str:
    """Say in a sentence or two why a file could not be written or read, and what to do.

    Args:
        error: What the operating system said.
        path: The file or folder that was wanted.
        reading: Whether it was to be read, and else written.
    """
    done = "read" if reading else "written"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _explain_full_disk(path)
    if error.errno == errno.EFBIG:
        return f"{path} is larger than a file may be here. Raise the limit (ulimit -f) or the disk."
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return (
            f"Too many files are open at once, so that {path} could not be {done}. Close other "
            "programs, or raise the limit (ulimit -n)."
        )
    if error.errno == errno.EROFS:
        return f"{path} can't be written: its disk is read-only. Choose another folder."
    if error.errno in (errno.EACCES, errno.EPERM):
        if reading:
            return f"No permission to read {path}. Change its permissions, or name another one."
        return f"No permission to write {path}. Choose another folder or change its permissions."
    if reading and error.errno == errno.ENOENT:
        return f"There is no {path}. Check its name."
    if error.errno in (errno.ENOTDIR, errno.EEXIST) and not reading:
        return f"{path} can't be made: a file is where a folder is needed. Move that file."
    if error.errno == errno.ENAMETOOLONG:
        return f"The name of {path} is too long for this file system. Choose a shorter one."
    reason = error.strerror or str(error)
    return f"{path} could not be {done}: {reason}. Check the disk and the path."


def _explain_full_disk(path: Path) -> str:
    if is_temporary(path):
        return (
            "The disk has no room for temporary files. Free some space, or name another folder for "
            "them in the environment variable TMPDIR."
        )
    return f"The disk is full: {path} was not written. Free some space and start again."


def _refuse_folder(path: Path) -> None:
    if path.name == "" or path.is_dir():
        raise UserError(f"{path} is a folder, and a file is to be written. Name a file.")


def is_stream(path: Path) -> bool:
    """Whether a device, a pipe or a socket is there: neither a file nor a folder."""
    return path.exists() and not (path.is_file() or path.is_dir())


def _prepare_moves(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write everything beside its place, and last the list that decides on moving it."""
    moves: dict[str, str] = {}
    decision = folder / f".{new_owned_name()}{_TOGETHER_ENDING}"
    written = partial_path(decision)
    try:
        for name, content in contents.items():
            partial = partial_path(folder / name)
            moves[name] = partial.name
            _write_bytes(partial, content)
            _flush(partial)
        _write_bytes(written, json.dumps(moves).encode())
        _flush(written)
        written.replace(decision)
    except BaseException:
        if not decision.exists():
            for partial in (written, *map(folder.joinpath, moves.values())):
                with suppress(OSError):
                    partial.unlink(missing_ok=True)
        raise
    flush_folder(folder)


def _finish_moves(folder: Path, is_locked: bool) -> None:
    for decision in sorted(folder.glob(f".*{_TOGETHER_ENDING}")):
        if not is_locked and not _is_ours(decision):
            continue  # its writer may be at it
        for name, partial in _read_moves(decision).items():
            with suppress(FileNotFoundError):  # moved before
                (folder / partial).replace(folder / name)
        flush_folder(folder)
        decision.unlink(missing_ok=True)


def _read_moves(decision: Path) -> dict[str, str]:
    """Read what is to be moved where; nothing where the list is not one of ours."""
    try:
        moves = json.loads(decision.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    if not isinstance(moves, dict):
        return {}
    return {
        name: partial
        for name, partial in moves.items()
        if isinstance(partial, str) and is_own_partial(partial)
        # Both in this very folder, whoever wrote the list.
        and Path(name).name == name and Path(partial).name == partial
    }  # fmt: skip


def _is_unfinished(name: str) -> bool:
    return name.startswith(".") and name.endswith((PARTIAL_ENDING, _TOGETHER_ENDING))


def _is_ours(decision: Path) -> bool:
    return f"-{os.getpid()}-" in decision.name or bool(is_owner_gone(decision.name))


def _sweep(partials: Iterator[Path]) -> None:
    try:
        for partial in partials:
            # Gone already, or not ours to remove: readers pass over it anyway.
            with suppress(OSError):
                if not is_abandoned(partial):
                    continue
                if partial.is_dir() and not partial.is_symlink():
                    shutil.rmtree(partial)
                else:
                    partial.unlink()
    except OSError:
        return  # a folder that can't be listed


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Keep other programs from a folder; False where the system or the disk knows no locks."""
    try:
        import fcntl
    except ImportError:  # on Windows
        yield False
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        give_up_at = time.monotonic() + _LOCKED_WITHIN
        is_locked = False
        while not is_locked and time.monotonic() < give_up_at:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_locked = True
            except BlockingIOError:
                time.sleep(_TRY_EVERY)
            except OSError:
                break
        yield is_locked
    finally:
        os.close(descriptor)


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folder(folder: Path) -> None:
    """Have a folder's list of files on the disk, as a file that was moved into it needs."""
    with suppress(OSError):  # Windows opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
