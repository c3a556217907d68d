"""How a browser's clock stands to ours, so that a frame's age counts from its capture.

As in the Network Time Protocol (RFC 5905, section 8): we say our time, the browser answers at once
with its own, and its clock is taken to have been read half-way. The quickest answer errs least.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

_REMEMBERED = 32  # answers
_FORGOTTEN_AFTER = 60.0  # seconds; clocks drift, some milliseconds in that time


class _Answer(NamedTuple):
    round_trip: float  # seconds
    ahead: float  # seconds that the browser's clock is ahead of ours
    at: float  # seconds on our clock


class BrowserClock:
    """Turns a browser's times into ours; all times are seconds, each clock has its own zero."""

    def __init__(self) -> None:
        self._answers: deque[_Answer] = deque(maxlen=_REMEMBERED)

    def answered(self, asked_at: float, browser_time: float, now: float) -> None:
        """Take note of an answer; one that can't be is passed over.

        Args:
            asked_at: Our time that the browser answers to.
            browser_time: The browser's when it did.
            now: Ours.
        """
        if asked_at <= now and math.isfinite(browser_time):
            middle = (asked_at + now) / 2
            self._answers.append(_Answer(now - asked_at, browser_time - middle, now))

    def our_time(self, browser_time: float, now: float) -> float:
        """Tell when something happened; now, where that can't be known.

        Args:
            browser_time: When it did, by the browser's clock.
            now: Our time; nothing has happened after it.
        """
        recent = [one for one in self._answers if now - one.at <= _FORGOTTEN_AFTER]
        if not recent or not math.isfinite(browser_time):
            return now
        return min(now, browser_time - min(recent).ahead)
