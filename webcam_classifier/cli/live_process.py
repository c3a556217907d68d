"""The settings of a process whose main work is the live picture.

They affect the whole process, so they are made by commands and not by the library. All of them are
undone at the end.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2

_SWITCH_INTERVAL = 0.001  # seconds


@contextmanager
def live_process() -> Iterator[None]:
    """Limit OpenCV to one thread: a resize is too small to split, and inference has its own."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@contextmanager
def teaching_process() -> Iterator[Callable[[], None]]:
    """Keep learning from slowing down the live picture.

    Yields:
        A function to call once most of what stays in memory has been loaded. It exempts that from
        garbage collection, which takes as long as a frame with thousands of pictures.
    """
    # Imported only now: without teaching, it is not needed.
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

    interval = sys.getswitchinterval()
    # A matrix product on several threads would take processor time from the live picture.
    with live_process(), threadpool_limits(limits=1, user_api="blas"):
        # A frame waits at most this long for a busy Python thread; the default is 5 ms.
        sys.setswitchinterval(_SWITCH_INTERVAL)
        try:
            yield gc.freeze
        finally:
            sys.setswitchinterval(interval)
            gc.unfreeze()
