"""Draw the labels onto a picture, a row each: key, name, count, and a bar; and lines below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from webcam_classifier.display.shapes import (
    AMBER,
    BLACK,
    PALE,
    RED,
    TRACK,
    WHITE,
    Colour,
    blend,
    fill,
)
from webcam_classifier.display.text import draw_text, text_size
from webcam_classifier.frame import BgrImage

_DESIGNED_FOR = (640, 480)  # width, height; everything grows with the picture
_SMALLEST_SCALE, _LARGEST_SCALE = 0.8, 1.6
_WIDEST_PANEL = 0.46  # of the picture's width
_ROW, _TIGHTEST_ROW = 42, 38  # pixels of the design
_LEAST_ASIDE = 9  # sizes of the text; a shorter note says nothing


@dataclass(frozen=True)
class LabelRow:
    """What is shown of a label.

    Attributes:
        key: What to press for it; empty where it has no key of its own.
        label: Its name.
        count: How many pictures it has.
        is_recording: Whether it is being recorded.
        is_chosen: Whether the space bar records it.
        is_behind: Whether it has far fewer pictures than another.
    """

    key: str
    label: str
    count: int
    is_recording: bool
    is_chosen: bool
    is_behind: bool


@dataclass(frozen=True)
class Bar:
    """The bar in a label's row.

    Attributes:
        share: How much of it is filled, 0 to 1.
        colour: Of that part.
        words: At its end; empty where the bar is to have that room too.
    """

    share: float
    colour: Colour
    words: str = ""


def scale_for(view: BgrImage) -> float:
    """Tell how much larger than at 640x480 everything is drawn.

    Args:
        view: The picture that is drawn on.
    """
    height, width = view.shape[:2]
    fitting: float = min(width / _DESIGNED_FOR[0], height / _DESIGNED_FOR[1])
    return max(_SMALLEST_SCALE, min(_LARGEST_SCALE, fitting))


def pixels(length: float, scale: float) -> int:
    """Convert a length of the design to whole pixels at a scale, from `scale_for`."""
    return round(length * scale)


def draw_label_panel(
    view: BgrImage, rows: Sequence[LabelRow], bars: Sequence[Bar], scale: float
) -> None:
    """Draw the panel of labels into the left upper corner of a picture, in place.

    Args:
        view: (height, width, 3) uint8.
        rows: In order, one at least; where they don't all fit, those around the chosen one are
            shown.
        bars: One for each row.
        scale: From `scale_for`.
    """
    margin, padding = pixels(12, scale), pixels(6, scale)
    room = view.shape[0] - 2 * margin - 2 * padding
    row_height = max(pixels(_TIGHTEST_ROW, scale), min(pixels(_ROW, scale), room // len(rows)))
    shown = _around_chosen(rows, max(1, room // row_height))
    size = pixels(17, scale)
    names = max(text_size(row.label, size, bold=True)[0] for row in rows)
    numbers = text_size("0000", size, bold=True)[0]
    wanted = names + numbers + pixels(70, scale)
    panel_width = min(max(wanted, pixels(180, scale)), round(_WIDEST_PANEL * view.shape[1]))
    panel_height = len(shown) * row_height + 2 * padding
    blend(view, (margin, margin, panel_width, panel_height), BLACK, 0.7, pixels(10, scale))
    if len(shown) < len(rows):
        _draw_hidden(view, shown, len(rows), (margin, margin + panel_height), scale)
    for place, index in enumerate(shown):
        box = (margin, margin + padding + place * row_height, panel_width, row_height)
        _draw_row(view, rows[index], bars[index], box, scale)


def draw_footer(
    lines: Sequence[tuple[str, Colour]], width: int, scale: float, aside: str = ""
) -> BgrImage:
    """Draw lines to stand below a picture, where they hide nothing of it.

    Args:
        lines: Each with its colour; an empty one keeps its place.
        width: Of the picture, in pixels.
        scale: From `scale_for`.
        aside: A note at the right of the first line, cut to the room that this leaves it.

    Returns:
        (height, width, 3) uint8; the height depends on the number of lines and the scale alone.
    """
    size, margin, gap = pixels(14, scale), pixels(14, scale), pixels(7, scale)
    step = text_size("", size)[1] + pixels(2, scale)
    footer: BgrImage = np.full((len(lines) * step + 2 * gap, width, 3), BLACK, np.uint8)
    for index, (text, colour) in enumerate(lines):
        kept = shorten(text, size, width - 2 * margin)
        draw_text(footer, kept, (margin, gap + index * step), size, colour)
    room = width - 2 * margin - text_size(lines[0][0], size)[0] - 2 * size
    if aside and room >= _LEAST_ASIDE * size:
        note = shorten(aside, size, room)
        draw_text(footer, note, (width - margin - text_size(note, size)[0], gap), size, PALE)
    return footer


def shorten(text: str, size: int, room: int, *, bold: bool = False) -> str:
    """Cut a text's end off, with an ellipsis, until it fits into so many pixels."""
    if text_size(text, size, bold=bold)[0] <= room:
        return text
    kept = len(text)
    while kept > 1 and text_size(f"{text[:kept]}…", size, bold=bold)[0] > room:
        kept -= 1
    return f"{text[:kept].rstrip()}…"


