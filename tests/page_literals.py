"""Find the texts that a page's files show: of HTML all, of code what is given to be shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_SHOWN_ATTRIBUTES = {"aria-label", "alt", "placeholder", "title", "label"}
# Functions, with the number of the first argument that is shown.
_SHOWING = {
    **dict.fromkeys(("notice", "alert", "announce", "confirm", "guide", "problem", "Refused"), 0),
    **dict.fromkeys(("setText", "make", "draw"), 1),
}
_ASKING = {"getAttribute", "querySelector", "querySelectorAll", "matchMedia", "find", "byId"}
_SENTENCE = re.compile(
    r"[A-Za-z\u2019',;:.]{2,} [A-Za-z]|[A-Za-z]…|[A-Za-z]{2}[.!?]$|^[A-Z][a-z]{3,}$"
)
_TECHNICAL = re.compile(
    r"^(?:[.#\[:*][^ ]*|[\w-]+\[[^ ]*)(?: [.#\[>*\w-][^ ]*)*$|^(?:[a-z0-9]+(?:-[a-z0-9]+)* ?)+$"
)
_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')"
    r"|(?P<template>`)|(?P<word>[\w$#]+)|(?P<space>\s+)|(?P<sign>.)",
    re.DOTALL,
)
_REGEX = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/\w*")


class ShownHtml(HTMLParser):
    """Collects the texts of a page's HTML, and the keys of those that stand elsewhere.

    What stands in `noscript` is left out: where it is shown, nothing else could give it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.keys: list[str] = []
        self._is_without_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the attributes that are shown."""
        self._is_without_script = tag == "noscript"
        for name, value in attrs:
            if name in _SHOWN_ATTRIBUTES and _has_letters(value or ""):
                self.found.append(value or "")
            if name.startswith("data-text"):
                self.keys.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        """Look again at what comes after `noscript`."""
        if tag == "noscript":
            self._is_without_script = False

    def handle_data(self, data: str) -> None:
        """Take what is written between the tags."""
        if _has_letters(data) and not self._is_without_script:
            self.found.append(data.strip())


@dataclass
class _Call:
    """What is open around a place of the code.

    Attributes:
        name: What is called; empty for other brackets.
        argument: The number of the argument, from 0.
        key: The name before the last colon, within braces.
    """

    name: str
    argument: int = 0
    key: str = ""


@dataclass
class _Reader:
    code: str
    place: int = 0
    last: str = ""
    before: str = ""
    open: list[_Call] = field(default_factory=lambda: [_Call("")])
    assigned: str = ""

    def literals(self) -> Iterator[str]:
        """Give each text that is shown, as far as one can see where it goes or that it is one."""
        while self.place < len(self.code):
            if self.code[self.place] == "/" and self._begins_a_regex():
                self.place = _at(_REGEX, self.code, self.place).end()
                self._took("/regex/")
                continue
            found = _at(_TOKEN, self.code, self.place)
            self.place = found.end()
            text = found.group()
            if found["string"]:
                if self._is_shown(text[1:-1]):
                    yield text[1:-1]
                self._took(text)
            elif found["template"]:
                yield from self._template()
                self._took(text)
            elif found["word"] or found["sign"]:
                if text == "}" and self.open[-1].name == "${":
                    self.open.pop()
                    return
                self._follow(text)
                self._took(text)

    def _template(self) -> Iterator[str]:
        chunk = ""
        while True:
            letter = self.code[self.place]
            self.place += 1
            if letter == "`":
                break
            if letter == "\\":
                self.place += 1
            elif letter == "$" and self.code[self.place] == "{":
                self.place += 1
                self.open.append(_Call("${"))
                yield from self.literals()
                chunk += "{}"
            else:
                chunk += letter
        if self._is_shown(chunk):
            yield chunk

    def _is_shown(self, text: str) -> bool:
        if not _has_letters(text):
            return False
        around = self.open[-1]
        is_compared = self.last == "=" and self.before in "=!"
        if is_compared or self.last in ("case", "from", "import"):
            return False
        if around.name == "{" and around.key in _SHOWN_ATTRIBUTES:
            return True
        if around.name in _ASKING:
            return False
        if around.name in _SHOWING and around.argument >= _SHOWING[around.name]:
            return True
        if self.assigned in ("textContent", "title", "ariaLabel", "placeholder", "alt"):
            return True
        if around.name == "{" and around.key == "class":
            return False
        return _is_sentence(text)

    def _follow(self, text: str) -> None:
        if text in "([{":
            is_call = text == "(" and re.fullmatch(r"[\w$#]+", self.last)
            self.open.append(_Call(self.last if is_call else text))
        elif text in ")]}" and len(self.open) > 1:
            self.open.pop()
        elif text == ",":
            self.open[-1].argument += 1
            self.open[-1].key = ""
        elif text == ":":
            self.open[-1].key = self.last.strip("\"'")
        elif text == "=" and self.last != "=":
            self.assigned = self.last if self.before == "." else ""
        elif text == ";":
            self.assigned = ""

    def _took(self, text: str) -> None:
        self.before, self.last = self.last, text

    def _begins_a_regex(self) -> bool:
        begins = self.code.startswith(("//", "/*"), self.place)
        return not begins and (self.last in "(,=:[!&|?{};>" or self.last == "return")


def shown_in_code(code: str) -> list[str]:
    """List the texts in JavaScript that a person sees, of those that can be told from their place.

    Args:
        code: Of a module.

    Returns:
        Each with `{}` for what is put into it.
    """
    return list(_Reader(code).literals())


def _is_sentence(text: str) -> bool:
    return bool(_SENTENCE.search(text)) and not _TECHNICAL.match(text)


def _has_letters(text: str) -> bool:
    return bool(re.search(r"[^\W\d_]", text.replace("{}", "")))


def _at(pattern: re.Pattern[str], code: str, place: int) -> re.Match[str]:
    found = pattern.match(code, place)
    assert found is not None, code[place : place + 40]
    return found
