"""A limit on the messages that may be sent over a WebSocket."""

from __future__ import annotations

import time
from collections.abc import Callable


class MessageRate:
    """A token bucket: a rate of messages, with more allowed for a moment.

    Args:
        a_second: The rate, in messages a second.
        at_once: How many messages may come at once after a pause.
        clock: A monotonic clock, in seconds.
    """

    def __init__(
        self, a_second: float, at_once: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._a_second = a_second
        self._at_once = self._left = at_once
        self._clock = clock
        self._at = clock()

    def allows_another(self) -> bool:
        """Count a message; returns whether it is within the limit."""
        now = self._clock()
        self._left = min(self._at_once, self._left + (now - self._at) * self._a_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
