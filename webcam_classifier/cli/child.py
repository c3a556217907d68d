"""What a command does differently that another process of ours has started as its child."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STDIN = 0  # file descriptor
_TRIES = 50  # to remove a folder that is still being written to
_TRY_EVERY = 0.01  # seconds


@contextmanager
def ending_with_parent(folder: Path) -> Iterator[None]:
    """End at once when standard input is closed, as it is when the parent has ended in any way.

    A signal on the parent's death would be simpler, but Linux alone has one, and it comes when the
    thread ends that started the child.

    Args:
        folder: For temporary files; it is made, and removed at the end, also when the parent has
            died and nobody else can.
    """
    folder.mkdir(mode=0o700)  # before anybody may remove it
    watch = threading.Thread(target=_watch, args=[folder], name="parent-watch", daemon=True)
    watch.start()
    for name in ("TMPDIR", "TEMP", "TMP"):
        os.environ[name] = str(folder)
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
