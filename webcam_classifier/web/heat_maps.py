"""The heat maps that pages ask for: where in the live picture the label was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.crop import Crop
from webcam_classifier.errors import UserError
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.live.region import PartClassifier
from webcam_classifier.model.live_activation_map import LiveActivationMap


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Where in a picture its label was found, or why that can't be told.

    Attributes:
        heat: (rows, columns) float32, 0 to 1, over the crop; None if it can't be told.
        crop: The part of the picture that the classifier used; None is all of it.
        problem: Why it can't be told; empty if it can.
    """

    heat: NDArray[np.float32] | None
    crop: Crop | None
    problem: str = ""


class HeatMaps:
    """Computes heat maps while a page wants them; used from one thread.

    Args:
        answering: Returns the classifier of the live picture with its part of the picture; None
            if several regions label it.
        is_wanted: Returns whether a page wants the next one.
    """

    def __init__(
        self, answering: Callable[[], PartClassifier | None], is_wanted: Callable[[], bool]
    ) -> None:
        self._answering = answering
        self._is_wanted = is_wanted
        self._map = LiveActivationMap()

    def of(self, labelled: LabelledFrame) -> HeatMap | None:
        """Return the heat map of a frame; None if nobody wants it, or there is no label yet."""
        part = self._answering() if self._is_wanted() else None
        if part is None or not labelled.steady.labels:
            return None
        try:
            label = labelled.steady.label
            heat = self._map.heat(part.model, part.crop, labelled.frame.image, label)
        except UserError as error:
            return HeatMap(None, part.crop, str(error))
        return None if heat is None else HeatMap(heat, part.crop)
