"""Do one thing in a forked process with a bound on time, and say how it ended."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import struct
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG, of Linux

CRASHED, RAISED, HUNG = "crash", "traceback", "hang"


@dataclass(frozen=True)
class Ending:
    """How a forked process ended.

    Attributes:
        outcome: What the work returned, or `CRASHED`, `RAISED` or `HUNG`.
        detail: The signal, the traceback's end, or nothing.
        seconds: From the fork to the end.
        megabytes: The most memory that the process held, beyond what it was forked with.
    """

    outcome: str
    detail: str
    seconds: float
    megabytes: float


def run_forked(work: Callable[[], str], seconds: float) -> Ending:
    """Do something in a forked process.

    Args:
        work: Returns a word about what came of it.
        seconds: After so many the process is killed.
    """
    reading, writing = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_child(work, writing)
    os.close(writing)
    (before,) = struct.unpack("d", os.read(reading, 8))
    ready, _, _ = select.select([reading], [], [], seconds)
    if not ready:
        os.kill(child, signal.SIGKILL)
    said = os.read(reading, 65536) if ready else b""  # it is one write of less than that
    os.close(reading)
    _, status, usage = os.wait4(child, 0)
    taken = time.monotonic() - started
    megabytes = usage.ru_maxrss / 1000 - before
    if not ready:
        return Ending(HUNG, "", taken, megabytes)
    try:
        outcome, detail = json.loads(said)
    except ValueError:
        return Ending(CRASHED, f"status {status}", taken, megabytes)
    return Ending(str(outcome), str(detail), taken, megabytes)


def _be_child(work: Callable[[], str], writing: int) -> None:
    """Work and end at once: nothing of the parent's is closed, flushed or cleaned up.

    What the process was forked with is measured here, as the parent's own memory changes while
    others of its threads work.
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    os.write(writing, struct.pack("d", before))
    try:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        os.dup2(devnull, 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        said = [work(), ""]
    except BaseException:
        said = [RAISED, traceback.format_exc()[-2000:]]
    os.write(writing, json.dumps(said).encode())
    os._exit(0)
