"""Name temporary files after the process that makes them, and remove those of killed processes.

A process that is killed can't clean up. So the names of its unfinished files carry its process ID
and the time it began, and the next process removes those whose process has ended.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import platform
import re
import secrets
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from webcam_classifier.errors import UserError

PARTIAL_ENDING = ".partial"

_OWNED = r"(?P<place>[0-9a-f]{8})-(?P<process>[0-9]+)-(?P<began>[0-9]+)-[0-9a-f]{8}"
_PARTIAL = re.compile(rf"\..*\.(?:{_OWNED}|[0-9a-f]{{8}})\.partial", re.DOTALL)
_FOLDER_START = "webcam-classifier."
_FOLDER = re.compile(rf"webcam-classifier\.{_OWNED}")

_STALE_AFTER = 3600.0  # seconds; a partial file that nobody wrote to for so long has no writer
_FORGOTTEN_AFTER = 7 * 24 * 3600.0  # seconds, likewise for a temporary folder
_LONGEST_NAME = 40  # characters of a file's own name that its partial file shows


def partial_path(path: Path) -> Path:
    """Return a new hidden path beside a file, that says whose it is."""
    return path.with_name(f".{path.name[:_LONGEST_NAME]}.{new_owned_name()}{PARTIAL_ENDING}")


def new_owned_name() -> str:
    """Return a name that is used once, with this process in it."""
    return f"{_place()}-{os.getpid()}-{_began(os.getpid()) or 0}-{secrets.token_hex(4)}"


def is_own_partial(name: str) -> bool:
    """Whether a file's name is one that `partial_path` gives, or gave in earlier versions."""
    return _PARTIAL.fullmatch(name) is not None


def is_abandoned(path: Path) -> bool:
    """Whether a partial file belongs to no process any more.

    A process of another machine or container can't be seen from here, and on Windows none can: such
    a file is abandoned when nobody wrote to it for an hour.

    Args:
        path: Of any file; one that this program did not name is never abandoned.

    Raises:
        OSError: It can't be looked at.
    """
    match = _PARTIAL.fullmatch(path.name)
    return match is not None and _is_ownerless(match, path, _STALE_AFTER)


def is_temporary(path: Path) -> bool:
    """Whether a path is in a folder of `temporary_folder`."""
    return any(part.startswith(_FOLDER_START) for part in path.parts)


def is_owner_gone(name: str) -> bool | None:
    """Whether the process in a name of `new_owned_name` is no more; None where nobody can tell."""
    match = re.search(_OWNED, name)
    return None if match is None else _has_ended(match)


def temporary_folder_path() -> Path:
    """Return a path for a temporary folder of this process, and sweep those of killed processes.

    Raises:
        OSError: There is no folder for temporary files.
    """
    remove_stale_temporary_folders()
    return Path(tempfile.gettempdir()) / f"{_FOLDER_START}{new_owned_name()}"


def remove_stale_temporary_folders() -> None:
    """Remove what killed processes of this program left in the folder for temporary files.

    Raises:
        OSError: There is no such folder.
    """
    _sweep_folders(Path(tempfile.gettempdir()))


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder for as long as the context lasts, and sweep those of killed processes.

    Raises:
        UserError: No folder for temporary files can be written.
    """
    folder = _new_folder()
    try:
        yield folder
    except OSError as error:
        is_here = error.filename is None or Path(os.fsdecode(error.filename)).is_relative_to(folder)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not is_here:
            raise
        raise UserError(
            f"The disk is full: {folder.parent} has no room for temporary files. Free some space, "
            "or name another folder for them in the environment variable TMPDIR."
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def process_folder() -> Path:
    """Return a temporary folder that lasts as long as this process.

    Raises:
        UserError: No folder for temporary files can be written.
    """
    folder = _new_folder()
    weakref.finalize(process_folder, shutil.rmtree, folder, ignore_errors=True)
    return folder


def _new_folder() -> Path:
    try:
        folder = temporary_folder_path()
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise UserError(
            f"No temporary file can be made ({error.strerror or error}). Free some space, or name "
            "another folder for them in the environment variable TMPDIR."
        ) from error
    return folder


def _sweep_folders(base: Path) -> None:
    for folder in base.glob(f"{_FOLDER_START}*"):
        match = _FOLDER.fullmatch(folder.name)
        try:
            is_ours = match is not None and folder.is_dir() and not folder.is_symlink()
            if hasattr(os, "getuid"):
                is_ours = is_ours and folder.lstat().st_uid == os.getuid()
            if match is not None and is_ours and _is_ownerless(match, folder, _FORGOTTEN_AFTER):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # gone already


def _is_ownerless(match: re.Match[str], path: Path, after: float) -> bool:
    has_ended = _has_ended(match)
    if has_ended is None:
        return time.time() - path.lstat().st_mtime > after
    return has_ended


def _has_ended(match: re.Match[str]) -> bool | None:
    if match["place"] != _place():  # of an earlier version, or of another machine or container
        return None
    process = int(match["process"])
    if process == os.getpid():
        return match["began"] != str(_began(process) or 0)
    if _HAS_PROC:
        return match["began"] != str(_began(process))
    if os.name != "posix":
        return None  # Windows's os.kill ends a process, whatever the signal
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


_HAS_PROC = Path("/proc/self/stat").is_file()


def _began(process: int) -> int | None:
    """When a process began, in the kernel's ticks; None where there is none, or no /proc."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        # The name in brackets may hold anything; after it come the state, and 19 fields later this.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in ("Z", "X") else int(fields[19])
    except (OSError, ValueError, IndexError):
        return None


@functools.cache
def _place() -> str:
    """Tell apart what numbers its processes by itself: machines, boots and containers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        words = f"{boot}{Path('/proc/self/ns/pid').readlink()}"
    except (OSError, ValueError):
        words = platform.node()
    return hashlib.sha256(words.encode()).hexdigest()[:8]
