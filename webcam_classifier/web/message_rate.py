"""How many messages somebody may send over a WebSocket."""

from __future__ import annotations

import time
from collections.abc import Callable


class MessageRate:
    """A token bucket: so many messages a second, and more for a moment.

    Args:
        a_second: Messages that earn themselves each second.
        at_once: How many may come at once after a pause.
        clock: Seconds that only go forward.
    """

    def __init__(
        self, a_second: float, at_once: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._a_second = a_second
        self._at_once = self._left = at_once
        self._clock = clock
        self._at = clock()

    def allows_another(self) -> bool:
        """Count a message; returns whether it is still within the rate."""
        now = self._clock()
        self._left = min(self._at_once, self._left + (now - self._at) * self._a_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
