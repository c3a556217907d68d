"""Linear algebra on one thread, so that the same numbers give the same bits on every device."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # it ships no types

_only_one = threading.Lock()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Make numpy's BLAS compute on one thread within the context.

    The way a solver divides its work affects rounding: with another number of threads the last bits
    differ. The setting is global to the process, and only the thread that set it can reset it. So
    only one thread at a time is in the context, for a few milliseconds of work.
    """
    with _only_one, _controller().limit(limits=1, user_api="blas"):
        yield


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
