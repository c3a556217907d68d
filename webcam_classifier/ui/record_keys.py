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
"""By what `key_of` calls the key; digits record the label of that number."""


def action_of(key: str) -> Action | None:
    """What a key does, whatever the system calls it; None for a digit and what does nothing.

    Args:
        key: From `key_of`.
    """
    return ACTIONS.get(key.lower())
