from __future__ import annotations

import pytest

from webcam_classifier.display.keys import key_of
from webcam_classifier.ui.name_entry import NameEntry


def test_a_name_is_typed_and_mended_key_by_key() -> None:
    entry = NameEntry()
    for key in ("c", "u", "q", "backspace", "p", " ", "1", "tab", "up", ""):
        entry.press(key)
    assert entry.text == "cup 1"
    entry.problem = "is there already"
    entry.press("tab")
    assert entry.problem
    entry.press("2")
    assert not entry.problem


def test_a_name_has_an_end() -> None:
    entry = NameEntry()
    for _ in range(500):
        entry.press("x")
    assert len(entry.text) == 60


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (ord("1"), "1"),
        (ord("/"), "/"),
        (ord("A"), "A"),
        (0x10000 + ord("A"), "A"),  # GTK, with shift
        (0xE9, "é"),
        (-55, "é"),  # Qt
        (8, "backspace"),
        (0xFF08, "backspace"),
        (9, "tab"),
        (13, "enter"),
        (0xFF8D, "enter"),
        (27, "escape"),
        (0xFF52, "up"),
        (0x280000, "down"),
        (0x100000 + 0xFFB1, "1"),
        (0xFFE1, ""),
        (0, ""),
        (-1, ""),
    ],
)
def test_keys_have_names_on_every_system(code: int, name: str) -> None:
    assert key_of(code) == name
