"""Draw a labelled frame as a person sees it, whether one model labels it or several regions do."""

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
    """Draw what is seen onto a copy of a picture.

    Args:
        image: (height, width, 3) uint8, of the frame, of any size; stays as it is.
        labelled: What is seen.
        top: How many labels get a bar, if there is one model.
        mirrored: Whether the picture is the frame's mirror image.
        status: See `draw_prediction`, like the rest.
        help_line: The keys.
        notice: A passing message.
    """
    if labelled.region:
        return draw_regions(
            image, labelled, mirrored=mirrored, status=status, help_line=help_line, notice=notice
        )
    return draw_prediction(
        image, labelled.steady, top=top, status=status, help_line=help_line, notice=notice
    )
