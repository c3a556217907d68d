"""Process items in worker threads, a few ahead of the consumer of the results."""

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
    """Call a function for each item in worker threads, and yield the results in the items' order.

    When the generator is closed early, by Ctrl-C or because its consumer stops, calls that have
    not started are cancelled, and those that are running are waited for.

    Args:
        function: Called for each item in a worker thread.
        items: Iterated in the caller's thread.
        workers: How many threads; 0 calls the function in the caller's thread, without working
            ahead.

    Yields:
        Each item with a callable that waits for the call, and returns what the function returned
        or raises what it raised. With 0 workers the callable makes the call.
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
