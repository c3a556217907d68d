"""Do something with many items in threads, a few ahead of who takes what came of it."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 2  # items for each worker: enough to keep it busy, few enough for memory


def run_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[tuple[Item, Callable[[], Result]]]:
    """Call a function for each item, in threads, and yield what came in the items' order.

    Where this is broken off, by Ctrl-C or since nobody takes the rest, calls that have not begun
    are left out, and it ends when the others have.

    Args:
        function: Called in a thread for each item.
        items: Taken in the caller's thread.
        workers: How many threads; 0 calls in the caller's own, nothing ahead.

    Yields:
        Each item with a call that returns what the function returned, or raises what it raised.
    """
    if workers == 0:
        yield from ((item, functools.partial(function, item)) for item in items)
        return
    pool = ThreadPoolExecutor(workers)
    try:
        waiting: deque[tuple[Item, Callable[[], Result]]] = deque()
        for item in items:
            waiting.append((item, pool.submit(function, item).result))
            if len(waiting) > _AHEAD * workers:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        pool.shutdown(cancel_futures=True)
