"""Draw the labels onto a picture, a row each: key, name, count, and a bar; and lines below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from webcam_classifier.display.all_scripts import clusters
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
_ROW = 42  # pixels of the design, as are the lengths below
_COMPACT_ROW, _SMALLEST_ROW = 30, 26  # where many labels would hide the picture: one line each
_MOST_COVERED = 0.7  # of the height that there is; beyond that rows are compact
_COMPACT_TEXT, _COMPACT_WORDS = 14, 11
_WIDEST_WORDS = "100 %"
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
    is_compact = len(rows) * pixels(_ROW, scale) > _MOST_COVERED * room
    row_height = pixels(_ROW, scale)
    if is_compact:
        fitting = min(pixels(_COMPACT_ROW, scale), room // len(rows))
        row_height = max(pixels(_SMALLEST_ROW, scale), fitting)
    shown = _around_chosen(rows, max(1, room // row_height))
    size = pixels(_COMPACT_TEXT if is_compact else 17, scale)
    names = max(text_size(row.label, size, bold=True)[0] for row in rows)
    numbers = text_size("0000", size, bold=True)[0]
    wanted = names + numbers + pixels(70, scale)
    if is_compact and any(bar.words for bar in bars):
        words = {_WIDEST_WORDS, *(bar.words for bar in bars)}
        wanted += max(text_size(one, pixels(_COMPACT_WORDS, scale))[0] for one in words)
    panel_width = min(max(wanted, pixels(180, scale)), round(_WIDEST_PANEL * view.shape[1]))
    panel_height = len(shown) * row_height + 2 * padding
    blend(view, (margin, margin, panel_width, panel_height), BLACK, 0.7, pixels(10, scale))
    if len(shown) < len(rows):
        _draw_hidden(view, shown, len(rows), (margin, margin + panel_height), scale)
    for place, index in enumerate(shown):
        box = (margin, margin + padding + place * row_height, panel_width, row_height)
        draw = _draw_compact_row if is_compact else _draw_row
        draw(view, rows[index], bars[index], box, scale)


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
    letters = clusters(text)
    while len(letters) > 1 and text_size(f"{''.join(letters)}…", size, bold=bold)[0] > room:
        letters.pop()
    return f"{''.join(letters).rstrip()}…"


def draw_key(
    view: BgrImage, key: str, left_top: tuple[int, int], scale: float, *, side: int = 23
) -> None:
    """Draw a key as it looks on a keyboard; nothing where there is no key.

    Args:
        view: (height, width, 3) uint8, changed in place.
        key: What is on it.
        left_top: (x, y) in pixels.
        scale: From `scale_for`.
        side: Its width and height, in pixels of the design.
    """
    if not key:
        return
    size, edge = pixels(14 * side / 23, scale), pixels(side, scale)
    blend(view, (*left_top, edge, edge), WHITE, 0.24, pixels(5, scale))
    width, height = text_size(key, size, bold=True)
    corner = (left_top[0] + (edge - width) // 2, left_top[1] + (edge - height) // 2)
    draw_text(view, key, corner, size, WHITE, bold=True)


def _draw_row(
    view: BgrImage, row: LabelRow, bar: Bar, box: tuple[int, int, int, int], scale: float
) -> None:
    x, y, width, height = box
    _draw_ground(view, row, box, scale)
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


def _draw_compact_row(
    view: BgrImage, row: LabelRow, bar: Bar, box: tuple[int, int, int, int], scale: float
) -> None:
    """Draw a row of one line: the bar stands below the name, its words before the count."""
    x, y, width, height = box
    _draw_ground(view, row, box, scale)
    size, words_size = pixels(_COMPACT_TEXT, scale), pixels(_COMPACT_WORDS, scale)
    left, right = x + pixels(12, scale), x + width - pixels(12, scale)
    text_top = y + (height - text_size("", size)[1]) // 2 - pixels(1, scale)
    draw_key(view, row.key, (left, y + (height - pixels(19, scale)) // 2), scale, side=19)
    name_left = left + pixels(27, scale)
    number = str(row.count)
    number_left = right - text_size(number, size, bold=True)[0]
    name_right = number_left - pixels(8, scale)
    if bar.words:
        name_right = right - text_size("0000", size, bold=True)[0]
        words_width, words_height = text_size(bar.words, words_size)
        words_top = text_top + (text_size("", size)[1] - words_height) // 2
        place = (name_right - words_width, words_top)
        draw_text(view, bar.words, place, words_size, PALE)
        widest = max(words_width, text_size(_WIDEST_WORDS, words_size)[0])
        name_right -= widest + pixels(6, scale)
    name = shorten(row.label, size, name_right - name_left, bold=True)
    draw_text(view, name, (name_left, text_top), size, WHITE, bold=True)
    colour = AMBER if row.is_behind and not row.is_recording else WHITE
    draw_text(view, number, (number_left, text_top), size, colour, bold=True)
    bottom, thickness = y + height - pixels(3, scale), max(2, pixels(3, scale))
    blend(view, (name_left, bottom - thickness, right - name_left, thickness), TRACK, 0.6, radius=0)
    filled = name_left + round((right - name_left) * min(1.0, bar.share))
    fill(view, name_left, bottom - thickness, filled, bottom, bar.colour)


def _draw_ground(
    view: BgrImage, row: LabelRow, box: tuple[int, int, int, int], scale: float
) -> None:
    """Show by the colour behind a row whether it is being recorded, or chosen."""
    x, y, width, height = box
    inset = pixels(6, scale)
    inner = (x + inset, y + pixels(1, scale), width - 2 * inset, height - pixels(2, scale))
    if row.is_recording:
        blend(view, inner, RED, 0.88, pixels(7, scale))
    elif row.is_chosen:
        blend(view, inner, WHITE, 0.2, pixels(7, scale))


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
        widest = max(words_width, text_size(_WIDEST_WORDS, size)[0])
        right -= widest + pixels(6, scale)
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
