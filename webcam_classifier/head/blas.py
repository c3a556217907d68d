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
    """Have numpy's BLAS compute on one thread for as long as the context lasts.

    How a solver shares its work out decides how it rounds: with another number of threads the last
    bits differ. The number is the process's, and only the thread that set it can set it back: so
    one thread at a time is in the context, and does a few milliseconds of work there.
    """
    with _only_one, _controller().limit(limits=1, user_api="blas"):
        yield


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
