"""What the keys do in the window that records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

Action: TypeAlias = Literal[
    "quit", "undo", "mirror", "space", "next", "previous", "new", "write", "whole"
]

ACTIONS: Mapping[str, Action] = {
    "escape": "quit",
    "q": "quit",
    "backspace": "undo",
    "u": "undo",
    "z": "undo",
    "m": "mirror",
    " ": "space",
    "tab": "next",
    "down": "next",
    "up": "previous",
    "n": "new",
    "w": "write",
    "a": "whole",
}
"""Actions by the names that `key_of` returns; digits record the label with that number."""


def action_of(key: str) -> Action | None:
    """Return what a key does; None for a digit or a key that does nothing.

    Args:
        key: From `key_of`.
    """
    return ACTIONS.get(key.lower())
