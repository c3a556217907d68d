"""Call a function in the event loop that serves the page, from any thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress


def call_in_loop(
    loop: asyncio.AbstractEventLoop | None, call: Callable[..., None], *values: object
) -> None:
    """Have a function called in an event loop; without a running loop, it is not called."""
    if loop is not None:
        with suppress(RuntimeError):  # the loop was closed a moment ago
            loop.call_soon_threadsafe(call, *values)
