"""Draw the view for recording: the labels with their bars, and the model's answer.

Everything is drawn on the picture, except for sentences, which are below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from webcam_classifier.display.label_panel import (
    Bar,
    LabelRow,
    draw_footer,
    draw_key,
    draw_label_panel,
    pixels,
    scale_for,
)
from webcam_classifier.display.shapes import (
    AMBER,
    BLACK,
    GREEN,
    PALE,
    RED,
    TRACK,
    WHITE,
    blend,
    darken,
    fill,
)
from webcam_classifier.display.text import draw_text, text_size
from webcam_classifier.frame import BgrImage
from webcam_classifier.ui import window_words
from webcam_classifier.ui.name_entry import NameEntry
from webcam_classifier.ui.overlay import Verdict, draw_verdict, fit_text

_BAND = 84  # this and the lengths below are in pixels of the unscaled design
_SMALL, _SMALLEST = 14, 12
_FACTS_FROM = 0.45  # where the facts about the accuracy begin, as a share of the width
_CARD_WIDTH = 372


@dataclass(frozen=True)
class RecordView:
    """Everything that is drawn.

    Attributes:
        rows: The labels, in order.
        bars: One bar for each row: its number of pictures compared with the others', or its
            probability.
        recording: What is being recorded, in a few words; empty if nothing is.
        message: What should be fixed, or has just been done.
        is_warning: Whether the message is about something to be fixed.
        skipped: What was not recorded; shown beside the message if there is room.
        keys: The keys that can be pressed.
        entry: A name that is being typed, or None.
        verdict: The model's answer, or the next step if it has none yet, in a band at the lower
            edge; None leaves the band out, if no model is trained.
        facts: At most three lines to the right of the verdict, the most important first.
        steps: How to begin, each step with its key; empty once something was recorded.
        status: Rate and age.
        progress: The progress of background work, 0 to 1; None if there is none.
    """

    rows: Sequence[LabelRow]
    bars: Sequence[Bar]
    recording: str
    message: str
    is_warning: bool
    skipped: str
    keys: str
    entry: NameEntry | None
    verdict: Verdict | None = None
    facts: Sequence[str] = ()
    steps: Sequence[tuple[str, str]] = ()
    status: str = ""
    progress: float | None = None


def draw_record_view(picture: BgrImage, view: RecordView) -> BgrImage:
    """Draw everything onto a picture, and the lines below it.

    Args:
        picture: (height, width, 3) uint8, from `fit_view`; changed in place.
        view: What is drawn.

    Returns:
        (height + footer, width, 3) uint8: the picture with a footer, whose height depends only on
        the picture's size.
    """
    scale = scale_for(picture)
    height, width = picture.shape[:2]
    band = 0 if view.verdict is None else pixels(_BAND, scale)
    band_top = max(0, height - band)
    free = picture[:band_top]  # shares its memory
    has_rows = bool(view.rows)
    if has_rows:
        draw_label_panel(free, view.rows, view.bars, scale)
    _draw_status(picture, view.status, scale)
    if view.entry is not None:
        _draw_entry(free, view.entry, has_rows, scale)
    elif view.steps:
        _draw_steps(free, view.steps, has_rows, scale)
    if view.verdict is not None:
        _draw_band(picture, view.verdict, view.facts, band_top, scale)
    if view.recording:
        _draw_recording(picture, view.recording, band_top, scale)
    footer = [(view.message, AMBER if view.is_warning else WHITE), (view.keys, PALE)]
    below = draw_footer(footer, width, scale, view.skipped)
    if view.progress is not None:
        edge = max(2, pixels(3, scale))
        fill(below, 0, 0, width, edge, TRACK)
        fill(below, 0, 0, round(width * min(1.0, view.progress)), edge, GREEN)
    return np.vstack([picture, below])


def _draw_status(picture: BgrImage, status: str, scale: float) -> None:
    if not status:
        return
    size, margin = pixels(13, scale), pixels(12, scale)
    room = picture.shape[1] // 2 - margin
    line, size = fit_text(status, size, False, room - 2 * margin, pixels(10, scale))
    width, height = text_size(line, size)
    box_width, box_height = width + 2 * pixels(9, scale), height + 2 * pixels(3, scale)
    left = picture.shape[1] - margin - box_width
    blend(picture, (left, margin, box_width, box_height), BLACK, 0.7, pixels(7, scale))
    draw_text(picture, line, (left + pixels(9, scale), margin + pixels(3, scale)), size, PALE)


def _draw_band(
    picture: BgrImage, verdict: Verdict, facts: Sequence[str], top: int, scale: float
) -> None:
    """Draw the verdict at the lower left, and the facts to its right."""
    height, width = picture.shape[:2]
    small = pixels(_SMALL, scale)
    darken(picture, 0, top, width, height)
    fill(picture, 0, top, pixels(4, scale), height, verdict.colour)
    middle = round(_FACTS_FROM * width) if facts else width
    left, right = pixels(18, scale), width - pixels(14, scale)
    draw_verdict(picture, verdict, (left, top, middle - left, height), pixels(16, scale))
    smallest = pixels(_SMALLEST, scale)
    for largest in range(small, smallest - 1, -1):
        lines = [
            (line, size, WHITE if index == 0 else PALE)
            for index, fact in enumerate(facts)
            for line, size in wrap(fact, largest, smallest, right - middle)
        ]
        if len(lines) * text_size("", largest)[1] <= height - top:
            break
    line_height = text_size("", largest)[1]
    lines = lines[: (height - top) // line_height]  # the last ones matter least
    step = line_height + pixels(3 if len(lines) < 4 else 0, scale)
    y = (top + height - len(lines) * step) // 2
    for index, (line, size, colour) in enumerate(lines):
        place = (right - text_size(line, size)[0], y + index * step)
        draw_text(picture, line, place, size, colour)


def _draw_recording(picture: BgrImage, words: str, band_top: int, scale: float) -> None:
    """Frame the picture in red, visible from across the room, and name the label."""
    height, width = picture.shape[:2]
    edge = pixels(5, scale)
    fill(picture, 0, 0, width, edge, RED)
    fill(picture, 0, height - edge, width, height, RED)
    fill(picture, 0, 0, edge, height, RED)
    fill(picture, width - edge, 0, width, height, RED)
    size, inset = pixels(15, scale), pixels(10, scale)
    line, _ = fit_text(words, size, True, width // 2 - 2 * inset)
    text_width, text_height = text_size(line, size, bold=True)
    box_height = text_height + pixels(8, scale)
    left, top = width - 3 * inset - text_width, band_top - inset - box_height
    box = (left, max(0, top), text_width + 2 * inset, box_height)
    blend(picture, box, RED, 0.9, pixels(8, scale))
    draw_text(picture, line, (left + inset, top + pixels(4, scale)), size, WHITE, bold=True)


def _draw_steps(
    free: BgrImage, steps: Sequence[tuple[str, str]], is_aside: bool, scale: float
) -> None:
    """Draw a card with the first steps."""
    line = pixels(34, scale)
    left, top, room = _draw_card(free, pixels(52, scale) + len(steps) * line, is_aside, scale)
    size = pixels(20, scale)
    draw_text(free, window_words.EMPTY_PANEL, (left, top), size, WHITE, bold=True)
    top += pixels(38, scale)
    for key, words in steps:
        draw_key(free, key, (left, top), scale)
        indent = pixels(36, scale)
        told, told_size = fit_text(words, pixels(15, scale), False, room - indent, 11)
        draw_text(free, told, (left + indent, top + pixels(2, scale)), told_size, WHITE)
        top += line


def _draw_entry(free: BgrImage, entry: NameEntry, is_aside: bool, scale: float) -> None:
    """Draw a field with the name that is being typed, and below it why it was refused."""
    left, top, room = _draw_card(free, pixels(126, scale), is_aside, scale)
    draw_text(free, window_words.NEW_LABEL, (left, top), pixels(15, scale), PALE)
    top += pixels(26, scale)
    field_height, size = pixels(36, scale), pixels(20, scale)
    blend(free, (left, top, room, field_height), WHITE, 0.16, pixels(6, scale))
    inset = pixels(10, scale)
    text, _ = fit_text(entry.text, size, True, room - 3 * inset)
    text_width, text_height = text_size(text, size, bold=True) if text else (0, 0)
    text_height = text_size("", size, bold=True)[1]
    text_top = top + (field_height - text_height) // 2
    draw_text(free, text, (left + inset, text_top), size, WHITE, bold=True)
    caret = left + inset + text_width + pixels(2, scale)
    fill(
        free,
        caret,
        top + inset,
        caret + max(2, pixels(2, scale)),
        top + field_height - inset,
        GREEN,
    )
    top += field_height + pixels(7, scale)
    words = entry.problem or window_words.ENTRY_KEYS
    small = pixels(_SMALL, scale)
    colour = AMBER if entry.problem else PALE
    for index, (line, size) in enumerate(wrap(words, small, pixels(_SMALLEST, scale), room)):
        draw_text(free, line, (left, top + index * text_size("", small)[1]), size, colour)


def _draw_card(free: BgrImage, height: int, is_aside: bool, scale: float) -> tuple[int, int, int]:
    """Draw an empty card in the middle, or at the lower right if there are labels at the left.

    Returns:
        Left, top and width of the space inside it, in pixels.
    """
    inset, margin = pixels(18, scale), pixels(12, scale)
    width = min(pixels(_CARD_WIDTH, scale), free.shape[1])
    height = min(height + pixels(10, scale), free.shape[0])
    left, top = free.shape[1] - width, free.shape[0] - height
    place = (max(0, left - margin), max(0, top - margin)) if is_aside else (left // 2, top // 2)
    blend(free, (*place, width, height), BLACK, 0.86, pixels(12, scale))
    return place[0] + inset, place[1] + pixels(14, scale), width - 2 * inset


@lru_cache(maxsize=64)
def wrap(text: str, size: int, smallest: int, room: int) -> tuple[tuple[str, int], ...]:
    """Make a line fit: reduce its size first, then break it in two, and shorten both to fit.

    Args:
        text: The line.
        size: The preferred size, in pixels.
        smallest: The smallest size, in pixels, before the line is broken.
        room: The width available, in pixels.

    Returns:
        One line or two, each with the size to draw it in.
    """
    for fitting in range(size, smallest - 1, -1):
        if text_size(text, fitting)[0] <= room:
            return ((text, fitting),)
    words = text.split(" ")
    kept = len(words) - 1
    while kept > 1 and text_size(" ".join(words[:kept]), size)[0] > room:
        kept -= 1
    lines = " ".join(words[:kept]), " ".join(words[kept:])
    return tuple(fit_text(line, size, False, room) for line in lines if line)
