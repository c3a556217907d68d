"""Run something that takes long beside the event loop, and behind everything else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from webcam_classifier.priority import lower_thread_priority

Result = TypeVar("Result")


async def in_side_thread(call: Callable[[], Result]) -> Result:
    """Run something in a thread of its own that gives way to others, and await what it gives.

    Unlike those of `asyncio.to_thread`, which the end of a process waits for, the thread ends with
    the process.

    Raises:
        Exception: Whatever the call raises.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if future.done():  # whoever awaited it is gone
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # one of the two is given

    def run() -> None:
        lower_thread_priority()
        result, failed = None, None
        try:
            result = call()
        except BaseException as error:  # whoever awaits it raises it
            failed = error
        with suppress(RuntimeError):  # the server has ended meanwhile
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, name="side-thread", daemon=True).start()
    return await future
