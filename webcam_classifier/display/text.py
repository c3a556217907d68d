"""Draw a line of text onto a picture: anti-aliased, in any script, fast when repeated.

    draw_text(image, "größe 12", (10, 10), 24, (255, 255, 255), bold=True)
    width, height = text_size("größe 12", 24, bold=True)

A position is the left top of the line's box; the box is as high for every text of one size, so
lines and columns align. What lies outside the picture is cut off. Drawn strings are kept as
masks, so a string that was drawn before costs only its blending.
"""

from __future__ import annotations

import math
import unicodedata
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from webcam_classifier.display.all_scripts import BaseFont, Drawing, can_draw, draw_all_scripts
from webcam_classifier.frame import BgrImage

_ASCENT = 1.0  # of the size: from the box's top to the line that letters stand on
_DESCENT = 0.3  # of the size: from there to the box's bottom
_REGULAR, _BOLD = 400, 600  # weights of OpenCV's variable font
_PILLOW_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial.ttf")
_KEPT_STRINGS = 256
_ASKED_SIZE = 24  # pixels
_JOINERS = "\u200c\u200d"  # of Persian, Hindi and emoji; not printable by themselves
_HAS_FONTS = hasattr(cv2, "FontFace")  # OpenCV 5 has fonts of its own


def draw_text(
    image: BgrImage,
    text: str,
    left_top: tuple[int, int],
    size_pixels: int,
    colour_bgr: tuple[int, int, int],
    *,
    bold: bool = False,
) -> None:
    """Draw one line of text onto a picture, in place.

    Args:
        image: (height, width, 3) uint8, changed in place: pass a copy of a frame's picture.
        text: The line; control characters are drawn as spaces.
        left_top: (x, y) of the line's box; it may lie outside the picture.
        size_pixels: The height of the font; capitals are about 0.7 of it, the box 1.3.
        colour_bgr: Blue, green, red, 0 to 255.
        bold: Heavier strokes.
    """
    kept, added = _layers(text, size_pixels, bold, colour_bgr)
    x, y = left_top
    height, width = image.shape[:2]
    left, top = max(0, x), max(0, y)
    right, bottom = min(width, x + kept.shape[1]), min(height, y + kept.shape[0])
    if left >= right or top >= bottom:
        return
    part = np.s_[top - y : bottom - y, left - x : right - x]
    region = image[top:bottom, left:right]
    region[:] = cv2.add(cv2.multiply(region, kept[part], scale=1 / 255), added[part])


def text_size(text: str, size_pixels: int, *, bold: bool = False) -> tuple[int, int]:
    """Tell the size of the box that `draw_text` fills.

    Args:
        text: As for `draw_text`, like the others.
        size_pixels: The height of the font.
        bold: Heavier strokes.

    Returns:
        (width, height) in pixels; the height depends on `size_pixels` alone.
    """
    height, width = _drawing(text, size_pixels, bold).cover.shape
    return width, height


@lru_cache(maxsize=_KEPT_STRINGS)
def _layers(
    text: str, size: int, bold: bool, colour: tuple[int, int, int]
) -> tuple[BgrImage, BgrImage]:
    """How much of the picture below stays (0 to 255), and the colour added to it."""
    drawing = _drawing(text, size, bold)
    kept = 255 - np.repeat(drawing.cover[:, :, np.newaxis], 3, axis=2)
    painted = np.rint(drawing.tinted[:, :, np.newaxis] * (np.array(colour) / 255))
    added: BgrImage = painted.astype(np.uint8)
    if drawing.own is not None:
        added += drawing.own  # nothing takes both
    return kept, added


@lru_cache(maxsize=_KEPT_STRINGS)
def _drawing(text: str, size: int, bold: bool) -> Drawing:
    """How much of each pixel the text covers, and with what."""
    line = "".join(letter if letter.isprintable() or letter in _JOINERS else " " for letter in text)
    draw = _draw_by_opencv if _HAS_FONTS else _draw_by_pillow
    if not line.isascii():
        line = unicodedata.normalize("NFC", line)
        if not all(_is_in_base_font(letter) for letter in line):
            ascent, height = _line_box(size)
            base = _base_font(size, bold)
            return draw_all_scripts(line, size, ascent, height, bold=bold, base=base)
    covered = draw(line, size, bold)
    return Drawing(covered, covered)


def is_drawable(letter: str) -> bool:
    """Whether a letter of any script is drawn, and not spelled by its name for want of a font.

    Args:
        letter: One character.
    """
    return can_draw(letter, False, _base_font(_ASKED_SIZE, False))


def _base_font(size: int, bold: bool) -> BaseFont:
    draw = _draw_by_opencv if _HAS_FONTS else _draw_by_pillow
    return BaseFont(lambda part: draw(part, size, bold), _is_in_base_font)


@lru_cache(maxsize=4096)
def _is_in_base_font(letter: str) -> bool:
    """Whether OpenCV draws a letter rightly by itself, wherever it stands."""
    if letter.isascii() or letter == "\u00a0":
        return True
    is_mark = unicodedata.category(letter)[0] == "M" or letter in _JOINERS
    if is_mark or unicodedata.bidirectional(letter) in ("R", "AL", "AN"):
        return False
    draw, missing = (_draw_by_opencv, "?") if _HAS_FONTS else (_draw_by_pillow, "\U0010fffe")
    drawn = draw(letter, _ASKED_SIZE, False)
    return not np.array_equal(drawn, draw(missing, _ASKED_SIZE, False))


def _draw_by_opencv(text: str, size: int, bold: bool) -> NDArray[np.uint8]:
    """Draw with the fonts inside OpenCV 5: Latin, Greek, Cyrillic, and East Asian ones."""
    face = cv2.FontFace("sans")
    weight = _BOLD if bold else _REGULAR
    ascent, height = _line_box(size)
    _, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), face, size, weight)
    mask: NDArray[np.uint8] = np.zeros((height, max(1, width)), np.uint8)
    if text:
        cv2.putText(mask, text, (0, ascent), (255,), face, size, weight)
    return mask


def _draw_by_pillow(text: str, size: int, bold: bool) -> NDArray[np.uint8]:
    """Draw with a font of the system, for an OpenCV 4 whose own font has no Unicode."""
    font = _pillow_font(size)
    ascent, height = _line_box(size)
    stroke = 0.02 * size if bold else 0.0
    width = max(1, math.ceil(font.getlength(text) + 2 * stroke))
    canvas = Image.new("L", (width, height))
    ImageDraw.Draw(canvas).text(
        (stroke, ascent), text, fill=255, font=font, anchor="ls", stroke_width=stroke
    )
    return np.array(canvas)


@lru_cache(maxsize=16)
def _pillow_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in _PILLOW_FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _line_box(size: int) -> tuple[int, int]:
    """Where letters stand below the top of a line, and how high the line is, in pixels."""
    return round(_ASCENT * size), round((_ASCENT + _DESCENT) * size)
