"""Draw what collect.py shows over the picture: labels, counts, balance, warnings, keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.display.text import draw_text, text_size
from webcam_classifier.frame import BgrImage

Colour = tuple[int, int, int]  # blue, green, red

_WHITE: Colour = (255, 255, 255)
_PALE: Colour = (205, 205, 205)
_GREEN: Colour = (120, 222, 118)
_AMBER: Colour = (66, 184, 255)
_RED: Colour = (70, 62, 226)
_BLACK: Colour = (18, 16, 16)
_TRACK: Colour = (112, 112, 112)

_DESIGNED_FOR = (640, 480)  # width, height; everything grows with the picture
_SMALLEST_SCALE, _LARGEST_SCALE = 0.8, 1.6
_WIDEST_PANEL = 0.46  # of the picture's width


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
class Lines:
    """The lines below the picture, each empty where there is nothing to say.

    Attributes:
        warning: What the user should mend; it comes before a notice.
        notice: What has just been done.
        skipped: How many pictures were not recorded, and why.
        keys: What can be pressed.
    """

    warning: str
    notice: str
    skipped: str
    keys: str


def draw_collect_view(picture: BgrImage, rows: Sequence[LabelRow], lines: Lines) -> BgrImage:
    """Draw the panel of labels onto a picture, and the lines below it.

    Args:
        picture: From `fit_view`; changed in place.
        rows: In order; where they don't all fit, those around the chosen one are shown.
        lines: Below the picture, where they hide nothing of it.

    Returns:
        The picture with a footer, whose height depends on the picture's size alone.
    """
    height, width = picture.shape[:2]
    fitting = min(width / _DESIGNED_FOR[0], height / _DESIGNED_FOR[1])
    scale = max(_SMALLEST_SCALE, min(_LARGEST_SCALE, fitting))
    _draw_panel(picture, rows, scale)
    return np.vstack([picture, _draw_footer(lines, width, scale)])


def _draw_footer(lines: Lines, width: int, scale: float) -> BgrImage:
    size, margin, gap = _pixels(14, scale), _pixels(14, scale), _pixels(7, scale)
    skipped = f"not recorded: {lines.skipped}" if lines.skipped else ""
    coloured = (
        (lines.warning or lines.notice, _AMBER if lines.warning else _WHITE),
        (skipped, _PALE),
        (lines.keys, _PALE),
    )
    step = text_size("", size)[1] + _pixels(2, scale)
    footer: BgrImage = np.full((len(coloured) * step + 2 * gap, width, 3), _BLACK, np.uint8)
    for index, (text, colour) in enumerate(coloured):
        kept = _shorten(text, size, width - 2 * margin)
        draw_text(footer, kept, (margin, gap + index * step), size, colour)
    return footer


def _draw_panel(view: BgrImage, rows: Sequence[LabelRow], scale: float) -> None:
    margin, padding = _pixels(12, scale), _pixels(6, scale)
    row_height = _pixels(42, scale)
    fitting = max(1, (view.shape[0] - 2 * margin - 2 * padding) // row_height)
    shown = _around_chosen(rows, fitting)
    size = _pixels(17, scale)
    names = max(text_size(row.label, size, bold=True)[0] for row in rows)
    numbers = text_size("0000", size, bold=True)[0]
    wanted = names + numbers + _pixels(70, scale)
    panel_width = min(max(wanted, _pixels(180, scale)), round(_WIDEST_PANEL * view.shape[1]))
    panel_height = len(shown) * row_height + 2 * padding
    _blend(view, (margin, margin, panel_width, panel_height), _BLACK, 0.7, _pixels(10, scale))
    most = max(1, max(row.count for row in rows))
    for index, row in enumerate(shown):
        box = (margin, margin + padding + index * row_height, panel_width, row_height)
        _draw_row(view, row, box, row.count / most, scale)


def _draw_row(
    view: BgrImage, row: LabelRow, box: tuple[int, int, int, int], share: float, scale: float
) -> None:
    """Draw one label: key, name, count, and a bar that says how it compares with the largest."""
    x, y, width, height = box
    inset = _pixels(6, scale)
    inner = (x + inset, y + _pixels(2, scale), width - 2 * inset, height - _pixels(4, scale))
    if row.is_recording:
        _blend(view, inner, _RED, 0.88, _pixels(7, scale))
    elif row.is_chosen:
        _blend(view, inner, _WHITE, 0.2, _pixels(7, scale))
    size = _pixels(17, scale)
    text_top = y + _pixels(6, scale)
    left, right = x + _pixels(14, scale), x + width - _pixels(14, scale)
    name_left = left + _pixels(32, scale)
    _draw_key(view, row.key, (left, text_top), scale)
    number = str(row.count)
    number_left = right - text_size(number, size, bold=True)[0]
    colour = _AMBER if row.is_behind and not row.is_recording else _WHITE
    name = _shorten(row.label, size, number_left - name_left - _pixels(8, scale), bold=True)
    draw_text(view, name, (name_left, text_top), size, _WHITE, bold=True)
    draw_text(view, number, (number_left, text_top), size, colour, bold=True)
    bar = (name_left, text_top + _pixels(25, scale), right - name_left, max(2, _pixels(3, scale)))
    _draw_bar(view, bar, share, _WHITE if row.is_recording else _AMBER if row.is_behind else _GREEN)


def _draw_key(view: BgrImage, key: str, left_top: tuple[int, int], scale: float) -> None:
    if not key:
        return
    side, size = _pixels(23, scale), _pixels(14, scale)
    _blend(view, (*left_top, side, side), _WHITE, 0.24, _pixels(5, scale))
    width, height = text_size(key, size, bold=True)
    corner = (left_top[0] + (side - width) // 2, left_top[1] + (side - height) // 2)
    draw_text(view, key, corner, size, _WHITE, bold=True)


def _draw_bar(view: BgrImage, box: tuple[int, int, int, int], share: float, colour: Colour) -> None:
    x, y, width, height = box
    _blend(view, box, _TRACK, 0.6, radius=0)
    filled = round(width * min(1.0, share))
    view[y : y + height, x : x + filled] = colour


def _blend(
    view: BgrImage, box: tuple[int, int, int, int], colour: Colour, opacity: float, radius: int
) -> None:
    """Mix a colour into a box with rounded corners; (x, y, width, height) inside the view."""
    x, y, width, height = box
    region = view[y : y + height, x : x + width]
    covered = _rounded_box(region.shape[1], region.shape[0], radius)
    plain = np.full_like(region, colour)
    mixed = cv2.addWeighted(region, 1.0 - opacity, plain, opacity, 0.0)
    cv2.copyTo(mixed, covered, region)


@lru_cache(maxsize=64)
def _rounded_box(width: int, height: int, radius: int) -> NDArray[np.uint8]:
    """A box whose corners are cut off, (height, width), 255 inside."""
    mask: NDArray[np.uint8] = np.full((height, width), 255, np.uint8)
    radius = min(radius, width // 2, height // 2)
    if radius > 0:
        rows, columns = np.ogrid[:height, :width]
        down = np.maximum(radius - 0.5 - rows, rows - (height - radius - 0.5))
        across = np.maximum(radius - 0.5 - columns, columns - (width - radius - 0.5))
        outside = np.hypot(np.maximum(down, 0.0), np.maximum(across, 0.0)) > radius
        mask[outside] = 0
    return mask


def _around_chosen(rows: Sequence[LabelRow], fitting: int) -> Sequence[LabelRow]:
    if len(rows) <= fitting:
        return rows
    chosen = next((index for index, row in enumerate(rows) if row.is_chosen), 0)
    first = min(max(0, chosen - fitting // 2), len(rows) - fitting)
    return rows[first : first + fitting]


def _shorten(text: str, size: int, room: int, *, bold: bool = False) -> str:
    """Cut a text's end off, with an ellipsis, until it fits into so many pixels."""
    if text_size(text, size, bold=bold)[0] <= room:
        return text
    kept = len(text)
    while kept > 1 and text_size(f"{text[:kept]}…", size, bold=bold)[0] > room:
        kept -= 1
    return f"{text[:kept].rstrip()}…"


def _pixels(length: float, scale: float) -> int:
    return round(length * scale)
