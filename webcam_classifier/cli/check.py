"""The outcome of one of the checks that `doctor` makes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """How a check came out."""

    FINE = "ok"
    NOTE = "note"  # something optional is missing
    PROBLEM = "problem"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What, in a word or two.
        status: How it came out.
        found: What there is.
        advice: What to do about it; empty if there is nothing to do.
    """

    name: str
    status: Status
    found: str
    advice: str = ""
