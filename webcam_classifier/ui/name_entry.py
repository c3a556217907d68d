"""A name that is typed in a window, key by key."""

from __future__ import annotations

_LONGEST = 60  # characters; further ones are ignored


class NameEntry:
    """A name being typed.

    Attributes:
        text: What was typed so far.
        problem: Why it was refused when it was entered; empty if it was not.
    """

    def __init__(self) -> None:
        self.text = ""
        self.problem = ""

    def press(self, key: str) -> None:
        """Take a key: a character is added, backspace deletes the last one.

        Args:
            key: From `key_of`; other keys change nothing.
        """
        if key == "backspace":
            self.text = self.text[:-1]
        elif len(key) == 1 and len(self.text) < _LONGEST:
            self.text += key
        else:
            return
        self.problem = ""
