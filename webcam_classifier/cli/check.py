"""The outcome of one of the checks that `doctor` makes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """The outcome of a check."""

    FINE = "ok"
    NOTE = "note"  # something optional is missing
    PROBLEM = "problem"


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes:
        name: What was checked, in a word or two.
        status: The outcome.
        found: What was found.
        advice: What to do about it; empty if there is nothing to do.
    """

    name: str
    status: Status
    found: str
    advice: str = ""
