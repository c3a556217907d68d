"""A name that is typed in a window, key by key."""

from __future__ import annotations

_LONGEST = 60  # characters; what is longer is not read any more


class NameEntry:
    """What was typed so far, and what was wrong with it when it was tried."""

    def __init__(self) -> None:
        self.text = ""
        self.problem = ""

    def press(self, key: str) -> None:
        """Take in a key: a character is added, backspace takes the last one away.

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
