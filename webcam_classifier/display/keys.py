"""Name a key that a window gives, whatever the system calls it."""

from __future__ import annotations

# What a toolkit gives is a character's code, a keysym of X, or a number of its own.
_KEYS_BY_CODE = {
    8: "backspace",  # Windows, Linux with Qt
    9: "tab",
    10: "enter",
    13: "enter",
    27: "escape",
    127: "backspace",  # macOS
    0xFF08: "backspace",  # Linux with GTK, as those below
    0xFF09: "tab",
    0xFF0D: "enter",
    0xFF1B: "escape",
    0xFF8D: "enter",  # of the keypad
    0xFF52: "up",  # arrows: Linux
    0xFF54: "down",
    0x260000: "up",  # Windows
    0x280000: "down",
    0xF700: "up",  # macOS
    0xF701: "down",
}
_FIRST_KEYPAD_DIGIT = 0xFFB0  # Linux with GTK
_LATIN = 256  # codes below are letters of Latin-1


def key_of(code: int) -> str:
    """Name a key by its character, or by a word where it writes none.

    With Qt, every letter comes as the lower one: it tells nothing of the shift key.

    Args:
        code: From `Window.read_key`.

    Returns:
        A character, or one of "backspace", "tab", "enter", "escape", "up" and "down"; empty for
        what is none of them.
    """
    if code in _KEYS_BY_CODE:
        return _KEYS_BY_CODE[code]
    if -128 <= code < -1:  # Qt gives letters with an accent as a signed byte, and in capitals
        return chr(code % _LATIN).lower()
    # GTK adds bits for the lock keys above these 16.
    plain = code & 0xFFFF if code >= 0 else 0
    if plain in _KEYS_BY_CODE:
        return _KEYS_BY_CODE[plain]
    if 0 <= plain - _FIRST_KEYPAD_DIGIT <= 9:
        return str(plain - _FIRST_KEYPAD_DIGIT)
    return chr(plain) if plain < _LATIN and chr(plain).isprintable() else ""
