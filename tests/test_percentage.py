"""Ratios as percentages: never all or none of what was counted where it is not."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from webcam_classifier import web
from webcam_classifier.percentage import percentage, rounded_percentage

_PAGE = Path(web.__file__).parent / "page"
_COUNTED = [
    (240, 240, "100 %"),
    (239, 240, "99 %"),
    (233, 240, "97 %"),
    (1, 240, "1 %"),
    (0, 240, "0 %"),
]


@pytest.mark.parametrize(("part", "whole", "expected"), _COUNTED)
def test_all_and_none_are_said_only_of_all_and_none(part: int, whole: int, expected: str) -> None:
    assert percentage(part / whole, 0) == expected


def test_decimals_come_as_near_as_they_can() -> None:
    assert percentage(0.974) == "97.4 %"
    assert percentage(9999 / 10000) == "99.9 %"
    assert percentage(1 / 10000) == "0.1 %"
    assert percentage(1.04, 0) == "104 %"


def test_a_probability_is_rounded() -> None:
    assert rounded_percentage(0.9999) == "100.0 %"
    assert rounded_percentage(0.0004, 0) == "0 %"


def test_the_page_counts_as_the_terminal_does(tmp_path: Path) -> None:
    ratios = [part / whole for part, whole, _ in _COUNTED]
    found = _mapped_by_node("countedPercentage", ratios, tmp_path)
    assert [f"{value} %" for value in found] == [text for *_, text in _COUNTED]


def test_a_number_and_its_sign_stay_on_one_line_of_the_page(tmp_path: Path) -> None:
    (found,) = _mapped_by_node("capitalised", ["accuracy 98 % (91 to 100 %)"], tmp_path)
    assert found == "Accuracy 98\N{NO-BREAK SPACE}% (91 to 100\N{NO-BREAK SPACE}%)"


def _mapped_by_node(function: str, values: Sequence[object], folder: Path) -> list[object]:
    """Call a function of the page's words with each value."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js on this machine (Debian: apt-get install nodejs)")
    script = folder / "map.mjs"
    script.write_text(
        f'import {{ {function} }} from "{(_PAGE / "words.js").as_uri()}";\n'
        f"console.log(JSON.stringify({json.dumps(values)}.map((value) => {function}(value))));\n",
        encoding="utf-8",
    )
    run = subprocess.run(
        (node, str(script)), capture_output=True, check=True, encoding="utf-8", timeout=60
    )
    found: list[object] = json.loads(run.stdout)
    return found
