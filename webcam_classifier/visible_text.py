"""Text of files and labels, made fit to be shown: nothing hidden, no commands to a terminal.

Unicode has characters that show nothing (U+200B), turn the text after them round (U+202E) or begin
a command to a terminal (U+001B). A label with one of them looks like another label, or does things.
The joiners of Persian, Hindi and emoji are left where they join something.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping

_JOINERS = "\u200c\u200d"
_UNJOINED_SCRIPTS = (
    "LATIN", "GREEK", "CYRILLIC", "CJK", "HANGUL", "HIRAGANA", "KATAKANA",
)  # fmt: skip
_SHOWN_FORMATS = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
"""Of Unicode's category Cf, those that are drawn: Arabic, Syriac and Kaithi number signs."""

_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Of other categories, those that are drawn as nothing."""

_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
"""The flag of a region, such as Scotland's: a black flag with letters that are not drawn."""


def hidden_characters(text: str) -> tuple[str, ...]:
    """Find the characters that are not drawn, or that do something else than being drawn.

    Args:
        text: Any.

    Returns:
        Each as often as it is there, in order; line breaks and tabs are among them.
    """
    if text.isascii() and text.isprintable():
        return ()
    return tuple(text[place] for place in _hidden_places(text))


def visible(text: str) -> str:
    r"""Write hidden characters as escapes, such as `\u202e`; a usual text stays as it is.

    Args:
        text: Any; line breaks and tabs count as hidden, too.
    """
    if text.isascii() and text.isprintable():
        return text
    letters = list(text)
    for place in _hidden_places(text):
        letters[place] = _escaped(letters[place])
    return "".join(letters)


def visible_lines(text: str) -> str:
    """As `visible`, but line breaks and tabs stay: for what a program prints."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return re.sub(r"[^\n\t]+", lambda part: visible(part[0]), text)


def _escaped(letter: str) -> str:
    if "\udc80" <= letter <= "\udcff":  # a byte of a file's name that is not UTF-8
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode()


def _hidden_places(text: str) -> list[int]:
    in_flags = {place for flag in _FLAG.finditer(text) for place in range(*flag.span())}
    return [
        place
        for place, letter in enumerate(text)
        if place not in in_flags and _is_hidden(text, place, letter)
    ]


def _is_hidden(text: str, place: int, letter: str) -> bool:
    if letter in _JOINERS:
        return not (_joins(text, place - 1) and _joins(text, place + 1))
    if letter in _BLANKS:
        return True
    category = unicodedata.category(letter)
    if category == "Cf":
        return letter not in _SHOWN_FORMATS
    return category in ("Cc", "Cs", "Zl", "Zp")


def _joins(text: str, place: int) -> bool:
    """Whether a character may stand beside a joiner: one of a script that joins, or an emoji."""
    if not 0 <= place < len(text) or text[place].isascii():
        return False
    if unicodedata.category(text[place])[0] not in "LMS" or text[place] in _BLANKS:
        return False
    return not unicodedata.name(text[place], "").startswith(_UNJOINED_SCRIPTS)


def json_line(fields: Mapping[str, object]) -> str:
    """Write fields as one line of JSON that is UTF-8 and that a terminal can show.

    Characters that are not drawn, or that are none of Unicode, become escapes of JSON, which mean
    the same to whoever reads it.

    Raises:
        ValueError: A number is not finite, which JSON has no word for.
    """
    text = json.dumps(fields, ensure_ascii=False, allow_nan=False)
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)