def draw_key(view: BgrImage, key: str, left_top: tuple[int, int], scale: float) -> None:
    """Draw a key as it looks on a keyboard; nothing where there is no key."""
    if not key:
        return
    side, size = pixels(23, scale), pixels(14, scale)
    blend(view, (*left_top, side, side), WHITE, 0.24, pixels(5, scale))
    width, height = text_size(key, size, bold=True)
    corner = (left_top[0] + (side - width) // 2, left_top[1] + (side - height) // 2)
    draw_text(view, key, corner, size, WHITE, bold=True)


def _draw_row(
    view: BgrImage, row: LabelRow, bar: Bar, box: tuple[int, int, int, int], scale: float
) -> None:
    x, y, width, height = box
    inset = pixels(6, scale)
    inner = (x + inset, y + pixels(1, scale), width - 2 * inset, height - pixels(2, scale))
    if row.is_recording:
        blend(view, inner, RED, 0.88, pixels(7, scale))
    elif row.is_chosen:
        blend(view, inner, WHITE, 0.2, pixels(7, scale))
    size = pixels(17, scale)
    text_top = y + (height - pixels(30, scale)) // 2
    left, right = x + pixels(14, scale), x + width - pixels(14, scale)
    name_left = left + pixels(32, scale)
    draw_key(view, row.key, (left, text_top), scale)
    number = str(row.count)
    number_left = right - text_size(number, size, bold=True)[0]
    colour = AMBER if row.is_behind and not row.is_recording else WHITE
    name = shorten(row.label, size, number_left - name_left - pixels(8, scale), bold=True)
    draw_text(view, name, (name_left, text_top), size, WHITE, bold=True)
    draw_text(view, number, (number_left, text_top), size, colour, bold=True)
    _draw_bar(view, bar, (name_left, right), text_top + pixels(26, scale), scale)


def _draw_bar(
    view: BgrImage, bar: Bar, left_right: tuple[int, int], middle: int, scale: float
) -> None:
    left, right = left_right
    height = max(2, pixels(3, scale))
    if bar.words:  # a bar that is read needs more weight, and its words have the size of a note
        size, height = pixels(13, scale), max(3, pixels(5, scale))
        words_width, words_height = text_size(bar.words, size)
        middle += pixels(1.5, scale)
        top = middle - words_height // 2
        draw_text(view, bar.words, (right - words_width, top), size, WHITE)
        right -= text_size("100 %", size)[0] + pixels(6, scale)
    top = middle - height // 2
    blend(view, (left, top, right - left, height), TRACK, 0.6, radius=0)
    filled = left + round((right - left) * min(1.0, bar.share))
    fill(view, left, top, filled, top + height, bar.colour)


def _draw_hidden(
    view: BgrImage, shown: range, count: int, left_top: tuple[int, int], scale: float
) -> None:
    """Say below the panel that it does not show every label."""
    size, inset = pixels(12, scale), pixels(6, scale)
    words = f"{shown.start + 1} to {shown.stop} of {count}"
    width, height = text_size(words, size)
    x, y = left_top[0] + inset, left_top[1]
    blend(view, (x, y, width + 2 * inset, height), BLACK, 0.7, pixels(4, scale))
    draw_text(view, words, (x + inset, y), size, PALE)


def _around_chosen(rows: Sequence[LabelRow], fitting: int) -> range:
    """The indices of the rows that are shown."""
    if len(rows) <= fitting:
        return range(len(rows))
    chosen = next((index for index, row in enumerate(rows) if row.is_chosen), 0)
    first = min(max(0, chosen - fitting // 2), len(rows) - fitting)
    return range(first, first + fitting)
