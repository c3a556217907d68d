"""The role of the teacher, which one page has at a time.

It is used from the server's event loop only, so nothing here needs a lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_LEFT_AFTER = 60.0  # seconds without a change by the teacher, after which others may take over


class TeacherRole:
    """Gives the role to the first client that asks, and to no other until it is free again.

    Args:
        on_change: Called when another client, or none, has the role.

    Attributes:
        holder: The id of the client that has the role; None if it is free.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.holder: str | None = None
        self._on_change = on_change
        self._busy_at = 0.0

    def may_teach(self, client: str) -> bool:
        """Assign the role to a client if it is free; returns whether the client has it now.

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
        """Act as `may_teach`, but also take the role from a teacher who did nothing for a minute.

        Args:
            client: Its id.
        """
        if self.holder is not None and time.monotonic() - self._busy_at >= _LEFT_AFTER:
            self.holder = None
        return self.may_teach(client)

    def release(self, client: str) -> bool:
        """Free the role if this client has it; returns whether it had."""
        if self.holder != client:
            return False
        self.holder = None
        self._on_change()
        return True

    def seen_by(self, client: str | None) -> str | None:
        """Return who teaches from a client's point of view: `you`, `other`, or None."""
        if self.holder is None:
            return None
        return "you" if self.holder == client else "other"
