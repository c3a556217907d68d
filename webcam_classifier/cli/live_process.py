"""The settings of a process whose main work is the live picture.

They hold for the whole process, so a command makes them, and no module of the library does. All
of them are taken back at the end.
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
    """Keep OpenCV to one thread: a resize is too small to share out, and the graph has its own."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@contextmanager
def teaching_process() -> Iterator[Callable[[], None]]:
    """Have what is learnt beside the live picture hold it up as little as can be.

    Yields:
        What to call when much was loaded that stays: the garbage collector passes it over from
        then on. Looking through thousands of pictures for garbage takes as long as a frame.
    """
    # Loaded only now: watching learns nothing.
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

    interval = sys.getswitchinterval()
    # A matrix product that is shared out takes the processor away from the live picture.
    with live_process(), threadpool_limits(limits=1, user_api="blas"):
        # A frame waits so long for a thread that is busy in Python; usually it is 5 ms.
        sys.setswitchinterval(_SWITCH_INTERVAL)
        try:
            yield gc.freeze
        finally:
            sys.setswitchinterval(interval)
            gc.unfreeze()
