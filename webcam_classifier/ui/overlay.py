"""Draw a prediction onto a copy of the picture: label, bars, how sure, how fast.

Sizes follow the picture's, from 320x240 to 1920x1080, and everything is drawn on darkened bands, so
that it is readable on any background. Colours show how sure the model is: green or amber, or pale
blue for unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from webcam_classifier.display.all_scripts import clusters
from webcam_classifier.display.shapes import (
    AMBER,
    BLUE,
    DIM,
    GREEN,
    PALE,
    TRACK,
    WHITE,
    Colour,
    darken,
    fill,
)
from webcam_classifier.display.text import draw_text, text_size
from webcam_classifier.frame import BgrImage
from webcam_classifier.model_card import UNKNOWN_NAME
from webcam_classifier.percentage import rounded_percentage
from webcam_classifier.prediction import SURE_FROM, Prediction
from webcam_classifier.ui import window_words

SMALLEST_TEXT = 11
"""Pixels; smaller letters can't be read."""

_LARGEST_PANEL = 0.45  # of the picture's height
_BAR_COLUMN = 0.52  # where the bars begin, as a share of the width


def draw_prediction(
    image: BgrImage,
    prediction: Prediction,
    *,
    top: int = 3,
    status: str = "",
    help_line: str = "",
    notice: str = "",
) -> BgrImage:
    """Draw a prediction onto a copy of a picture.

    Args:
        image: (height, width, 3) uint8; not changed.
        prediction: What to draw.
        top: How many labels get a bar.
        status: Small text at the top right: rate and age.
        help_line: Small text at the top left: the keys.
        notice: A temporary message in the middle, above the label.

    Returns:
        A picture of the same size.
    """
    drawn: BgrImage = image.copy()
    height, width = drawn.shape[:2]
    small = small_text_size(height, width)
    if status or help_line:
        draw_upper_band(drawn, help_line, status, small)
    panel_top = _draw_panel(drawn, prediction, top, small)
    if notice:
        draw_notice(drawn, notice, panel_top, small)
    return drawn


def small_text_size(height: int, width: int) -> int:
    """Return the size of small text on a picture, in pixels.

    Args:
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
    """
    return max(SMALLEST_TEXT, round(0.034 * min(height, 0.75 * width)))


def draw_upper_band(image: BgrImage, left: str, right: str, size: int) -> int:
    """Draw the keys and the speed; if both don't fit, the speed is left out.

    Args:
        image: (height, width, 3) uint8, changed in place.
        left: The keys.
        right: The speed.
        size: Size of the text, in pixels.

    Returns:
        The first row below the band.
    """
    width = image.shape[1]
    margin = size // 2
    band = 2 * margin + text_size("x", size)[1]
    darken(image, 0, 0, width, band)
    taken = text_size(left, size)[0] + 2 * size if left else 0
    room = width - 2 * margin - taken
    if right and text_size(right, size)[0] <= room:
        draw_text(image, right, (width - margin - text_size(right, size)[0], margin), size, PALE)
    elif right and not left:
        line, line_size = fit_text(right, size, False, room)
        draw_text(image, line, (margin, margin), line_size, PALE)
    if left:
        line, line_size = fit_text(left, size, False, width - 2 * margin)
        draw_text(image, line, (margin, margin), line_size, PALE)
    return band


