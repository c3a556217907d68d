"""What the windows say lies in their modules of words, where a translator finds it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_UI = Path(__file__).resolve().parents[1] / "webcam_classifier" / "ui"
_SENTENCE = re.compile(r"[a-z]{2}[,;:.]? +[a-zA-Z]")
_NOT_IN_A_WINDOW = {"age on the screen"}  # a line of the terminal's table of times


def test_no_text_stands_in_the_code_of_the_windows() -> None:
    found = {
        (path.name, text)
        for path in sorted(_UI.glob("*.py"))
        if not path.stem.endswith("_words")
        for text in _sentences(path.read_text(encoding="utf-8"))
        if text not in _NOT_IN_A_WINDOW
    }
    assert not found, "move them to window_words.py or record_words.py"


def test_a_text_is_found() -> None:
    code = '"""Of a module."""\ndraw("no picture", f"of {name} there are {count}", key="q")\n'
    assert list(_sentences(code)) == ["no picture", " there are "]


def _sentences(code: str) -> Iterator[str]:
    tree = ast.parse(code)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in docstrings:
            continue
        if isinstance(node.value, str) and _SENTENCE.search(node.value):
            yield node.value
