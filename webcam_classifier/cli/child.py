"""What a command does if another process of this program started it."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_STDIN = 0  # file descriptor
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_TRIES = 50  # attempts to remove a folder that is still being written to
_TRY_EVERY = 0.01  # seconds


@contextmanager
def ending_with_parent(folder: Path) -> Iterator[None]:
    """End this process as soon as its parent ends, however that happens.

    The end of the parent closes standard input, which a thread watches. On Linux the kernel also
    kills this process (`PR_SET_PDEATHSIG` of prctl(2)), even if none of its threads can run; the
    next program that sweeps then removes the temporary folder. The kernel does so when the thread
    that started this process ends, so that thread must live as long as the parent.

    Args:
        folder: The folder for temporary files. It is created here, and removed at the end, also if
            the parent has died.
    """
    folder.mkdir(mode=0o700)  # before the watching thread may remove it
    _die_with_parent()
    watch = threading.Thread(target=_watch, args=[folder], name="parent-watch", daemon=True)
    watch.start()
    for name in ("TMPDIR", "TEMP", "TMP"):
        os.environ[name] = str(folder)
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _die_with_parent() -> None:
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):  # then only standard input shows it
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _watch(folder: Path) -> None:
    try:
        while os.read(_STDIN, 4096):
            pass
    except OSError:
        pass  # it was closed abruptly
    for _ in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            break
        time.sleep(_TRY_EVERY)
    os._exit(1)