def _draw_panel(image: BgrImage, prediction: Prediction, top: int, small: int) -> int:
    """Draw the label and the bars on a band at the lower edge; returns the band's top row."""
    height, width = image.shape[:2]
    margin = round(0.8 * small)
    row = round(1.6 * small)
    rows = max(2, min(top, int((_LARGEST_PANEL * height - 2 * margin) / row)))
    panel_top: int = max(0, height - 2 * margin - max(rows, 3) * row)
    darken(image, 0, panel_top, width, height)
    verdict = judge(prediction)
    fill(image, 0, panel_top, max(3, small // 4), height, verdict.colour)

    column = round(_BAR_COLUMN * width)
    draw_verdict(image, verdict, (2 * margin, panel_top, column - margin, height), small)
    best = prediction.top_shown(min(rows, top))
    columns = _bar_columns([label for label, _ in best], column, width - small, small)
    first = (panel_top + height - len(best) * row) // 2
    for number, (label, probability) in enumerate(best):
        row_top = first + number * row
        bar = bar_colour(prediction, verdict, is_best=number == 0)
        _draw_bar(image, label, probability, row_top, columns, bar)
    return panel_top


@dataclass(frozen=True)
class Verdict:
    """What is drawn in large letters, and how.

    Attributes:
        label: The likeliest label, or unknown.
        words: How sure the model is, or its guess.
        colour: The colour of the label, which shows how sure the model is.
        words_colour: The colour of the words; None takes the label's.
    """

    label: str
    words: str
    colour: Colour
    words_colour: Colour | None = None


def judge(prediction: Prediction, key: str = "") -> Verdict:
    """Return the verdict on a prediction; if unknown, the likeliest label is a guess, in grey.

    Args:
        prediction: A prediction with labels.
        key: The key that records the likeliest label; empty if none does.
    """
    if prediction.is_unknown:
        words = window_words.guess(prediction.shown_label, key)
        return Verdict(UNKNOWN_NAME, words, BLUE, PALE)
    is_sure = prediction.confidence >= SURE_FROM  # else it is drawn in amber
    words = window_words.sureness(is_sure, prediction.confidence)
    return Verdict(prediction.shown_label, words, GREEN if is_sure else AMBER)


def bar_colour(prediction: Prediction, verdict: Verdict, is_best: bool) -> Colour:
    """Return a bar's colour: the verdict's for the best label, and grey if unknown."""
    return DIM if prediction.is_unknown else verdict.colour if is_best else PALE


def draw_verdict(
    image: BgrImage, verdict: Verdict, box: tuple[int, int, int, int], small: int
) -> None:
    """Draw the label as large as fits, and below it how sure the model is, in words.

    Args:
        image: (height, width, 3) uint8, changed in place.
        verdict: From `judge`.
        box: (left, top, right, bottom), in pixels.
        small: Size of the words, in pixels; the label is at least that large.
    """
    left, box_top, right, bottom = box
    room = bottom - box_top - round(2.2 * small)  # the line below, and some space
    largest = max(small, min(round(room / 1.3), round(2.8 * small)))
    label, size = fit_text(verdict.label, largest, True, right - left, small)
    smallest = max(SMALLEST_TEXT, round(0.75 * small))
    line, line_size = fit_text(verdict.words, small, False, right - left, smallest)
    label_height = text_size(label, size, bold=True)[1]
    line_height = text_size(line, line_size)[1]
    y = box_top + (bottom - box_top - label_height - line_height) // 2
    # A sure label is white: the colour of the words below it says enough.
    colour = WHITE if verdict.colour == GREEN else verdict.colour
    draw_text(image, label, (left, y), size, colour, bold=True)
    words_colour = verdict.words_colour or verdict.colour
    draw_text(image, line, (left, y + label_height), line_size, words_colour)


@dataclass(frozen=True)
class _BarColumns:
    """The columns of the bars, in pixels: the same for all rows, so that they align."""

    name_left: int
    name_width: int
    bar_left: int
    bar_right: int
    right: int
    size: int  # of the text


def _bar_columns(names: list[str], left: int, right: int, size: int) -> _BarColumns:
    """Give the names the room they need, as long as there is room for a short bar."""
    bar_right = right - text_size("100 %", size)[0] - size // 2
    widest = max(text_size(name, size)[0] for name in names)
    name_width = max(size, min(widest, bar_right - left - 2 * size))
    return _BarColumns(left, name_width, left + name_width + size // 2, bar_right, right, size)


def _draw_bar(
    image: BgrImage,
    label: str,
    probability: float,
    top: int,
    columns: _BarColumns,
    colour: Colour,
) -> None:
    """Draw one row: name, bar, percent."""
    size, bar_left = columns.size, columns.bar_left
    name, _ = fit_text(label, size, False, columns.name_width)
    draw_text(image, name, (columns.name_left, top), size, WHITE)
    middle, half = top + round(0.68 * size), max(2, round(0.28 * size))
    fill(image, bar_left, middle - half, columns.bar_right, middle + half, TRACK)
    filled = bar_left + round((columns.bar_right - bar_left) * probability)
    fill(image, bar_left, middle - half, filled, middle + half, colour)
    percent = rounded_percentage(probability, 0)
    draw_text(image, percent, (columns.right - text_size(percent, size)[0], top), size, WHITE)


def draw_notice(image: BgrImage, notice: str, bottom: int, small: int) -> None:
    """Draw a temporary message in the middle.

    Args:
        image: (height, width, 3) uint8, changed in place.
        notice: The message.
        bottom: The row above which it is drawn.
        small: Size of small text, in pixels.
    """
    size = round(1.15 * small)
    width = image.shape[1]
    line, line_size = fit_text(notice, size, True, width - 4 * size)
    text_width, text_height = text_size(line, line_size, bold=True)
    left, top = (width - text_width) // 2, bottom - 2 * size - text_height
    darken(
        image, left - size, top - size // 2, left + text_width + size, bottom - round(1.5 * size)
    )
    draw_text(image, line, (left, top), line_size, WHITE, bold=True)


@lru_cache(maxsize=256)
def fit_text(text: str, size: int, bold: bool, room: int, smallest: int = 0) -> tuple[str, int]:
    """Make a line fit: reduce its size first, then leave out its middle.

    It is the middle because labels often differ at their end: `thumbs_up`, `thumbs_down`.

    Args:
        text: The line.
        size: The preferred size, in pixels.
        bold: Whether it will be drawn in bold.
        room: The width available, in pixels.
        smallest: The smallest size allowed, in pixels; 0 keeps the preferred size.

    Returns:
        The line, and the size to draw it in.
    """
    smallest = min(size, smallest or size)
    while text_size(text, size, bold=bold)[0] > room and size > smallest:
        size -= 1
    line, letters = text, clusters(text)
    kept = len(letters)
    while kept > 1 and text_size(line, size, bold=bold)[0] > room:
        kept -= 1
        ending = kept // 2
        beginning = "".join(letters[: kept - ending]).rstrip()
        line = f"{beginning}…{''.join(letters[len(letters) - ending :]).lstrip()}"
    return line, size
