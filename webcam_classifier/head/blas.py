"""Linear algebra on one thread, so that the same numbers give the same bits on every device."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # it ships no types

_lock = threading.Lock()
_inside = 0
_limiter: object = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Have numpy's BLAS compute on one thread for as long as anybody is in the context.

    How a solver shares its work out decides how it rounds: with another number of threads the last
    bits differ. The limit is the process's, so it is set by the first that enters, and what was
    there before comes back when the last one leaves.
    """
    global _inside, _limiter
    with _lock:
        _inside += 1
        if _inside == 1:
            _limiter = _controller().limit(limits=1, user_api="blas")
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limiter.restore_original_limits()  # type: ignore[attr-defined]
                _limiter = None


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
