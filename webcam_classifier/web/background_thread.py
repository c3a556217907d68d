"""Run slow work outside of the event loop, in a thread with the lowest priority."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from webcam_classifier.priority import lower_thread_priority

Result = TypeVar("Result")


async def in_background_thread(call: Callable[[], Result]) -> Result:
    """Run a function in a low-priority thread, and await its result.

    Unlike the threads of `asyncio.to_thread`, this one does not delay the end of the process.

    Args:
        call: The function.

    Returns:
        What it returns.

    Raises:
        Exception: Whatever the call raises.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if future.done():  # nobody awaits it any more
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
        except BaseException as error:  # raised where it is awaited
            failed = error
        with suppress(RuntimeError):  # the server has ended in the meantime
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, name="background-thread", daemon=True).start()
    return await future
