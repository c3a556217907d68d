"""Write files so that a reader never finds half of one."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from webcam_classifier.errors import UserError

_PARTIAL_SUFFIX = ".partial"
_STALE_AFTER = 3600.0  # seconds; a partial file this old has no living writer


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place, flush it to disk, and move it there.

    After a crash at any moment the path holds the old content, the new content, or nothing. The
    unfinished file has a hidden name that every reader of this project passes over.

    Args:
        path: Where the file belongs; missing folders above it are made.
        content: All of it.

    Raises:
        UserError: The folder can't be written, or the disk is full.
    """
    replace_atomically(path, lambda partial: _write_bytes(partial, content))


def replace_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Like `write_atomically`, for a library that wants to write a named file itself.

    Args:
        path: Where the file belongs.
        write: Called with the hidden path to write to.

    Raises:
        UserError: The folder can't be written, or the disk is full.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_PARTIAL_SUFFIX}")
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


def remove_stale_partials(folder: Path) -> None:
    """Remove what killed writers left behind in a folder and the folders in it.

    Args:
        folder: Searched with everything below it; it may be missing.
    """
    now = time.time()
    for partial in folder.rglob(f".*{_PARTIAL_SUFFIX}"):
        try:
            if now - partial.stat().st_mtime > _STALE_AFTER:
                partial.unlink()
        except OSError:
            continue  # gone already, or not ours to remove: readers pass over it anyway


def explain_os_error(error: OSError, path: Path) -> str:
    """Say in a sentence or two why a file could not be written or read, and what to do.

    Args:
        error: What the operating system said.
        path: The file or folder that was wanted.
    """
    if error.errno == errno.ENOSPC:
        return f"The disk is full: {path} was not written. Free some space and start again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"No permission to write {path}. Choose another folder or change its permissions."
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"{path} can't be made: a file stands where a folder is needed. Move that file."
    if error.errno == errno.ENAMETOOLONG:
        return f"The name of {path} is too long for this file system. Choose a shorter one."
    reason = error.strerror or str(error)
    return f"{path} could not be written: {reason}. Check the disk and the path."


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
