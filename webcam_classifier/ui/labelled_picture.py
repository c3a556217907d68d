"""Draw a labelled frame, whether one model labelled it or the models of several regions."""

from __future__ import annotations

from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.ui.overlay import draw_prediction
from webcam_classifier.ui.region_overlay import draw_regions


def draw_labelled(
    image: BgrImage,
    labelled: LabelledFrame,
    *,
    top: int,
    mirrored: bool = False,
    status: str = "",
    help_line: str = "",
    notice: str = "",
) -> BgrImage:
    """Draw the labels onto a copy of a picture.

    Args:
        image: (height, width, 3) uint8, the frame's picture at any size; not changed.
        labelled: The labelled frame.
        top: How many labels get a bar, if there is one model.
        mirrored: Whether the picture is the frame's mirror image.
        status: See `draw_prediction`.
        help_line: See `draw_prediction`.
        notice: See `draw_prediction`.

    Returns:
        (height, width, 3) uint8, of the same size.
    """
    if labelled.region:
        return draw_regions(
            image, labelled, mirrored=mirrored, status=status, help_line=help_line, notice=notice
        )
    return draw_prediction(
        image, labelled.steady, top=top, status=status, help_line=help_line, notice=notice
    )
