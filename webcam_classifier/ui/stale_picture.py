"""Draw the last picture of a camera that gives none: greyed out, with how long it has been so."""

from __future__ import annotations

import cv2
import numpy as np

from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.display.shapes import AMBER, PALE, darken
from webcam_classifier.display.text import draw_text, text_size
from webcam_classifier.frame import BgrImage
from webcam_classifier.ui import window_words
from webcam_classifier.ui.overlay import fit_text, small_text_size

_BRIGHTNESS = 0.55  # of the greyed picture


def draw_stale_picture(image: BgrImage, words: str, reason: str, help_line: str = "") -> BgrImage:
    """Draw a greyed-out copy of the last picture without a label, which would no longer hold.

    Args:
        image: (height, width, 3) uint8; not changed.
        words: From `stale_words`.
        reason: Why there is no picture; it is shortened where it doesn't fit.
        help_line: Small text at the top left: the keys.

    Returns:
        A picture of the same size.
    """
    grey = cv2.convertScaleAbs(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), alpha=_BRIGHTNESS)
    drawn = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    height, width = drawn.shape[:2]
    small = small_text_size(height, width)
    room = width - 4 * small
    lines = [(*fit_text(words, 2 * small, True, room, small), True, AMBER)]
    if reason:
        lines.append((*fit_text(reason, small, False, room), False, PALE))
    sizes = [text_size(line, size, bold=bold) for line, size, bold, _ in lines]
    top = (height - sum(line_height for _, line_height in sizes)) // 2
    widest = max(line_width for line_width, _ in sizes)
    band = (width - widest) // 2 - small
    darken(drawn, band, top - small // 2, width - band, height - top + small // 2)
    for (line, size, bold, colour), (line_width, line_height) in zip(lines, sizes, strict=True):
        draw_text(drawn, line, ((width - line_width) // 2, top), size, colour, bold=bold)
        top += line_height
    if help_line:
        draw_text(drawn, help_line, (small // 2, small // 2), small, PALE)
    return drawn


def stale_words(status: CameraStatus, now: float) -> str:
    """Say for how long there was no picture.

    Args:
        status: A stale status.
        now: Seconds on the monotonic clock.
    """
    return window_words.no_picture_for(status.seconds_without_picture(now))
