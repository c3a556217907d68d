"""Tell a key that is held from one that is tapped, by the repeated codes that a window gives."""

from __future__ import annotations

# A window reports a key going down, never up; a held key repeats itself, first after 250 to 660
# milliseconds, then some 30 times a second.
_FIRST_REPEAT_WITHIN = 0.8  # seconds
_NEXT_REPEAT_WITHIN = 0.25  # seconds; a slow camera lets the window see keys only so often
_SURELY_HELD = 2  # quick codes in a row; one may be of two quick taps
_LOOKS_WITHIN = 0.25  # seconds; a longer pause is a busy program's, which sees no repeats in it


class HeldKey:
    """Follows one key at a time; another key ends the one before.

    Two taps within the first delay can't be told from a held key's beginning, and count as one
    burst: each still gives its picture. While a key is down it has to be asked at each frame: time
    in which nobody looked says nothing about the key, and does not count.
    """

    def __init__(self) -> None:
        self._name = ""
        self._seen_at = 0.0
        self._looked_at = 0.0
        self._repeats = 0  # quick codes in a row

    def press(self, name: str, now: float) -> bool:
        """Take in a code.

        Args:
            name: Which key it is of.
            now: Seconds on the monotonic clock.

        Returns:
            True if the key went down anew, False if it is still held.
        """
        is_new = self.held(now) != name
        # Only quick codes are a repeating key; slower ones may be taps, and wait for another.
        is_quick = not is_new and now - self._seen_at <= _NEXT_REPEAT_WITHIN
        self._repeats = self._repeats + 1 if is_quick else 0
        self._name, self._seen_at = name, now
        return is_new

    @property
    def let_go_at(self) -> float | None:
        """When the key was seen down last; None if it may have been tapped, not held.

        A window tells of a key's end only by repeats that stop coming, a quarter of a second late.
        """
        return self._seen_at if self._repeats >= _SURELY_HELD else None

    def held(self, now: float) -> str:
        """Name the key that is down, as far as can be told; empty if none is.

        Args:
            now: Seconds on the monotonic clock.
        """
        self._seen_at += max(0.0, now - self._looked_at - _LOOKS_WITHIN)
        self._looked_at = now
        within = _NEXT_REPEAT_WITHIN if self._repeats else _FIRST_REPEAT_WITHIN
        if now - self._seen_at > within:
            self._name = ""
        return self._name
