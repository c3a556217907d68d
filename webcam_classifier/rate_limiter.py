"""Limit how often something happens, such as saving a frame, to a steady rate."""

from __future__ import annotations


class RateLimiter:
    """Says when something is due, at a steady rate, however irregularly it is asked.

    Args:
        rate: Times a second.
    """

    def __init__(self, rate: float) -> None:
        self._period = 1.0 / rate  # seconds
        self._due = float("-inf")

    def restart(self) -> None:
        """Let the next time be at once."""
        self._due = float("-inf")

    def is_due(self, now: float) -> bool:
        """Return whether it is time, and if so, count it as done.

        Args:
            now: Seconds on the monotonic clock.
        """
        if now < self._due:
            return False
        # From the moment it was due, so that late questions don't slow it down; but no catching up.
        late = now - self._due
        self._due = (self._due if late < self._period else now) + self._period
        return True
