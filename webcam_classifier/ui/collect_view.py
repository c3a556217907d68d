"""Draw what collect.py shows over the picture: labels, counts, balance, warnings, keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from webcam_classifier.display.label_panel import (
    Bar,
    LabelRow,
    draw_footer,
    draw_label_panel,
    scale_for,
)
from webcam_classifier.display.shapes import AMBER, GREEN, PALE, WHITE
from webcam_classifier.frame import BgrImage


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
    scale = scale_for(picture)
    most = max(1, max(row.count for row in rows))
    draw_label_panel(picture, rows, [_compare(row, most) for row in rows], scale)
    skipped = f"not recorded: {lines.skipped}" if lines.skipped else ""
    footer = (
        (lines.warning or lines.notice, AMBER if lines.warning else WHITE),
        (skipped, PALE),
        (lines.keys, PALE),
    )
    return np.vstack([picture, draw_footer(footer, picture.shape[1], scale)])


def _compare(row: LabelRow, most: int) -> Bar:
    """Say how many pictures a label has, compared with the one that has most."""
    return Bar(row.count / most, WHITE if row.is_recording else AMBER if row.is_behind else GREEN)
