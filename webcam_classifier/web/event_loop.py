"""Hand something over from any thread to the event loop that serves the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress


def call_in_loop(
    loop: asyncio.AbstractEventLoop | None, call: Callable[..., None], *values: object
) -> None:
    """Have something called in an event loop; nothing is called where none runs any more."""
    if loop is not None:
        with suppress(RuntimeError):  # it was closed a moment ago
            loop.call_soon_threadsafe(call, *values)
