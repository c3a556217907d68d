"""The priority of work that can wait: it leaves the processor to the live picture."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

NICENESS = 10
"""Of threads and processes that are in no hurry."""


def lower_thread_priority() -> None:
    """Let the calling thread get a processor after others, where each thread has a niceness."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):  # a container may forbid it
            if os.getpriority(os.PRIO_PROCESS, thread) < NICENESS:
                os.setpriority(os.PRIO_PROCESS, thread, NICENESS)
