"""The offset of a browser's clock from ours, so that a frame's age counts from its capture.

As in the Network Time Protocol (RFC 5905, section 8), we send our time, the browser answers at once
with its own, and we assume that its clock was read half-way. The quickest answer has the smallest
error.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

_REMEMBERED = 32  # answers
_FORGOTTEN_AFTER = 60.0  # seconds; clocks drift by some milliseconds in that time


class _Answer(NamedTuple):
    round_trip: float  # seconds
    ahead: float  # seconds that the browser's clock is ahead of ours
    at: float  # seconds on our clock


class BrowserClock:
    """Converts a browser's times to ours; all are in seconds, and each clock has its own zero."""

    def __init__(self) -> None:
        self._answers: deque[_Answer] = deque(maxlen=_REMEMBERED)

    def answered(self, asked_at: float, browser_time: float, now: float) -> None:
        """Note an answer; an impossible one is ignored.

        Args:
            asked_at: Our time that the browser answers to.
            browser_time: The browser's time when it answered.
            now: Our time now.
        """
        if asked_at <= now and math.isfinite(browser_time):
            middle = (asked_at + now) / 2
            self._answers.append(_Answer(now - asked_at, browser_time - middle, now))

    def our_time(self, browser_time: float, now: float) -> float:
        """Convert a time of the browser's to ours; `now` if that is not possible.

        Args:
            browser_time: The time by the browser's clock.
            now: Our time now, which the result never exceeds.
        """
        recent = [one for one in self._answers if now - one.at <= _FORGOTTEN_AFTER]
        if not recent or not math.isfinite(browser_time):
            return now
        return min(now, browser_time - min(recent).ahead)
