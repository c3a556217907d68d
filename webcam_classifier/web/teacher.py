"""Who teaches: one of those who look at the page, at a time.

Used from the server's event loop alone, so nothing here needs a lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_LEFT_AFTER = 60.0  # seconds without teaching anything, after which somebody else may take over


class TeacherRole:
    """Gives the role to the first who asks, and to nobody else until it is free again.

    Args:
        on_change: Called when the role has changed hands.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.holder: str | None = None
        self._on_change = on_change
        self._busy_at = 0.0

    def may_teach(self, client: str) -> bool:
        """Assign the role to a client where it is free; returns whether the client has it now.

        Args:
            client: Its id.
        """
        if self.holder not in (None, client):
            return False
        self._busy_at = time.monotonic()
        if self.holder is None:
            self.holder = client
            self._on_change()
        return True

    def claim(self, client: str) -> bool:
        """Like `may_teach`, but a teacher who did nothing for a minute has left.

        Args:
            client: Its id.
        """
        if self.holder is not None and time.monotonic() - self._busy_at >= _LEFT_AFTER:
            self.holder = None
        return self.may_teach(client)

    def release(self, client: str) -> bool:
        """Free the role, and tell whether this client had it."""
        if self.holder != client:
            return False
        self.holder = None
        self._on_change()
        return True

    def seen_by(self, client: str | None) -> str | None:
        """Say who teaches as a client is told: `you`, `other`, or None."""
        if self.holder is None:
            return None
        return "you" if self.holder == client else "other"
