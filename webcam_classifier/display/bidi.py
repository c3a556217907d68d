"""Cut a line into runs of one direction, in the order in which they stand from left to right.

Hebrew and Arabic run from right to left, and numbers and other scripts in them from left to right.
This is the Unicode Bidirectional Algorithm (UAX #9, https://www.unicode.org/reports/tr9/) for one
line without explicit marks of direction, which `visible_text` shows as escapes, and without pairs
of brackets (rule N0).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import groupby

_RIGHT_TO_LEFT = frozenset(("R", "AL"))
_NUMBERS = frozenset(("EN", "AN"))
_FOLLOWING = frozenset(("NSM", "BN"))  # marks and joiners belong to what is before them


def visual_runs(text: str) -> list[tuple[str, bool]]:
    """Cut a line into runs of one direction.

    Args:
        text: One line, in the order in which it is read.

    Returns:
        Each run in the order in which it is read, and whether it runs from right to left; the
        runs as they stand from left to right.
    """
    types = [unicodedata.bidirectional(letter) for letter in text]
    strong = next((kind for kind in types if kind in ("L", "R", "AL")), "L")
    base = int(strong in _RIGHT_TO_LEFT)
    levels = _levels(types, base)
    runs: list[tuple[str, int]] = []
    place = 0
    for level, letters in groupby(levels):
        end = place + len(list(letters))
        runs.append((text[place:end], level))
        place = end
    for level in range(max(levels, default=0), 0, -1):  # rule L2
        runs = _reversed_from(runs, level)
    return [(run, level % 2 == 1) for run, level in runs]


def _levels(types: Sequence[str], base: int) -> list[int]:
    kinds = _resolve_neutrals(_resolve_weak(types, "R" if base else "L"), "R" if base else "L")
    if base:  # rules I1 and I2
        return [1 if kind == "R" else 2 for kind in kinds]
    return [{"L": 0, "R": 1}.get(kind, 2) for kind in kinds]


def _resolve_weak(types: Sequence[str], base: str) -> list[str]:
    """Apply rules W1 to W7: what is left is L, R, EN, AN, and ON for what is neutral."""
    kinds: list[str] = []
    strong = before = base
    for kind in types:
        found = before if kind in _FOLLOWING else kind
        if found in ("L", "R", "AL"):
            strong = found
        elif found == "EN" and strong == "AL":
            found = "AN"
        kinds.append(found)
        before = found
    _join_numbers(kinds)
    strong = base
    for place, kind in enumerate(kinds):
        if kind in ("L", "R", "AL"):
            strong = "L" if kind == "L" else "R"
            kinds[place] = strong
        elif kind == "EN" and strong == "L":  # W7
            kinds[place] = "L"
        elif kind not in _NUMBERS:
            kinds[place] = "ON"
    return kinds


def _join_numbers(kinds: list[str]) -> None:
    """Apply rules W4 and W5: separators and signs go with the numbers that they stand beside."""
    for place in range(1, len(kinds) - 1):  # W4: 1.5
        left, right = kinds[place - 1], kinds[place + 1]
        if left == right and left in _NUMBERS and kinds[place] in ("CS", "ES"):
            kinds[place] = left if kinds[place] == "CS" or left == "EN" else "ON"
    for order in (range(1, len(kinds)), range(len(kinds) - 2, -1, -1)):  # W5: 5%
        step = 1 if order.step < 0 else -1
        for place in order:
            if kinds[place] == "ET" and kinds[place + step] == "EN":
                kinds[place] = "EN"


def _resolve_neutrals(kinds: list[str], base: str) -> list[str]:
    """Apply rules N1 and N2: what is neutral goes with its neighbours where they agree."""
    resolved: list[str] = []
    place = 0
    for kind, group in groupby(kinds):
        count = len(list(group))
        end = place + count
        if kind == "ON":
            left = _direction(kinds[place - 1]) if place else base
            right = _direction(kinds[end]) if end < len(kinds) else base
            kind = left if left == right else base
        resolved += [kind] * count
        place = end
    return resolved


def _direction(kind: str) -> str:
    return "L" if kind == "L" else "R"


def _reversed_from(runs: list[tuple[str, int]], level: int) -> list[tuple[str, int]]:
    ordered: list[tuple[str, int]] = []
    for is_high, group in groupby(runs, lambda run: run[1] >= level):
        found = list(group)
        ordered += reversed(found) if is_high else found
    return ordered
