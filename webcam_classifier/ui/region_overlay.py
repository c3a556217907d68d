"""Draw the labels of several regions: a frame around each, with its name and label."""

from __future__ import annotations

import cv2

from webcam_classifier.crop import WHOLE_PICTURE
from webcam_classifier.display.shapes import GREEN, PALE, WHITE, darken
from webcam_classifier.display.text import draw_text, text_size
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.ui.overlay import (
    SMALLEST_TEXT,
    draw_notice,
    draw_upper_band,
    fit_text,
    judge,
    small_text_size,
)

Box = tuple[int, int, int, int]
"""(left, top, right, bottom), in pixels; right and bottom are exclusive."""


def draw_regions(
    image: BgrImage,
    labelled: LabelledFrame,
    *,
    mirrored: bool = False,
    status: str = "",
    help_line: str = "",
    notice: str = "",
) -> BgrImage:
    """Draw the label of each region onto a copy of a picture.

    Args:
        image: (height, width, 3) uint8, of any size; not changed.
        labelled: The labelled frame.
        mirrored: Whether the picture is the mirror image of the labelled frame.
        status: Small text at the top right: rate and age.
        help_line: Small text at the top left: the keys.
        notice: A temporary message near the lower edge.

    Returns:
        A picture of the same size.
    """
    drawn: BgrImage = image.copy()
    height, width = drawn.shape[:2]
    small = small_text_size(height, width)
    first = draw_upper_band(drawn, help_line, status, small) if status or help_line else 0
    plates: list[Box] = []
    for region in labelled.regions:
        crop = region.prediction.crop or WHOLE_PICTURE
        left, top, right, bottom = (crop.mirrored() if mirrored else crop).box(width, height)
        verdict = judge(region.steady)
        thickness = max(2, small // 6)
        cv2.rectangle(drawn, (left, top), (right - 1, bottom - 1), verdict.colour, thickness)
        says = f"{region.region}: {verdict.label}"
        plates.append(
            _draw_plate(
                drawn,
                [
                    (says, WHITE if verdict.colour == GREEN else verdict.colour, True),
                    (verdict.words, verdict.words_colour or PALE, False),
                ],
                (left, max(top, first), right, height),
                small,
                plates,
            )
        )
    if notice:
        draw_notice(drawn, notice, height, small)
    return drawn


def _draw_plate(
    image: BgrImage,
    lines: list[tuple[str, tuple[int, int, int], bool]],
    room: Box,
    size: int,
    others: list[Box],
) -> Box:
    """Draw lines of text at the top left of a box, below other plates that are there already.

    Args:
        image: (height, width, 3) uint8, changed in place.
        lines: Text and colour of each line, and whether it is bold.
        room: The box; a line that is too wide loses its middle.
        size: Size of the text, in pixels.
        others: The plates drawn so far.

    Returns:
        The box of the new plate.
    """
    left, top, right, lowest = room
    margin = size // 3
    fitting = [
        (*fit_text(text, size, bold, right - left - 2 * margin, SMALLEST_TEXT), colour, bold)
        for text, colour, bold in lines
    ]
    sizes = [text_size(text, text_pixels, bold=bold) for text, text_pixels, _, bold in fitting]
    wide = max(text_width for text_width, _ in sizes) + 2 * margin
    high = sum(text_height for _, text_height in sizes) + margin
    top = min(top, max(0, lowest - high))
    while below := [
        other[3] for other in others if _overlap((left, top, left + wide, top + high), other)
    ]:
        if max(below) + high > lowest:
            break  # there are too many in one place for all to be readable
        top = max(below)
    box = (left, top, left + wide, top + high)
    darken(image, *box)
    y = top + margin // 2
    for (text, text_pixels, colour, bold), (_, text_height) in zip(fitting, sizes, strict=True):
        draw_text(image, text, (left + margin, y), text_pixels, colour, bold=bold)
        y += text_height
    return box


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
