"""Tell a held key from a tapped one by the key codes that a window repeats."""

from __future__ import annotations

# A window reports that a key goes down, but not that it goes up. A held key repeats: first after
# 250 to 660 milliseconds, then about 30 times a second.
_FIRST_REPEAT_WITHIN = 0.8  # seconds
_NEXT_REPEAT_WITHIN = 0.25  # seconds; with a slow camera, the window sees keys less often
_SURELY_HELD = 2  # quick codes in a row; a single one may come from two quick taps
_LOOKS_WITHIN = 0.25  # seconds; during a longer pause the program was busy and saw no repeats


class HeldKey:
    """Follows one key at a time; another key ends the previous one.

    Two taps within the first delay can't be told from the start of a held key, so they count as one
    burst; each still gives its picture. While a key is down, `held` must be called at each frame:
    time during which it was not called says nothing about the key, and does not count.
    """

    def __init__(self) -> None:
        self._name = ""
        self._seen_at = 0.0
        self._looked_at = 0.0
        self._repeats = 0  # quick codes in a row

    def press(self, name: str, now: float) -> bool:
        """Take a key code.

        Args:
            name: The key.
            now: Seconds on the monotonic clock.

        Returns:
            True if the key was pressed again, False if it is still held.
        """
        is_new = self.held(now) != name
        # Only quick codes mean a repeating key; slower ones may be taps.
        is_quick = not is_new and now - self._seen_at <= _NEXT_REPEAT_WITHIN
        self._repeats = self._repeats + 1 if is_quick else 0
        self._name, self._seen_at = name, now
        return is_new

    @property
    def let_go_at(self) -> float | None:
        """When the key was last seen down; None if it may have been tapped rather than held.

        A release is only noticed because repeats stop coming, a quarter of a second late.
        """
        return self._seen_at if self._repeats >= _SURELY_HELD else None

    def held(self, now: float) -> str:
        """Return the key that is down, as far as can be told; empty if none is.

        Args:
            now: Seconds on the monotonic clock.
        """
        self._seen_at += max(0.0, now - self._looked_at - _LOOKS_WITHIN)
        self._looked_at = now
        within = _NEXT_REPEAT_WITHIN if self._repeats else _FIRST_REPEAT_WITHIN
        if now - self._seen_at > within:
            self._name = ""
        return self._name
