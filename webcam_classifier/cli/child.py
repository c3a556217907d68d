"""What a command does differently that another process of ours has started as its child."""

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
_TRIES = 50  # to remove a folder that is still being written to
_TRY_EVERY = 0.01  # seconds


@contextmanager
def ending_with_parent(folder: Path) -> Iterator[None]:
    """End at once when the parent has ended in any way.

    Standard input is closed then. On Linux the kernel kills this process besides
    (`PR_SET_PDEATHSIG` of prctl(2)), which needs no thread of it to run; the temporary folder is
    then left to the next program that sweeps. The kernel does so when the thread ends that started
    this process, so that has to be one that stays.

    Args:
        folder: For temporary files; it is made, and removed at the end, also when the parent has
            died and nobody else can.
    """
    folder.mkdir(mode=0o700)  # before anybody may remove it
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
    with suppress(OSError, AttributeError):  # then standard input alone tells
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _watch(folder: Path) -> None:
    try:
        while os.read(_STDIN, 4096):
            pass
    except OSError:
        pass  # closed in a less orderly way
    for _ in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            break
        time.sleep(_TRY_EVERY)
    os._exit(1)
