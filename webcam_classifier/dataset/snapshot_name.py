"""The names of snapshot files, which sort by time and tell bursts apart.

`20261122T143015x7f3a9c-002-0017` is picture 17 of burst 2 of a session. A session is one run of a
program that records: the moment it began, in UTC, so that names sort correctly when clocks are put
back or a data set is filled in two time zones; then a random part, so that two programs which begin
in the same second can't overwrite each other's pictures. `-corrected` at the end says that a model
had taken the picture for another label when it was recorded.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timezone

_PATTERN = re.compile(r"([0-9]{8}T[0-9]{6}x[0-9a-f]{6})-([0-9]{3,})-([0-9]{4,})(-corrected)?")


@dataclass(frozen=True, order=True)
class SnapshotName:
    """Which snapshot it is.

    Attributes:
        session: From `new_session`.
        burst: Counts the bursts of a session, from 1: all pictures of one key held down.
        index: Counts the pictures of a burst, from 1.
        is_corrected: Whether the model's answer was wrong when it was recorded.
    """

    session: str
    burst: int
    index: int
    is_corrected: bool = False

    def format(self) -> str:
        """Return the file's name without its ending."""
        mark = "-corrected" if self.is_corrected else ""
        return f"{self.session}-{self.burst:03d}-{self.index:04d}{mark}"


def new_session(now: datetime | None = None) -> str:
    """Name a session that begins now.

    Args:
        now: With its time zone; the clock's time by default.
    """
    moment = (now or datetime.now(timezone.utc)).astimezone(timezone.utc)
    return f"{moment:%Y%m%dT%H%M%S}x{secrets.token_hex(3)}"


def parse_snapshot_name(stem: str) -> tuple[str, int, int] | None:
    """Read a file's name back.

    Args:
        stem: The name without its ending.

    Returns:
        (session, burst, index), or None for a picture that was not recorded by collect.py.
    """
    match = _PATTERN.fullmatch(stem)
    if match is None:
        return None
    session, burst, index, _ = match.groups()
    return session, int(burst), int(index)


def is_correction(stem: str) -> bool:
    """Whether a snapshot was recorded because the answer to it was wrong.

    Args:
        stem: The name without its ending.
    """
    match = _PATTERN.fullmatch(stem)
    return match is not None and match[4] is not None
